"""Folders that the sandbox's user can enter, whatever our umask is."""

from __future__ import annotations

from pathlib import Path


def shared(folder: Path) -> Path:
    """Makes `folder` and the parents it lacks, open to readers; what is already there keeps its mode."""
    if not folder.is_dir():
        shared(folder.parent)
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
    return folder
