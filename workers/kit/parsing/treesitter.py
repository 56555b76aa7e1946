"""The `Parser` port: errors in 40 languages, symbols and imports of Python, all from tree-sitter's trees.

Trees are walked without recursion: how deep hostile code nests is not our stack's business.
"""

from __future__ import annotations

from tree_sitter import Node

from contracts.artifacts import File, Finding
from workers.kit.ports import ImportedName, Symbol

from . import grammars, languages, python

MAX_BYTES = 1 << 20
MAX_FINDINGS = 20
_EXCERPT = 40
# Each knows words of its dialect that the other does not.
_READERS = {"sql": ("sqlite", "sql")}


class TreeSitterParser:
    """Stateless, so any number of threads may share one."""

    def language_of(self, path: str) -> str | None:
        """See the port."""
        return languages.language_of(path)

    def syntax_errors(self, file: File) -> tuple[Finding, ...]:
        """At most twenty for a file: the first are the ones that matter."""
        language = languages.language_of(file.path)
        if language is None:
            return ()
        source = _bytes(file)
        if len(source) > MAX_BYTES:
            return (Finding(rule="too-large", message=f"more than {MAX_BYTES} bytes", path=file.path),)
        try:
            faults = min((_faults(grammar, source) for grammar in _READERS.get(language, (language,))), key=len)
        except ValueError:
            return (Finding(rule="syntax", message="takes too long to parse", path=file.path),)
        return tuple(_finding(file.path, node) for node in faults[:MAX_FINDINGS])

    def symbols(self, file: File) -> tuple[Symbol, ...]:
        """See the port; a name defined twice stands twice."""
        return tuple(python.symbols(_python(file)))

    def imports(self, file: File) -> tuple[ImportedName, ...]:
        """See the port, in the order of the text."""
        return tuple(python.imports(_python(file)))


def _bytes(file: File) -> bytes:
    return file.text.encode("utf-8", "surrogatepass")


def _python(file: File) -> Node:
    # One thing too large to be read is enough: syntax_errors tells of it, and no name is taken from it.
    source = _bytes(file)
    return grammars.parse("python", source if len(source) <= MAX_BYTES else b"").root_node


def _faults(grammar: str, source: bytes) -> list[Node]:
    """The innermost nodes with a fault: the nearest to the mistake that can be seen (a missing part may be hidden)."""
    root = grammars.parse(grammar, source).root_node
    pending = [root] if root.has_error else []
    found: list[Node] = []
    while pending:
        node = pending.pop()
        faulty = [child for child in node.children if child.has_error or child.is_missing]
        if not faulty:
            found.append(node)
        pending.extend(reversed(faulty))
    return found


def _finding(path: str, node: Node) -> Finding:
    if node.is_missing:
        message = f"{node.type!r} is missing"
    else:
        text = (node.text or b"").decode("utf-8", "replace").strip()
        message = f"can't be parsed: {text.splitlines()[0][:_EXCERPT]!r}" if text else "can't be parsed"
    return Finding(rule="syntax", message=message, path=path, line=node.start_point[0] + 1)
