"""What all test cases of an entity of a command line tool share: its names, and the form of a test function."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from workers.llm_router.blueprint import names
from workers.llm_router.blueprint.case_parts import parametrized
from workers.llm_router.blueprint.design import Design, Resource
from workers.llm_router.blueprint.drafts import Case
from workers.llm_router.blueprint.text import literal


class Writer:
    """Knows the entity's names, so that each case reads like the test it makes."""

    def __init__(self, resource: Resource, design: Design) -> None:
        self.resource = resource
        self.design = design
        self.snake = names.snake(resource.name)
        self.plural = resource.plural
        self.make = f"make_{self.snake}"

    def words(self, verb: str) -> str:
        """The command as the first arguments of `run`."""
        return f"{literal(self.resource.segment)}, {literal(names.segment(verb))}"

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
        function = names.short(function)
        head = parametrized(*cases) if cases else []
        lines = [*head, f"def {function}({fixtures}):", *(f"    {line}" if line else "" for line in body)]
        text = "\n".join(lines)
        return Case(
            function=function,
            title=title,
            lines=tuple(lines),
            serves=tuple((self.resource.name, operation) for operation in operations),
            kind=kind,
            uses=(*uses, *((name, "") for name in ("csv", "io", "json") if f"{name}." in text)),
        )

    def missing(self, function: str, verb: str, operation: str) -> Case:
        return self.case(
            f"{function}_that_does_not_exist",
            "An unknown id is told as such",
            "run",
            [
                f'result = run({self.words(verb)}, "999")',
                "",
                "assert result.code == 1",
                f'assert result.errors == "error: there is no {self.resource.noun} 999\\n"',
                'assert result.output == ""',
            ],
            [operation],
            kind="error",
        )
