"""Files as fenced text, the form in which models write code: a line "```<language> <path>", the body, a line "```".

What we render has a fence longer than any run of backticks in the body. What models write is read with patience: any
fence of backticks or tildes, indented ones, CRLF, a byte order mark, prose around, fences inside of files, and the path
wherever `naming` finds it. A text has LF line ends and ends with one, or is empty.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from . import sound
from .blocks import CutOff, NotClosed, blocks, lines_of

__all__ = ["CutOff", "NotClosed", "parse_files", "render_files"]

_LANGUAGES = {
    "py": "python",
    "toml": "toml",
    "md": "markdown",
    "json": "json",
    "yaml": "yaml",
    "yml": "yaml",
    "sql": "sql",
    "html": "html",
}
_RUN = re.compile(r"`+")


def render_files(files: Iterable[tuple[str, str]]) -> str:
    """Each (path, text) in a fence of its own; raises `ValueError` for a path that a fence can't carry."""
    return "\n".join(_render(path, text) for path, text in files)


def parse_files(text: str, asked: Sequence[str] = ()) -> tuple[tuple[str, str], ...]:
    """Every (path, text), in order; blocks without a path are prose.

    Who tells which paths were `asked` for has them found in more places, and a single one need not be named at all.
    Raises `CutOff` where the last file never ends, `NotClosed` where one runs into the next.
    """
    lines = lines_of(text)
    found = blocks(lines, asked)
    named = [block for block in found if block.sure and block.path]
    if not named and len(asked) == 1:
        likely = [block for block in found if block.path]
        told = [block for block in likely if block.fence.info]
        named = told or [block for block in likely if not block.closed or _may_be(asked[0], block.text)]
        if len(named) > 1:
            return ()
        whole = "\n".join(lines).strip("\n") + "\n"
        if not found and sound.is_plainly(asked[0], whole):
            return ((asked[0], whole),)
    for block in named:
        if not block.closed:
            raise CutOff(block.path)
    return tuple((block.path, block.text) for block in named)


def _may_be(path: str, text: str) -> bool:
    return sound.is_plainly(path, text) or not sound.can_tell(path)


def _render(path: str, text: str) -> str:
    if not path or path != path.strip() or any(c in path for c in "`\r\n"):
        raise ValueError(f"{path!a} can't stand in a fence")
    longest = max((len(run) for run in _RUN.findall(text)), default=0)
    fence = "`" * max(3, longest + 1)
    end = "" if not text or text.endswith("\n") else "\n"
    language = _LANGUAGES.get(path.rpartition(".")[2], "text")
    return f"{fence}{language} {path}\n{text}{end}{fence}\n"
