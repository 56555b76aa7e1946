"""Syntax trees of generated files: the `Parser` port over tree-sitter."""
