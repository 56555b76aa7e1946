"""A prompt as units: its sentences, bullets and table rows, each with its tokens and its heading."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

MAX_UNITS = 400
MAX_TOKENS = 400
MAX_WRAPPED = 4000

_TOKEN = re.compile(r"[^\W\d]\w*(?:['.\-][^\W\d]\w*)*|\d+(?:[.,]\d+)*|->|=>|→|>=|<=|\S")
_JOINED = re.compile(r"[A-Za-z][a-z]{1,20}(?:[A-Z][a-z]{1,20}){1,4}")
_AS_WELL = re.compile(r"\b(?:as well as|along with|together with|in addition to)\b", re.IGNORECASE)
_COLUMNS = frozenset(
    {"field", "name", "attribute", "column", "property", "entity", "model", "resource", "fields", "#", ""}
)
_COMMAND = re.compile(r"(add|remove|list|show|delete|edit|update|create|find|search|export)[-_]([a-z]{2,30})")
_PART = re.compile(r"[A-Z]?[a-z]+")
_ONE_WORD = frozenset({
    "javascript", "typescript", "github", "youtube", "linkedin", "gitlab", "facebook", "whatsapp", "powershell",
    "iphone",
    "wordpress", "mongodb", "fastapi", "jetstream", "paypal", "tiktok", "dropbox", "macbook", "playstation", "ipad",
})  # fmt: skip
_BULLET = re.compile(r"^(\s*)(?:[-*•+]|\d{1,3}[.)]|[a-z][)])\s+(.*)$")
_TITLE = re.compile(r"^#{1,6}\s+(.*)$")
_LABELLED = re.compile(r"^\s*[`*_]*\w[\w -]{0,40}[`*_]*\s*(?:[:(=]|-\s|->)")
_END = re.compile(r"(?<![.!?])[.!?]++[)\"'”]*+(?=\s|$)")
_ABBREVIATIONS = ("e.g.", "i.e.", "etc.", "vs.", "max.", "min.", "approx.", "incl.", "no.", "ca.", "resp.", "opt.")
_SAME = {
    "\u2019": "'", "\u2018": "'", "\u201c": '"', "\u201d": '"', "\u00a0": " ", "\t": "    ", "\r": "",
    "\u2011": "-", "\u2014": " - ", "\u2013": "-",
    "\x00": "",
}  # fmt: skip
_SPELLINGS = {
    "e-mail": "email", "e-mails": "emails", "to-do": "todo", "to-dos": "todos", "web-site": "website",
    "time-stamp": "timestamp", "cmd": "command", "command-line": "commandline", "can't": "cannot", "cli-tool": "cli",
}  # fmt: skip


class Token(NamedTuple):
    """One word, number or mark; `low` is what the rules look at, `raw` as it was written."""

    low: str
    raw: str


@dataclass(slots=True, eq=False)
class Unit:
    """One sentence or list entry. `head` is the heading or the line ending in a colon that it stands under.

    `described` holds the places of its tokens that were read as a description of fields.
    """

    text: str
    tokens: list[Token]
    level: int = -1
    head: Unit | None = None
    title: bool = False
    heading: bool = False
    children: list[Unit] = field(default_factory=list)
    described: list[int] = field(default_factory=list)

    @property
    def bullet(self) -> bool:
        return self.level >= 0

    @property
    def opens(self) -> bool:
        """Whether it introduces what comes below it."""
        return self.title or self.heading or self.text.endswith(":")

    @property
    def words(self) -> list[str]:
        return [token.low for token in self.tokens]


class _Line(NamedTuple):
    text: str
    level: int
    title: bool
    heading: bool = False


def tokens_of(text: str) -> list[Token]:
    found = []
    for match in _TOKEN.finditer(_AS_WELL.sub("and", text[:MAX_WRAPPED].replace("i.e.", "namely"))):
        raw = match.group()
        if _JOINED.fullmatch(raw) and raw.lower() not in _ONE_WORD:
            found += [Token(part.lower(), part) for part in _PART.findall(raw)]
            continue
        if (command := _COMMAND.fullmatch(raw)) and raw.lower() not in _SPELLINGS:
            found += [Token(part.lower(), part) for part in command.groups()]
            continue
        low = _SPELLINGS.get(raw.lower(), raw.lower())
        if low.endswith("'s") and low not in ("it's", "let's", "that's", "there's", "what's"):
            found += [Token(low[:-2], raw[:-2]), Token("'s", "'s")]
        else:
            found.append(Token(low, raw))
    return found[:MAX_TOKENS]


def units_of(prompt: str) -> list[Unit]:
    """The units of a prompt in order; what is beyond the limits is not looked at."""
    units: list[Unit] = []
    heads: list[tuple[int, Unit]] = []
    for line in _lines(_plain(prompt)):
        for sentence in [line.text] if line.title else _sentences(line.text):
            unit = Unit(sentence, tokens_of(sentence), line.level, title=line.title, heading=line.heading)
            if not any(token.low[0].isalnum() for token in unit.tokens):
                continue
            _place(unit, heads)
            units.append(unit)
            if len(units) == MAX_UNITS:
                return units
    return units


def _place(unit: Unit, heads: list[tuple[int, Unit]]) -> None:
    """Find the head of a unit, and let it be one itself where it opens a list."""
    depth = -2 if unit.title else unit.level
    while heads and heads[-1][0] >= depth:
        heads.pop()
    if heads:
        unit.head = heads[-1][1]
        unit.head.children.append(unit)
    if unit.opens or unit.bullet:
        heads.append((depth, unit))


def _plain(prompt: str) -> str:
    for mark, same in _SAME.items():
        prompt = prompt.replace(mark, same)
    for face in (":-)", ":)", ";-)", ";)", " :D", " :("):
        prompt = prompt.replace(face, ".")
    return prompt.replace("::", ":").replace(" w/o ", " without ").replace(" w/ ", " with ")


def _lines(text: str) -> list[_Line]:
    """Logical lines: wrapped ones joined, bullets with their depth, tables turned into bullets."""
    lines: list[_Line] = []
    header: list[str] = []
    after_colon = listed = False
    for raw in text.split("\n"):
        stripped = raw.strip()
        if not stripped or stripped.startswith("```") or not stripped.strip("-=*_|: +"):
            header = header if stripped.startswith("|") else []
            after_colon = after_colon and stripped.startswith("```")
            lines.append(_Line("", -1, False))
            continue
        if stripped.startswith("|") or (header and stripped.count("|")):
            cells = [cell.strip(" `*") for cell in stripped.strip("|").split("|")]
            if header:
                lines.append(_Line(_row(header, cells), 0, False))
            elif cells[0].lower() not in _COLUMNS:
                lines.append(_Line(cells[0], -1, False, heading=True))
            header = header or [cell.lower() for cell in cells]
            continue
        header = []
        line = _line(raw, stripped, after_colon)
        if lines and lines[-1].text and listed and line.level < 0 and not line.title and _could_be_entry(stripped):
            line = line._replace(level=0)
        listed = line.text.endswith(":") or (listed and line.level >= 0)
        place = len(lines) - 1 - (len(lines) > 1 and not lines[-1].text)
        if line.level >= 0 and lines and _could_head(lines[place]):
            lines[place] = lines[place]._replace(heading=True)
        after_colon = line.text.endswith(":") or _could_head(line) or (after_colon and line.level >= 0)
        if lines and _continues(lines[-1], line, raw):
            last = lines.pop()
            line = _Line(f"{last.text} {stripped}", last.level, False)
        lines.append(line)
    return [line for line in lines if line.text]


def _could_be_entry(text: str) -> bool:
    """A line below 'Book:' that is no sentence: 'title (string, required)'."""
    return len(text.split()) <= 8 and text[-1] not in ".:;!?"


def _could_head(line: _Line) -> bool:
    """A short line without an end mark: the name of what is listed below it."""
    return bool(line.text) and line.level < 0 and len(line.text.split()) <= 4 and line.text[-1] not in ".,;!?"


def _line(raw: str, stripped: str, after_colon: bool) -> _Line:
    if title := _TITLE.match(stripped):
        return _Line(title.group(1).strip(" :*#"), -1, True)
    if bullet := _BULLET.match(raw):
        return _Line(bullet.group(2).strip(), len(bullet.group(1)), False)
    if stripped.startswith("**") and stripped.rstrip(":").endswith("**") and len(stripped) < 60:
        return _Line(stripped.strip("*: "), -1, True)
    indent = len(raw) - len(raw.lstrip())
    if after_colon and indent:
        return _Line(stripped, indent, False)
    return _Line(stripped, -1, False)


def _continues(last: _Line, line: _Line, raw: str) -> bool:
    """Whether a line is the wrapped rest of the one before it."""
    if (
        not last.text
        or len(last.text) > MAX_WRAPPED
        or last.title
        or line.title
        or last.text.endswith((":", ".", "!", "?"))
    ):
        return False
    if last.level >= 0:
        return line.level < 0 and raw.startswith("  ")
    wrapped = len(last.text) >= 55 and line.level < 0 and line.text[0].islower() and last.text[-1] not in ";)]}"
    if wrapped and not _LABELLED.match(last.text):
        return not raw.startswith("    ")
    if line.level >= 0 or _LABELLED.match(line.text) or raw.startswith("    "):
        return False
    return len(last.text) >= 55 or line.text[0].islower()


def _row(header: list[str], cells: list[str]) -> str:
    """One row of a table as the bullet that says the same: `name (type, rest)`."""
    index = next((at for at, title in enumerate(header) if title in _COLUMNS), 0)
    name = cells[index] if index < len(cells) else ""
    rest = ", ".join(cell for at, cell in enumerate(cells) if at != index and cell and cell not in ("-", "n/a"))
    return f"{name} ({rest})" if rest else name


def _sentences(text: str) -> list[str]:
    found = []
    start = 0
    for match in _END.finditer(text):
        piece = text[start : match.end()]
        if piece.rstrip(")\"'”").lower().endswith(_ABBREVIATIONS) and match.end() < len(text):
            continue
        found.append(piece.strip())
        start = match.end()
    found.append(text[start:].strip())
    return [piece for piece in found if piece]
