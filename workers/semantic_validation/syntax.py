"""Syntax by tree-sitter, for every language that has a grammar; and the phrases of a text that was left unfinished."""

from __future__ import annotations

import re
from collections.abc import Set

import msgspec

from contracts.artifacts import File, Finding, SourceTree
from workers.kit.ports import Parser

from . import data_files

UNREADABLE = frozenset(["syntax", "compile", "too-large", "unsafe-path", "missing-file"])

# Not the slashes of an address.
_COMMENT = r"(?:#|(?<!:)//|/\*|<!--|^\s*(?:\*|--))"
_MARK = re.compile(rf"{_COMMENT}+\s*(TODO|FIXME|XXX|TBD)\b")
# What a model writes instead of the code: always in a comment, often around an ellipsis.
_ELISION = re.compile(
    rf"{_COMMENT}+\s*(?:\.\.\.|…)|{_COMMENT}[^\n]*\b(?:"
    r"(?:rest|remainder) (?:of (?:the )?(?:\w+ )?)?(?:is |remains? |stays? )?(?:unchanged|the same|omitted)"
    r"|rest of (?:the|your) (?:code|file|class|function|implementation)"
    r"|(?:existing|previous|other|remaining) (?:code|methods?|functions?) (?:here|unchanged|as before|goes here)"
    r"|(?:your|add|insert) (?:own )?(?:code|implementation|logic) (?:goes )?here"
    r"|implement(?:ation)? (?:me|this|goes here)"
    r"|(?:omitted|left out|shortened) for brevity)\b",
    re.IGNORECASE,
)


def errors(tree: SourceTree, parser: Parser, compiled: Set[str]) -> list[Finding]:
    """Error and missing nodes. Where the language's own reader is content, ours is only behind the times: a note."""
    found: list[Finding] = []
    for file in tree.files:
        settled = file.path in compiled or data_files.suffix(file.path)
        faults = parser.syntax_errors(file)
        found += [msgspec.structs.replace(fault, severity="note") for fault in faults] if settled else faults
    return found


def placeholders(tree: SourceTree) -> list[Finding]:
    """Python's empty bodies are found by `inspection`, from its own syntax tree."""
    return [finding for file in tree.files for finding in _unfinished(file)]


def _unfinished(file: File) -> list[Finding]:
    if file.path.lower().endswith(".md"):
        return []
    found = []
    for number, line in enumerate(file.text.splitlines(), 1):
        match = _MARK.search(line) or _ELISION.search(line)
        if match:
            message = f"unfinished: {match[0].strip()[:60]!r}"
            found.append(Finding(rule="placeholder", message=message, path=file.path, line=number))
    return found
