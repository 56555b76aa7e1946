"""The errors of a package without a web framework, and the checks that raise them."""

from __future__ import annotations

from workers.llm_router.blueprint import names
from workers.llm_router.blueprint.design import Design
from workers.llm_router.blueprint.text import Module

_EMAIL = r'EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")'
_URL = r'URL = re.compile(r"https?://[^\s/]+\S*")'
_TEXT = '''\
def check_text(field: str, value: object, *, minimum: int = 0, maximum: int | None = None) -> None:
    """A text of so many characters."""
    if not isinstance(value, str):
        raise InvalidValue(field, "must be a text")
    if len(value) < minimum:
        raise InvalidValue(field, f"must have at least {minimum} characters")
    if maximum is not None and len(value) > maximum:
        raise InvalidValue(field, f"must have at most {maximum} characters")'''
_FORM = '''\
def check_form(field: str, value: object, form: re.Pattern[str], what: str) -> None:
    """A text of the given form."""
    check_text(field, value)
    if not form.fullmatch(str(value)):
        raise InvalidValue(field, f"must be {what}")'''
_NUMBER = '''\
def check_number(
    field: str, value: object, *, minimum: float | None = None, maximum: float | None = None
) -> None:
    """A finite number between the bounds, which belong to it."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidValue(field, "must be a number")
    if minimum is not None and value < minimum:
        raise InvalidValue(field, f"must be at least {minimum}")
    if maximum is not None and value > maximum:
        raise InvalidValue(field, f"must be at most {maximum}")'''
_INTEGER = '''\
def check_integer(
    field: str, value: object, *, minimum: int = -MAX_INTEGER, maximum: int = MAX_INTEGER
) -> None:
    """A whole number between the bounds, which belong to it."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidValue(field, "must be a whole number")
    if value < minimum:
        raise InvalidValue(field, f"must be at least {minimum}")
    if value > maximum:
        raise InvalidValue(field, f"must be at most {maximum}")'''
_INTEGER_OF_ANY_SIZE = '''\
def check_integer(
    field: str, value: object, *, minimum: int | None = None, maximum: int | None = None
) -> None:
    """A whole number between the bounds, which belong to it."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidValue(field, "must be a whole number")
    if minimum is not None and value < minimum:
        raise InvalidValue(field, f"must be at least {minimum}")
    if maximum is not None and value > maximum:
        raise InvalidValue(field, f"must be at most {maximum}")'''
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
    used = {field.type for resource in design.resources for field in resource.fields}
    module = Module("Checks of single values; each raises `InvalidValue` and says what is wrong.", design.module)
    module.use(f"{design.module}.errors", "InvalidValue")
    blocks: list[str] = []
    if used & {"integer", "reference"}:
        bounded = design.kind == "cli"
        if bounded:
            module.add("# The largest integer that SQLite can store.", "MAX_INTEGER = 2**63 - 1")
        blocks.append(_INTEGER if bounded else _INTEGER_OF_ANY_SIZE)
    if used & {"email", "url"}:
        module.load("re")
        if "email" in used:
            module.add(_EMAIL)
        if "url" in used:
            module.add(_URL, together="email" in used)
    if used & {"text", "email", "url"}:
        blocks.append(_TEXT)
    if used & {"email", "url"}:
        blocks.append(_FORM)
    if "number" in used:
        module.load("math")
        blocks.append(_NUMBER)
    if used & {"date", "datetime"}:
        module.load("datetime")
    if "enum" in used:
        module.use("collections.abc", "Sequence")
    by_type = {"boolean": _BOOLEAN, "date": _DATE, "datetime": _DATETIME, "enum": _CHOICE}
    blocks += [block for kind, block in by_type.items() if kind in used]
    for block in blocks:
        module.add(block.split("\n"))
    return str(module)
