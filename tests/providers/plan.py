"""Faults by plan: a list used up request by request, for a model or for all, or a chance by seed.

As text, a fault is its kind and, after a colon, its seconds: `429:2` (Retry-After), `hang:5`, `drip:3`; `ok` is none.
A number is the status of an error; `eof` ends a stream in its middle as if that were its end.
"""

from __future__ import annotations

import random
from collections import Counter

import msgspec

ANY = "*"
KINDS = {
    "ok", "hang", "drip", "cut", "eof", "length", "empty", "wrong_json", "prose", "wrong_schema", "huge", "no_usage",
}  # fmt: skip


class Plan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What goes wrong. `first` is used up, request by request; `always` holds after that; `chance` after both.

    The keys are models, or `*`: a model's own entries come before those of all.
    """

    first: dict[str, list[str]] = {}
    always: dict[str, str] = {}
    chance: dict[str, float] = {}
    seed: int = 0

    def __post_init__(self) -> None:
        for text in (*(text for texts in self.first.values() for text in texts), *self.always.values(), *self.chance):
            fault(text)


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that goes wrong; `status` is that of an error, else 200."""

    kind: str
    status: int = 200
    seconds: float | None = None


OK = Fault(kind="ok")


def fault(text: str) -> Fault:
    """Read from its text; raises `ValueError`."""
    kind, _, seconds = text.partition(":")
    if kind.isdigit() and 400 <= int(kind) < 600:
        return Fault(kind=kind, status=int(kind), seconds=float(seconds) if seconds else None)
    if kind not in KINDS:
        raise ValueError(f"{text!r} is no fault: an HTTP status from 400 on, or one of {', '.join(sorted(KINDS))}")
    return Fault(kind=kind, seconds=float(seconds) if seconds else None)


def plan(text: str) -> Plan:
    """A list of faults for all models (`429:1,500,ok`), or a `Plan` as JSON."""
    if text.lstrip().startswith("{"):
        return msgspec.json.decode(text, type=Plan)
    return Plan(first={ANY: [part.strip() for part in text.split(",") if part.strip()]})


class Faults:
    """A plan, as far as it is used up."""

    def __init__(self, planned: Plan) -> None:
        self._plan = planned
        self._used: Counter[str] = Counter()
        self._asked: Counter[tuple[str, str]] = Counter()

    def next(self, model: str, question: str) -> Fault:
        """What this request meets. A chance depends on the question and how often it was asked, not on the order."""
        self._asked[model, question] += 1
        for name in (model, ANY):
            if self._used[name] < len(self._plan.first.get(name, ())):
                self._used[name] += 1
                return fault(self._plan.first[name][self._used[name] - 1])
        always = self._plan.always.get(model) or self._plan.always.get(ANY)
        if always:
            return fault(always)
        return self._by_chance(model, question)

    def _by_chance(self, model: str, question: str) -> Fault:
        if not self._plan.chance:
            return OK
        drawn = random.Random(f"{self._plan.seed}:{model}:{question}:{self._asked[model, question]}").random()  # noqa: S311
        for text, share in self._plan.chance.items():
            drawn -= share
            if drawn < 0:
                return fault(text)
        return OK
