"""Where models write the path of a file: behind the fence, in the line above it, or in the first line inside.

Outside of a fence's own line only paths that were asked for are seen; anything else there is prose.
"""

from __future__ import annotations

import re
from collections.abc import Collection

_ATTRIBUTE = re.compile(
    r"""(?:title|file|file_?name|file_?path|path|name)\s*[=:]\s*("[^"]*"|'[^']*'|`[^`]*`|[^\s,}"'`]+)""", re.IGNORECASE
)
_SETTING = re.compile(r"[\w.#-]+\s*=|\{|[.#]\w+\}")
_LABEL = re.compile(
    r"(?:(?:new|updated|complete|full|the) +)?(?:file ?name|file ?path|file|path|title)\s*[:=]\s*", re.IGNORECASE
)
_DECORATION = re.compile(r"(?:[#>*+-]{1,6}|\(?\d{1,3}[.)])[ \t]+")
_COMMENT = re.compile(r"(?:#|//|--|;|%|/\*\*?|<!--)[ \t]*(.*?)[ \t]*(?:\*/|-->)?")
_QUOTED = re.compile(r"[\w+#.-]*[ \t:]*`[^`]+`[ \t]*")
_PAIRS = (("**", "**"), ("`", "`"), ('"', '"'), ("'", "'"), ("(", ")"), ("[", "]"), ("<", ">"), ("__", "__"))
_LONGEST = 400
"""A line that is longer names no path: it isn't looked at."""

_LANGUAGES = {
    "py": {"python", "py", "python3"},
    "pyi": {"python", "py", "python3"},
    "md": {"markdown", "md", "mdx"},
    "json": {"json", "jsonc", "json5"},
    "toml": {"toml"},
    "yaml": {"yaml", "yml"},
    "yml": {"yaml", "yml"},
    "sql": {"sql", "sqlite", "postgresql", "mysql"},
    "html": {"html", "jinja", "jinja2", "django", "htm"},
    "js": {"javascript", "js", "jsx"},
    "ts": {"typescript", "ts", "tsx"},
    "css": {"css", "scss"},
    "sh": {"sh", "bash", "shell"},
    "ini": {"ini", "cfg", "conf"},
    "cfg": {"ini", "cfg", "conf"},
}
_ANY = {"", "text", "txt", "plaintext", "plain", "code", "file"}
_COMMANDS = {"sh", "bash", "shell", "console", "zsh", "powershell", "cmd", "diff", "output"}


def in_info(info: str, asked: Collection[str]) -> str:
    """The path behind a fence. One that nobody asked for is told too, as it is: it must not go unnoticed."""
    language, _, rest = info.partition(" ")
    rest = rest.strip(" \t")
    if rest in asked or not info:
        return rest
    found = _ATTRIBUTE.search(info) if len(info) <= _LONGEST else None
    named = bare(found[1]) if found else ""
    options = (named, bare(rest), bare(info), bare(info.partition(":")[2]))
    for option in options:
        if option in asked:
            return option
    if named or _SETTING.match(rest or info):
        return named
    if rest:
        return bare(rest)
    head, colon, tail = language.partition(":")
    if colon and head.isalnum():
        return bare(tail)
    return bare(language) if "." in language else ""


def in_heading(line: str, info: str, asked: Collection[str]) -> str:
    """The path that the line above a fence consists of, or the only one that it names before a colon."""
    if not asked or len(line) > _LONGEST:
        return ""
    text = line.strip(" \t")
    while (decoration := _DECORATION.match(text)) is not None:
        text = text[decoration.end() :]
    named = [bare(text)] if bare(text) in asked else []
    if not named and text.rstrip("*_ ").endswith(":"):
        words = {bare(word) for word in text.split()}
        named = [path for path in asked if path in words]
    return named[0] if len(named) == 1 and fits(info, named[0]) else ""


def in_first_line(line: str, info: str, asked: Collection[str]) -> tuple[str, bool]:
    """The path that is all of a block's first line, and whether the line belongs to the file nevertheless."""
    if not asked or len(line) > _LONGEST:
        return "", True
    text = line.strip(" \t")
    comment = _COMMENT.fullmatch(text)
    path = next((path for path in (bare(text), bare(comment[1]) if comment else "") if path in asked), "")
    if not path or not fits(info, path):
        return "", True
    return path, path.endswith(".md") and text.startswith("#")  # there it is a title


def fits(info: str, path: str) -> bool:
    """Whether a block of this language may be the file."""
    language = re.split(r"[\s:{,]", info.strip("{. \t"), maxsplit=1)[0].lower()
    if language in _ANY or language == path.lower() or "." in language or "/" in language:
        return True
    known = _LANGUAGES.get(path.rpartition(".")[2].lower())
    return language in known if known else language not in _COMMANDS


def is_quoted(info: str) -> bool:
    """Whether the backticks behind a fence are quotes around a name."""
    return len(info) <= _LONGEST and _QUOTED.fullmatch(info) is not None


def bare(text: str) -> str:
    """A path without what models put around it: quotes, a label, a comment's mark, a colon, './'."""
    if len(text) > _LONGEST:
        return text.strip(" \t")
    before = None
    while text != before:
        before = text
        text = text.strip(" \t").removesuffix(":").removesuffix(",")
        for opening, closing in _PAIRS:
            if text.startswith(opening) and text.endswith(closing) and len(text) > len(opening) + len(closing):
                text = text[len(opening) : -len(closing)]
        label = _LABEL.match(text)
        text = text[label.end() :] if label else text
        for mark in ("# ", "// "):
            text = text.removeprefix(mark)
    return text.removeprefix("./")
