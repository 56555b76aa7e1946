"""Files as fenced text, the form in which models write code: a line "```<language> <path>", the body, a line "```".

The fence is longer than any run of backticks in the body. Text around the fences, CRLF line ends and a byte order mark
are tolerated. A text has LF line ends and ends with one, or is empty.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

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
_OPENING = re.compile(r" {0,3}(`{3,})([^`]*)")  # one way to match a line: a model may write a long one
_RUN = re.compile(r"`+")


class CutOff(ValueError):
    """The text ends inside the fence of `path`."""

    def __init__(self, path: str) -> None:
        super().__init__(f"the answer ends inside {path}")
        self.path = path


def render_files(files: Iterable[tuple[str, str]]) -> str:
    """Each (path, text) in a fence of its own; raises `ValueError` for a path that a fence can't carry."""
    return "\n".join(_render(path, text) for path, text in files)


def parse_files(text: str) -> tuple[tuple[str, str], ...]:
    """Every (path, text), in order; fences without a path are prose. Raises `CutOff` where the last one never ends."""
    found: list[tuple[str, str]] = []
    fence, path = "", ""
    body: list[str] = []
    for line in text.removeprefix("\ufeff").split("\n"):
        line = line.removesuffix("\r")
        if not fence:
            opening = _OPENING.fullmatch(line)
            if opening is not None:
                fence, path, body = opening[1], _path(opening[2].strip(" \t")), []
        elif _closes(line, fence):
            if path:
                found.append((path, "".join(f"{part}\n" for part in body)))
            fence = ""
        else:
            body.append(line)
    if fence and path:
        raise CutOff(path)
    return tuple(found)


def _render(path: str, text: str) -> str:
    if not path or path != path.strip() or any(c in path for c in "`\r\n"):
        raise ValueError(f"{path!a} can't stand in a fence")
    longest = max((len(run) for run in _RUN.findall(text)), default=0)
    fence = "`" * max(3, longest + 1)
    end = "" if not text or text.endswith("\n") else "\n"
    language = _LANGUAGES.get(path.rpartition(".")[2], "text")
    return f"{fence}{language} {path}\n{text}{end}{fence}\n"


def _path(info: str) -> str:
    """The path in an info string; a lone word is one only when it looks like a file's name."""
    language, _, path = info.partition(" ")
    return path.strip() or (language if "." in language else "")


def _closes(line: str, fence: str) -> bool:
    stripped = line.strip(" \t")
    return len(stripped) >= len(fence) and set(stripped) == {"`"} and len(line) - len(line.lstrip(" ")) < 4
