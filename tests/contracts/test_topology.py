"""The pipeline's table: sound, and its rule of the due revision."""

from __future__ import annotations

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given

from contracts import artifacts as a
from contracts.topology import PIPELINE, TOPOLOGY, Opening, Stage, Topology

STAGES = st.sampled_from(sorted(TOPOLOGY.stages))
TARGETS = st.sampled_from(sorted({target for stage in PIPELINE for target in stage.repairs}))
OPENINGS = st.lists(TARGETS, max_size=8).map(lambda targets: [Opening(i + 2, t) for i, t in enumerate(targets)])


def test_the_pipeline_is_sound() -> None:
    assert TOPOLOGY.problems() == []
    assert len(TOPOLOGY.stages) == 14
    assert (TOPOLOGY.first.name, TOPOLOGY.last.name) == ("prompt_enhancement", "packaging")


class Made(msgspec.Struct):
    x: int = 0


@pytest.mark.parametrize(
    ("stages", "problem"),
    [
        ([Stage(name="one", needs=("ghost",), produces=Made)], "needs ghost, which is no stage"),
        (
            [
                Stage(name="zero", needs=(), produces=a.Docs),
                Stage(name="one", needs=("two",), produces=Made),
                Stage(name="two", needs=("one",), produces=a.Brief),
            ],
            "needs itself",
        ),
        (
            [Stage(name="one", needs=(), produces=Made), Stage(name="two", needs=("one",), produces=Made)],
            "two stages produce Made",
        ),
        (
            [
                Stage(name="one", needs=(), produces=Made, repairs=("two",), rounds=1),
                Stage(name="two", needs=("one",), produces=a.Brief),
            ],
            "none of its ancestors",
        ),
        ([Stage(name="one", needs=(), produces=Made, rounds=1)], "both repairs and rounds"),
        (
            [Stage(name="one", needs=(), produces=Made), Stage(name="two", needs=(), produces=a.Brief)],
            "one first stage",
        ),
    ],
)
def test_each_fault_of_a_table_is_named(stages: list[Stage], problem: str) -> None:
    assert any(problem in found for found in Topology(stages).problems())


def test_a_repair_of_the_code_makes_due_what_stands_on_it_and_nothing_else() -> None:
    openings = [Opening(2, "code_generation"), Opening(3, "test_generation")]
    assert TOPOLOGY.due("code_generation", openings) == 2
    assert TOPOLOGY.due("security_scanning", openings) == 2
    assert TOPOLOGY.due("test_generation", openings) == 3
    assert TOPOLOGY.due("test_execution", openings) == 3
    assert TOPOLOGY.due("test_plan_generation", openings) == 1
    assert TOPOLOGY.inputs("test_execution", 3, openings)["code_generation"] == 2


@given(stage=STAGES, openings=OPENINGS)
def test_due_is_the_newest_opening_that_reaches_the_stage(stage: str, openings: list[Opening]) -> None:
    due = TOPOLOGY.due(stage, openings)
    reaching = [o.revision for o in openings if o.target == stage or o.target in TOPOLOGY.ancestors(stage)]
    assert due == (reaching[-1] if reaching else 1)


@given(stage=STAGES, openings=OPENINGS)
def test_inputs_agree_whichever_way_they_are_reached(stage: str, openings: list[Opening]) -> None:
    """An ancestor seen directly, and seen through another input, is the same revision: never two of one in a row."""
    revision = TOPOLOGY.due(stage, openings)
    inputs = TOPOLOGY.inputs(stage, revision, openings)
    for need, at in inputs.items():
        for ancestor, deeper in TOPOLOGY.inputs(need, at, openings).items():
            assert inputs[ancestor] == deeper


def test_the_picture_names_every_stage() -> None:
    picture = TOPOLOGY.mermaid()
    assert all(name in picture for name in TOPOLOGY.stages)
