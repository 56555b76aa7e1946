"""The port of the ledger: every answer from outside under the hash of its question, what each call took, and budgets.

How a router uses it: `Turns.turn` (which waits and calls `begin`), and when there is no answer yet the model, then
`settle` before the answer is given to anybody, or `note` when there is none. With `strict`: `known`, else `missed`.
Adapters: `pg.ledger.PgLedger`, `memory.ledger.MemoryLedger`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal, Protocol

import msgspec

Outcome = Literal["answered", "known", "failed", "stand_in"]
REFUSED = "answer that could not be used"
"""The piece that names, by its question, the answer in whose place another one is asked for."""
Verdict = Literal["yours", "known", "theirs", "wait", "over"]


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked, and for whom: `asked` are the bytes whose sha256 is `question` (`wire.question_asked`).

    `pieces` is the context manifest, of any struct that becomes JSON.
    """

    tenant: str
    workflow: str
    stage: str
    task: str
    question: str
    asked: bytes = b""
    revision: int = 1
    role: str = ""
    schema_name: str = ""
    pieces: Sequence[msgspec.Struct] = ()


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What was answered, by which model, for how many tokens and US dollars; `instead` says why a stand-in did."""

    text: str
    finish_reason: str
    model: str
    tokens_in: int
    tokens_out: int
    cost: float = 0.0
    instead: str = ""


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """How a call went: its row in the calls. `cost` in US dollars; `tried` are the models that failed before.

    `detail` says why there is no answer (with the problem's `code`), or why a stand-in gave it.
    """

    outcome: Outcome
    model: str = ""
    provider: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0
    latency_ms: int = 0
    code: str = ""
    detail: str = ""
    tried: Sequence[msgspec.Struct] = ()


class Over(msgspec.Struct, frozen=True, kw_only=True):
    """A limit that the call would cross: US dollars allowed, spent, held by calls that run now, and its estimate."""

    scope: Literal["workflow", "month"]
    allowed: float
    spent: float
    held: float
    estimate: float

    @property
    def sentence(self) -> str:
        """What a person is told."""
        whose = "the workflow's budget" if self.scope == "workflow" else "the tenant's budget for this month"
        return (
            f"{whose} of {self.allowed:g} USD would be crossed: {self.spent:.4g} USD are spent, "
            f"and this call may cost {self.estimate:.4g} USD"
        )


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """What `begin` says: `yours`, or why not.

    `known`: it was answered; `answer` is noted as `Ledger.known` notes it, or can be had there. `theirs`: another
    router asks it now; `wait`: running calls hold what is left of the limit; `over`: it would cross the limit.
    `granted`: what the call may take at most, in US dollars, where it is `yours` and a limit holds.
    """

    verdict: Verdict
    over: Over | None = None
    granted: float | None = None
    answer: Answer | None = None


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One answer of the ledger with its question, as it is exported."""

    question: str
    asked: str
    answer: str
    finish_reason: str
    model: str
    provider: str
    tokens_in: int
    tokens_out: int
    cost: float
    instead: str
    stage: str
    task: str
    role: str
    schema_name: str
    revision: int


class AnswerTooLong(ValueError):
    """A question or an answer is longer than the ledger keeps."""


class Ledger(Protocol):
    """For the router. Answers never cross tenants; the first answer to a question is the one that stays.

    Exactly this holds for a limit (a workflow's budget, a tenant's month): a call begins beside others only while what
    was spent, what they hold and the `most` that it can take are together within the limit; alone also while its
    `estimate` is, and then it is granted what is left. Who asks keeps to what was granted. So each limit is crossed by
    one call at most, by what that one took beyond its estimate: a tenant's month and the budgets of several of its
    workflows may each be crossed by another one. A call whose router died holds its money until its lease ends; what it
    had paid by then is known to nobody.
    """

    async def known(self, call: Call) -> Answer | None:
        """The answer, if it was ever given; it is noted among the workflow's calls as `known`."""
        ...

    async def kept(self, call: Call) -> Answer | None:
        """The answer, if it was ever given; nothing is noted."""
        ...

    async def told(self, calls: Sequence[Call]) -> tuple[str, str]:
        """Which of these questions of one workflow was answered to it last, else to its parent, and why by a stand-in;
        '' and '' where none was."""
        ...

    async def begin(self, call: Call, token: str, *, estimate: float, lease_s: float, most: float = 0.0) -> Begun:
        """The answer, or take the right to ask this question, and hold the `most` that it takes, or its estimate where
        that is more; `token` is new for each call."""
        ...

    async def renew(self, tokens: Collection[str], *, lease_s: float) -> None:
        """These calls still run."""
        ...

    async def settle(self, call: Call, token: str, text: str, finish: str, spent: Spent) -> Answer:
        """Keep the answer, pay for it, end the call: one statement. What is kept is returned. Raises `AnswerTooLong`.

        A `stand_in` may be kept like any answer; then `known` gives it again, with `instead`.
        """
        ...

    async def note(self, call: Call, token: str, spent: Spent) -> None:
        """The call ended without an answer to keep: note what it took, end it. An empty `token`: it never began."""
        ...

    async def nearest(self, call: Call, limit: int = 16) -> Sequence[bytes]:
        """What was asked before for the same task, its own workflow's first, then its parent's, then the newest."""
        ...
