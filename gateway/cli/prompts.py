"""A person's prompt, from the argument, a file or standard input; and `ql prompt …`: what our models are told.

The latter reads the prompts of this installation, or of another tree; it needs no server.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from gateway.cli import output
from gateway.cli.exits import FAILED, USAGE, CliError

if TYPE_CHECKING:
    from workers.kit.prompts.check import Found

MAX_BYTES = 1 << 18


def read(argument: str) -> str:
    """The prompt's text; raises `CliError` for what is no text, empty or far too long."""
    raw = _raw(argument)
    if len(raw) > MAX_BYTES:
        raise CliError(f"the prompt has {len(raw)} bytes; at most 65,536 characters are taken", USAGE, "prompt")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise CliError("the prompt is no UTF-8 text", USAGE, "prompt") from None
    if not text.strip():
        raise CliError("the prompt is empty: say in a sentence or more what to build", USAGE, "prompt")
    return text


def _raw(argument: str) -> bytes:
    if argument == "-":
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    if not argument.startswith("@"):
        return argument.encode("utf-8", "surrogateescape")
    try:
        with Path(argument[1:]).open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise CliError(f"{argument[1:]} can't be read: {error.strerror}", USAGE, "prompt") from error


def list_(as_json: bool) -> None:
    """Print every template and role with version, size and hash."""
    found = _looked()
    if as_json:
        output.as_json([_told(one) for one in found])
        return
    output.table(
        ("KIND", "ID", "VERSION", "TOKENS", "SHA256", "PURPOSE"),
        [
            (one.kind, one.id, str(one.version), str(one.tokens), one.sha256[:12], one.purpose or one.settings)
            for one in found
        ],
    )


def show(id_: str, as_json: bool) -> None:
    """Print one as a model reads it, with samples filled in."""
    one = _named(_looked(), id_)
    if as_json:
        output.as_json({**_told(one), "text": one.text})
        return
    sys.stdout.write(output.plain(one.text) + "\n")
    sys.stderr.write(output.plain(f"{one.path}: {one.settings or one.problem}") + "\n")


def diff(other: Path, id_: str, as_json: bool) -> None:
    """Print what changed from the tree `other` to this installation; a change without a new version is a failure."""
    if not other.is_dir():
        said = f"{other} is no folder; the first argument is another tree of ours, the second one a template or role"
        raise CliError(said, USAGE, "folder")
    old, new = _looked(other), _looked()
    if id_:
        old, new = tuple(one for one in old if one.id == id_), (_named(new, id_),)
    changes = list(_changes(old, new))
    silent = [one["id"] for one in changes if one["change"] == "same version"]
    if as_json:
        output.as_json(changes)
    else:
        sys.stdout.writelines(output.plain(line) for change in changes for line in _lines(change))
    if silent:
        said = f"changed without a new version: {', '.join(silent)}"
        raise CliError(said, FAILED, "same_version", told=as_json)


def check(folder: Path | None, as_json: bool) -> None:
    """Render every template and role with samples and print what is wrong."""
    found = _looked(folder)
    if as_json:
        output.as_json([_told(one) for one in found])
    else:
        output.table(
            ("KIND", "ID", "VERSION", "TOKENS", "VERDICT"),
            [(one.kind, one.id, str(one.version), str(one.tokens), one.problem or "ok") for one in found],
        )
    wrong = [one for one in found if one.problem]
    if wrong:
        lines = [f"{len(wrong)} of {len(found)} prompts are not as they have to be"]
        lines += [f"{one.path}: {one.problem}" for one in wrong]
        raise CliError("\n".join(lines), FAILED, "bad_prompts", told=as_json)


def _looked(folder: Path | None = None) -> tuple[Found, ...]:
    from workers.kit.prompts.check import look

    if folder is None:
        return look()
    tree = folder / "workers" if (folder / "workers").is_dir() else folder
    try:
        return look(tree)
    except OSError:
        raise CliError(f"{folder} holds no prompts: no workers/kit/prompts/roles in it", USAGE, "folder") from None


def _named(found: Sequence[Found], id_: str) -> Found:
    for one in found:
        if one.id == id_:
            return one
    raise CliError(f"there is no template or role {id_!r}; see: ql prompt list", USAGE, "id")


def _told(one: Found) -> dict[str, object]:
    return {name: value for name, value in msgspec.to_builtins(one).items() if name != "text"}


def _changes(old: Sequence[Found], new: Sequence[Found]) -> Iterator[dict[str, str]]:
    before, after = ({(one.kind, one.id): one for one in side} for side in (old, new))
    for kind, id_ in sorted(before.keys() | after.keys()):
        was, now = before.get((kind, id_)), after.get((kind, id_))
        if was is None or now is None:
            yield {"change": "new" if was is None else "gone", "kind": kind, "id": id_, "versions": "", "diff": ""}
        elif was.text != now.text:
            lines = difflib.unified_diff(was.text.split("\n"), now.text.split("\n"), lineterm="", n=2)
            change = "same version" if was.version == now.version else "changed"
            versions = f"{was.version} -> {now.version}"
            body = "\n".join(list(lines)[2:])
            yield {"change": change, "kind": kind, "id": id_, "versions": versions, "diff": body}


def _lines(change: dict[str, str]) -> Iterator[str]:
    yield f"{change['change']}: {change['kind']} {change['id']} {change['versions']}".rstrip() + "\n"
    if change["diff"]:
        yield change["diff"] + "\n"
