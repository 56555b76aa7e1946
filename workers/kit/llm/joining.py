"""An answer that was cut off, and what the model wrote when it was asked to go on, become one text.

Models go on in their own ways: they repeat the end, open a fence again, or begin anew. Each is recognised.
"""

from __future__ import annotations

from collections.abc import Sequence

from workers.kit.prompts import naming
from workers.kit.prompts.blocks import Block, Fence, NotClosed, blocks, fence_in, lines_of

from .objects import is_whole

_SURE = 24
"""Characters that are not the same by chance."""

_VARIED = 5
"""Different characters of a line that is known again; a row of dashes goes on, it does not begin anew."""

_LOOKED_AT = 2_000
_LEAD = 4
"""Lines at the beginning among which a fence is opened again; what stands before it is small talk."""


def joined_json(begun: str, more: str) -> str:
    """The object in one piece; one that was begun anew stands alone."""
    lines = lines_of(more)
    opened = next((place for place, line in enumerate(lines[:_LEAD]) if fence_in(line)), None)
    if opened is not None and "\n".join(lines[opened + 1 :]).strip():  # else it is the end of one
        more = "\n".join(lines[opened + 1 :])
    whole = overlapping(begun, more)
    start = max(whole.find("{"), 0)
    return more if not is_whole(whole[start:]) and is_whole(more) else whole


def joined_files(begun: str, more: str, paths: Sequence[str]) -> str:
    """The files in one piece; a file that was begun anew takes the place of its first part."""
    begun, lines = "\n".join(lines_of(begun)), lines_of(more)
    more = "\n".join(lines)
    try:
        found = blocks(begun.split("\n"), paths)
    except NotClosed:
        return begun + more
    place = next((place for place, line in enumerate(lines[:_LEAD]) if fence_in(line)), None)
    again = fence_in(lines[place]) if place is not None else None
    if again is None or place is None:
        return overlapping(begun, more)
    named = naming.in_info(again.info, paths)
    if named in {block.path for block in found if block.closed} - {""}:
        return "\n".join(lines[place:])
    if found and not found[-1].closed:
        return _went_on(begun, found[-1], lines, place, again, paths)
    apart = "\n" if place == 0 and not begun.endswith("\n") else ""
    return overlapping(begun, apart + more)


def overlapping(begun: str, more: str) -> str:
    """Both, with what ends the first and begins the second only once."""
    same = _same(begun, more)
    if same:
        return begun + more[same:]
    line = begun.rpartition("\n")[2].strip()
    again = more.lstrip(" \t")
    if len(set(line)) >= _VARIED and again.startswith(line):  # the last line was begun anew
        return begun.rstrip(" \t") + again[len(line) :]
    return begun + more


def _same(begun: str, more: str) -> int:
    """How much of the end was repeated. Rows that are all alike may well go on: then nothing was."""
    most = min(len(begun), len(more), _LOOKED_AT)
    lengths = [length for length in range(most, _SURE // 2, -1) if begun.endswith(more[:length])]
    return lengths[0] if len(lengths) == 1 and lengths[0] >= _SURE else 0


def closed(text: str, paths: Sequence[str]) -> str:
    """With the fence that the model forgot at its end."""
    found = blocks(lines_of(text), paths)
    if not found or found[-1].closed:
        return text
    return f"{text}{'' if text.endswith(chr(10)) else chr(10)}{found[-1].fence.run}\n"


def _went_on(begun: str, last: Block, lines: list[str], place: int, again: Fence, paths: Sequence[str]) -> str:
    """After a cut inside of `last`, for a model that began with the fence `again`."""
    head, body = _parts(begun, last.fence.number)
    rest = "\n".join(lines[place + 1 :])
    named = naming.in_info(again.info, paths)
    if named and (named == last.path or (named in paths and not last.path)):
        return head + "\n".join(lines[place:])
    if named or not _reopens(again, last.path, lines, place):
        return overlapping(begun, "\n".join(lines))
    if _begins_alike(body, rest):
        return f"{begun[: len(begun) - len(body)]}{rest}"
    return overlapping(begun, rest)


def _parts(text: str, number: int) -> tuple[str, str]:
    """What stands above line `number`, and what stands below it."""
    lines = text.split("\n")
    return "".join(f"{line}\n" for line in lines[:number]), "\n".join(lines[number + 1 :])


def _reopens(fence: Fence, path: str, lines: Sequence[str], place: int) -> bool:
    """Whether the fence belongs to the answer, not to the file: a document may go on with one of its own."""
    if fence.info:
        language = fence.info.split()[0].lower()
        return language in {"markdown", "md"} if path.endswith(".md") else bool(path) and naming.fits(language, path)
    # Without a language it may be the end of the file. It isn't when all that follows ends with another one.
    others = [other for line in lines[place + 1 :] if (other := fence_in(line))]
    end = fence_in(next(line for line in reversed(lines) if line.strip()))
    return len(others) == 1 and end is not None and not end.info


def _begins_alike(body: str, rest: str) -> bool:
    start = body.strip()[:40]
    return len(start) >= _SURE and rest.lstrip().startswith(start)
