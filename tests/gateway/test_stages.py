"""Stages over HTTP: what waits for each, and pausing one for everybody."""

from __future__ import annotations

import json

from contracts import subjects
from contracts.artifacts import JSON
from contracts.topology import TOPOLOGY
from tests.gateway.conftest import Served
from tests.gateway.test_cli import against
from tests.gateway.test_control import FIRST, SECOND, buried, claimed
from tests.gateway.test_events import REF, work
from tests.gateway.test_workflows import on_stream, submit
from workers.kit.stores.drops import Completed


async def shown(served: Served, stage: str) -> dict[str, object]:
    items = (await served.http.get("/v1/stages")).json()["items"]
    assert [each["name"] for each in items] == list(TOPOLOGY.stages)
    found: dict[str, object] = next(each for each in items if each["name"] == stage)
    return found


async def test_every_stage_says_what_waits_for_it(served: Served) -> None:
    assert await shown(served, SECOND) == {
        "name": SECOND,
        "needs": list(TOPOLOGY[SECOND].needs),
        "paused": None,
        "pending": 0,
        "working": 0,
        "again": 0,
    }
    workflow = await submit(served)
    await on_stream(served, workflow)
    assert (await shown(served, FIRST))["pending"] == 1
    await claimed(served, workflow, FIRST)
    assert (await shown(served, FIRST))["working"] == 1
    await served.nc.request(f"$JS.API.CONSUMER.DELETE.QL.{FIRST}")
    assert (await shown(served, FIRST))["pending"] is None


async def test_a_pause_is_kept_told_to_workers_and_ended(served: Served) -> None:
    nudges = await served.nc.subscribe(subjects.PAUSES)
    await served.nc.flush()
    answer = await served.http.post(f"/v1/stages/{SECOND}/pause", json={"reason": "a new sandbox"})
    assert answer.status_code == 200
    assert answer.json()["paused"]["reason"] == "a new sandbox"
    await nudges.next_msg(5)
    assert await served.drops.paused() == {SECOND}
    again = (await served.http.post(f"/v1/stages/{SECOND}/pause", json={"reason": "another"})).json()
    assert again["paused"] == answer.json()["paused"]
    assert (await shown(served, SECOND))["paused"] == answer.json()["paused"]
    workflow = await submit(served)  # it only waits
    await work(served, workflow, FIRST, Completed(artifact=REF, media_type=JSON))
    for _ in range(2):
        gone_on = await served.http.post(f"/v1/stages/{SECOND}/resume")
        assert (gone_on.status_code, gone_on.json()["paused"]) == (200, None)
    assert await served.drops.paused() == frozenset()
    await nudges.next_msg(5)


async def test_a_stage_that_is_not_there_can_t_be_paused(served: Served) -> None:
    for act in ("pause", "resume"):
        answer = await served.http.post(f"/v1/stages/no_such_stage/{act}")
        assert (answer.status_code, answer.json()["code"]) == (404, "stage_not_found")
    assert await served.drops.paused() == frozenset()


async def test_the_command_line_pauses_lists_and_resumes(served: Served) -> None:
    paused = await against(served, "stage", "pause", SECOND, "--reason", "a new sandbox")
    assert paused.returncode == 0, paused.stderr
    assert await served.drops.paused() == {SECOND}
    assert b"a new sandbox" in (await against(served, "stage", "list")).stdout
    listed = json.loads((await against(served, "stage", "list", "--json")).stdout)
    assert [each["name"] for each in listed if each["paused"]] == [SECOND]
    assert (await against(served, "stage", "resume", SECOND)).returncode == 0
    assert await served.drops.paused() == frozenset()
    unknown = await against(served, "stage", "pause", "no_such_stage")
    assert unknown.returncode == 1
    assert b"No such stage" in unknown.stderr


async def test_the_dead_letters_of_one_stage_are_dealt_with_alone(served: Served) -> None:
    workflow = await submit(served)
    good = (await on_stream(served, workflow)).data or b""
    await buried(served, workflow, good)
    none = await against(served, "deadletter", "resend", "--stage", FIRST)
    assert (none.returncode, none.stderr) == (0, b"sent again: 0 of 0\n")
    unsure = await against(served, "deadletter", "drop", "--stage", SECOND)
    assert unsure.returncode == 2
    assert b"--stage --yes" in unsure.stderr
    resent = await against(served, "deadletter", "resend", "--stage", SECOND)
    assert (resent.returncode, resent.stderr) == (0, b"sent again: 1 of 1\n")
    await buried(served, workflow, b"one")
    dropped = await against(served, "deadletter", "drop", "--stage", SECOND, "--yes")
    assert (dropped.returncode, dropped.stderr) == (0, b"dropped: 1 of 1\n")
