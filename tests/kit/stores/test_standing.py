"""The pure decisions about rows that are made again, and about workflows that go on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from contracts.artifacts import Submission
from contracts.events import Ref
from contracts.topology import TOPOLOGY
from tests.kit.stores.world import ref
from workers.kit.stores import news, standing
from workers.kit.stores.drops import Claim, Completed, DropState, Failed, Outcome, Rejected, Retry
from workers.kit.stores.standing import Row

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CHECKERS = [stage.name for stage in TOPOLOGY.stages.values() if stage.repairs]


@st.composite
def openers(draw: st.DrawFn) -> list[Row]:
    """Rows that opened the revisions 2, 3, …: rejections, and failures that somebody resumed."""
    rows = []
    for opens in range(2, 2 + draw(st.integers(0, 8))):
        stage = draw(st.sampled_from(CHECKERS if draw(st.booleans()) else list(TOPOLOGY.stages)))
        refuses = stage in CHECKERS and draw(st.booleans())
        target = draw(st.sampled_from(TOPOLOGY[stage].repairs)) if refuses else stage
        state: DropState = "rejected" if refuses else "failed"
        rows.append(row(stage, opens - 1, state, opens=opens, target=target, at=opens))
    return rows


def row(stage: str, revision: int, state: DropState, *, opens: int = 0, target: str = "", at: int = 0) -> Row:
    return Row(
        stage=stage,
        revision=revision,
        state=state,
        epoch=1,
        attempts=1,
        created_at=NOW,
        updated_at=NOW + timedelta(seconds=at),
        artifact=None if state == "failed" else ref(f"{stage} {revision}"),
        opens=opens,
        target=target,
    )


def claim(of: Row) -> Claim:
    return Claim(
        drop="d",
        tenant="t",
        workflow="w",
        stage=of.stage,
        revision=of.revision,
        epoch=of.epoch,
        attempt=1,
        submission=Submission(prompt="p"),
        inputs={},
        repair={},
    )


@given(openers(), st.sampled_from(list(TOPOLOGY.stages)))
def test_after_a_resume_what_failed_and_all_behind_it_are_due_anew(rows: list[Row], stage: str) -> None:
    revision = standing.due(TOPOLOGY, stage, rows)
    rows = [each for each in rows if (each.stage, each.revision) != (stage, revision)]
    failed = row(stage, revision, "failed", at=100)
    before = {name: standing.due(TOPOLOGY, name, rows) for name in TOPOLOGY.stages}
    opener = standing.resumed([*rows, failed], NOW + timedelta(seconds=200))
    assert opener
    assert (opener.stage, opener.target, opener.opens) == (stage, stage, standing.newest(rows) + 1)
    after = {name: standing.due(TOPOLOGY, name, [*rows, opener]) for name in TOPOLOGY.stages}
    behind = {name for name in TOPOLOGY.stages if name == stage or stage in TOPOLOGY.ancestors(name)}
    assert {name for name in after if after[name] != before[name]} == behind
    assert {after[name] for name in behind} == {opener.opens}


@given(openers())
def test_nothing_is_resumed_where_nothing_failed(rows: list[Row]) -> None:
    assert standing.resumed([each for each in rows if each.state != "failed"], NOW) is None


@given(openers(), st.data())
def test_the_same_bytes_bring_a_row_back_as_it_was(rows: list[Row], data: st.DataObject) -> None:
    known = [each for each in rows if each.state == "rejected"] + [row("code_generation", 1, "completed")]
    was = data.draw(st.sampled_from(known))
    was = msgspec.structs.replace(was, unmet=data.draw(st.booleans()) and not was.opens)
    again = msgspec.structs.replace(was, state="running")
    rest = [each for each in rows if each is not was and (each.stage, each.revision) != (was.stage, was.revision)]
    assert (again.again, again.stands, standing.due(TOPOLOGY, was.stage, [*rest, again])) == (
        True,
        was.state,
        standing.due(TOPOLOGY, was.stage, [*rest, was]),
    )
    for name in CHECKERS:
        left = standing.rounds_left(TOPOLOGY, name, [*rest, was])
        assert standing.rounds_left(TOPOLOGY, name, [*rest, again]) == left
    moved = moved_from(was)
    outcomes: list[Outcome] = [
        Completed(artifact=moved, media_type="x/y"),
        Rejected(artifact=moved, media_type="x/y", target="code_generation", findings=1),
    ]
    for outcome in outcomes:
        change = standing.settle(TOPOLOGY, claim(again), "active", [*rest, again], outcome)
        assert change
        assert (change.state, change.opens, change.target, change.unmet, change.ends) == (
            was.state,
            was.opens,
            was.target,
            was.unmet,
            None,
        )
        assert standing.kept(change, outcome) == outcome
        assert news.told(claim(again), change, outcome, 1, NOW) == ()


def moved_from(was: Row) -> Ref:
    assert was.artifact
    return msgspec.structs.replace(was.artifact, key="elsewhere", offset=3)


@given(openers(), st.sampled_from(["retry", "failed", "other"]))
def test_anything_else_loses_nothing_that_was_opened(rows: list[Row], how: str) -> None:
    rows = [each for each in rows if each.state == "rejected"]
    for was in rows:
        again = msgspec.structs.replace(was, state="running")
        rest = [each for each in rows if (each.stage, each.revision) != (was.stage, was.revision)]
        outcomes: dict[str, Outcome] = {
            "retry": Retry(error="busy", after_s=1),
            "failed": Failed(error="no"),
            "other": Completed(artifact=ref("other"), media_type="x/y"),
        }
        outcome = outcomes[how]
        change = standing.settle(TOPOLOGY, claim(again), "active", [*rest, again], outcome)
        assert change
        assert (change.opens, change.target) == (was.opens, was.target)
        kept = standing.kept(change, outcome)
        if how == "retry":
            assert (change.state, change.ends, kept and kept.artifact) == ("retry", None, was.artifact)
        else:
            assert (change.state, change.ends, kept) == ("failed", "failed", None)
            assert [event.stage for event in news.told(claim(again), change, outcome, 9, NOW)] == [
                was.stage,
                "workflow",
            ]
