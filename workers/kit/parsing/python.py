"""Top-level names and imports in a Python syntax tree."""

from __future__ import annotations

from collections.abc import Iterator

from tree_sitter import Node

from workers.kit.ports import ImportedName, Symbol

# Statements whose blocks still define names of the module.
_TRANSPARENT = frozenset(
    [
        "module", "block", "if_statement", "elif_clause", "else_clause", "try_statement", "except_clause",
        "except_group_clause", "finally_clause", "with_statement", "for_statement", "while_statement",
        "expression_statement", "decorated_definition",
    ]
)  # fmt: skip
_DEFINITIONS = frozenset(["class_definition", "function_definition"])
_IMPORTS = frozenset(["import_statement", "import_from_statement", "future_import_statement"])


def symbols(root: Node) -> Iterator[Symbol]:
    """Classes, functions and assigned names at the top level, also under if, try, with and loops."""
    pending = [root]
    while pending:
        node = pending.pop()
        if node.type in _DEFINITIONS:
            kind = "class" if node.type == "class_definition" else "function"
            yield Symbol(name=_text(node.child_by_field_name("name")), kind=kind, line=_line(node))  # type: ignore[arg-type]
        elif node.type == "assignment":
            yield from _assigned(node)
        elif node.type == "type_alias_statement" and node.named_children:
            yield Symbol(name=_text(node.named_children[0]), kind="constant", line=_line(node))
        elif node.type in _TRANSPARENT:
            pending.extend(reversed(node.named_children))


def _assigned(node: Node) -> Iterator[Symbol]:
    right: Node | None = node
    while right is not None and right.type == "assignment":  # a = b = 1
        left = right.child_by_field_name("left")
        names = _targets(left)
        yield from (Symbol(name=_text(name), kind="constant", line=_line(name)) for name in names)
        right = right.child_by_field_name("right")


def _targets(left: Node | None) -> list[Node]:
    """The plain names on the left of an assignment; an attribute or item of something else is none."""
    if left is None:
        return []
    candidates = left.named_children if left.type in {"pattern_list", "tuple_pattern", "list_pattern"} else [left]
    return [node for node in candidates if node.type == "identifier"]


def imports(root: Node) -> Iterator[ImportedName]:
    """Every import; `deferred` are those in a function body or under `if TYPE_CHECKING`."""
    pending = [(root, False)]
    while pending:
        node, deferred = pending.pop()
        if node.type in _IMPORTS:
            yield from _imported(node, deferred)
            continue
        pending.extend((child, deferred or _defers(node, child)) for child in reversed(node.named_children))


def _defers(parent: Node, child: Node) -> bool:
    if parent.type in {"function_definition", "lambda"}:
        return True
    if parent.type != "if_statement" or child.type != "block":
        return False
    return _text(parent.child_by_field_name("condition")) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}


def _imported(node: Node, deferred: bool) -> Iterator[ImportedName]:
    line = _line(node)
    names = [_imported_name(name) for name in node.children_by_field_name("name")]
    if node.type == "import_statement":
        for name in names:
            yield ImportedName(module=name, name="", level=0, line=line, deferred=deferred)
        return
    module, level = _source(node)
    if any(child.type == "wildcard_import" for child in node.named_children):
        names.append("*")
    for name in names:
        yield ImportedName(module=module, name=name, level=level, line=line, deferred=deferred)


def _imported_name(node: Node) -> str:
    """What is imported, not what it is called here."""
    return _text(node.child_by_field_name("name") if node.type == "aliased_import" else node)


def _source(node: Node) -> tuple[str, int]:
    """(module, number of leading dots) of a from-import."""
    if node.type == "future_import_statement":
        return "__future__", 0
    text = _text(node.child_by_field_name("module_name"))
    module = text.lstrip(". ")
    return module, text[: len(text) - len(module)].count(".")


def _text(node: Node | None) -> str:
    """As written, without the blanks that may stand around dots."""
    if node is None or node.text is None:
        return ""
    return "".join(node.text.decode("utf-8", "replace").split())


def _line(node: Node) -> int:
    line: int = node.start_point[0] + 1
    return line
