"""Function words, and the nouns that name the software itself rather than what it keeps."""

DETERMINERS = frozenset({
    "a", "an", "the", "this", "that", "these", "those", "each", "every", "all", "any", "some", "no", "my", "our",
    "your", "their", "his", "her", "its", "one's", "both", "another", "such", "own", "either", "neither",
})  # fmt: skip

PRONOUNS = frozenset({
    "i", "you", "we", "they", "he", "she", "it", "me", "us", "them", "him", "someone", "anyone", "everyone",
    "something", "anything", "everything", "which", "who", "whom", "whose", "what", "people's", "there", "here",
    "it's", "let's", "that's", "i'd", "i'm", "i've", "we'd", "we're", "we've", "they're", "you'd", "myself",
    "itself", "themselves", "one", "ones", "nobody", "nothing", "i'll", "we'll", "you'll", "he'd", "she'd", "others",
})  # fmt: skip

THINGS_MEANT = frozenset({"it", "them", "one", "ones", "these", "those", "this", "each", "that", "any", "all"})

PREPOSITIONS = frozenset({
    "of", "in", "on", "at", "by", "for", "from", "to", "with", "without", "within", "into", "onto", "about", "as",
    "between", "among", "during", "after", "before", "until", "till", "since", "via", "through", "per", "over",
    "under", "above", "below", "across", "against", "like", "except", "besides", "including", "than", "using",
    "inside", "behind", "upon", "towards", "around", "off", "out", "up", "down", "based", "plus", "instead",
    "depending", "according", "regarding", "concerning",
})  # fmt: skip

CONJUNCTIONS = frozenset({
    "and", "or", "but", "nor", "so", "if", "when", "whenever", "where", "whether", "while", "because", "although",
    "though", "unless", "once", "then", "also", "too", "however", "as", "how", "why", "whereas", "both", "etc",
    "etc.", "e.g", "i.e", "plus", "e.g.", "i.e.",
})  # fmt: skip

AUXILIARIES = frozenset({
    "is", "are", "be", "been", "being", "was", "were", "am", "can", "could", "should", "shall", "must", "may",
    "might", "will", "would", "do", "does", "did", "has", "have", "had", "having", "need", "needs", "cannot",
    "want", "wants", "don't", "doesn't", "isn't", "aren't", "can't", "won't", "shouldn't", "mustn't", "needn't",
    "let", "lets", "not", "never", "always", "only", "just", "able", "please", "allow", "allows", "allowed",
    "allowing", "contains", "contain", "consists", "consist", "includes", "include", "belongs", "belong", "containing",
    "consisting", "comprises", "comprise", "supports", "support", "supporting", "provide", "provides", "providing",
    "become", "becomes", "get", "gets", "let's", "gives", "give", "letting", "help", "helps", "helping",
    "defaults", "starts", "import", "imports", "importable", "use", "uses", "used", "means", "works", "carries",
    "carry", "comes", "goes", "go",
})  # fmt: skip

ADVERBS = frozenset({
    "very", "quickly", "easily", "simply", "together", "later", "again", "back", "already", "still", "even",
    "optionally", "usually", "typically", "sometimes", "often", "maybe", "perhaps", "currently", "now", "today",
    "well", "much", "automatically", "manually", "respectively", "basically", "really", "quite", "exactly", "away",
    "yet", "ever", "first", "finally", "afterwards", "directly", "properly", "else", "online", "alphabetically",
})  # fmt: skip

# Adjectives that say nothing about what the thing is.
EMPTY_ADJECTIVES = frozenset({
    "new", "existing", "single", "individual", "specific", "given", "particular", "certain", "different", "various",
    "multiple", "several", "many", "few", "more", "other", "following", "basic", "simple", "small", "tiny", "little",
    "big", "nice", "wrong", "own", "old", "whole", "entire", "same", "overdue", "available", "current", "recent",
    "latest",
    "upcoming", "past", "matching", "corresponding", "respective", "relevant", "additional", "extra", "additionally",
    "common", "usual", "main", "full", "complete", "actual", "good", "clean", "minimal", "modern", "lightweight",
    "personal", "stored", "saved", "registered", "listed", "unread", "pending", "incomplete", "unfinished",
    "corporate", "local", "tidy", "fast", "real", "proper", "plain", "custom", "handy", "quick", "easy", "useful",
    "robust", "straightforward", "little-known", "high-quality", "production-ready", "self-contained", "detailed",
    "private", "free", "second", "next", "previous", "last", "important", "old-fashioned", "two", "three", "zero",
})  # fmt: skip

NUMBER_WORDS = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12, "fifteen": 15, "twenty": 20, "thirty": 30, "fifty": 50, "sixty": 60,
    "hundred": 100, "thousand": 1000,
}  # fmt: skip

# Nouns for the software itself, its parts and its surroundings: never entities.
SYSTEM_NOUNS = frozenset({
    "api", "apis", "app", "apps", "application", "applications", "service", "server", "backend", "system", "tool",
    "cli", "program", "script", "package", "module", "sdk", "software", "platform", "solution", "project", "website",
    "site", "database", "db", "sqlite", "endpoint", "endpoints", "route", "routes", "command", "commands",
    "subcommand", "subcommands", "function", "functions", "method", "methods", "class", "classes", "interface", "ui",
    "terminal", "shell", "console", "crud", "rest", "http", "json", "csv", "xml", "yaml", "html", "sql", "fastapi",
    "flask", "python", "code", "test", "tests", "documentation", "docs", "readme", "feature", "features",
    "functionality", "operation", "operations", "action", "actions", "request", "requests", "response", "responses",
    "error", "errors", "validation", "authentication", "authorization", "login", "frontend", "storage", "data",
    "information", "info", "detail", "details", "thing", "things", "stuff", "way", "ability", "possibility",
    "manager", "management", "tracker", "tracking", "user-friendly", "input", "output", "result", "results", "list",
    "lists", "filter", "filters", "search", "export", "exports", "file", "files", "requirement", "requirements",
    "commandline", "microservice", "webservice", "web", "utility", "helper", "helpers", "utilities", "crud-api",
    "record", "records", "entry", "entries", "field", "fields", "attribute", "attributes", "property", "properties",
    "column", "columns", "entity", "entities", "model", "models", "resource", "resources", "table", "tables",
    "option", "options", "flag", "flags", "argument", "arguments", "parameter", "parameters", "value", "values",
    "status code", "codes", "kind", "type", "types", "kinds", "number", "numbers", "amount", "id", "ids", "name",
    "names", "date", "dates", "time", "times", "status", "state", "states", "stdout", "register", "registry",
    "catalogue", "catalog", "directory", "overview", "summary", "report", "line", "lines", "item's", "bit", "lot",
    "set", "sets", "couple", "bunch", "collection", "collections", "pair", "group of", "use", "user interface",
    "format", "formats", "page", "pagination", "sorting", "logging", "setup", "example", "examples", "part", "parts",
    "rule", "rules", "constraint", "constraints", "relationship", "relationships", "relation", "relations", "history",
    "somebody", "person", "people", "everybody", "life", "job", "work", "day", "days", "week", "weeks", "month",
    "months", "year", "years", "minute", "minutes", "hour", "hours", "changes", "change", "sqlite3", "postgres",
    "spreadsheet", "excel", "paper", "logic", "math", "text", "string", "strings", "sum", "total", "totals", "count",
    "keyword", "keywords", "library", "libraries", "sense", "case", "cases", "order by", "default", "defaults",
})  # fmt: skip

# System nouns that are entities all the same where the prompt gives them fields.
ENTITIES_IF_DESCRIBED = frozenset({
    "project", "package", "class", "classes", "job", "person", "people", "file", "files", "item", "entry", "entries",
    "record", "records", "event", "test", "tests", "report", "reports", "service", "collection", "collections",
    "server", "servers", "site", "sites", "website", "request", "requests", "order", "list", "lists", "table",
    "tables", "model", "models", "page", "pages", "resource", "resources", "example", "change", "changes", "day",
    "week", "type", "types", "library", "libraries", "set", "sets", "command", "commands", "projects", "packages",
    "jobs", "services", "error", "errors", "platform", "action", "actions", "feature", "features", "rule", "rules",
    "app", "apps", "application", "applications", "script", "scripts", "case", "cases", "register", "directory",
})  # fmt: skip

# Software's own words for what it keeps.
THINGS = frozenset(
    {"object", "objects", "record", "records", "entity", "resource", "resources", "data", "details", "list"}
)

# What may stand behind the name of a thing without being part of it: 'bookmarks api', 'recipe manager'.
SOFTWARE = frozenset({
    "api", "apis", "app", "apps", "application", "service", "backend", "system", "tool", "cli", "program", "script",
    "manager", "management", "tracker", "tracking", "crud", "endpoint", "endpoints", "database", "record", "records",
    "data", "details", "information", "entity", "resource", "resources", "microservice",
    "catalogue", "catalog", "registry", "routes", "commands",
})  # fmt: skip
