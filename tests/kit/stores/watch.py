"""Laws of a workflow's history, held against what PostgreSQL really has after each step, whatever any model expects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import asyncpg
import msgspec

from contracts.events import Input
from tests.kit.stores.oracle import ABOVE, OPEN, ROUNDS, Part

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Key: TypeAlias = tuple[str, int]

HEADS = "SELECT id, state FROM workflows WHERE id = ANY($1)"
ROWS = """
    SELECT workflow_id, stage, revision, state, epoch, attempts, artifact_sha256, inputs, opens, target, unmet
    FROM drops WHERE workflow_id = ANY($1)
"""
EVENTS = "SELECT workflow_id, id, body FROM events WHERE workflow_id = ANY($1) ORDER BY created_at, id"


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One row as it lies in the table."""

    state: str
    epoch: int
    attempts: int
    sha: str
    inputs: frozenset[Part]
    opens: int
    target: str
    unmet: bool


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """One workflow as it lies in the tables."""

    state: str
    rows: dict[Key, Seen]
    events: list[tuple[str, bytes]]

    @property
    def told(self) -> list[str]:
        """The names of the events, without the workflow's id."""
        return [name.partition(".")[2] for name, _ in self.events]


async def sights(connection: Connection, workflows: Sequence[str]) -> dict[str, Sight]:
    """The workflows, while nobody changes them."""
    heads = await connection.fetch(HEADS, workflows)
    found = {head["id"]: Sight(state=head["state"], rows={}, events=[]) for head in heads}
    for row in await connection.fetch(ROWS, workflows):
        found[row["workflow_id"]].rows[row["stage"], row["revision"]] = _seen(row)
    for event in await connection.fetch(EVENTS, workflows):
        found[event["workflow_id"]].events.append((event["id"], event["body"]))
    return found


def _seen(row: asyncpg.Record) -> Seen:
    inputs = msgspec.json.decode(row["inputs"], type=tuple[Input, ...])
    return Seen(
        state=row["state"],
        epoch=row["epoch"],
        attempts=row["attempts"],
        sha=row["artifact_sha256"] or "",
        inputs=frozenset(Part(i.stage, i.revision, i.sha256, i.unmet) for i in inputs),
        opens=row["opens"] or 0,
        target=row["target"] or "",
        unmet=row["unmet"],
    )


@dataclass
class Watch:
    """One workflow's history so far."""

    last: Sight = field(default_factory=lambda: Sight(state="active", rows={}, events=[]))
    made: dict[Key, str] = field(default_factory=dict)
    inputs: dict[Key, dict[str, int]] = field(default_factory=dict)

    def see(self, now: Sight) -> None:
        """Raises AssertionError where a law is broken since the last look."""
        self._events(now)
        self._end(now)
        for key, row in now.rows.items():
            self._made(key, row)
        for key, row in now.rows.items():
            self._row(key, row, now)
        assert self.last.rows.keys() <= now.rows.keys(), "rows stay"
        self._openings(now)
        self.last = now

    def _events(self, now: Sight) -> None:
        assert now.events[: len(self.last.events)] == self.last.events, "what was told stays as it was told"
        told = Counter(name for name in now.told if name.split(".")[1] in {"completed", "rejected"})
        assert not told or max(told.values()) == 1, "it is told once"
        for (stage, revision), row in now.rows.items():
            if row.state in {"completed", "rejected", "failed"}:
                assert f"{stage}.{row.state}.{revision}" in now.told, "what became of a row is told"
            assert not {f"{stage}.{state}.{revision}" for state in ("completed", "rejected")} <= set(now.told)

    def _end(self, now: Sight) -> None:
        ended = ""
        for name in now.told:
            stage, outcome, _ = name.split(".")
            assert not ended or (ended, name.rpartition(".")[0]) == ("failed", "workflow.resumed"), (
                f"{name} after the end"
            )
            ended = outcome if stage == "workflow" and outcome not in {"submitted", "resumed"} else ""
        assert now.state == (ended or "active"), "the state is the one that was told last"
        assert now.state == "active" or not [key for key, row in now.rows.items() if row.state in OPEN], "all is closed"
        if self.last.state in {"completed", "cancelled", "expired"}:
            assert now == self.last, "the first end stays"

    def _made(self, key: Key, row: Seen) -> None:
        if row.sha:
            assert self.made.setdefault(key, row.sha) == row.sha, "an artifact never changes"
        else:
            assert row.state not in {"completed", "rejected"}, "it has an artifact"

    def _row(self, key: Key, row: Seen, now: Sight) -> None:
        was = self.last.rows.get(key)
        assert was is None or row.epoch >= was.epoch, "epochs grow"
        if was is None or row.epoch > was.epoch:
            parts = {part.stage: part.revision for part in row.inputs if part.stage in ABOVE[key[0]]}
            assert parts == {name: _due(now, name, key[1]) for name in ABOVE[key[0]]}, "it takes what is due"
            assert self.inputs.setdefault(key, parts) == parts, "every attempt is made from the same"
            for part in row.inputs:
                assert part.sha == self.made[part.stage, part.revision], "it takes what was made"

    def _openings(self, now: Sight) -> None:
        opened = [row.opens for row in now.rows.values() if row.opens]
        assert len(opened) == len(set(opened)), "every revision is opened once"
        for key, was in self.last.rows.items():
            row = now.rows[key]
            assert (row.opens, row.target) == (was.opens, was.target) or row.opens > was.opens, (
                "what is open stays open"
            )
            assert not was.opens or row.opens == was.opens or row.state == "failed", "only a failed row opens twice"
        assert max(opened, default=1) >= max((row.opens for row in self.last.rows.values()), default=1)
        assert all(revision <= max(opened, default=1) for _, revision in now.rows), "no row is ahead of its opening"
        for stage, rounds in ROUNDS.items():
            refused = sum(name == stage and row.state == "rejected" for (name, _), row in now.rows.items())
            assert refused <= rounds, "rounds are counted"


def _due(now: Sight, stage: str, until: int) -> int:
    reach = {stage} | ABOVE[stage]
    return max((row.opens for row in now.rows.values() if row.target in reach and row.opens <= until), default=1)
