"""What has been read so far: entities and fields that later sentences still add to, before they are settled."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from contracts.artifacts.model import FieldType

from .inflect import camel, is_plural, plural, singular, snake
from .lexicon.words import EMPTY_ADJECTIVES, SOFTWARE, SYSTEM_NOUNS

MAX_ENTITIES = 12
MAX_FIELDS = 20


@dataclass(slots=True, eq=False)
class FieldDraft:
    """A field as described. `many` and `plural_name` decide later whether it is a relation seen from the other side."""

    words: tuple[str, ...]
    type: FieldType | None = None
    required: bool | None = None
    unique: bool = False
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    below: float | None = None
    choices: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    default: str = ""
    many: bool = False
    length: bool = False
    weak: bool = False
    fleeting: bool = False
    reaches: tuple[str, ...] = ()
    unit: str = ""

    @property
    def name(self) -> str:
        return snake(self.words)


@dataclass(slots=True, eq=False)
class EntityDraft:
    """An entity by the singular words of its name. `described` once fields were given; `acted` once a verb took it."""

    words: tuple[str, ...]
    fields: dict[str, FieldDraft] = dataclasses.field(default_factory=dict)
    described: bool = False
    acted: bool = False
    firm: bool = False
    reaches: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return snake(self.words)

    @property
    def name(self) -> str:
        return camel(self.words)

    @property
    def plural(self) -> str:
        return snake((*self.words[:-1], plural(self.words[-1])))

    def add(self, draft: FieldDraft) -> None:
        """Take a field; what is already known of it is kept, what is new is added."""
        self.reaches += draft.reaches
        known = self.fields.get(draft.name)
        if known is None:
            if len(self.fields) < MAX_FIELDS and draft.name:
                self.fields[draft.name] = draft
            return
        known.type = known.type or draft.type
        known.choices = known.choices or draft.choices
        known.references = known.references or draft.references
        known.required = draft.required if known.required is None else known.required
        known.unique = known.unique or draft.unique
        known.minimum = draft.minimum if known.minimum is None else known.minimum
        known.maximum = draft.maximum if known.maximum is None else known.maximum
        known.above = draft.above if known.above is None else known.above
        known.below = draft.below if known.below is None else known.below
        known.default = known.default or draft.default

    def rename(self) -> None:
        """Key the fields by their names again, after names have changed."""
        renamed: dict[str, FieldDraft] = {}
        for field in self.fields.values():
            renamed.setdefault(field.name, field)
        self.fields = renamed

    def field_called(self, words: tuple[str, ...]) -> FieldDraft | None:
        """The field with that name, else the only one whose name ends or begins with it."""
        name = snake(words)
        for candidate in (name, snake((*words[:-1], singular(words[-1])))) if words else ():
            if candidate in self.fields:
                return self.fields[candidate]
        for fits in (str.endswith, str.startswith):
            affix = f"_{name}" if fits is str.endswith else f"{name}_"
            close = [found for key, found in self.fields.items() if name and fits(key, affix)]
            if len(close) == 1:
                return close[0]
        return None


_SOFTWARE_ITSELF = frozenset({
    "api", "commandline", "cli", "rest", "stateless", "backend", "terminal", "console", "crud", "endpoint", "http",
    "json",
    "csv", "python", "software", "fastapi", "microservice", "webservice", "sdk", "frontend", "database", "sqlite",
    "yaml",
})  # fmt: skip
_KINDS = frozenset({"entity", "resource", "model", "object", "record", "entities", "models", "resources", "objects"})


class Draft:
    """The entities in the order they were met, and the one that 'it' and 'they' mean.

    `alone` holds the nouns that the prompt uses without another before them: 'museum exhibits' are exhibits where it
    also says just 'exhibit', but a 'work order' stays a work order where nobody says 'order'.
    """

    def __init__(self, alone: frozenset[str] = frozenset()) -> None:
        self.entities: dict[str, EntityDraft] = {}
        self.current: EntityDraft | None = None
        self.spoken: tuple[str, ...] = ()
        self.topic: tuple[str, ...] = ()
        self.assumptions: list[str] = []
        self._alone = alone

    def main(self) -> EntityDraft | None:
        """What is spoken of, or what the software is about where nothing was spoken of yet."""
        return self.current or (self.entity(self.topic) if self.topic else None)

    def speaks_of(self, name: str) -> bool:
        return name in self._alone

    def canonical(self, words: tuple[str, ...]) -> tuple[str, ...]:
        """The name that a noun phrase has as an entity."""
        while len(words) > 1 and words[-1] in SOFTWARE:
            words = words[:-1]
        if len(words) > 1 and words[-1] in ("table", "model") and (is_plural(words[-2]) or words[-1] == "model"):
            words = words[:-1]
        while len(words) > 1 and (words[0] in EMPTY_ADJECTIVES or words[0] in _KINDS):
            words = words[1:]
        head = singular(words[-1])
        if len(words) > 1 and not (head in self._alone and head not in SYSTEM_NOUNS):
            return (words[-2], head)
        return (head,)

    def entity(self, words: tuple[str, ...]) -> EntityDraft | None:
        """The entity of that name, made where there is none yet; None once there are too many."""
        found = self.find(words)
        if found is None and (
            self.canonical(words)[-1] in _SOFTWARE_ITSELF or not camel(self.canonical(words))[:1].isalpha()
        ):
            return None
        if found is None and len(self.entities) < MAX_ENTITIES:
            found = EntityDraft(self.canonical(words))
            self.entities[found.key] = found
        return found

    def find(self, words: tuple[str, ...]) -> EntityDraft | None:
        """The entity that a noun phrase means: by its name, or the only one whose name ends with its last word."""
        if not words:
            return None
        if found := self.exact(words):
            return found
        head = singular(words[-1])
        if len(words) > 1:
            return self.entities.get(head)
        close = [entity for entity in self.entities.values() if entity.words[-1] == head]
        return close[0] if len(close) == 1 else None

    def exact(self, words: tuple[str, ...]) -> EntityDraft | None:
        return self.entities.get(snake(self.canonical(words))) if words else None

    def assume(self, sentence: str) -> None:
        if sentence not in self.assumptions:
            self.assumptions.append(sentence)
