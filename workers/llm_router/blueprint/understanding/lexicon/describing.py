"""Words that say what a thing consists of, and the headings of lists."""

HAS = frozenset({
    "has", "have", "having", "contains", "contain", "containing", "includes", "include", "comprises", "comprise",
    "stores", "holds", "needs", "carries", "carry", "keeps", "gets", "hold", "tracks", "records", "takes", "need",
    "features", "knows", "know", "possess", "possesses", "bear", "bears", "carrying", "holding", "contained", "got",
    "comprising",
})  # fmt: skip
HAS_PHRASES = (
    ("and", "name", "a"), ("and", "name", "an"), ("and", "names", "a"), ("and", "names", "an"),
    ("consists", "of"), ("consist", "of"), ("consisting", "of"), ("made", "up", "of"), ("composed", "of"),
    ("described", "by"), ("defined", "by"), ("characterised", "by"), ("characterized", "by"), ("identified", "by"),
    ("recorded", "with"), ("stored", "with"), ("saved", "with"), ("comes", "with"), ("come", "with"),
    ("consists", "in"), ("made", "of"), ("kept", "with"), ("described", "with"), ("represented", "by"),
    ("is", ":"), ("are", ":"), ("listed", "with"), ("registered", "with"), ("known", "by"), ("created", "with"),
    ("entered", "with"), ("added", "with"), ("noted", "with"), ("kept", "by"), ("logged", "with"),
    ("given", "by"), ("made", "from"), ("tracked", "with"), ("tracked", "by"), ("saved", "by"), ("filed", "with"),
)  # fmt: skip
STORE_VERBS = frozenset({
    "store", "record", "save", "keep", "track", "note", "log", "need", "want", "capture", "remember", "know", "hold",
    "collect", "enter", "have", "keeps", "stores", "records", "tracks", "recording", "storing", "tracking", "saving",
    "keeping", "logging", "noting", "logs", "saves", "write", "document", "capturing", "collecting", "holds", "see",
    "register", "registers", "jot", "includes", "include", "specify",
})  # fmt: skip
# Verbs in 'record the title, author and year of every book'.
KEEP_VERBS = frozenset({
    "record", "store", "track", "save", "keep", "log", "note", "capture", "register", "collect", "remember", "stores",
    "records", "tracks", "saves", "keeps", "logs", "storing", "recording", "tracking", "saving", "keeping", "logging",
})  # fmt: skip
MOVES = frozenset({"states", "statuses", "stages", "phases", "steps"})
# Heads of noun phrases that never own fields.
NEVER_OWNERS = frozenset({
    "api", "apis", "app", "cli", "backend", "database", "db", "endpoint", "endpoints", "program", "software", "system",
    "interface", "ui", "code", "json", "csv", "response", "output", "input", "function", "functions", "sdk", "crud",
    "web", "http", "rest", "python", "way", "ability", "tool", "thing", "things", "something", "data", "validation",
    "authentication", "login", "frontend", "storage", "stuff", "commandline", "microservice", "webservice", "utility",
    "helpers", "utilities", "number", "amount", "name", "date", "time", "status", "default", "sum", "id", "bit",
    "text", "string", "everybody", "somebody", "life", "readme", "docs", "documentation", "terminal", "shell",
    "console",
    "functionality", "management", "sorting", "filtering", "search", "export", "exports", "set", "pair", "kind",
    "sense", "case", "user-friendly", "sqlite", "sql", "html", "requirement", "requirements", "fields", "sort",
    "logic", "solution", "ids", "subcommand", "subcommands", "help", "support", "care", "need", "possibility",
})  # fmt: skip
SOFTWARE_KINDS = frozenset({
    "package", "library", "module", "application", "app", "service", "project", "server", "site", "website", "platform",
    "script", "solution", "page", "command", "commands", "file", "list", "table", "report", "summary", "microservice",
})  # fmt: skip
# Names that are fields wherever they occur.
COMMON_FIELDS = frozenset({
    "name", "title", "email", "phone", "description", "price", "amount", "date", "address", "status", "quantity",
    "author", "url", "notes", "comment", "birthday", "category", "priority", "password", "username", "isbn", "sku",
    "rating", "age", "location", "city", "country", "year", "code", "content", "body", "text", "cost", "deadline",
})  # fmt: skip
FIELD_WORDS = frozenset({
    "field", "fields", "attribute", "attributes", "property", "properties", "column", "columns", "data", "information",
    "details", "info", "values", "items", "things", "pieces",
})  # fmt: skip
LIST_LEADS = frozenset({
    "the", "following", "these", "some", "such", "as", "like", "at", "least", "also", "of", ":", "-", "namely", "only",
    "called", "down", "got", "to", "simply", "just", "both", "about", "basic", "are", "is", "its", "their", "with",
    "own",
})  # fmt: skip
SECTIONS = frozenset({
    "subject", "re", "dear", "cheers", "thanks", "given", "statuses", "context", "memo", "question", "feature",
    "features", "requirement", "requirements", "functionality", "functionalities", "operation",
    "operations", "command", "commands", "endpoint", "endpoints", "route", "routes", "note", "notes", "rule", "rules",
    "constraint", "constraints", "entity", "entities", "model", "models", "resource", "resources", "data", "overview",
    "goal", "goals", "task description", "description", "background", "scope", "example", "examples",
    "usage", "api", "actions", "action", "filters", "validation", "use cases", "story", "stories", "user stories",
    "stack", "technology", "output", "input", "non-goals", "nongoals", "summary", "introduction", "functions", "spec",
    "specification", "specifications", "domain", "schema", "behaviour", "behavior", "functional", "non-functional",
    "details", "business", "objective", "deliverables", "must", "should", "could", "here", "please", "title", "name",
    "acceptance", "criteria", "objects", "tables", "types", "important", "extra", "extras", "bonus", "project", "app",
    "application", "system", "service", "tool", "library", "deliverable", "needs", "needed", "wanted", "one", "p.s",
    "ps", "hi", "hello", "relations", "relationships", "limits", "security", "tests", "testing",
    "users", "things", "attention", "nb", "exports", "searching", "filtering", "reports", "list", "language",
})  # fmt: skip


def _by_first(phrases: tuple[str, ...]) -> dict[str, tuple[tuple[str, ...], ...]]:
    plain = [phrase.replace("is ", "are ", 1) for phrase in phrases if phrase.startswith("is ")]
    plain += [
        phrase.replace("s ", " ", 1) for phrase in phrases if phrase.split()[0].endswith("s") and phrase[:3] != "is "
    ]
    split = [tuple(phrase.split()) for phrase in dict.fromkeys((*phrases, *plain))]
    return {first: tuple(words for words in split if words[0] == first) for first, *_ in split}


# 'X belongs to Y': Y is a thing of its own even where nothing else is said of it.
TO_ONE = _by_first((
    "belongs to", "belong to", "belonging to", "assigned to", "is linked to", "are linked to", "owned by",
    "references a",
    "refers to", "refer to", "relates to", "relate to", "associated with", "connected to", "attached to", "tied to",
    "is part of", "are part of", "points to", "links to", "linked to", "falls under", "filed under", "posted to",
))  # fmt: skip
# 'X is written by Y': a reference only where Y is a thing that the prompt describes.
TO_ONE_WEAK = _by_first((
    "is for a", "is for one", "are for a", "is in a", "is on a", "is about a", "is of a", "is at a", "is made by",
    "are made by", "written by", "placed by",
    "posted by", "created by", "taught by", "led by", "published by", "supplied by", "reserved by", "booked by",
    "made for", "is for an", "is made for",
    "borrowed by", "managed by", "performed by", "reported by", "kept in", "stored in", "lives in", "stands in",
    "located in", "sits in",
    "held in", "happens in", "happens at", "takes place in", "takes place at", "given by", "run by", "works for",
    "works in", "issued to", "is done by", "is by a", "is by an", "is from a",
    "goes to", "made by", "for exactly one", "for a single", "hangs in", "stands on", "plays for", "studies in",
    "grows in", "teaches in", "issued by", "sold to", "sold by", "sent to", "taken by", "is in one", "is on an",
    "is of an", "is with a", "stays in", "concerns a", "covers a", "covers one", "concerns one", "describes a",
    "is on one", "is held in", "is held by", "organised by", "organized by", "parked in", "planted in",
    "recorded by", "recorded for", "ordered by", "driven by", "served by", "grouped under", "grouped in",
    "is logged for", "logged for", "logged against", "is at one", "is about one", "sung by", "is recorded for",
    "comes from a", "is to a", "is to one", "bought by", "bought from", "bought at", "is placed in", "placed in",
    "is kept for", "is given to", "given to", "lent to", "rented by", "rented to", "signed by", "signed up for",
    "is under a", "enrolled in", "enrols in", "registered for", "is within a", "played by", "appears in",
    "is used in", "is needed for",
))  # fmt: skip
LINKING = frozenset(
    {
        "linking",
        "links",
        "link",
        "connects",
        "connect",
        "connecting",
        "joins",
        "joining",
        "join",
        "ties",
        "tying",
        "relating",
        "associates",
        "associating",
        "pairs",
        "pairing",
        "combines",
        "matches",
    }
)
# Headings that are never things, whatever is listed under them.
NOT_THINGS = frozenset({
    "features", "requirements", "functionality", "operations", "commands", "endpoints", "routes", "rules",
    "constraints",
    "entities", "models", "resources", "filters", "validation", "actions", "overview", "background", "context", "scope",
    "usage", "functional", "non-functional", "specification", "schema", "acceptance", "search", "searching",
    "filtering",
    "example", "examples", "important", "bonus", "exports", "title", "name", "functions", "summary", "goal", "goals",
})  # fmt: skip
MORE = frozenset(
    {"further", "additional", "other", "more", "required", "optional", "mandatory", "following", "necessary"}
)
# Participles before 'with' that ask for adding as well: 'pupils are registered with a name'.
ADDED = frozenset({"registered", "entered", "added", "logged", "filed", "recorded", "created"})
ITS = frozenset({"it", "they", "which", "that", "these", "those", "this", "who", "both", "one", "each", "them", "ones"})
SKIPPED = frozenset({
    "should", "must", "can", "may", "will", "also", "could", "would", "shall", "always", "usually", "to", "then",
    "might", "only", "just", "simply", "optionally", "typically", "is", "are", "be", "all", "both", "do", "does", "now",
})  # fmt: skip
# Has-verbs that begin a sentence about the software, not about the thing spoken of before.
WANTS = frozenset({"need", "needs", "want", "includes", "tracks", "records", "keeps", "stores", "features"})
HAS_OR_NOUN = frozenset({"tracks", "records", "features", "stores", "takes", "needs", "holds", "keeps", "need"})
ASIDES = frozenset(
    {
        "filter",
        "filters",
        "by",
        "filtered",
        "filterable",
        "sorted",
        "searchable",
        "e.g",
        "i.e",
        "like",
        "such",
        "see",
        "for",
        "or",
        "and",
        "so",
        "no",
        "as",
    }
)
# Nouns of software that name fields as well.
PLAIN_NAMES = frozenset({
    "name", "date", "amount", "status", "time", "number", "type", "value", "kind", "text", "code", "id", "total", "sum",
    "count", "state", "team", "default", "version", "format",
})  # fmt: skip
