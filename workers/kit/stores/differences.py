"""Why the ledger has no answer: the first piece in which a question differs from the nearest one that was asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import AnyStr

import msgspec

from workers.kit.prompts.block import BadBlock, Block, read_block

from .calls import Call, Ledger

_QUOTED = 40
_BEFORE = 12
_PARTS = (
    "the model",
    "the parameters",
    "the messages",
    "the schema's name",
    "the schema",
    "the nonce",
    "what is skipped",
)
"""Of what was asked, in the order of `wire.question_asked`."""


class _Absent:
    """A place that one of the two does not have."""


_ABSENT = _Absent()


async def missed(ledger: Ledger, call: Call) -> str:
    """What `strict` says of a question that the ledger can't answer."""
    known = await ledger.nearest(call)
    sentence = (
        f"the ledger holds no answer to this question of {call.task} in {call.stage}, and nobody else may be asked"
    )
    if not known:
        return f"{sentence}: none of its task was ever answered"
    difference = first_difference(nearest(known, call.asked), call.asked)
    return f"{sentence}: from the nearest one that it holds it differs first in {difference or 'nothing'}"


def nearest(known: Sequence[bytes], new: bytes) -> bytes:
    """The one that agrees longest with `new`; the first of them."""
    return max(known, key=lambda old: (_agreement(old, new), _common(old, new)))


def _agreement(old: bytes, new: bytes) -> int:
    """How many parts are equal; of the messages each counts."""
    before, after = _parts(old), _parts(new)
    if before is None or after is None:
        return -1
    pairs = list(zip(_pieces(before), _pieces(after), strict=False))
    return sum(one == other for one, other in pairs)


def _pieces(parts: list[object]) -> Iterator[object]:
    for part in parts:
        yield from part if isinstance(part, list) else (part,)


def first_difference(old: bytes, new: bytes) -> str:
    """Where what was asked `new` differs first from `old`, with both in short; '' where they are equal."""
    if old == new:
        return ""
    before, after = _parts(old), _parts(new)
    if before is None or after is None:
        return "its form: it is not a question of this release"
    for place, name in enumerate(_PARTS):
        one, other = _at(before, place), _at(after, place)
        if _same(one, other):
            continue
        if name == "the messages":
            return _messages(one, other)
        if name == "the parameters":
            return _named(one, other, ("temperature", "max_tokens"))
        return _values(name, one, other)
    return "the form of its JSON"


def _parts(asked: bytes) -> list[object] | None:
    try:
        parts = msgspec.json.decode(asked)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return parts if isinstance(parts, list) else None


def _at(parts: object, place: int) -> object:
    return parts[place] if isinstance(parts, list) and place < len(parts) else _ABSENT


def _same(one: object, other: object) -> bool:
    """JSON's numbers and booleans are not each other; the order of keys counts."""
    return repr(one) == repr(other) if one is not _ABSENT and other is not _ABSENT else one is other


def _named(one: object, other: object, names: Sequence[str]) -> str:
    for place, name in enumerate(names):
        if not _same(_at(one, place), _at(other, place)):
            return _values(name, _at(one, place), _at(other, place))
    return _values("the parameters", one, other)


def _messages(old: object, new: object) -> str:
    if not isinstance(old, list) or not isinstance(new, list):
        return _values("the messages", old, new)
    for place, (one, other) in enumerate(zip(old, new, strict=False)):
        if not _same(one, other):
            return _message(place, one, other)
    return f"the number of its messages: {len(old)} then, {len(new)} now"


def _message(place: int, one: object, other: object) -> str:
    name = f"message {place + 1}"
    if not (isinstance(one, dict) and isinstance(other, dict)) or one.get("role") != other.get("role"):
        return _values(name, one, other)
    was, now = one.get("content"), other.get("content")
    if not (isinstance(was, str) and isinstance(now, str)):
        return _values(name, one, other)
    name = "the system prompt" if one.get("role") == "system" else name
    before, after = _block(was), _block(now)
    if before is None or after is None or _head(was) != _head(now):
        return _values(name, was, now)
    if before.task != after.task:
        return _values("task", before.task, after.task)
    return _values("inputs", before.inputs, after.inputs)


def _block(text: str) -> Block | None:
    try:
        return read_block(text)
    except BadBlock:
        return None


def _head(text: str) -> str:
    return text.rstrip().rpartition("```json\n")[0]


def _values(path: str, one: object, other: object) -> str:
    """The first place inside of `path` where two JSON values differ, and both values there."""
    pair = _deeper(one, other)
    while pair is not None:
        step, one, other = pair
        path += step
        pair = _deeper(one, other)
    if isinstance(one, dict) and isinstance(other, dict):
        return f"the order of the keys of {path}"
    if isinstance(one, str) and isinstance(other, str):
        start = _common(one, other)
        line = one.count("\n", 0, start) + 1
        path += f", line {line}" if line > 1 else ""
        return f"{path}: {_quote(one, start)} then, {_quote(other, start)} now"
    return f"{path}: {_short(one)} then, {_short(other)} now"


def _deeper(one: object, other: object) -> tuple[str, object, object] | None:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in (*other, *one):
            was, now = one.get(key, _ABSENT), other.get(key, _ABSENT)
            if not _same(was, now):
                return f".{key[:80]}", was, now
    if isinstance(one, list) and isinstance(other, list):
        for place in range(max(len(one), len(other))):
            if not _same(_at(one, place), _at(other, place)):
                return f"[{place}]", _at(one, place), _at(other, place)
    return None


def _common(one: AnyStr, other: AnyStr) -> int:
    """The length of the longest common beginning, by halves: questions are long."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[:middle] == other[:middle] else (low, middle - 1)
    return low


def _quote(text: str, start: int) -> str:
    line = text.rfind("\n", 0, start) + 1
    begin = max(line, start - _BEFORE)
    end = begin + _QUOTED
    return f"{'…' if begin > line else ''}{text[begin:end]!a}{'…' if end < len(text) else ''}"


def _short(value: object) -> str:
    if isinstance(value, _Absent):
        return "nothing"
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _QUOTED else f"{text[:_QUOTED]}…"
