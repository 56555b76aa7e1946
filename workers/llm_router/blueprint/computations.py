"""Plain functions from the catalogue as modules of a package, with tests made of their examples."""

from __future__ import annotations

from collections.abc import Sequence

from .design import Design
from .drafts import Case, Draft, TestDraft
from .functions import Function, catalogue
from .text import Module, call, docstring, indented, literal

_TAKEN = frozenset({"errors", "checks", "store", "database", "export", "models", "stores", "app", "cli", "output"})


def functions(design: Design) -> tuple[Function, ...]:
    known = catalogue()
    return tuple(known[name] for name in design.functions if name in known)


def module_name(function: Function, design: Design) -> str:
    clash = function.topic in _TAKEN or function.topic == design.module
    return f"{function.topic}_functions" if clash else function.topic


def topics(design: Design) -> dict[str, list[Function]]:
    """The functions by the module that holds them."""
    found: dict[str, list[Function]] = {}
    for function in functions(design):
        found.setdefault(module_name(function, design), []).append(function)
    return found


def drafts(design: Design) -> list[Draft]:
    return [
        Draft(
            path=f"src/{design.module}/{name}.py",
            layer="domain",
            purpose=f"functions on {name}",
            text=_module(name, chosen, design),
            serves=tuple(("", f"function {function.name}") for function in chosen),
        )
        for name, chosen in topics(design).items()
    ]


def tests(design: Design) -> list[TestDraft]:
    return [
        TestDraft(
            path=f"tests/test_{name}.py",
            doc=f"What the functions on {name} answer, and what they refuse.",
            package=design.module,
            cases=tuple(case for function in chosen for case in _cases(function, f"{design.module}.{name}")),
        )
        for name, chosen in topics(design).items()
    ]


def signature(function: Function) -> list[str]:
    parameters = [f"{name}: {kind}" for name, kind in function.parameters]
    return call(f"def {function.name}(", parameters, f") -> {function.returns}:")


def uses(function: Function) -> list[tuple[str, str]]:
    """Its imports as (module, name)."""
    found = []
    for line in function.imports:
        if line.startswith("from "):
            module, _, names = line.removeprefix("from ").partition(" import ")
            found += [(module, name.strip()) for name in names.split(",")]
        else:
            found.append((line.removeprefix("import "), ""))
    return found


def _module(name: str, chosen: Sequence[Function], design: Design) -> str:
    module = Module(f"Functions on {name}.", design.module)
    for function in chosen:
        for source, symbol in uses(function):
            if symbol:
                module.use(source, symbol)
            else:
                module.load(source)
        module.add([*signature(function), *_doc(function), *indented(function.body)])
    return str(module)


def _doc(function: Function) -> list[str]:
    first, *rest = function.doc.split("\n")
    if not rest:
        return docstring(first, 4)
    return ['    """' + first, *indented([line.strip() for line in rest]), '    """']


def _cases(function: Function, module: str) -> list[Case]:
    key = (("", f"function {function.name}"),)
    names = [name for name, _ in function.parameters]
    made = [
        _case(
            f"test_{function.name}",
            f"{function.name} gives the right result",
            [*names, "expected"],
            [(*arguments, result) for arguments, result in function.examples],
            [f"assert {function.name}({', '.join(names)}) == {_expected(function)}"],
        )
    ]
    by_error: dict[str, list[tuple[object, ...]]] = {}
    for arguments, error in function.error_examples:
        by_error.setdefault(error, []).append(arguments)
    for error, refused in by_error.items():
        made.append(
            _case(
                f"test_{function.name}_raises_{error.lower()}",
                f"{function.name} refuses what has no answer",
                names,
                refused,
                [f"with pytest.raises({error}):", f"    {function.name}({', '.join(names)})"],
            )
        )
    return [
        Case(
            function=name,
            title=title,
            lines=tuple(lines),
            serves=key,
            kind="error" if "raises" in name else "behaviour",
            uses=((module, function.name), *_literal_uses(lines)),
        )
        for name, title, lines in made
    ]


def _case(
    name: str, title: str, names: Sequence[str], rows: Sequence[tuple[object, ...]], body: Sequence[str]
) -> tuple[str, str, list[str]]:
    shown = literal(tuple(names)) if len(names) > 1 else literal(names[0]) if names else ""
    values = [literal(row) if len(names) > 1 else literal(row[0]) for row in rows]
    head = ["@pytest.mark.parametrize(", f"    {shown},", "    [", *(f"        {v}," for v in values), "    ],", ")"]
    return name, title, [*(head if names else []), f"def {name}({', '.join(names)}):", *indented(body)]


def _expected(function: Function) -> str:
    results = [result for _, result in function.examples]
    return "pytest.approx(expected)" if any(isinstance(result, float) for result in results) else "expected"


def _literal_uses(lines: Sequence[str]) -> list[tuple[str, str]]:
    """What values such as datetime.date(…) or Decimal(…) need."""
    text = "\n".join(lines)
    found = [("datetime", "")] if "datetime." in text else []
    return [*found, ("decimal", "Decimal")] if "Decimal(" in text else found
