"""Words that say what a thing consists of, and the headings of lists."""

HAS = frozenset({
    "has", "have", "having", "contains", "contain", "containing", "includes", "include", "comprises", "comprise",
    "stores", "holds", "needs", "carries", "carry", "keeps", "gets", "hold", "tracks", "records", "takes", "need",
    "features",
})  # fmt: skip
HAS_PHRASES = (
    ("consists", "of"), ("consist", "of"), ("consisting", "of"), ("made", "up", "of"), ("composed", "of"),
    ("described", "by"), ("defined", "by"), ("characterised", "by"), ("characterized", "by"), ("identified", "by"),
    ("recorded", "with"), ("stored", "with"), ("saved", "with"), ("comes", "with"), ("come", "with"),
    ("consists", "in"), ("made", "of"), ("kept", "with"), ("described", "with"), ("represented", "by"),
    ("is", ":"), ("are", ":"), ("listed", "with"), ("registered", "with"), ("known", "by"), ("created", "with"),
)  # fmt: skip
STORE_VERBS = frozenset({
    "store", "record", "save", "keep", "track", "note", "log", "need", "want", "capture", "remember", "know", "hold",
    "collect", "enter", "have", "keeps", "stores", "records", "tracks", "recording", "storing", "tracking", "saving",
    "keeping", "logging", "noting", "logs", "saves", "write", "document", "capturing", "collecting", "holds", "see",
    "register", "registers", "jot", "includes", "include", "specify",
})  # fmt: skip
FIELD_WORDS = frozenset({
    "field", "fields", "attribute", "attributes", "property", "properties", "column", "columns", "data", "information",
    "details", "info", "values", "items", "things", "pieces",
})  # fmt: skip
LIST_LEADS = frozenset({
    "the", "following", "these", "some", "such", "as", "like", "at", "least", "also", "of", ":", "-", "namely", "only",
    "called", "down", "to", "simply", "just", "both", "about", "basic", "are", "is", "its", "their", "with", "own",
})  # fmt: skip
SECTIONS = frozenset({
    "feature", "features", "requirement", "requirements", "functionality", "functionalities", "operation",
    "operations", "command", "commands", "endpoint", "endpoints", "route", "routes", "note", "notes", "rule", "rules",
    "constraint", "constraints", "entity", "entities", "model", "models", "resource", "resources", "data", "overview",
    "goal", "goals", "task description", "description", "background", "context", "scope", "example", "examples",
    "usage", "api", "actions", "action", "filters", "validation", "use cases", "story", "stories", "user stories",
    "stack", "technology", "output", "input", "non-goals", "nongoals", "summary", "introduction", "functions", "spec",
    "specification", "specifications", "domain", "schema", "behaviour", "behavior", "functional", "non-functional",
    "details", "business", "objective", "deliverables", "must", "should", "could", "here", "please", "title", "name",
    "acceptance", "criteria", "objects", "tables", "types", "important", "extra", "extras", "bonus", "project", "app",
    "application", "system", "service", "tool", "library", "deliverable", "needs", "needed", "wanted", "endpoints",
    "one", "p.s", "ps", "hi", "hello", "relations", "relationships", "limits", "security", "tests", "testing",
    "users", "things", "attention", "nb", "exports", "searching", "filtering", "reports", "list", "language",
})  # fmt: skip
