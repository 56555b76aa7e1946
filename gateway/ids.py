"""Workflow ids: a ULID, or the one that an idempotency key always gives."""

from __future__ import annotations

import re

from ulid import ULID

from .problems import ProblemError

ULID_FORM = "[0-7][0-9A-HJKMNP-TV-Z]{25}"
_ULID = re.compile(ULID_FORM)


def new() -> str:
    """A fresh id; sorts by time."""
    return str(ULID())


def checked(workflow: str) -> str:
    """`workflow`, if it has the form of an id; else the same answer as for one that does not exist."""
    if not _ULID.fullmatch(workflow):
        raise unknown(workflow)
    return workflow


def unknown(workflow: str) -> ProblemError:
    """The problem for an id that is nobody's, or somebody else's."""
    return ProblemError(
        404,
        "workflow_not_found",
        "No such workflow",
        f"There is no workflow {workflow[:64]!r}; GET /v1/workflows lists yours.",
    )
