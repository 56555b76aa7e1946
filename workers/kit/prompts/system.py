"""The system prompt of a task, as a whole: the template beside its stage."""

from __future__ import annotations

from .templates import NoPrompt, render

__all__ = ["NoPrompt", "system_prompt"]


def system_prompt(task: str) -> str:
    """The text of workers/<task>/prompt.md; raises `NoPrompt`."""
    return render(task)
