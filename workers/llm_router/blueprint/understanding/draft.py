"""What has been read so far: entities and fields that later sentences still add to, before they are settled."""

from __future__ import annotations

from dataclasses import dataclass, field

from contracts.artifacts.model import FieldType, Operation

from .inflect import camel, plural, singular, snake

MAX_ENTITIES = 12
MAX_FIELDS = 20


@dataclass(slots=True)
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
    unit: str = ""

    @property
    def name(self) -> str:
        return snake(self.words)


@dataclass(slots=True)
class EntityDraft:
    """An entity by the singular words of its name. `described` once fields were given; `acted` once a verb took it."""

    words: tuple[str, ...]
    fields: dict[str, FieldDraft] = field(default_factory=dict)
    described: bool = False
    acted: bool = False
    assumed: bool = False
    operations: list[Operation] = field(default_factory=list)

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


class Draft:
    """The entities in the order they were met, and the one that 'it' and 'they' mean."""

    def __init__(self) -> None:
        self.entities: dict[str, EntityDraft] = {}
        self.current: EntityDraft | None = None
        self.assumptions: list[str] = []

    def entity(self, words: tuple[str, ...]) -> EntityDraft | None:
        """The entity of that name, made where there is none yet; None once there are too many."""
        words = (*words[:-1], singular(words[-1]))
        found = self.find(words)
        if found is None and len(self.entities) < MAX_ENTITIES:
            found = EntityDraft(words)
            self.entities[found.key] = found
        return found

    def find(self, words: tuple[str, ...]) -> EntityDraft | None:
        """The entity that a noun phrase means: all of it, or its last words, or an entity that ends with it."""
        if not words:
            return None
        wanted = (*words[:-1], singular(words[-1]))
        for start in range(len(wanted)):
            if found := self.entities.get(snake(wanted[start:])):
                return found
        head = wanted[-1]
        close = [entity for entity in self.entities.values() if entity.words[-1] == head]
        return close[0] if len(wanted) == 1 and len(close) == 1 else None

    def exact(self, words: tuple[str, ...]) -> EntityDraft | None:
        return self.entities.get(snake((*words[:-1], singular(words[-1])))) if words else None

    def assume(self, sentence: str) -> None:
        if sentence not in self.assumptions:
            self.assumptions.append(sentence)
