"""The type of a field whose prompt does not say one: from its name, its unit and its bounds."""

from __future__ import annotations

from contracts.artifacts.model import FieldType

from .draft import FieldDraft
from .inflect import singular
from .lexicon.types import FIRST_WORDS_BOOLEAN, INTEGER_UNITS, LAST_WORD, NUMBER_UNITS, UNITS

_BY_WORD: dict[str, FieldType] = {word: kind for kind, words in LAST_WORD.items() for word in words}
_TEXT_BEFORE = frozenset({
    "phone", "telephone", "serial", "invoice", "account", "card", "license", "licence", "plate", "passport", "order",
    "tracking",
    "isbn", "reference", "mobile", "model", "part", "membership", "contact", "fax", "vat", "tax", "registration",
    "id", "batch",
    "ticket", "policy", "employee", "flight", "house", "student", "customer", "bank", "staff", "member", "receipt",
    "case",
    "document", "chassis", "inventory", "asset", "social", "insurance", "iban", "container", "item", "product",
    "article",
    "catalogue", "patient", "barcode", "vehicle", "cell", "whatsapp", "personnel", "frame", "lot_code", "hospital",
    "charge", "booking", "parcel", "contract",
})  # fmt: skip


def type_of(draft: FieldDraft) -> FieldType:
    """What is said wins over what the name suggests; a bound makes a number of a text that no length was meant for."""
    if draft.references:
        return "reference"
    if draft.choices:
        return "boolean" if set(draft.choices) <= {"yes", "no", "true", "false"} else "enum"
    if draft.type is not None and draft.type != "enum":
        return draft.type
    if draft.unit in INTEGER_UNITS and draft.words[-1] == "time":
        return "integer"
    bounded = draft.minimum is not None and draft.maximum is not None and not draft.length
    if draft.words[-1] == "number" and bounded and draft.words[0] not in _TEXT_BEFORE:
        return "integer" if _whole(draft) else "number"
    if draft.unique and draft.words[-1] == "number":
        return "text"
    if kind := _by_name(tuple(draft.name.split("_"))):
        return "number" if kind == "integer" and not _whole(draft) else kind
    if draft.unit in NUMBER_UNITS:
        return "number"
    if draft.unit in INTEGER_UNITS:
        return "integer"
    if draft.default.lower() in ("true", "false", "yes", "no"):
        return "boolean"
    if not draft.length and (draft.minimum is not None or draft.above is not None):
        return "integer" if _whole(draft) else "number"
    return "text"


def _whole(draft: FieldDraft) -> bool:
    bounds = (draft.minimum, draft.maximum, draft.above, draft.below)
    return all(bound is None or bound.is_integer() for bound in bounds)


def _by_name(words: tuple[str, ...]) -> FieldType | None:
    last, first = words[-1], words[0]
    if len(words) > 1 and first in FIRST_WORDS_BOOLEAN:
        return "boolean"
    if words in (("start",), ("end",), ("starts",), ("ends",), ("begin",), ("when",)):
        return "datetime"
    if len(words) > 1 and first in ("date", "time") and "of" not in words:
        return "date" if first == "date" else _BY_WORD.get(last, "datetime")
    if (
        len(words) > 1
        and last in ("at", "time")
        and first not in ("cooking", "prep", "preparation", "reading", "waiting")
    ):
        return "datetime"
    if len(words) > 1 and last in ("on", "until"):
        return "date"
    if len(words) > 1 and last in ("from", "to", "in", "for", "by", "at"):
        return _by_name(words[:-1])
    if len(words) > 1 and first in ("max", "maximum", "min", "minimum") and _by_name(words[1:]) is None:
        return "integer"
    if "of" in words[1:]:
        return _of(words)
    if "per" in words[1:]:
        at = words.index("per", 1)
        return "number" if words[at - 1] in UNITS else _by_name(words[:at])
    if last in ("number", "no"):
        return "text" if len(words) == 1 or words[-2] in _TEXT_BEFORE else "integer"
    if last in ("email", "mail") or words[-2:] == ("email", "address"):
        return "email"
    if last == "code" or last == "notes" or last == "note":
        return None
    if last == "id" or last == "key":
        return None
    if len(words) > 1 and last in ("paid", "sold", "bought") and (kind := _by_name(words[:-1])):
        return kind
    if last in _BY_WORD:
        return _BY_WORD[last]
    if singular(last) in _COUNTED and singular(last) != last:
        return "integer"
    if len(words) > 1 and (
        last.endswith("ed") or last in ("paid", "spent", "sold", "bought", "due", "left", "run", "won")
    ):
        return _by_name(words[:-1])
    if len(words) > 1 and last in ("date", "day"):
        return "date"
    return "integer" if len(words) > 1 and words[-1] == "minutes" else None


_COUNTED = frozenset(
    {
        "season",
        "episode",
        "page",
        "seat",
        "copy",
        "guest",
        "bedroom",
        "room",
        "player",
        "point",
        "calorie",
        "minute",
        "lap",
        "ticket",
        "employee",
        "portion",
        "serving",
        "level",
        "floor",
        "rep",
        "carton",
        "bottle",
        "spot",
    }
)


def _of(words: tuple[str, ...]) -> FieldType | None:
    at = words.index("of", 1)
    if words[at - 1] in ("number", "nr", "count", "maximum", "minimum"):
        return "integer"
    return _by_name(words[:at])
