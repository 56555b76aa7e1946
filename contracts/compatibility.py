"""A version of a schema may only add optional fields: what is released is compared with what the tree would say now.

`python -m contracts.compatibility` names each break and exits 1. `--accept` takes the schemas of the tree as released,
which it refuses while one of them breaks.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from .generate import json_schemas

RELEASED = Path(__file__).parent / "released"
_WORDS = frozenset({"title", "description", "examples", "$comment"})
"""What is said to people; everything else binds programs."""


def breaks(old: Any, new: Any, at: str = "") -> Iterator[str]:
    """What a reader or writer of `old` could not live with in `new`, a sentence each."""
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        if old != new:
            yield f"{at or '/'}: was {_brief(old)}, is {_brief(new)}"
        return
    for keyword in sorted((old.keys() | new.keys()) - _WORDS):
        yield from _keyword(keyword, old, new, at)


def _keyword(keyword: str, old: Mapping[str, Any], new: Mapping[str, Any], at: str) -> Iterator[str]:
    before, after = old.get(keyword), new.get(keyword)
    match keyword:
        case "properties" | "$defs":
            closed = keyword == "properties" and old.get("additionalProperties") is False
            yield from _named(before or {}, after or {}, f"{at}/{keyword}", closed=closed)
        case "required":
            yield from _required(set(before or ()), set(after or ()), at)
        case "anyOf" | "oneOf" | "allOf" | "prefixItems" if _same_length(before, after):
            for n, (one, other) in enumerate(zip(before or (), after or (), strict=True)):
                yield from breaks(one, other, f"{at}/{keyword}/{n}")
        case "enum":
            if set(map(str, before or ())) != set(map(str, after or ())):
                yield f"{at}/enum: was {_brief(before)}, is {_brief(after)}"
        case "default" if keyword in old and keyword in new:
            if before != after:  # by value: a mapping here is data and no schema
                yield f"{at}/default: was {_brief(before)}, is {_brief(after)}"
        case _:
            if (keyword in old) != (keyword in new):
                yield f"{at}/{keyword}: {'gone' if keyword in old else 'new'}"
            else:
                yield from breaks(before, after, f"{at}/{keyword}")


def _named(old: Mapping[str, Any], new: Mapping[str, Any], at: str, *, closed: bool) -> Iterator[str]:
    for name, schema in old.items():
        if name in new:
            yield from breaks(schema, new[name], f"{at}/{name}")
        else:
            yield f"{at}/{name}: gone"
    if closed:
        yield from (f"{at}/{name}: new, where the released schema allows no other" for name in new.keys() - old.keys())


def _required(old: set[str], new: set[str], at: str) -> Iterator[str]:
    yield from (f"{at}/required: {name} must be there now" for name in sorted(new - old))
    yield from (f"{at}/required: {name} may be missing now" for name in sorted(old - new))


def _same_length(old: Any, new: Any) -> bool:
    return isinstance(old, list) and isinstance(new, list) and len(old) == len(new)


def _brief(value: Any) -> str:
    return msgspec.json.encode(value).decode()[:80]


def all_breaks(now: Mapping[str, bytes], released: Path = RELEASED) -> list[str]:
    """Of every released schema, by file."""
    found: list[str] = []
    for file in sorted(released.rglob("*.json")):
        name = file.relative_to(released).as_posix()
        if name not in now:
            found.append(f"{name}: gone")
            continue
        old, new = msgspec.json.decode(file.read_bytes()), msgspec.json.decode(now[name])
        found += [f"{name}{line}" for line in breaks(old, new)]
    return found


def main(arguments: list[str], released: Path = RELEASED) -> int:
    """Check, or with --accept release; returns the exit status."""
    now = json_schemas()
    if found := all_breaks(now, released):
        sys.stderr.writelines(f"{line}\n" for line in found)
        sys.stderr.write("a version may only add optional fields: make a new version of the type instead\n")
        return 1
    if "--accept" in arguments:
        for name, body in now.items():
            (released / name).parent.mkdir(parents=True, exist_ok=True)
            (released / name).write_bytes(body)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
