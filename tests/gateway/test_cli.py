"""The command line as a script sees it: stdout, stderr, exit status."""

from __future__ import annotations

import asyncio
import http.server
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from contracts.artifacts import JSON
from contracts.events import ModelCalls
from gateway.cli import capsules
from tests.gateway.conftest import Served
from tests.gateway.test_control import buried, failed
from tests.gateway.test_events import REF, complete_all, work
from tests.gateway.test_workflows import PROMPT, on_stream, seconds, submit
from workers.kit.stores.drops import Completed, Failed

QL = str(Path(sys.executable).parent / "ql")


def ql(*arguments: str, url: str = "", stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    env = {**os.environ, "QL_GATEWAY_URL": url or "http://127.0.0.1:9", **environment}
    return subprocess.run([QL, *arguments], capture_output=True, input=stdin, env=env, timeout=60, check=False)


async def against(served: Served, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return await asyncio.to_thread(ql, *arguments, url=served.url, stdin=stdin)


async def test_submit_list_show_and_tail_speak_to_programs(served: Served) -> None:
    submitted = await against(served, "submit", PROMPT)
    assert submitted.returncode == 0, submitted.stderr
    workflow = submitted.stdout.decode().strip()
    listed = json.loads((await against(served, "workflow", "list", "--json")).stdout)
    assert [(row["id"], row["state"]) for row in listed] == [(workflow, "active")]
    table = (await against(served, "workflow", "list")).stdout.decode()
    assert workflow in table
    await complete_all(served, workflow)
    shown = json.loads((await against(served, "workflow", "show", workflow, "--json")).stdout)
    assert (shown["state"], len(shown["drops"])) == ("completed", 14)
    tailed = await against(served, "events", "tail", workflow)
    types = [json.loads(line)["type"] for line in tailed.stdout.splitlines()]
    assert types[0].endswith("workflow.submitted.v1")
    assert types[-1].endswith("workflow.completed.v1")
    everything = await against(served, "events", "follow", "--from-sequence", "1", "--no-wait")
    followed = [json.loads(line) for line in everything.stdout.splitlines()]
    assert [event["type"] for event in followed] == types
    after = ("--after", followed[3]["position"], "--type", "dev.quantumlayer.workflow.*")
    rest = await against(served, "events", "follow", "--no-wait", *after)
    assert [json.loads(line) for line in rest.stdout.splitlines()] == followed[-1:]
    watched = await against(served, "watch-is-no-command")
    assert watched.returncode == 2


async def test_a_deadline_is_given_and_shown(served: Served) -> None:
    workflow = (await against(served, "submit", PROMPT, "--deadline", "60")).stdout.decode().strip()
    told = (await served.http.get(f"/v1/workflows/{workflow}")).json()
    assert seconds(told) == 60
    shown = (await against(served, "workflow", "show", workflow)).stdout.decode()
    assert f"deadline {told['deadline'][:19]}" in shown


async def test_show_tells_which_models_in_which_roles_made_a_drop(served: Served) -> None:
    made = ModelCalls(role="programmer", model="b/y", calls=13, known=1, tokens_in=7, cost=0.25, tried=("a/x",))
    workflow = await submit(served)
    await work(served, workflow, "prompt_enhancement", Completed(artifact=REF, media_type=JSON, calls=(made,)))
    await work(served, workflow, "frd_generation", Completed(artifact=REF, media_type=JSON))
    shown = json.loads((await against(served, "workflow", "show", workflow, "--json")).stdout)
    first, second = shown["drops"]
    assert (first["calls"][0]["role"], first["calls"][0]["tried"], second["calls"]) == ("programmer", ["a/x"], [])
    table = (await against(served, "workflow", "show", workflow)).stdout.decode()
    (line,) = [line for line in table.splitlines() if "b/y" in line]
    assert " ".join(line.split()) == "prompt_enhancement 1 programmer b/y 13 (1 known) 7/0 0.2500 after a/x"


async def test_watching_a_failed_workflow_ends_with_its_reason(served: Served) -> None:
    workflow = await submit(served)
    await work(served, workflow, "prompt_enhancement", Failed(error="I can't write poems."))
    watched = await against(served, "workflow", "watch", workflow, "--json")
    assert watched.returncode == 1
    assert json.loads(watched.stdout)["error"] == "I can't write poems."
    assert b"I can't write poems." in watched.stderr


async def test_cancel_and_resume_say_what_became_of_the_workflow(served: Served) -> None:
    workflow = await failed(served)
    shown = (await against(served, "workflow", "show", workflow)).stdout.decode()
    assert "error: no such model" in shown
    assert f"ql workflow resume {workflow}" in shown
    resumed = await against(served, "workflow", "resume", workflow)
    assert (resumed.returncode, resumed.stdout.decode()) == (0, f"{workflow}  active\n")
    cancelled = await against(served, "workflow", "cancel", workflow, "--reason", "enough", "--json")
    assert (cancelled.returncode, json.loads(cancelled.stdout)["error"]) == (0, "enough")
    again = await against(served, "workflow", "cancel", workflow)
    assert (again.returncode, again.stdout.decode()) == (0, f"{workflow}  cancelled\n")
    completed = await submit(served)
    await complete_all(served, completed)
    refused = await against(served, "workflow", "cancel", completed)
    assert refused.returncode == 1
    assert b"completed at" in refused.stderr


async def test_a_dead_letter_is_listed_shown_edited_and_sent_again(served: Served, tmp_path: Path) -> None:
    workflow = await submit(served)
    letter = await buried(served, workflow, b"\x1b[31mnot JSON")
    listed = (await against(served, "deadletter", "list")).stdout.decode()
    assert letter.id in listed
    assert "not a CloudEvent" in listed
    shown = (await against(served, "deadletter", "show", letter.id)).stdout.decode()
    assert "\\u001b[31mnot JSON" in shown
    assert f"ql deadletter edit {letter.id} --body FILE" in shown
    refused = await against(served, "deadletter", "resend", letter.id)
    assert refused.returncode == 1
    assert b"edit the body first" in refused.stderr
    (tmp_path / "body").write_bytes((await on_stream(served, workflow)).data or b"")
    edited = await against(served, "deadletter", "edit", letter.id, "--body", str(tmp_path / "body"))
    assert edited.returncode == 0, edited.stderr
    resent = await against(served, "deadletter", "resend", letter.id)
    assert (resent.returncode, resent.stderr.decode()) == (0, f"sent again: {letter.id}\n")
    assert json.loads((await against(served, "deadletter", "list", "--json")).stdout) == []


async def test_all_dead_letters_are_dealt_with_and_counted(served: Served) -> None:
    workflow = await submit(served)
    good = (await on_stream(served, workflow)).data or b""
    for body in (b"one", good, b"two"):
        await buried(served, workflow, body)
    resent = await against(served, "deadletter", "resend", "--all")
    assert resent.returncode == 1
    assert b"sent again: 1 of 3" in resent.stderr
    assert resent.stderr.count(b"edit the body first") == 2
    unsure = await against(served, "deadletter", "drop", "--all")
    assert unsure.returncode == 2
    assert b"--all --yes" in unsure.stderr
    assert len((await served.http.get("/v1/deadletters")).json()["items"]) == 2
    dropped = await against(served, "deadletter", "drop", "--all", "--yes")
    assert (dropped.returncode, dropped.stderr) == (0, b"dropped: 2 of 2\n")


async def test_a_capsule_that_is_none_is_not_accepted(served: Served, tmp_path: Path) -> None:
    workflow = await submit(served)
    await complete_all(served, workflow)
    pulled = await against(served, "capsule", "pull", workflow, "--out", str(tmp_path))
    assert pulled.returncode == 1
    assert b"is not what was built" in pulled.stderr
    assert list(tmp_path.glob("books.tar.gz")) == []


async def test_waiting_has_an_end(served: Served) -> None:
    workflow = await submit(served)
    watched = await against(served, "workflow", "watch", workflow, "--timeout", "1")
    assert watched.returncode == 5
    assert b"still running" in watched.stderr


@pytest.mark.parametrize(
    ("arguments", "stdin", "status", "says"),
    [
        (("submit", ""), b"", 2, b"is empty"),
        (("submit", "-"), b"\xff\xfe\x00", 2, b"no UTF-8 text"),
        (("submit", "-"), b"x" * (1 << 20), 2, b"at most"),
        (("submit", "@no/such.txt"), b"", 2, b"can't be read"),
        (("workflow", "show", "01ARZ3NDEKTSV4RRFFQ69G5FAV"), b"", 1, b"no gateway answers"),
        (("workflow", "show", "../../livez"), b"", 2, b"is no workflow's id"),
        (("workflow", "watch", ""), b"", 2, b"is no workflow's id"),
        (("capsule", "pull", "a\x1b[31m"), b"", 2, b"is no workflow's id"),
        (("capsule", "verify", "no/such.tar.gz"), b"", 2, b"does not exist"),
        (("deadletter", "show", "a/b"), b"", 2, b"is no dead letter's id"),
        (("deadletter", "drop"), b"", 2, b"or all of them with --all"),
        (("deadletter", "resend", "a1", "--all"), b"", 2, b"or all of them with --all"),
        (("deadletter", "edit", "a1"), b"", 2, b"--body"),
        (("deadletter", "edit", "a1", "--body", "no/such"), b"", 2, b"can't be read"),
        (("deadletter", "edit", "a1", "--body", "-"), b"x" * 65_537, 2, b"at most 65536 bytes"),
        (("workflow", "cancel", "nonsense"), b"", 2, b"is no workflow's id"),
        (("generate", "--nope"), b"", 2, b"No such option"),
        (("workflow", "list", "--limit", "0"), b"", 2, b"limit"),
    ],
)
def test_wrong_use_is_told_in_a_sentence(arguments: tuple[str, ...], stdin: bytes, status: int, says: bytes) -> None:
    ended = ql(*arguments, stdin=stdin)
    assert ended.returncode == status, ended.stderr
    assert says in ended.stderr
    assert ended.stdout == b""
    assert b"Traceback" not in ended.stderr


def test_a_wrong_setting_is_named() -> None:
    ended = ql("workflow", "list", QL_SLOTZ="3")
    assert ended.returncode == 2
    assert b"QL_SLOTZ is no setting" in ended.stderr


def test_errors_are_json_for_programs() -> None:
    ended = ql("workflow", "list", "--json")
    assert json.loads(ended.stdout)["code"] == "unreachable"


def test_a_failed_check_is_one_json_document(tmp_path: Path) -> None:
    (tmp_path / "x.tar.gz").write_bytes(b"no archive")
    ended = ql("capsule", "verify", str(tmp_path / "x.tar.gz"), "--json")
    assert ended.returncode == 1
    assert json.loads(ended.stdout)[0]["ok"] is False


def test_a_proxy_of_the_environment_is_not_asked_for_loopback() -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as proxy:
        ended = ql("workflow", "list", http_proxy=f"http://127.0.0.1:{proxy.server_address[1]}")
    assert b"Connection refused" in ended.stderr


async def test_words_of_others_do_not_command_the_terminal(served: Served) -> None:
    workflow = await submit(served, "Books \u202e\u2066 in hiding")
    await work(served, workflow, "prompt_enhancement", Failed(error="\x1b]0;mine\x07 [/red] \x9b31m"))
    for arguments in (("workflow", "list"), ("workflow", "show", workflow), ("workflow", "watch", workflow)):
        ended = await against(served, *arguments)
        said = (ended.stdout + ended.stderr).decode()
        assert all(character.isprintable() for line in said.splitlines() for character in line), arguments


def test_what_is_no_gateway_is_named() -> None:
    class Other(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, *_: object) -> None:
            """Silent."""

    with http.server.HTTPServer(("127.0.0.1", 0), Other) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        ended = ql("workflow", "list", url=f"http://127.0.0.1:{server.server_address[1]}")
        server.shutdown()
    assert ended.returncode == 1
    assert b"is no gateway" in ended.stderr


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_proxy_whose_gateway_is_away_is_waited_out(status: int) -> None:
    asked: list[str] = []

    class Proxy(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status if len(asked) == 1 else 200)
            self.send_header("Content-Type", "text/html" if len(asked) == 1 else "text/event-stream")
            self.end_headers()
            if len(asked) > 1:
                self.wfile.write(b'event: dev.quantumlayer.workflow.failed.v1\ndata: {"id": "1"}\n\n')

        def log_message(self, *_: object) -> None:
            """Silent."""

    with http.server.HTTPServer(("127.0.0.1", 0), Proxy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        ended = ql("events", "tail", "01ARZ3NDEKTSV4RRFFQ69G5FAV", url=f"http://127.0.0.1:{server.server_address[1]}")
        server.shutdown()
    assert (ended.returncode, ended.stdout) == (0, b'{"id": "1"}\n')
    assert b"waiting for it" in ended.stderr
    assert len(asked) == 2


@pytest.mark.parametrize("module", ["__main__", "capsules"])
def test_help_and_verifying_import_no_server_s_client(module: str) -> None:
    heavy = "'httpx', 'minio', 'asyncpg', 'nats', 'structlog'"
    program = f"import sys, gateway.cli.{module}; print([m for m in ({heavy}) if m in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"


def test_an_earlier_package_is_never_replaced(tmp_path: Path) -> None:
    other, same = tmp_path / "other.tar.gz", tmp_path / "same.tar.gz"
    other.write_bytes(b"another package")
    same.write_bytes(b"this package")
    out = tmp_path / "out"
    out.mkdir()
    assert capsules.place(out, "notes", same) == out / "notes.tar.gz"
    (out / "notes.tar.gz").write_bytes(b"this package")
    assert capsules.place(out, "notes", same) == out / "notes.tar.gz"
    assert capsules.place(out, "notes", other) == out / "notes-2.tar.gz"
    (out / "notes").mkdir()
    (out / "notes" / "changed.py").write_text("by hand")
    assert capsules.place(out, "notes", same) == out / "notes-2.tar.gz"
