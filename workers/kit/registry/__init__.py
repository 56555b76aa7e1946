"""Resolves, locks and downloads the packages of a generated project: the `Registry` and `Wheelhouse` ports."""

from .index import Index
from .wheelhouse import Wheels

__all__ = ["Index", "Wheels"]
