"""Forks over HTTP and by `ql`, with the worker's side done by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import msgspec

from contracts.artifacts import JSON, File, SourceTree, StandIn, encode
from contracts.topology import TOPOLOGY
from tests.gateway.conftest import Served, router
from tests.gateway.test_cli import against
from tests.gateway.test_events import complete_all, work
from tests.gateway.test_workflows import on_stream, seconds, submit
from tests.servers import Database
from workers.kit.stores.drops import Claim, Completed

NOBODY = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
STAGES = list(TOPOLOGY.stages)
FIRST, SECOND, THIRD = STAGES[:3]
BRIEF = {
    "name": "books",
    "title": "Books",
    "summary": "Books.",
    "kind": "library",
    "language": "python",
    "statements": [],
}
STOOD_IN = StandIn(stage="frd_generation", model="blueprint/default", reason="the money was spent")


async def asked(served: Served, workflow: str, key: str = "", **body: Any) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    wish = {"from": body.pop("stage", SECOND), **body}
    return await served.http.post(f"/v1/workflows/{workflow}/forks", json=wish, headers=headers)


async def begun(served: Served) -> str:
    """A workflow whose first stage is done."""
    workflow = await submit(served)
    ref = await served.artifacts.put("default", b"{}")
    await work(served, workflow, FIRST, Completed(artifact=ref, media_type=JSON))
    return workflow


async def test_a_fork_is_on_the_stream_and_goes_on_from_its_stage(served: Served) -> None:
    parent = await begun(served)
    answer = await asked(served, parent)
    assert answer.status_code == 202, answer.text
    fork = answer.json()
    assert answer.headers["location"] == fork["address"] == f"/v1/workflows/{fork['id']}"
    assert fork["plan"]["reused"] == [FIRST]
    assert fork["plan"]["runs"][0] == SECOND
    await on_stream(served, fork["id"])
    old, new = [(await served.http.get(f"/v1/workflows/{name}")).json() for name in (parent, fork["id"])]
    assert (old["parent"], old["forks"], new["parent"], new["forks"]) == (None, [fork["id"]], parent, [])
    assert [(drop["stage"], drop["reused"]) for drop in new["drops"]] == [(FIRST, f"{parent}.{FIRST}.1")]
    claim = await served.drops.claim(SECOND, "default", fork["id"], lease_s=30, attempts=5)
    assert isinstance(claim, Claim)
    assert claim.forked == SECOND


async def test_a_dry_run_says_what_would_happen_and_does_nothing(served: Served) -> None:
    parent = await submit(served)
    await complete_all(served, parent)
    answer = await asked(served, parent, stage="code_generation", dry_run=True)
    assert answer.status_code == 200
    told = answer.json()
    plan = told["plan"]
    assert (told["id"], plan["from"], plan["calls"], plan["cost"]) == (None, "code_generation", 0, 0)
    assert plan["unchanged"] == ["test_plan_generation", "test_generation"]
    assert {*plan["reused"], *plan["runs"], *plan["unchanged"]} == set(STAGES)
    assert len((await served.http.get("/v1/workflows")).json()["items"]) == 1


async def test_the_same_key_gives_the_same_fork(served: Served) -> None:
    parent = await begun(served)
    first, second = [await asked(served, parent, key="k") for _ in range(2)]
    assert first.json()["id"] == second.json()["id"]
    assert second.headers["idempotency-replayed"] == "true"
    other = await asked(served, parent, key="k", stage=FIRST)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_the_same_key_and_artifact_give_the_same_fork_though_the_parent_went_on(served: Served) -> None:
    parent = await submit(served)
    done = STAGES[: STAGES.index("code_generation")]
    for name in done:
        ref = await served.artifacts.put("default", b"{}")
        await work(served, parent, name, Completed(artifact=ref, media_type=JSON))
    sent = {"files": [{"path": "src/a.py", "text": "A = 1\n"}]}
    first = await asked(served, parent, key="k", stage="code_generation", artifact=sent)
    assert first.status_code == 202, first.text
    file = File(path="src/a.py", text="A = 1\n", model="a/x", question="1" * 64)
    ref = await served.artifacts.put("default", encode(SourceTree(files=(file,)))[0])
    await work(served, parent, "code_generation", Completed(artifact=ref, media_type=JSON))
    again = await asked(served, parent, key="k", stage="code_generation", artifact=sent)
    assert (again.status_code, again.json().get("id")) == (202, first.json()["id"])
    assert again.headers["idempotency-replayed"] == "true"
    other = {"files": [{"path": "src/a.py", "text": "A = 2\n"}]}
    answer = await asked(served, parent, key="k", stage="code_generation", artifact=other)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


async def test_the_same_key_gives_the_same_fork_though_no_router_answers_any_more(
    served: Served, database: Database
) -> None:
    parent = await begun(served)
    wish: dict[str, Any] = {"stage": FIRST, "artifact": BRIEF, "model": "blueprint/default"}
    async with router(served, database):
        first = await asked(served, parent, key="k", **wish)
        unknown = await asked(served, parent, **wish | {"model": "openai/x"})
    assert first.status_code == 202, first.text
    assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown_model")
    again = await asked(served, parent, key="k", **wish)
    assert (again.status_code, again.json().get("id")) == (202, first.json()["id"])
    assert (await asked(served, parent, key="l", **wish)).json()["code"] == "router_down"


async def test_a_fork_may_have_a_deadline_of_its_own(served: Served) -> None:
    parent = await begun(served)
    fork = (await asked(served, parent, key="k", deadline_s=5)).json()["id"]
    told = (await served.http.get(f"/v1/workflows/{fork}")).json()
    assert seconds(told) == 5
    assert (await asked(served, parent, key="k", deadline_s=6)).json()["code"] == "idempotency_key_reused"
    assert (await asked(served, parent, deadline_s=10**6)).json()["code"] == "invalid_request"


async def test_half_a_character_is_no_artifact(served: Served) -> None:
    parent = await begun(served)
    for artifact in ({**BRIEF, "title": "\ud800"}, {**BRIEF, "\ud800": 1}):
        answer = await served.http.post(
            f"/v1/workflows/{parent}/forks",
            content=json.dumps({"from": FIRST, "artifact": artifact}),
            headers={"Content-Type": "application/json"},
        )
        assert (answer.status_code, answer.json()["code"]) == (422, "artifact_invalid"), answer.text


async def test_a_file_that_was_edited_is_no_models_work(served: Served) -> None:
    parent = await submit(served)
    kept = File(path="src/a.py", text="A = 1\n", model="a/x", question="1" * 64)
    tree = SourceTree(files=(kept, File(path="src/b.py", text="B = 1\n", model="a/x", question="2" * 64)))
    for name in STAGES[: STAGES.index("code_generation") + 1]:
        body = encode(tree, (STOOD_IN,))[0] if name == "code_generation" else b"{}"
        ref = await served.artifacts.put("default", body)
        await work(served, parent, name, Completed(artifact=ref, media_type=JSON))
    mine = {"path": "src/b.py", "text": "B = 2\n", "model": "a/x", "question": "2" * 64}
    files = [{"path": kept.path, "text": kept.text, "model": "b/y"}, mine]
    answer = await asked(served, parent, stage="code_generation", artifact={"files": files})
    drops = (await served.http.get(answer.json()["address"])).json()["drops"]
    (drop,) = [drop for drop in drops if drop["edited"]]
    assert (drop["stage"], drop["state"]) == ("code_generation", "completed")
    stored = (await served.http.get(drop["artifact"]["address"])).json()
    # What all of it was made from stays what it was, whatever the artifact says.
    told = [msgspec.to_builtins(STOOD_IN)]
    assert stored == {"files": [msgspec.to_builtins(kept), {"path": "src/b.py", "text": "B = 2\n"}], "stood_in": told}


REFUSED: list[tuple[dict[str, Any], int, str]] = [
    ({"stage": "coding"}, 422, "unknown_stage"),
    ({"stage": "code_generation"}, 409, "stage_not_finished"),
    ({"stage": SECOND, "prompt": "a"}, 422, "prompt_needs_first"),
    ({"stage": FIRST, "prompt": " "}, 422, "invalid_request"),
    ({"stage": FIRST, "prompt": "a", "artifact": {}}, 422, "prompt_and_artifact"),
    ({"stage": FIRST, "artifact": {"name": 1}}, 422, "artifact_invalid"),
    ({"stage": "code_generation", "artifact": {"files": [{"path": "../x", "text": ""}]}}, 422, "artifact_invalid"),
    ({"stage": "packaging", "artifact": {}}, 422, "edit_last"),
    ({"stage": FIRST, "model": "no model"}, 422, "invalid_request"),
    ({"stage": "packaging", "model": "openai/x"}, 422, "nobody_asks"),
    ({"stage": FIRST, "model": "openai/x"}, 503, "router_down"),
    ({"stage": "documentation", "templates": {"code_generation": "Write."}}, 422, "unknown_template"),
    ({"stage": FIRST, "templates": {"go_on": "Write."}}, 422, "unknown_template"),
    ({"stage": FIRST, "templates": {FIRST: "a\0"}}, 422, "invalid_request"),
    ({"stage": FIRST, "templates": {FIRST: "x" * 32_769}}, 422, "invalid_request"),
    ({"stage": FIRST, "wishes": "x"}, 422, "invalid_request"),
]


async def test_why_there_is_no_fork(served: Served) -> None:
    parent = await begun(served)
    for body, status, code in REFUSED:
        answer = await asked(served, parent, **body)
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert (await served.http.get(f"/v1/workflows/{parent}")).json()["forks"] == []
    unknown = await asked(served, NOBODY, stage=FIRST)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "workflow_not_found")


async def test_ql_forks_and_resumes_from_a_stage(served: Served, tmp_path: Path) -> None:
    parent = await begun(served)
    told = (await against(served, "workflow", "fork", parent, "--from", SECOND, "--dry-run")).stdout.decode()
    assert [line.split(maxsplit=1) for line in told.splitlines()[1:3]] == [[FIRST, "taken over"], [SECOND, "runs"]]
    assert "took 0 calls to models" in told
    brief = tmp_path / "brief.json"
    brief.write_text(json.dumps(BRIEF))
    wishes = (
        ("fork", parent, "--edit", f"{FIRST}={brief}"),
        ("fork", parent, "--set", "prompt=A library of books.", "--deadline", "60"),
        ("resume", parent, "--from", SECOND),
    )
    forks = [(await against(served, "workflow", *wish)).stdout.decode().strip() for wish in wishes]
    shown = (await against(served, "workflow", "show", forks[0])).stdout.decode()
    assert f"forked from {parent}" in shown
    assert "edited by hand" in shown
    other = (await served.http.get(f"/v1/workflows/{forks[1]}")).json()
    assert (other["prompt"], seconds(other)) == ("A library of books.", 60)
    assert (await served.http.get(f"/v1/workflows/{parent}")).json()["forks"] == sorted(forks)
    for wrong in (("--set", "model=x"), ("--edit", "x"), ("--edit", f"{FIRST}={tmp_path}"), ()):
        assert (await against(served, "workflow", "fork", parent, *wrong)).returncode == 2
