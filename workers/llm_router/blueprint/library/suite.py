"""The tests of a library: what it offers, and each store with its errors."""

from __future__ import annotations

from contracts.artifacts import Field
from workers.llm_router.blueprint import computations, names
from workers.llm_router.blueprint.cases import entity
from workers.llm_router.blueprint.cases.parts import values_fixture
from workers.llm_router.blueprint.design import Design, Resource
from workers.llm_router.blueprint.drafts import Case, TestDraft
from workers.llm_router.blueprint.text import Module

from .cases import StoreWriter
from .values import shown_numbered, shown_value


def tests(design: Design) -> tuple[TestDraft, ...]:
    stores = [
        TestDraft(
            path=f"tests/test_{resource.plural}.py",
            doc=f"What can be done with {resource.nouns}, and what is refused.",
            package=design.module,
            cases=tuple(entity.cases(StoreWriter(resource, design))),
        )
        for resource in design.resources
    ]
    return (
        TestDraft(path="tests/conftest.py", text=_conftest(design)),
        *stores,
        *computations.tests(design),
        _package_file(design),
    )


def _package_file(design: Design) -> TestDraft:
    lines = (
        "def test_everything_offered_is_there():",
        f"    assert {design.module}.__all__",
        f"    assert all(hasattr({design.module}, name) for name in {design.module}.__all__)",
    )
    case = Case(
        function="test_everything_offered_is_there",
        title="Everything in __all__ can be had from the package",
        lines=lines,
        serves=(("", "start"),),
        uses=((design.module, ""),),
    )
    return TestDraft(path="tests/test_package.py", doc="The package as a whole.", package=design.module, cases=(case,))


def _conftest(design: Design) -> str:
    if not design.resources:
        return '"""The functions are tested without fixtures."""\n'
    module = Module("An empty database, and records to fill it with.", design.module)
    module.load("pytest")
    module.use(design.module, "Database")
    module.add("@pytest.fixture", "def database():", "    return Database()")
    for resource in design.resources:
        if any(field.type in ("date", "datetime") for field in resource.given):
            module.load("datetime")
        doc = f"Makes values for a valid {resource.noun}"
        module.add(values_fixture(resource, module, inner="values", doc=doc, shown=_shown, id_of=".id"))
        module.add(_make_fixture(resource))
    return str(module)


def _shown(field: Field) -> str:
    return shown_numbered(field) if field.unique else shown_value(field)


def _make_fixture(resource: Resource) -> list[str]:
    name = names.snake(resource.name)
    return [
        "@pytest.fixture",
        f"def make_{name}(database, {name}_values):",
        f'    """Adds {resource.nouns} to the database."""',
        "",
        "    def make(**changes):",
        f"        return database.{names.variable(resource.plural)}.add(**{name}_values(**changes))",
        "",
        "    return make",
    ]
