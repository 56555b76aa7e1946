"""What each kind of package says about its tests: the fixtures and the lines of every case."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from contracts.artifacts import Field
from workers.llm_router.blueprint import names, samples
from workers.llm_router.blueprint.design import Design, Resource, Transition, default, initial, optional
from workers.llm_router.blueprint.drafts import Case
from workers.llm_router.blueprint.text import call, literal

from .parts import parametrized

_MODULE = re.compile(r"(?<![\w.\"'])(csv|dataclasses|datetime|io|json)\.")


class Body(NamedTuple):
    """The inside of a test function, the fixtures it takes, and what it imports beside modules it names."""

    fixtures: str
    lines: Sequence[str]
    uses: tuple[tuple[str, str], ...] = ()


class Writer(ABC):
    """Knows an entity's names and writes its cases. A method that gives None has nothing to show."""

    create_verb = "create"
    list_verb = "list"
    id_of = '["id"]'

    def __init__(self, resource: Resource, design: Design) -> None:
        self.resource = resource
        self.design = design
        self.snake = names.snake(resource.name)
        self.plural = resource.plural
        self.make = make(resource.name)

    @property
    def filled(self) -> Sequence[Field]:
        """The fields that are filled in when they are left out."""
        return [field for field in self.resource.given if optional(field) or field.default]

    def case(
        self,
        function: str,
        title: str,
        body: Body,
        operations: Sequence[str],
        *,
        kind: Literal["behaviour", "error", "boundary"] = "behaviour",
        cases: tuple[str, Sequence[str]] | None = None,
    ) -> Case:
        function = names.short(function)
        head = parametrized(*cases) if cases else []
        lines = [*head, f"def {function}({body.fixtures}):", *(f"    {line}" if line else "" for line in body.lines)]
        modules = sorted(set(_MODULE.findall("\n".join(lines))))
        return Case(
            function=function,
            title=title,
            lines=tuple(lines),
            serves=tuple((self.resource.name, operation) for operation in operations),
            kind=kind,
            uses=(*body.uses, *((module, "") for module in modules)),
        )

    def removal(self, values: str) -> Sequence[str]:
        """Lines that leave out what is filled in."""
        gone = [literal(f.name) for f in self.filled if f in self.resource.given and f.type != "reference"]
        if not gone:
            return []
        return [*call("for name in (", gone, "):" if len(gone) > 1 else ",):"), f"    del {values}[name]"]

    def unsent(self) -> dict[str, object]:
        """What a record holds that was not said of it."""
        found: dict[str, object] = {f.name: None for f in self.resource.references if not f.required}
        return found | {field.name: initial(field) for field in self.resource.managed}

    def defaults(self) -> dict[str, object]:
        found = {field.name: default(field) for field in self.filled}
        return found | {field.name: initial(field) for field in self.resource.managed}

    def stored(self, values: str, more: Mapping[str, object]) -> Sequence[str]:
        """The first record, `created`, holds the values and more."""
        shown = [f"{literal(name)}: {literal(value)}" for name, value in more.items()]
        return call("assert created == {", [f"**{values}", '"id": 1', *shown], "}")

    def csv_check(self, text: str) -> Sequence[str]:
        """The file holds what was `made`."""
        columns = ["id", *(field.name for field in self.resource.fields)]
        return [
            f"rows = list(csv.DictReader(io.StringIO({text})))",
            *call("columns = [", map(literal, columns), "]"),
            'shown = [{key: "" if row[key] is None else str(row[key]) for key in columns} for row in made]',
            "assert rows == shown",
        ]

    def value(self, field: Field, number: int) -> str:
        return literal(samples.value(field, number))

    def faults(self, field: Field) -> Sequence[str]:
        return samples.faults(field)

    @abstractmethod
    def created(self) -> Body: ...

    @abstractmethod
    def left_out(self) -> Body: ...

    def needed(self) -> Body | None:
        """Without the required `field`."""
        return None

    @abstractmethod
    def refused(self) -> Body:
        """With `value` for `field`, which is not allowed."""

    @abstractmethod
    def accepted(self) -> Body:
        """With `value` for `field`, which is just allowed."""

    def more_creating(self) -> Sequence[Case]:
        return ()

    @abstractmethod
    def duplicate(self) -> Body:
        """With the `field` of another record."""

    @abstractmethod
    def unknown_reference(self) -> Body:
        """With a `field` that refers to nothing."""

    @abstractmethod
    def referring(self, field: Field, parent: str) -> Body:
        """With a reference that may be left out."""

    @abstractmethod
    def reading(self) -> Sequence[Case]: ...

    @abstractmethod
    def listing(self) -> Sequence[Case]: ...

    @abstractmethod
    def narrowed(self, field: Field, made: Sequence[str], parents: Sequence[str]) -> Body:
        """`made` are the lines that make records, one of them called wanted."""

    @abstractmethod
    def ranged(self, field: Field) -> Body: ...

    @abstractmethod
    def found(self) -> Body:
        """By `asked`, in the `value` of `field`."""

    def more_searching(self) -> Sequence[Case]:
        return ()

    @abstractmethod
    def changed(self) -> Body: ...

    @abstractmethod
    def wrong_changes(self) -> Sequence[str]:
        """Pairs of a field and a value that it can't be changed to."""

    @abstractmethod
    def change_refused(self) -> Body: ...

    @abstractmethod
    def emptied(self) -> Body: ...

    @abstractmethod
    def change_duplicate(self) -> Body: ...

    def more_updating(self) -> Sequence[Case]:
        return ()

    def one_step(self) -> Body | None:
        """No other change gets in between."""
        return None

    @abstractmethod
    def missing(self, function: str, verb: str, operation: str) -> Case:
        """What `verb` says of an unknown id."""

    delete_title = "A deleted {} is gone, the others stay"

    @abstractmethod
    def deleted(self) -> Body: ...

    @abstractmethod
    def in_use(self, child: str, field: str) -> Body: ...

    @abstractmethod
    def exporting(self, name: str) -> Case: ...

    def step(self, verb: str) -> str:
        """How a transition is called in a list of `steps`."""
        return names.segment(verb)

    @abstractmethod
    def walked(self) -> Sequence[str]:
        """A record, and the loop over `steps` that moves it."""

    @abstractmethod
    def one_moved(self, move: Transition) -> str:
        """An expression for a new record, moved."""

    @abstractmethod
    def moved(self, move: Transition, walk: Sequence[str], *, allowed: bool) -> Body: ...


def make(entity: str) -> str:
    """The fixture that makes records."""
    return f"make_{names.snake(entity)}"


def fixtures(*wanted: str) -> str:
    return ", ".join(dict.fromkeys(filter(None, wanted)))
