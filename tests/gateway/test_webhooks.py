"""Webhooks over HTTP: the secret is told once, addresses and kinds are checked, the log is paged, things are resent."""

from __future__ import annotations

import base64
import json

import asyncpg
import pytest

from tests.gateway.conftest import Served
from tests.gateway.test_cli import against
from tests.servers import Database
from workers.kit.stores.webhooks import MOST

NOBODY = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
URL = "https://hooks.example.com/in"


async def added(served: Served, **changes: object) -> dict[str, object]:
    answer = await served.http.post("/v1/webhooks", json={"url": URL, **changes})
    assert answer.status_code == 201, answer.text
    made: dict[str, object] = answer.json()
    assert answer.headers["location"] == f"/v1/webhooks/{made['id']}"
    return made


async def test_the_secret_is_told_where_it_is_made_and_nowhere_else(served: Served, database: Database) -> None:
    made = await added(served)
    secret = str(made.pop("secret"))
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    assert made["types"] == ["workflow.*"]
    at = f"/v1/webhooks/{made['id']}"
    assert (await served.http.get(at)).json() == made
    assert (await served.http.get("/v1/webhooks")).json() == {"items": [made]}
    rotated = (await served.http.post(f"{at}/rotate", json={"keep_hours": 1})).json()["secret"]
    assert rotated != secret
    gateway = await asyncpg.connect(database.gateway)
    await gateway.execute("SELECT set_config('ql.tenant', 'default', false)")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await gateway.fetch("SELECT secret FROM webhook_secrets")
    assert await gateway.fetchval("SELECT count(*) FROM webhook_secrets") == 2
    await gateway.execute("SELECT set_config('ql.tenant', 'other', false)")
    assert await gateway.fetchval("SELECT count(*) FROM webhooks") == 0
    await gateway.close()
    assert (await served.http.delete(at)).status_code == 204
    for answer in (await served.http.get(at), await served.http.delete(at), await served.http.post(f"{at}/rotate")):
        assert (answer.status_code, answer.json()["code"]) == (404, "webhook_not_found")


NOWHERE = (
    "http://hooks.example.com/in",
    "ftp://hooks.example.com",
    "https://127.0.0.1/in",
    "https://[::1]/in",
    "https://169.254.169.254/latest",
    "https://localhost:8080/",
    "https://user:secret@example.com/",
    "https:///nowhere",
    "//example.com",
    "no address",
    "https://example.com:99999/",
)


async def test_an_address_where_nothing_could_be_delivered_is_refused(served: Served) -> None:
    for url in NOWHERE:
        answer = await served.http.post("/v1/webhooks", json={"url": url})
        assert answer.status_code == 422, url
        assert answer.json()["code"] == "webhook_address"
    assert (await served.http.get("/v1/webhooks")).json()["items"] == []


async def test_kinds_of_events_are_checked(served: Served) -> None:
    good = ["*.failed", "code_generation.rejected", "workflow.completed", "x_mine.completed", "*.*"]
    assert (await added(served, types=good))["types"] == sorted(good)
    for bad in ("workflow.rejected", "no_such_stage.completed", "packaging", "packaging.started", "*", "a.b.c", ""):
        answer = await served.http.post("/v1/webhooks", json={"url": URL, "types": [bad]})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), bad


async def test_there_may_be_only_so_many(served: Served) -> None:
    for _ in range(MOST):
        await added(served)
    answer = await served.http.post("/v1/webhooks", json={"url": URL})
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_webhooks")


async def test_the_log_is_paged_and_what_is_in_it_is_sent_again(served: Served, database: Database) -> None:
    at = f"/v1/webhooks/{(await added(served))['id']}"
    sent = [(await served.http.post(f"{at}/test")).json() for _ in range(3)]
    assert {(each["state"], each["attempts"]) for each in sent} == {("waiting", 0)}
    first = (await served.http.get(f"{at}/deliveries", params={"limit": 2})).json()
    rest = (await served.http.get(f"{at}/deliveries", params={"limit": 2, "cursor": first["next"]})).json()
    assert [each["id"] for each in (*first["items"], *rest["items"])] == [each["id"] for each in reversed(sent)]
    assert rest["next"] is None
    worker = await asyncpg.connect(database.admin)
    await worker.execute("UPDATE webhook_deliveries SET state = 'failed', tries = 10 WHERE id = $1", sent[0]["id"])
    (failed,) = (await served.http.get(f"{at}/deliveries", params={"state": "failed"})).json()["items"]
    assert (failed["id"], failed["next_at"]) == (sent[0]["id"], None)
    again = await served.http.post(f"{at}/deliveries/{failed['id']}/resend")
    assert (again.status_code, again.json()["state"]) == (202, "waiting")
    unknown = await served.http.post(f"{at}/deliveries/nothing/resend")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "delivery_not_found")
    await worker.execute("UPDATE webhooks SET disabled_at = now(), disabled_reason = 'it was gone'")
    await worker.close()
    for path in (f"{at}/test", f"{at}/deliveries/{failed['id']}/resend"):
        off = await served.http.post(path)
        assert (off.status_code, off.json()["code"]) == (409, "webhook_disabled")
        assert "it was gone" in off.json()["detail"]
    assert (await served.http.post(f"{at}/enable")).json()["disabled_at"] is None
    assert (await served.http.post(f"{at}/test")).status_code == 202
    assert (await served.http.post(f"/v1/webhooks/{NOBODY}/enable")).status_code == 404


async def test_the_command_line_adds_shows_rotates_and_removes(served: Served) -> None:
    made = await against(served, "webhook", "add", URL, "--on", "*.failed", "--on", "workflow.completed")
    assert made.returncode == 0, made.stderr
    name, secret = made.stdout.decode().split()
    assert secret.startswith("whsec_")
    assert b"only time" in made.stderr
    listed = json.loads((await against(served, "webhook", "list", "--json")).stdout)
    assert [(hook["id"], hook["types"]) for hook in listed] == [(name, ["*.failed", "workflow.completed"])]
    tested = (await against(served, "webhook", "test", name)).stdout.decode().strip()
    shown = await against(served, "webhook", "show", name)
    assert tested in shown.stdout.decode()
    assert secret.encode() not in shown.stdout
    assert (await against(served, "webhook", "resend", name, tested)).returncode == 0
    rotated = await against(served, "webhook", "rotate", name, "--keep-hours", "1")
    assert rotated.stdout.startswith(b"whsec_")
    assert (await against(served, "webhook", "enable", name)).returncode == 0
    refused = await against(served, "webhook", "add", "https://127.0.0.1/")
    assert refused.returncode == 1
    assert b"no public address" in refused.stderr
    assert (await against(served, "webhook", "remove", name)).returncode == 0
    gone = await against(served, "webhook", "show", name)
    assert gone.returncode == 1
    assert b"No such webhook" in gone.stderr
