"""What all test cases of a store share: its names, and the form of a test function."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from workers.llm_router.blueprint import names
from workers.llm_router.blueprint.case_parts import parametrized
from workers.llm_router.blueprint.design import Design, Resource
from workers.llm_router.blueprint.drafts import Case

Kind = Literal["behaviour", "error", "boundary"]


class Writer:
    """Knows the entity's names, so that each case reads like the test it makes."""

    def __init__(self, resource: Resource, design: Design) -> None:
        self.resource = resource
        self.design = design
        self.snake = names.snake(resource.name)
        self.plural = resource.plural
        self.store = f"database.{names.variable(resource.plural)}"
        self.make = f"make_{self.snake}"

    def case(
        self,
        function: str,
        title: str,
        fixtures: str,
        body: Iterable[str],
        operations: Sequence[str],
        *,
        kind: Kind = "behaviour",
        cases: tuple[str, Sequence[str]] | None = None,
        uses: Sequence[str] = (),
    ) -> Case:
        function = names.short(function)
        head = parametrized(*cases) if cases else []
        lines = [*head, f"def {function}({fixtures}):", *(f"    {line}" if line else "" for line in body)]
        text = "\n".join(lines)
        loaded = [(name, "") for name in ("csv", "dataclasses", "datetime", "io", "json") if f"{name}." in text]
        return Case(
            function=function,
            title=title,
            lines=tuple(lines),
            serves=tuple((self.resource.name, operation) for operation in operations),
            kind=kind,
            uses=(*loaded, *((self.design.module, name) for name in uses)),
        )
