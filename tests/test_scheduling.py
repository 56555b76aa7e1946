"""The files that are named there are there, and those of one factory go to one process."""

from __future__ import annotations

from pathlib import Path

from tests.scheduling import FLOW, LONGEST_FIRST, OWN_SERVERS, scope

ROOT = Path(__file__).parents[1]


def test_every_named_place_is_there() -> None:
    assert [name for name in (*LONGEST_FIRST, *OWN_SERVERS) if not (ROOT / name).exists()] == []


def test_who_needs_the_factory_is_where_the_others_are() -> None:
    needing = [path for path in (ROOT / FLOW).glob("test_*.py") if "factory: Running" in path.read_text("utf-8")]
    assert len(needing) > 5
    assert {scope(f"{path.relative_to(ROOT)}::test_one") for path in needing} == {FLOW}


def test_other_files_are_scopes_of_their_own() -> None:
    for file in (*OWN_SERVERS, "tests/gateway/test_cli.py"):
        assert scope(f"{file}::test_one[a/b::c]") == file
