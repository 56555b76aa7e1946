"""Roles: who a model is when it does a task. One file each in `roles/`, picked by rule, never by a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Annotated, Literal

import msgspec

from . import front
from .front import BadPrompt
from .topic import Topic

Word = Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9_]{0,63}$")]


class Role(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A specialist. It takes only `tasks`, and only topics that are in each of its lists that is not empty.

    A topic must have all of its `tags`. `group` names the models that it asks ('' for the default ones).
    """

    id: Word
    version: Annotated[int, msgspec.Meta(ge=1)]
    purpose: Annotated[str, msgspec.Meta(max_length=120)]
    skills: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    tasks: Annotated[tuple[Word, ...], msgspec.Meta(min_length=1)]
    temperature: Annotated[float, msgspec.Meta(ge=0, le=1)]
    group: Literal["", "strong", "fast"] = ""
    languages: tuple[Word, ...] = ()
    layers: tuple[Word, ...] = ()
    frameworks: tuple[Word, ...] = ()
    kinds: tuple[Word, ...] = ()
    tags: tuple[Word, ...] = ()
    text: str

    def system(self) -> str:
        """What stands first in the system prompt; a new version is another question."""
        return f"# Role: {self.id}, version {self.version}\n\n{self.text}"

    @property
    def name(self) -> str:
        """What it is called in a context manifest."""
        return f"role:{self.id}@{self.version}"

    @property
    def settings(self) -> str:
        """What it is picked for and how it asks, in a line."""
        chosen = {
            "language": self.languages,
            "layer": self.layers,
            "framework": self.frameworks,
            "kind": self.kinds,
            "tags": self.tags,
        }
        when = (f"{what}: {', '.join(names)}" for what, names in chosen.items() if names)
        asks = f"models: {self.group or 'default'}", f"temperature: {self.temperature:g}"
        return "; ".join((f"tasks: {', '.join(self.tasks)}", *when, *asks))


class NoRole(LookupError):
    """Nobody takes this task."""


@cache
def roles() -> Mapping[str, Role]:
    """All roles by id, in order of their ids; raises `BadPrompt`."""
    return read(files("workers"))


def read(workers: Traversable) -> Mapping[str, Role]:
    """The roles of the tree whose folder `workers` is; raises `BadPrompt`."""
    read = (role_of(entry.name, entry.read_text(encoding="utf-8")) for entry in entries(workers))
    return {role.id: role for role in read}


def entries(workers: Traversable) -> list[Traversable]:
    """The files of the roles, by name."""
    folder = workers / "kit" / "prompts" / "roles"
    return sorted((entry for entry in folder.iterdir() if entry.name.endswith(".md")), key=lambda entry: entry.name)


def role_of(name: str, raw: str) -> Role:
    """The role in the file `name`; raises `BadPrompt`."""
    said, text = front.read(name, raw)
    try:
        role = msgspec.convert({**said, "text": text}, Role, strict=False)
    except msgspec.ValidationError as error:
        raise BadPrompt(f"{name}: {error}") from None
    if name != f"{role.id}.md":
        raise BadPrompt(f"{name} holds the role {role.id}")
    return role


def pick(task: str, topic: Topic) -> Role:
    """The most specific role for the task; raises `NoRole`."""
    return among(roles().values(), task, topic)


def among(candidates: Iterable[Role], task: str, topic: Topic) -> Role:
    """More tags win, then a framework named, a kind, a layer, a language; between equals the first id."""
    fitting = [role for role in candidates if task in role.tasks and _takes(role, topic)]
    if not fitting:
        raise NoRole(f"no role takes the task {task[:80]!a}")
    return min(fitting, key=_rank)


def _takes(role: Role, topic: Topic) -> bool:
    asked = (
        (role.languages, topic.language),
        (role.layers, topic.layer),
        (role.frameworks, topic.framework),
        (role.kinds, topic.kind),
    )
    return set(role.tags) <= set(topic.tags) and all(not wanted or given in wanted for wanted, given in asked)


def _rank(role: Role) -> tuple[int | str, ...]:
    named = (bool(chosen) for chosen in (role.frameworks, role.kinds, role.layers, role.languages))
    return (-len(role.tags), *(-one for one in named), role.id)
