"""Runs generated code where it can do no harm: the `Sandbox` port over bubblewrap (docs/explanation/sandbox.md)."""

from .bubblewrap import Bubblewrap
from .install import install
from .profile import VENV, WHEELS, WORK

__all__ = ["VENV", "WHEELS", "WORK", "Bubblewrap", "install"]
