"""Are all prompts as they have to be? A worker asks before its first message, `ql prompt test` whenever it is run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from . import roles, templates
from .front import BadPrompt
from .piece import sha256, tokens
from .roles import NoRole, Role
from .templates import ASKED_FOR, NoPrompt
from .topic import Topic

MOST_TOKENS = 1_500
"""Of one role or template: they stand in every question."""

SAMPLES: Mapping[str, str | int] = {"text": "a {{sample}} of\n```text", "integer": 42}
"""A value of each type, to render with; it looks like a template so that a second pass over it would show."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One role or template as it lies in a tree; `problem` is empty when there is none."""

    kind: str
    id: str
    path: str
    version: int = 0
    sha256: str = ""
    tokens: int = 0
    text: str = ""
    purpose: str = ""
    settings: str = ""
    problem: str = ""


def check_all(workers: Traversable | None = None) -> None:
    """Raises `BadPrompt` with everything that is wrong with the prompts of a tree; by default this installation's."""
    problems = [f"{found.path}: {found.problem}" for found in look(workers) if found.problem]
    if problems:
        raise BadPrompt("; ".join(problems))


def look(workers: Traversable | None = None) -> tuple[Found, ...]:
    """Every template and role of the tree whose folder `workers` is, tasks first; by default this installation's."""
    tree = files("workers") if workers is None else workers
    tasks = _tasks(tree)
    found = [_looked("template", task, f"{task}/prompt.md", partial(_template, tree, task)) for task in tasks]
    found += [
        _looked("template", name, f"kit/prompts/templates/{name}.md", partial(_template, tree, name))
        for name in ASKED_FOR
    ]
    return (*found, *_roles(tree, tasks))


def _tasks(tree: Traversable) -> tuple[str, ...]:
    return tuple(sorted(entry.name for entry in tree.iterdir() if entry.is_dir() and (entry / "prompt.md").is_file()))


class _Read(NamedTuple):
    version: int
    text: str
    purpose: str
    settings: str


def _looked(kind: str, name: str, path: str, read: Callable[[], _Read]) -> Found:
    try:
        version, text, purpose, settings = read()
    except (BadPrompt, NoPrompt, OSError, UnicodeDecodeError) as error:
        return Found(kind=kind, id=name, path=path, problem=str(error))
    size = tokens(text)
    return Found(
        kind=kind,
        id=name,
        path=path,
        version=version,
        sha256=sha256(text),
        tokens=size,
        text=text,
        purpose=purpose,
        settings=settings,
        problem=f"it takes about {size} tokens, more than {MOST_TOKENS}" if size > MOST_TOKENS else "",
    )


def _template(tree: Traversable, name: str) -> _Read:
    """With the samples filled in."""
    template = templates.read(tree, name)
    text = template.render(**{name: SAMPLES[kind] for name, kind in template.variables.items()})
    taken = ", ".join(f"{name} ({kind})" for name, kind in template.variables.items())
    return _Read(template.version, text, "", f"takes: {taken or 'nothing'}")


def _roles(tree: Traversable, tasks: Sequence[str]) -> list[Found]:
    read: list[Role] = []

    def one(entry: Traversable) -> _Read:
        role = roles.role_of(entry.name, entry.read_text(encoding="utf-8"))
        unknown = sorted(set(role.tasks) - set(tasks))
        if unknown:
            raise BadPrompt(f"{entry.name} takes tasks that nobody has: {', '.join(unknown)}")
        read.append(role)
        return _Read(role.version, role.system(), role.purpose, role.settings)

    found = [
        _looked("role", entry.name.removesuffix(".md"), f"kit/prompts/roles/{entry.name}", partial(one, entry))
        for entry in roles.entries(tree)
    ]
    idle = {role.id: said for role in read if (said := _idle(role, read))}
    found = [replace(one, problem=idle[one.id]) if one.id in idle else one for one in found]
    return [*found, *(_nobody(task) for task in tasks if not _taken(task, read))]


def _idle(role: Role, among: Sequence[Role]) -> str:
    """Why the role is never picked, for one of its tasks; '' when it is for all."""
    topic = Topic(
        language=role.languages[0] if role.languages else "",
        layer=role.layers[0] if role.layers else "",
        framework=role.frameworks[0] if role.frameworks else "",
        kind=role.kinds[0] if role.kinds else "",
        tags=role.tags,
    )
    for task in role.tasks:
        chosen = roles.among(among, task, topic)
        if chosen is not role:
            return f"{chosen.id} is picked for {task} in its place, always"
    return ""


def _taken(task: str, among: Sequence[Role]) -> bool:
    """Is there a role for a topic of which nothing is known?"""
    try:
        roles.among(among, task, Topic())
    except NoRole:
        return False
    return True


def _nobody(task: str) -> Found:
    said = f"no role takes {task} when nothing is known of its topic"
    return Found(kind="role", id="", path="kit/prompts/roles", problem=said)
