"""Who stood in, beside an artifact's own fields."""

from __future__ import annotations

import msgspec
import pytest

from contracts.artifacts import Docs, File, StandIn, decode, encode
from contracts.artifacts.stand_ins import MOST, marked, stand_ins

FRD = StandIn(stage="frd_generation", model="blueprint/default", reason="the money is spent")
PLAN = StandIn(stage="test_plan_generation", model="blueprint/default", reason="the money is spent")
DOCS = Docs(files=(File(path="a", text='","stood_in":[{"stage":"x","model":"y","reason":"z"}],"b":"'),))


def test_readers_of_the_artifact_need_not_know_of_them() -> None:
    body, _ = encode(DOCS, (PLAN, FRD, PLAN))
    assert stand_ins(body) == (FRD, PLAN)
    assert decode(body, Docs) == DOCS
    assert encode(DOCS, (FRD, PLAN)) == (body, "application/json")


def test_without_any_the_bytes_are_the_artifact_s_own() -> None:
    body, _ = encode(DOCS)
    assert body == msgspec.json.encode(DOCS)
    assert stand_ins(body) == ()  # whatever its texts say
    assert stand_ins(marked(b"{}", [FRD])) == (FRD,)


def test_no_more_are_told_than_an_artifact_should_carry() -> None:
    many = [msgspec.structs.replace(FRD, stage=f"{n:04}") for n in range(MOST + 1)]
    assert len(stand_ins(marked(b"{}", many))) == MOST


def test_what_somebody_else_wrote_there_is_refused() -> None:
    with pytest.raises(msgspec.DecodeError):
        stand_ins(b'{"stood_in":1}')
