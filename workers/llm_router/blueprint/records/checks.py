"""The errors of a package without a web framework, and the checks that raise them."""

from __future__ import annotations

from collections.abc import Sequence

from contracts.artifacts import Field
from workers.llm_router.blueprint import names
from workers.llm_router.blueprint.design import Design
from workers.llm_router.blueprint.text import Module, call

_EMAIL = r'EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")'
_URL = r'URL = re.compile(r"https?://[^\s/]+\S*")'
_FORM = '''\
def check_form(field: str, value: object, form: re.Pattern[str], what: str) -> None:
    """A text of the given form."""
    check_text(field, value)
    if not form.fullmatch(str(value)):
        raise InvalidValue(field, f"must be {what}")'''
_BOOLEAN = """\
def check_boolean(field: str, value: object) -> None:
    if not isinstance(value, bool):
        raise InvalidValue(field, "must be true or false")"""
_DATE = """\
def check_date(field: str, value: object) -> None:
    if not isinstance(value, datetime.date) or isinstance(value, datetime.datetime):
        raise InvalidValue(field, "must be a date")"""
_DATETIME = """\
def check_datetime(field: str, value: object) -> None:
    if not isinstance(value, datetime.datetime):
        raise InvalidValue(field, "must be a date with a time")"""
_CHOICE = """\
def check_choice(field: str, value: object, choices: Sequence[str]) -> None:
    if value not in choices:
        raise InvalidValue(field, f"must be one of: {', '.join(choices)}")"""


_WRONG_TYPE = {
    "text": ("not isinstance(value, str)", "a text"),
    "integer": ("isinstance(value, bool) or not isinstance(value, int)", "a whole number"),
    "number": (
        "isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value)",
        "a number",
    ),
}


def base_error(design: Design) -> str:
    return f"{names.camel(design.module)}Error"


def errors_module(design: Design) -> str:
    base = base_error(design)
    module = Module("What can go wrong; every error of this package is told to the user as it is.", design.module)
    module.add(f"class {base}(Exception):", '    """Something that was asked for can\'t be done."""')
    module.add(
        f"class InvalidValue({base}):",
        '    """A field was given a value that is not allowed."""',
        "",
        "    def __init__(self, field: str, reason: str) -> None:",
        '        super().__init__(f"{field} {reason}")',
        "        self.field = field",
    )
    module.add(
        f"class NotFound({base}):",
        '    """There is no such record."""',
        "",
        "    def __init__(self, noun: str, record_id: int) -> None:",
        '        super().__init__(f"there is no {noun} {record_id}")',
    )
    module.add(f"class Conflict({base}):", '    """What is asked for does not fit what is stored."""')
    if any(resource.references for resource in design.resources):
        module.add(f"class UnknownReference({base}):", '    """A field refers to a record that does not exist."""')
    return str(module)


def checks_module(design: Design) -> str:
    """The checks that some field needs, and no other."""
    fields = [field for resource in design.resources for field in resource.fields]
    used = {field.type for field in fields}
    module = Module("Checks of single values; each raises `InvalidValue` and says what is wrong.", design.module)
    module.use(f"{design.module}.errors", "InvalidValue")
    blocks: list[str] = []
    if used & {"email", "url"}:
        module.load("re")
        if "email" in used:
            module.add(_EMAIL)
        if "url" in used:
            module.add(_URL, together="email" in used)
    if used & {"integer", "reference"} and design.kind == "cli":
        module.add("# The largest integer that SQLite can store.", "MAX_INTEGER = 2**63 - 1")
    for kind in ("text", "integer", "number"):
        if any(_checked_as(field) == kind for field in fields):
            module.add(_ranged(kind, [field for field in fields if _checked_as(field) == kind], design))
    if used & {"email", "url"}:
        blocks.append(_FORM)
    if "number" in used:
        module.load("math")
    if used & {"date", "datetime"}:
        module.load("datetime")
    if "enum" in used:
        module.use("collections.abc", "Sequence")
    by_type = {"boolean": _BOOLEAN, "date": _DATE, "datetime": _DATETIME, "enum": _CHOICE}
    blocks += [block for kind, block in by_type.items() if kind in used]
    for block in blocks:
        module.add(block.split("\n"))
    return str(module)


def _checked_as(field: Field) -> str:
    return {"reference": "integer", "email": "text", "url": "text"}.get(field.type, field.type)


def _ranged(kind: str, fields: Sequence[Field], design: Design) -> list[str]:
    """The check of a type that has bounds, with the bounds that some field has."""
    low = any(field.minimum or (field.minimum is not None and kind != "text") or field.references for field in fields)
    high = any(field.maximum is not None for field in fields)
    stored = kind == "integer" and design.kind == "cli"
    number = "float" if kind == "number" else "int"
    none = f"{number} | None = None"
    parameters = ["field: str", "value: object"]
    parameters += ["*"] if low or high or stored else []
    parameters += [f"minimum: {'int = -MAX_INTEGER' if stored else none}"] if low or stored else []
    parameters += [f"maximum: {'int = MAX_INTEGER' if stored else none}"] if high or stored else []
    condition, what = _WRONG_TYPE[kind]
    lines = [
        *call(f"def check_{kind}(", parameters, ") -> None:"),
        f"    if {condition}:",
        f'        raise InvalidValue(field, "must be {what}")',
    ]
    for wanted, name, sign, words in ((low, "minimum", "<", "at least"), (high, "maximum", ">", "at most")):
        if wanted or stored:
            given = "" if stored else f"{name} is not None and "
            measure, unit = ("len(value)", " characters") if kind == "text" else ("value", "")
            verb = "have" if kind == "text" else "be"
            lines += [
                f"    if {given}{measure} {sign} {name}:",
                f'        raise InvalidValue(field, f"must {verb} {words} {{{name}}}{unit}")',
            ]
    return lines
