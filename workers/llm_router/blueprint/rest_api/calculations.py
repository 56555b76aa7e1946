"""Plain functions as routes of a REST API: each is asked by POST, with its parameters as a JSON object."""

from __future__ import annotations

from contracts.artifacts import Route
from workers.llm_router.blueprint import computations, names
from workers.llm_router.blueprint.design import Design
from workers.llm_router.blueprint.drafts import Case, Draft, TestDraft
from workers.llm_router.blueprint.functions import Function
from workers.llm_router.blueprint.text import Module, docstring, literal


def drafts(design: Design) -> list[Draft]:
    if not computations.functions(design):
        return []
    serves = tuple(("", f"function {function.name}") for function in computations.functions(design))
    return [
        *computations.drafts(design),
        Draft(
            path=f"src/{design.module}/calculations.py",
            layer="interface",
            purpose="the routes that compute",
            text=_module(design),
            serves=serves,
        ),
    ]


def routes(design: Design) -> list[Route]:
    return [
        Route(method="POST", path=_path(function), summary=function.doc.partition("\n")[0], status=200)
        for function in computations.functions(design)
    ]


def tests(design: Design) -> list[TestDraft]:
    found = [case for function in computations.functions(design) for case in _cases(function)]
    own = TestDraft(
        path="tests/test_calculations.py",
        doc="The functions as routes.",
        package=design.module,
        cases=tuple(found),
    )
    return [*computations.tests(design), own] if found else computations.tests(design)


def _path(function: Function) -> str:
    return f"/calculations/{names.segment(function.name)}"


def _module(design: Design) -> str:
    module = Module("The routes that compute something; they store nothing.", design.module)
    module.use("fastapi", "APIRouter", "HTTPException")
    module.use("pydantic", "BaseModel", "ConfigDict")
    module.add('router = APIRouter(prefix="/calculations", tags=["calculations"])')
    for function in computations.functions(design):
        topic = computations.module_name(function, design)
        module.use(f"{design.module}.{topic}", function.name)
        for source, symbol in _type_uses(function):
            if symbol:
                module.use(source, symbol)
            else:
                module.load(source)
        model = f"{names.camel(function.name)}Input"
        module.add(
            f"class {model}(BaseModel):",
            '    model_config = ConfigDict(extra="forbid")',
            "",
            *(f"    {name}: {kind}" for name, kind in function.parameters),
        )
        arguments = ", ".join(f"given.{name}" for name, _ in function.parameters)
        module.add(
            f'@router.post("/{names.segment(function.name)}")',
            f"def ask_{function.name}(given: {model}) -> {function.returns}:",
            *docstring(function.doc.partition("\n")[0], 4),
            *_call(function, f"{function.name}({arguments})"),
        )
    if not any(function.raises for function in computations.functions(design)):
        return str(module).replace("from fastapi import APIRouter, HTTPException", "from fastapi import APIRouter")
    return str(module)


def _call(function: Function, expression: str) -> list[str]:
    if not function.raises:
        return [f"    return {expression}"]
    caught = function.raises[0] if len(function.raises) == 1 else f"({', '.join(function.raises)})"
    return [
        "    try:",
        f"        return {expression}",
        f"    except {caught} as error:",
        "        raise HTTPException(422, str(error)) from error",
    ]


def _type_uses(function: Function) -> list[tuple[str, str]]:
    """The imports that the signature alone needs."""
    signature = " ".join([function.returns, *(kind for _, kind in function.parameters)])
    return [(source, symbol) for source, symbol in computations.uses(function) if (symbol or source) in signature]


def _cases(function: Function) -> list[Case]:
    serves = (("", f"function {function.name}"),)
    parameters = [name for name, _ in function.parameters]
    made = []
    example = next((found for found in function.examples if _is_json(found)), None)
    if example is not None:
        arguments, result = example
        made.append(
            (
                f"test_ask_{function.name}",
                [
                    f"given = {literal(dict(zip(parameters, arguments, strict=True)))}",
                    "",
                    f'response = client.post("{_path(function)}", json=given)',
                    "",
                    "assert response.status_code == 200",
                    f"assert response.json() == {literal(result)}",
                    f'assert client.post("{_path(function)}", json={{"unheard_of": 1}}).status_code == 422',
                ],
            )
        )
    refused = next((found for found, _ in function.error_examples if _is_json(found)), None)
    if refused is not None:
        made.append(
            (
                f"test_ask_{function.name}_refused",
                [
                    f"given = {literal(dict(zip(parameters, refused, strict=True)))}",
                    "",
                    f'response = client.post("{_path(function)}", json=given)',
                    "",
                    "assert response.status_code == 422",
                    'assert isinstance(response.json()["detail"], str)',
                ],
            )
        )
    return [
        Case(
            function=name,
            title=f"{function.name} can be asked"
            if "refused" not in name
            else f"{function.name} tells what it refuses",
            lines=(f"def {name}(client):", *(f"    {line}" if line else "" for line in lines)),
            serves=serves,
            kind="error" if name.endswith("_refused") else "behaviour",
        )
        for name, lines in made
    ]


def _is_json(value: object) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_json, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(item) for key, item in value.items())
    return value is None or isinstance(value, str | int | float | bool)
