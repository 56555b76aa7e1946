"""The rules of design.md §4 once more, in plain Python and without the product's code: what the machine believes.

One `Oracle` is one workflow. Time is a count of changes; a lease or a wait is over when somebody says so (`ripe`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

NEEDS = {
    "plan": (),
    "left": ("plan",),
    "right": ("plan",),
    "lint": ("left",),
    "join": ("left", "right"),
    "pack": ("join", "lint"),
}
REPAIRS = {"lint": ("left",), "join": ("left", "right")}
ROUNDS = {"lint": 1, "join": 2}
LAST = "pack"
OPEN = {"running", "retry"}
RETRIES = 20


def above(stage: str) -> set[str]:
    """All that it is made from, however far."""
    return {name for need in NEEDS[stage] for name in (need, *above(need))}


ABOVE = {stage: above(stage) for stage in NEEDS}


class Part(NamedTuple):
    """One input of a row."""

    stage: str
    revision: int
    sha: str
    unmet: bool


class Taken(NamedTuple):
    """A claim, as far as the rules go."""

    stage: str
    revision: int
    epoch: int
    attempt: int
    inputs: frozenset[Part]
    repair: frozenset[Part]


class Told(NamedTuple):
    """Any other answer: a reason or a state, the names of the events that came with it, and what was handed over."""

    word: str
    events: tuple[str, ...] = ()
    handed: frozenset[Taken] = frozenset()


@dataclass
class Row:
    """One drop. `at`: when it last changed."""

    state: str = "running"
    epoch: int = 0
    attempts: int = 0
    ripe: bool = False
    sha: str = ""
    inputs: frozenset[Part] = frozenset()
    opens: int = 0
    target: str = ""
    unmet: bool = False
    at: int = 0

    @property
    def again(self) -> bool:
        """What it made is lost, and to be made once more."""
        return bool(self.sha) and self.state in OPEN

    @property
    def stood(self) -> str:
        """Its state, were nothing lost."""
        return ("rejected" if self.opens else "completed") if self.again else self.state


@dataclass
class Oracle:
    """One workflow."""

    state: str = "active"
    rows: dict[tuple[str, int], Row] = field(default_factory=dict)
    events: list[str] = field(default_factory=lambda: ["workflow.submitted.1"])
    now: int = 0

    def due(self, stage: str, until: int = 10**9) -> int:
        """The newest revision that begins at the stage or above it, among those up to `until`."""
        reach = {stage} | ABOVE[stage]
        opened = [row.opens for row in self.rows.values() if row.target in reach and row.opens <= until]
        return max(opened, default=1)

    @property
    def newest(self) -> int:
        return max((row.opens for row in self.rows.values()), default=0) or 1

    # what a worker asks

    def claim(self, stage: str, attempts: int) -> Taken | Told:
        self.now += 1
        found = self.look(stage)
        if isinstance(found, str):
            return Told(found)
        revision, hopeless = found
        row = self.rows.setdefault((stage, revision), Row(state="closed"))
        had = 0 if row.state == "closed" else row.attempts
        if hopeless or had >= attempts:
            return Told("exhausted", self._fail(stage, revision))
        row.state, row.epoch, row.attempts, row.ripe, row.at = "running", row.epoch + 1, had + 1, False, self.now
        inputs = frozenset(self._part(name, self.due(name, revision)) for name in ABOVE[stage])
        repair = frozenset(self._part(*key) for key in self._sent_back(stage, revision))
        row.inputs = inputs | repair
        return Taken(stage, revision, row.epoch, row.attempts, inputs, repair)

    def look(self, stage: str) -> tuple[int, bool] | str:
        """The revision that can be claimed and whether it is hopeless, else why there is none."""
        if self.state != "active":
            return "ended"
        lost = sorted(revision for (name, revision), row in self.rows.items() if name == stage and row.again)
        answers = [self._look_at(stage, revision) for revision in (*lost, self.due(stage))]
        return next((answer for answer in answers if not isinstance(answer, str)), answers[0])

    def _look_at(self, stage: str, revision: int) -> tuple[int, bool] | str:
        row = self.rows.get((stage, revision), Row(state="closed"))
        if row.state not in OPEN | {"closed"}:
            return "done"
        if row.state in OPEN and not row.ripe:
            return "leased" if row.state == "running" else "waiting"
        wanted = [(name, self.due(name, revision)) for name in ABOVE[stage]]
        lacking = [key for key in wanted if key not in self.rows or self.rows[key].state != "completed"]
        never = row.again and any(key not in self.rows or not self.rows[key].again for key in lacking)
        if never:
            return revision, True
        if lacking or any(self.rows[key].again for key in self._sent_back(stage, revision)):
            return "inputs missing"
        return revision, False

    def _sent_back(self, stage: str, revision: int) -> list[tuple[str, int]]:
        """The report that sent the work back here, and what was made here before it."""
        sender = (revision, stage, "rejected")
        report = next((key for key, row in self.rows.items() if (row.opens, row.target, row.stood) == sender), None)
        if report is None:
            return []
        before = [
            number
            for (name, number), row in self.rows.items()
            if name == stage and number < revision and row.stood == "completed"
        ]
        return [report, *((stage, number) for number in sorted(before)[-1:])]

    def _part(self, stage: str, revision: int) -> Part:
        row = self.rows[stage, revision]
        return Part(stage, revision, row.sha, row.unmet)

    def mine(self, claim: Taken) -> Row | None:
        """The claim's row, while it is the claim's."""
        row = self.rows.get((claim.stage, claim.revision))
        stands = row is not None and self.state == "active" and (row.state, row.epoch) == ("running", claim.epoch)
        return row if stands else None

    def wanted(self, claim: Taken, row: Row) -> bool:
        return row.again or self.due(claim.stage) == claim.revision

    def renew(self, claim: Taken) -> bool:
        self.now += 1
        row = self.mine(claim)
        if row is None:
            return False
        if not self.wanted(claim, row):
            row.state, row.at = "superseded", self.now
            return False
        row.ripe = False
        return True

    def release(self, claim: Taken) -> None:
        self.now += 1
        row = self.mine(claim)
        if row is not None:
            row.state, row.attempts, row.ripe, row.at = "retry", row.attempts - 1, True, self.now

    def commit(self, claim: Taken, kind: str, sha: str, target: str, heirs: frozenset[str] = frozenset()) -> Told:
        """`kind`: completed, rejected, failed or retry. Each heir that waited for this alone claims at once, unless
        anything was sent back or lost before."""
        self.now += 1
        row = self.mine(claim)
        if row is None:
            return Told("lost")
        if not self.wanted(claim, row):
            row.state, row.at = "superseded", self.now
            return Told("superseded")
        if (
            kind == "failed"
            or (kind == "retry" and self.retries() >= RETRIES)
            or (row.again and kind != "retry" and sha != row.sha)
        ):
            return Told("failed", self._fail(claim.stage, claim.revision))
        told: tuple[str, ...] = ()
        if kind == "retry":
            row.state, row.ripe = "retry", False
        elif row.again:
            row.state = row.stood
        else:
            told = self._settle(claim, row, kind, sha, target)
        row.at = self.now
        if kind != "completed" or not told or claim.stage == LAST or self.newest > 1:
            return Told(row.state, told)
        waited = [name for name in heirs if NEEDS[name] == (claim.stage,) and (name, 1) not in self.rows]
        handed = [self.claim(name, 1) for name in sorted(waited)]
        return Told(row.state, told, frozenset(found for found in handed if isinstance(found, Taken)))

    def retries(self) -> int:
        """The attempts after the first, of every row since the workflow was last resumed."""
        since = max((row.opens for row in self.rows.values() if row.state == "failed"), default=0)
        return sum(max(0, row.attempts - 1) for (_, revision), row in self.rows.items() if revision >= since)

    def _settle(self, claim: Taken, row: Row, kind: str, sha: str, target: str) -> tuple[str, ...]:
        spent = sum(name == claim.stage and other.stood == "rejected" for (name, _), other in self.rows.items())
        row.sha, row.state = sha, kind
        if kind == "rejected" and spent < ROUNDS[claim.stage]:
            row.opens, row.target = self.newest + 1, target
        elif kind == "rejected":
            row.state, row.unmet = "completed", True
        told = f"{claim.stage}.{row.state}.{claim.revision}"
        self.events.append(told)
        return (told, *self._end("completed")) if claim.stage == LAST else (told,)

    def _fail(self, stage: str, revision: int) -> tuple[str, ...]:
        row = self.rows[stage, revision]
        row.state, row.sha, row.unmet, row.at = "failed", "", False, self.now
        fact = f"{stage}.failed.{revision}"
        self.events.append(fact)
        return fact, *self._end("failed")

    def _end(self, state: str) -> list[str]:
        self.state = state
        for row in self.rows.values():
            if row.state in OPEN:
                row.state, row.at = row.stood if row.again else "closed", self.now
        end = f"workflow.{state}.{self.newest}"
        self.events.append(end)
        return [end]

    def rearm(self, claim: Taken, lost: frozenset[str]) -> bool:
        self.now += 1
        row = self.mine(claim)
        if row is None or not self.wanted(claim, row):
            return False
        parts = {part.stage: part.revision for part in (*claim.inputs, *claim.repair)}
        for name in lost:
            other = self.rows[name, parts[name]]
            if other.state in {"completed", "rejected"} and other.at <= row.at:
                other.state, other.attempts, other.ripe, other.at = "retry", 0, True, self.now
        row.state, row.ripe, row.at = "retry", False, self.now
        return True

    # what people and time do

    def end(self, state: str) -> Told:
        """Cancelled or expired."""
        self.now += 1
        if self.state != "active":
            return Told(self.state)
        return Told(state, tuple(self._end(state)))

    def resume(self) -> Told:
        self.now += 1
        if self.state != "failed":
            return Told(self.state)
        key = max((key for key, row in self.rows.items() if row.state == "failed"), key=lambda key: self.rows[key].at)
        row = self.rows[key]
        row.opens, row.target, row.at, self.state = self.newest + 1, row.target or key[0], self.now, "active"
        told = f"workflow.resumed.{row.opens}"
        self.events.append(told)
        return Told("active", (told,))

    def lapse(self, stages: frozenset[str]) -> None:
        """The leases and the waits of these stages are over."""
        for (name, _), row in self.rows.items():
            if name in stages and row.state in OPEN:
                row.ripe = True
