"""What all test cases of an entity of a REST API share: its names, and the form of a test function."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from workers.llm_router.blueprint import names
from workers.llm_router.blueprint.case_parts import parametrized
from workers.llm_router.blueprint.design import Design, Resource
from workers.llm_router.blueprint.drafts import Case, Key
from workers.llm_router.blueprint.names import short


class Writer:
    """Knows the entity's names, so that each case reads like the test it makes."""

    def __init__(self, resource: Resource, design: Design) -> None:
        self.resource = resource
        self.design = design
        self.snake = names.snake(resource.name)
        self.plural = resource.plural
        self.url = f"/{resource.segment}"

    def make(self, entity: str = "") -> str:
        return f"make_{names.snake(entity or self.resource.name)}"

    def one(self, expression: str, rest: str = "") -> str:
        """The address of the record whose id the expression gives."""
        return f'f"{self.url}/{{{expression}}}{rest}"'

    def case(
        self,
        function: str,
        title: str,
        fixtures: str,
        body: Iterable[str],
        operations: Sequence[str],
        *,
        kind: Literal["behaviour", "error", "boundary"] = "behaviour",
        cases: tuple[str, Sequence[str]] | None = None,
        uses: tuple[tuple[str, str], ...] = (),
    ) -> Case:
        head = parametrized(*cases) if cases else []
        function = short(function)
        lines = [*head, f"def {function}({fixtures}):", *(f"    {line}" if line else "" for line in body)]
        keys: tuple[Key, ...] = tuple((self.resource.name, operation) for operation in operations)
        return Case(function=function, title=title, lines=tuple(lines), serves=keys, kind=kind, uses=uses)
