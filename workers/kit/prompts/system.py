"""The system prompt of a task: `prompt.md` beside its stage, read as a resource; no stage is imported for it."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_TASK = re.compile(r"[a-z][a-z_]{0,63}")


class NoPrompt(Exception):
    """There is no prompt for this task."""


@cache
def system_prompt(task: str) -> str:
    """The text of workers/<task>/prompt.md; raises `NoPrompt`."""
    if not _TASK.fullmatch(task):
        raise NoPrompt(f"{task[:80]!a} is no name of a task")
    try:
        return files("workers").joinpath(task, "prompt.md").read_text(encoding="utf-8").strip()
    except OSError:
        raise NoPrompt(f"workers/{task} holds no prompt.md") from None
