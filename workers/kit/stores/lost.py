"""Lost artifacts: which rows make them again, and the row of the claim that found it out. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import msgspec

from contracts.topology import Topology

from . import standing
from .drops import Claim, WorkflowState
from .standing import Row

LOST = "its artifact is lost"
"""The error of a row that is made again."""


def lost_rows(
    topology: Topology, claim: Claim, state: WorkflowState, rows: Sequence[Row], lost: Collection[str]
) -> tuple[Row, ...] | None:
    """The rows of these inputs of the claim that are to be made again; None when the claim no longer stands.

    Not those that somebody has made again since the claim was given, or is making again.
    """
    mine = standing.row_of(claim, rows)
    if mine is None or state != "active" or not standing.holds(claim, mine):
        return None
    if not standing.still_due(topology, mine, rows):
        return None
    inputs = {**claim.inputs, **claim.repair}
    unknown = sorted(set(lost) - inputs.keys())
    if unknown:
        raise ValueError(f"{claim.drop} has no input {', '.join(unknown)}")
    wanted = {(name, inputs[name].input.revision) for name in lost}
    found = [row for row in rows if (row.stage, row.revision) in wanted and row.state in {"completed", "rejected"}]
    return tuple(row for row in found if row.updated_at <= mine.updated_at)


def reopened(row: Row, now: datetime) -> Row:
    """The row of a lost artifact: runnable at once, with all its attempts."""
    return msgspec.structs.replace(
        row, state="retry", attempts=0, lease_until=None, retry_at=now, updated_at=now, error=LOST
    )


def waiting(row: Row, lost: Collection[str], now: datetime, after_s: float) -> Row:
    """The row of a claim whose inputs are made again: its attempt counts."""
    return msgspec.structs.replace(
        row,
        state="retry",
        lease_until=None,
        retry_at=now + timedelta(seconds=after_s),
        updated_at=now,
        error=f"lost: the artifact of {', '.join(sorted(lost))}",
    )
