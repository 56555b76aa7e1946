"""Templates: what a model is told, as versioned files with `{{name}}` for what is filled in.

A task's template is its stage's `prompt.md`; the others lie in `templates/`. Filling in is one pass over the template:
nothing inside of a value is ever looked at, so `{{…}}` in it stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Annotated, Final

import msgspec

from . import front
from .front import BadPrompt

_NAME = re.compile(r"[a-z][a-z_]{0,63}")
_PLACE = re.compile(r"\{\{([^{}\n]*)\}\}")

ASKED_FOR: Final[Mapping[str, Mapping[str, str]]] = {
    "inputs": {},
    "answer_in_json": {"schema": "text"},
    "answer_in_files": {},
    "answer_again": {"fault": "text"},
    "go_on": {"tail": "text"},
}
"""What our code fills in: variables and their types, for each template that is no task's. A task's takes none."""

_TYPES: Final[Mapping[str, type]] = {"text": str, "integer": int}


class NoPrompt(Exception):
    """There is no template of this name."""


class Head(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A template's front matter; `variables` are written as `name type`."""

    id: Annotated[str, msgspec.Meta(pattern="^[a-z][a-z_]{0,63}$")]
    version: Annotated[int, msgspec.Meta(ge=1)]
    variables: tuple[str, ...] = ()


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """`variables` are the types by name; the text has a place for each of them and for nothing else."""

    id: str
    version: int
    text: str
    variables: Mapping[str, str]

    def render(self, **variables: str | int) -> str:
        """The text, filled in; raises `BadPrompt` for a variable that is missing, unknown or of the wrong type."""
        self._check(variables)
        return _PLACE.sub(lambda place: str(variables[place[1]]), self.text)

    @property
    def name(self) -> str:
        """What it is called in a context manifest."""
        return f"template:{self.id}@{self.version}"

    def _check(self, given: Mapping[str, str | int]) -> None:
        missing, unknown = self.variables.keys() - given.keys(), given.keys() - self.variables.keys()
        if missing or unknown:
            raise BadPrompt(f"template {self.id}: {_told('missing', missing)}{_told('unknown', unknown)}".rstrip("; "))
        for name, value in given.items():
            wanted = self.variables[name]
            if type(value) is not _TYPES[wanted]:
                raise BadPrompt(f"template {self.id}: {name} is {type(value).__name__}, not {wanted}")


def render(name: str, **variables: str | int) -> str:
    """The named template, filled in; raises `NoPrompt`, or `BadPrompt` for the wrong variables."""
    return template(name).render(**variables)


@cache
def template(name: str) -> Template:
    """The template of a task, or one of `ASKED_FOR`; raises `NoPrompt` or `BadPrompt`."""
    return read(files("workers"), name)


def read(workers: Traversable, name: str) -> Template:
    """A template of the tree whose folder `workers` is; raises `NoPrompt` or `BadPrompt`."""
    if not _NAME.fullmatch(name):
        raise NoPrompt(f"{name[:80]!a} is no name of a template")
    own = name in ASKED_FOR
    path = f"kit/prompts/templates/{name}.md" if own else f"{name}/prompt.md"
    try:
        raw = workers.joinpath(*path.split("/")).read_text(encoding="utf-8")
    except OSError:
        raise NoPrompt(f"there is no workers/{path}") from None
    found = template_of(path, raw)
    wanted = ASKED_FOR.get(name, {})
    if found.id != name:
        raise BadPrompt(f"{path} holds the template {found.id}")
    if found.variables != wanted:
        raise BadPrompt(f"{path} takes {dict(found.variables)}, but is given {dict(wanted)}")
    return found


def template_of(path: str, raw: str) -> Template:
    """The template in the file `path`; raises `BadPrompt`."""
    said, text = front.read(path, raw)
    try:
        head = msgspec.convert(said, Head, strict=False)
    except msgspec.ValidationError as error:
        raise BadPrompt(f"{path}: {error}") from None
    variables = dict(_variable(path, line) for line in head.variables)
    places = set(_PLACE.findall(text))
    if places != set(variables):
        raise BadPrompt(f"{path} declares {sorted(variables)}, but has places for {sorted(places)}")
    return Template(id=head.id, version=head.version, text=f"{_title(head)}{text}", variables=variables)


def _title(head: Head) -> str:
    """The version stands in what the model is told: another version is another question."""
    return f"# {head.id.replace('_', ' ').capitalize()}, version {head.version}\n\n"


def _variable(path: str, line: str) -> tuple[str, str]:
    name, _, kind = line.partition(" ")
    if not _NAME.fullmatch(name) or kind not in _TYPES:
        raise BadPrompt(f"{path}: {line[:80]!a} is no 'name type', with a type of {', '.join(_TYPES)}")
    return name, kind


def _told(what: str, names: set[str]) -> str:
    return f"{what}: {', '.join(sorted(names))}; " if names else ""
