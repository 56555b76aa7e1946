"""Small words inside lists of fields."""

from .describing import FIELD_WORDS
from .types import SAID
from .words import PRONOUNS

SEPARATORS = frozenset({",", ";", "and", "&", "plus", "+", "/", "|"})
FILLERS = SEPARATORS | {
    "also", "as", "well", "along", "with", "maybe", "perhaps", "possibly", "of", "course", "both", "then", "-", "etc",
    "etc.", "finally", "has", "have", "namely", "including", "possess", "possesses", "carries", "carry", "holds",
    "hold",
    "contains", "contain", "bears", "bear", "lastly", "additionally",
}  # fmt: skip
REQUIREMENT = {
    "optional": False, "optionally": False, "required": True, "mandatory": True, "compulsory": True, "non-empty": True,
    "nullable": False, "obligatory": True,
}  # fmt: skip
MANY = frozenset({"many", "several", "multiple", "various"})
GROUPS = frozenset({"list", "lists", "set", "collection", "series", "bunch", "sequence", "array"})
LEADS = frozenset({
    "a", "an", "the", "its", "their", "his", "her", "each", "own", "\"", "'", "`", "*", "your", "my", "our", "some",
    "one", "also", "exactly", "this", "every", "single", "simple", "short", "possible",
})  # fmt: skip
ORDINALS = frozenset({"first", "last", "next", "second", "previous", "full", "current", "old", "new", "main"})
NOT_IN_NAMES = frozenset({
    "larger", "above", "below",
    "pk", "fk", "varchar", "char", "numeric", "check", "primary",
    "unique", "optional", "required", "mandatory", "nullable", "greater", "less", "higher", "lower", "bigger",
    "smaller", "longer", "shorter", "max", "min", "non-negative", "positive", "non-empty", "searchable",
    "filterable",
    "compulsory", "boolean", "default", "obligatory", "minimum", "maximum", "indexed", "more",
})  # fmt: skip
ENDS_LIST = (PRONOUNS - {"whose", "there", "who", "what", "which"}) | frozenset({
    "so", "but", "because", "can", "should", "must", "may", "will", "shall", "users", "let", "allow", "allows",
    "support", "supports", "to", "cannot", "could", "would", "don't", "no", "provide", "be", "is", "are", "belongs",
    "belong", "get", "stays", "stay", "remains", "remain",
})  # fmt: skip
KEEPS_OF = frozenset({
    "date", "number", "time", "year", "month", "place", "country", "day", "type", "level", "unit", "method", "rate",
    "point", "state", "city", "mode", "size", "length", "cost", "maximum", "minimum", "kind", "cause", "proof",
    "term", "terms",
})  # fmt: skip
LONE_FIRST = frozenset({
    "start", "end", "first", "last", "begin", "finish", "opening", "closing", "arrival", "departure", "check-in",
    "check-out", "billing", "shipping", "minimum", "maximum", "min", "max", "purchase", "sale", "family", "given",
    "home", "away", "middle", "starting", "ending", "due", "pickup", "return", "net", "gross", "buying", "selling",
    "pick-up", "drop-off", "issue", "from", "old", "new", "birth", "death", "entry", "exit", "loan",
})  # fmt: skip
DROPPED_LAST = (FIELD_WORDS - {"data", "details", "items", "things", "pieces", "values"}) | {
    "flag",
    "checkbox",
    "reference",
}
TYPED_FIRST = frozenset(SAID) - {
    "date", "link", "email", "url", "number", "currency", "percentage", "text", "timestamp", "real", "flag", "double",
    "choice", "whole", "money", "markdown",
}  # fmt: skip
LAST_TYPES = frozenset(
    {"string", "integer", "int", "boolean", "bool", "enum", "float", "decimal", "datetime", "timestamp", "varchar"}
)
COMMANDS = frozenset({
    "ls", "rm",
    "add", "list", "remove", "delete", "edit", "update", "show", "create", "view", "export", "filter", "search", "find",
    "mark", "see", "change", "get", "register", "manage", "browse", "print", "sort", "modify", "cancel",
})  # fmt: skip
OBJECTS = frozenset(
    {
        "them",
        "it",
        "the",
        "all",
        "a",
        "an",
        "by",
        "my",
        "everything",
        "these",
        "each",
        "new",
        "and",
        "or",
        "to",
        "one",
        "of",
        "for",
    }
)
MOVING = frozenset(
    {"moves", "move", "goes", "go", "passes", "changes", "switches", "turns", "becomes", "runs", "cycles"}
)
NAMING = frozenset({
    "rating", "opening", "reading", "spending", "standing", "heading", "ranking", "grading", "feeling", "meaning",
})  # fmt: skip
VALUE_NAMES = frozenset({"values", "options", "choices", "value", "states"})
ABOUT_FIELD = frozenset({
    "out",
    "namely",
    "in", "as", "from", "between", "of", "up", "at", "with", "that", "which", "must", "can", "may", "either", "one",
    "being", "default", "defaults", "defaulting", "max", "maximum", "no", "not", "should", "is", ">", ">=", "<", "<=",
    "limited", "unique", "required", "optional", "cannot", "mandatory", "min", "minimum", "whose", "to", "like", "for",
    "only", "if", "greater", "below", "above", "under", "over", "are", "long", "set", "starting", "has", "could", "by",
    "linking", "pointing", "referring", "stored", "given", "e.g", "selected", "chosen", "less", "more", "on",
    "positive",
    "non-negative", "nullable", "within", "never", "longer", "than", "higher", "lower", "will", "shall", "non-empty",
    "integer", "boolean", "decimal", "ranging", "until", "measured", "indexed", "always", "true", "both", "running",
    "where",
    "other", "→", "->", "=>", "who", "when", "starts",
})  # fmt: skip
VALUE_LEADS = frozenset({
    "namely",
    "that", "which", "is", "are", "one", "of", "the", "following", "can", "may", "must", "could", "should", "be",
    "either", "being", "any", "these", "values", "as", "from", "with", "limited", "to", "selected", "chosen", "only",
    "options", "choices", "out", "possible", "among", "value", "has", "takes", ":", "set", "always", "states", "a",
    "have",
})  # fmt: skip
