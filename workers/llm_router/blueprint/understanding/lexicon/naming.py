"""Words from which the name of a project is made, and those from which it never is."""

# 'expense tracker', 'book collection', 'help desk': what the whole is called, with the word before it.
WHOLES = frozenset({
    "tracker", "manager", "planner", "log", "logbook", "journal", "catalogue", "catalog", "inventory", "organizer",
    "organiser", "diary", "registry", "desk", "collection", "store", "clinic", "cellar", "garden", "blog",
    "directory", "glossary", "festival", "tournament", "league", "pool", "rental", "booking", "list",
    "register", "archive", "workshop",
})  # fmt: skip
# What stands after these verbs and prepositions is what the software is about.
KEEPING = frozenset({
    "manage", "manages", "managing", "track", "tracks", "tracking", "keep", "keeps", "keeping", "handle", "handles",
    "handling", "organise", "organize", "maintain", "maintains", "record", "records", "store", "stores",
    "administer", "of",
})  # fmt: skip
ABOUT = frozenset({"for", "about"})
# Wholes that need no plural: 'manage the stock of a warehouse'.
OF_THINGS = frozenset({
    "stock", "inventory", "equipment", "furniture", "laundry", "finances", "homework", "music", "correspondence",
    "attendance", "maintenance", "staff", "budget", "schedule",
})  # fmt: skip
NOT_TOPICS = frozenset({
    "library", "api", "tool", "program", "python", "package", "module", "app", "application", "project", "software",
    "cli", "small", "rest", "reusable", "importable", "simple", "service", "http", "json", "csv", "web", "memory",
    "track", "eye", "copy", "note", "command-line", "private", "personal", "little", "console", "shell", "terminal",
    "thing", "everything", "something", "hand", "lot", "way", "care", "need", "restful", "backend", "user", "shopping",
    "waiting", "function", "helper", "self-hosted", "local", "in-memory", "mind", "code", "price", "long", "full",
    "quick", "other", "machine", "server", "utility", "who", "field", "word", "copie", "pl", "running",
    "please",
})  # fmt: skip
# Those whom it is for say who uses it, not what it is about.
PEOPLE = frozenset({
    "team", "company", "office", "home", "school", "club", "lab", "laboratory", "restaurant", "hotel", "gym",
    "teacher", "treasurer", "family", "business", "startup", "university", "village", "town", "parish", "firm",
    "friend", "colleague", "volunteer", "hobby", "amateur", "grandmother", "wife", "husband", "son", "daughter",
    "neighbour", "neighbor", "association", "agency", "chain", "group", "community",
})  # fmt: skip
# Distributions and modules that the generated projects and their tools bring along.
PACKAGES = frozenset({
    "fastapi", "starlette", "pydantic", "pydantic_core", "uvicorn", "anyio", "httpx", "httpcore", "pytest", "ruff",
    "mypy", "hypothesis", "pip", "setuptools", "wheel", "build", "hatchling", "coverage", "requests", "click", "typer",
    "attrs", "idna", "certifi", "sniffio", "h11", "packaging", "pluggy", "iniconfig", "flask", "django", "numpy",
    "pandas", "sqlalchemy", "msgspec", "rich", "yaml", "tests", "src", "main", "app", "site",
})  # fmt: skip
