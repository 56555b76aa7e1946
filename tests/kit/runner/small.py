"""A small pipeline with a repair edge and a join, whose stages do what a test tells them."""

from __future__ import annotations

import msgspec

from contracts.artifacts import Capsule, Finding, Submission
from contracts.topology import Stage, Topology
from workers.kit.stage import Reject, Run


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    text: str


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    good: bool
    of: str


class Side(msgspec.Struct, frozen=True, kw_only=True):
    text: str


SMALL = Topology(
    [
        Stage(name="draft", needs=(), produces=Draft),
        Stage(name="check", needs=("draft",), produces=Verdict, repairs=("draft",), rounds=2),
        Stage(name="side", needs=("draft",), produces=Side),
        Stage(name="pack", needs=("check", "side"), produces=Capsule),
    ]
)


async def draft(
    run: Run, submission: Submission, previous: Draft | None = None, verdict: Verdict | None = None
) -> Draft:
    """Every revision's text tells what it was made from."""
    if previous is None or verdict is None:
        return Draft(text=submission.prompt)
    return Draft(text=f"{previous.text}+")


async def accept(draft: Draft) -> Verdict:
    return Verdict(good=True, of=draft.text)


async def refuse(draft: Draft) -> Verdict | Reject:
    finding = Finding(rule="bad", message=f"{draft.text} is bad")
    return Reject(report=Verdict(good=False, of=draft.text), findings=(finding,), target="draft")


async def refuse_once(draft: Draft) -> Verdict | Reject:
    return await accept(draft) if draft.text.endswith("+") else await refuse(draft)


async def side(draft: Draft) -> Side:
    return Side(text=draft.text)


async def pack(draft: Draft, verdict: Verdict, side: Side) -> Capsule:
    """Its archive tells which revisions came together."""
    archive = f"{draft.text}|{verdict.of}|{side.text}|{verdict.good}".encode()
    return Capsule(name="small", grade="A" if verdict.good else "D", reasons=(), files=1, archive=archive)


STAGES = {"draft": draft, "check": accept, "side": side, "pack": pack}
