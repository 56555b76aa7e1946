"""A stage's signature against its row: what fits is mapped, what does not is refused with a sentence."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import pytest

from contracts.artifacts import Capsule, Submission
from contracts.topology import TOPOLOGY, Stage, Topology
from workers.__main__ import bindings
from workers.kit.binding import BindingError, bind
from workers.kit.ports import Llm, Parser
from workers.kit.stage import Reject, Run


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    text: str


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    good: bool


class Other(msgspec.Struct, frozen=True, kw_only=True):
    pass


SMALL = Topology(
    [
        Stage(name="outline", needs=(), produces=Other),
        Stage(name="draft", needs=("outline",), produces=Draft),
        Stage(name="check", needs=("draft",), produces=Verdict, repairs=("draft",), rounds=2),
        Stage(name="pack", needs=("check",), produces=Capsule),
    ]
)


@dataclass(frozen=True, slots=True)
class Drafting:
    llm: Llm
    parser: Parser

    async def __call__(
        self,
        run: Run,
        outline: Other,
        submission: Submission,
        previous: Draft | None = None,
        verdict: Verdict | None = None,
    ) -> Draft:
        return previous or Draft(text=submission.prompt)


def test_parameters_are_mapped_by_their_types() -> None:
    found = bind(Drafting, "draft", SMALL)
    assert (found.run, found.submission) == ("run", "submission")
    assert found.inputs == {"outline": "outline"}
    assert found.repairs == {"previous": "draft", "verdict": "check"}
    assert found.types == {"outline": Other, "previous": Draft, "verdict": Verdict}
    assert found.ports == {"llm": Llm, "parser": Parser}


def test_a_bare_function_may_skip_generations() -> None:
    async def pack(outline: Other, draft: Draft) -> Capsule:
        raise NotImplementedError

    assert bind(pack, "pack", SMALL).inputs == {"outline": "outline", "draft": "draft"}


async def test_an_instance_gets_its_ports() -> None:
    call = bind(Drafting, "draft", SMALL).instance({"llm": None, "parser": None})
    run = Run(tenant="t", workflow="w", stage="draft", revision=1, inputs={})
    assert await call(run=run, outline=Other(), submission=Submission(prompt="p")) == Draft(text="p")


async def no_type(draft) -> Verdict:  # type: ignore[no-untyped-def]
    raise NotImplementedError


async def no_return(draft: Draft):  # type: ignore[no-untyped-def]
    raise NotImplementedError


async def wrong_return(draft: Draft) -> Draft:
    raise NotImplementedError


async def asks_a_descendant(capsule: Capsule) -> Verdict:
    raise NotImplementedError


async def asks_itself(verdict: Verdict) -> Verdict:
    raise NotImplementedError


async def twice(draft: Draft, again: Draft) -> Verdict:
    raise NotImplementedError


async def optional_ancestor(draft: Draft | None = None) -> Verdict:
    raise NotImplementedError


async def needless_default(draft: Draft = Draft(text="")) -> Verdict:  # noqa: B008
    raise NotImplementedError


async def several(thing: Draft | Other) -> Verdict:
    raise NotImplementedError


async def variadic(*drafts: Draft) -> Verdict:
    raise NotImplementedError


async def plain_value(count: int) -> Verdict:
    raise NotImplementedError


def not_async(draft: Draft) -> Verdict:
    raise NotImplementedError


@dataclass
class Thawed:
    async def __call__(self, draft: Draft) -> Verdict:
        raise NotImplementedError


@dataclass(frozen=True)
class NotCalled:
    pass


@pytest.mark.parametrize(
    ("stage", "sentence"),
    [
        (no_type, "draft has no type"),
        (no_return, "must return Verdict"),
        (wrong_return, "must return Verdict, not Draft"),
        (asks_a_descendant, "none of its ancestors produces Capsule"),
        (asks_itself, "none of its ancestors produces Verdict"),
        (twice, "asks for Draft a second time"),
        (optional_ancestor, "no repair brings Draft"),
        (needless_default, "needs no default"),
        (several, "may have one type, not several"),
        (variadic, "must be an ordinary one"),
        (plain_value, "none of its ancestors produces int"),
        (not_async, "frozen dataclass or an async function"),
        (Thawed, "frozen dataclass or an async function"),
        (NotCalled, "needs an `async def __call__`"),
    ],
)
def test_what_does_not_fit_is_refused(stage: Callable[..., object], sentence: str) -> None:
    with pytest.raises(BindingError, match=sentence):
        bind(stage, "check", SMALL)


async def rejecting(outline: Other) -> Draft | Reject:
    raise NotImplementedError


async def needs_its_own(outline: Other, previous: Draft) -> Draft:
    raise NotImplementedError


async def no_none(outline: Other, previous: Draft | None) -> Draft:
    raise NotImplementedError


@pytest.mark.parametrize(
    ("stage", "sentence"),
    [
        (rejecting, "send work back to nobody"),
        (needs_its_own, r"`Draft \| None = None`"),
        (no_none, "None must be its default"),
    ],
)
def test_only_repairs_bring_optional_inputs(stage: Callable[..., object], sentence: str) -> None:
    with pytest.raises(BindingError, match=sentence):
        bind(stage, "draft", SMALL)


def test_a_checker_may_return_reject() -> None:
    async def check(draft: Draft) -> Verdict | Reject:
        raise NotImplementedError

    assert bind(check, "check", SMALL).inputs == {"draft": "draft"}


def test_an_unknown_stage_is_named() -> None:
    with pytest.raises(BindingError, match="nothing is no stage; there are outline, draft"):
        bind(rejecting, "nothing", SMALL)


@pytest.mark.parametrize("name", TOPOLOGY.stages)
def test_every_stage_of_the_product_fits_its_row(name: str) -> None:
    (found,) = bindings([name])
    assert found.row is TOPOLOGY[name]


@pytest.mark.parametrize("stage", sorted(TOPOLOGY.stages))
def test_a_worker_s_process_holds_nothing_that_its_stage_does_not_need(stage: str) -> None:
    """litellm belongs to the router, minio to the setting up of buckets, exporters to a configured collector."""
    program = f"""
import sys, workers.__main__ as w
w.bindings([{stage!r}])
import workers.kit.runner.process, workers.kit.stores.pg, workers.kit.stores.artifacts
heavy = ("litellm", "minio", "qdrant_client", "opentelemetry.exporter", "grpc", "fastapi")
print([name for name in sys.modules if name.startswith(heavy)])
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
