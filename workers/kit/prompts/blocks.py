"""The fenced blocks of a text, each with the path that it is thought to be."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from . import naming, sound

_SHORTEST = 3
_NEAR = 3
"""Lines above a fence among which its heading is looked for."""


class CutOff(ValueError):
    """The text ends inside the fence of `path`."""

    def __init__(self, path: str) -> None:
        super().__init__(f"the answer ends inside {path}")
        self.path = path


class NotClosed(ValueError):
    """The fence of one file is still open where the next file begins."""


class Fence(msgspec.Struct, frozen=True, kw_only=True):
    """Line `number` opens or closes a block: its run of backticks or tildes, what follows, and how far it is in."""

    number: int
    run: str
    info: str
    indent: int

    def matches(self, opening: Fence) -> bool:
        """Whether it is of the kind that may end a block, or begin one inside of it that is as strong."""
        same = self.run[0] == opening.run[0] and len(self.run) >= len(opening.run)
        return same and self.indent <= opening.indent + 3

    def ends(self, opening: Fence) -> bool:
        """Whether it is the end of the block."""
        return not self.info and self.matches(opening)


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """`path` is '' for prose; not `sure`: nothing names it, but it may be the only file that was asked for."""

    fence: Fence
    path: str
    text: str
    sure: bool = True
    closed: bool = True


def lines_of(text: str) -> list[str]:
    """Without a byte order mark, and without the CR of line ends."""
    return [line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n")]


def fence_in(line: str, number: int = 0) -> Fence | None:
    """The fence that the line is, if any. Behind backticks more of them are only allowed as quotes of a name."""
    stripped = line.strip(" \t")
    mark = stripped[:1]
    if mark not in {"`", "~"}:
        return None
    info = stripped.lstrip(mark)
    run = stripped[: len(stripped) - len(info)]
    if len(run) < _SHORTEST or (mark == "`" and "`" in info and not naming.is_quoted(info)):
        return None
    return Fence(number=number, run=run, info=info.strip(" \t"), indent=len(line) - len(line.lstrip(" \t")))


def blocks(lines: Sequence[str], asked: Sequence[str]) -> list[Block]:
    """Every block, in order; the last one may lack its end. Raises `NotClosed`."""
    return _Reader(lines, asked).blocks()


class _Reader:
    def __init__(self, lines: Sequence[str], asked: Sequence[str]) -> None:
        self._lines = lines
        self._asked = asked
        self._fences = [fence for number, line in enumerate(lines) if (fence := fence_in(line, number))]

    def blocks(self) -> list[Block]:
        found: list[Block] = []
        at = 0
        guessed = False
        while at < len(self._fences):
            path, first, sure = self._named(at)
            end = self._closing(at, path)
            if end is None:
                found.append(self._block(at, len(self._lines), path, first, sure=sure, closed=False))
                break
            if sure or not guessed:  # once for all that nothing names: each look goes as far as the next file
                end = self._widened(at, end, path, first)
            guessed = guessed or not sure
            found.append(self._block(at, self._fences[end].number, path, first, sure=sure, closed=True))
            at = end + 1
        return found

    def _block(self, at: int, last: int, path: str, first: int, *, sure: bool, closed: bool) -> Block:
        text = self._text(at, first, last) if path else ""
        return Block(fence=self._fences[at], path=path, text=text, sure=sure, closed=closed)

    def _named(self, at: int) -> tuple[str, int, bool]:
        """The path of the block that begins here, its first line, and whether something names it."""
        fence = self._fences[at]
        first = fence.number + 1
        path = naming.in_info(fence.info, self._asked) or naming.in_heading(self._heading(at), fence.info, self._asked)
        if path:
            return path, first, True
        if first < len(self._lines):
            path, belongs = naming.in_first_line(self._lines[first], fence.info, self._asked)
            if path:
                return path, first if belongs else first + 1, True
        if len(self._asked) == 1 and naming.fits(fence.info, self._asked[0]):
            return self._asked[0], first, False
        return "", first, True

    def _heading(self, at: int) -> str:
        """The nearest line above that is not empty, down to the fence before."""
        number = self._fences[at].number
        least = max(self._fences[at - 1].number + 1 if at else 0, number - _NEAR)
        return next((line for line in reversed(self._lines[least:number]) if line.strip()), "")

    def _closing(self, at: int, path: str = "") -> int | None:
        """The fence that ends the block: one that names a language begins a block inside of it."""
        opening = self._fences[at]
        inner: Fence | None = None
        for place in range(at + 1, len(self._fences)):
            fence = self._fences[place]
            if inner is not None:
                inner = None if fence.ends(inner) else inner
            elif fence.ends(opening):
                return place
            elif fence.matches(opening):
                begun = naming.in_info(fence.info, self._asked)
                if begun in self._asked and path and not path.endswith(".md"):
                    raise NotClosed(f"the fence of {path} is still open where {begun} begins")
                inner = fence
        return None

    def _widened(self, at: int, end: int, path: str, first: int) -> int:
        """A block of three backticks may hold such blocks without a language: its end is not where the first begins.

        A document then ends at the last fence before the next file; code does, if it can be read only so.
        """
        opening = self._fences[at]
        if not path or len(opening.run) > _SHORTEST or not self._asked:
            return end
        last, bare = end, False
        place = end + 1
        while place < len(self._fences) and not self._begins_file(place):
            fence = self._fences[place]
            bare = bare or not fence.info
            last = place if fence.ends(opening) else last
            closing = self._closing(place)
            if closing is None:
                break
            last = closing if self._fences[closing].ends(opening) else last
            place = closing + 1
        if not bare or last == end:
            return end
        if path.endswith(".md"):
            return last
        shorter, longer = (self._text(at, first, self._fences[place].number) for place in (end, last))
        return last if not sound.is_plainly(path, shorter) and sound.is_plainly(path, longer) else end

    def _begins_file(self, at: int) -> bool:
        path, _, sure = self._named(at)
        return bool(path) and sure

    def _text(self, at: int, first: int, last: int) -> str:
        indent = self._fences[at].indent
        return "".join(f"{_outdented(line, indent)}\n" for line in self._lines[first:last])


def _outdented(line: str, most: int) -> str:
    """What is in as far as its fence is not in at all."""
    return line[min(most, len(line) - len(line.lstrip(" \t"))) :] if most else line
