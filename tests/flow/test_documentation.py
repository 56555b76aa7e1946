"""What the docs say to type is typed here."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from contracts.artifacts import JSON
from contracts.events import Ref, StageCompleted
from deploy.local.stack import RUN_FILE
from tests.flow.conftest import PROMPTS, Running
from tests.flow.pages import DOCS, REMARK, Reader, lines, programs
from tests.workers.observers.receiver import receiver

Packages = dict[str, dict[str, Any]]

FOREGROUND = "ql up"  # the factory of these tests is what it starts
REPLAY = DOCS / "tutorials/replay-and-fork.md"
POEM = "write me a poem"
CHORES = "A command line tool that keeps a list of chores, each with a name."
NOBODY = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


def typed(page: str) -> list[str]:
    return [line for line in lines(DOCS / page) if REMARK.sub("", line) != FOREGROUND]


def test_every_page_that_tells_what_to_type_is_typed_by_a_test() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    pages = [page for folder in ("tutorials", "how-to") for page in (DOCS / folder).glob("*.md") if lines(page)]
    assert len(pages) >= 8
    assert [page.name for page in pages if page.name not in tests] == []


@pytest.mark.parametrize(("page", "least"), [("tutorials/first-capsule.md", 7), ("../README.md", 3)])
async def test_the_page_s_commands_do_what_it_says(factory: Running, tmp_path: Path, page: str, least: int) -> None:
    said = typed(page)
    assert len(said) >= least
    await Reader(factory, tmp_path).types(*said)


def publisher(factory: Running, folder: Path) -> Reader:
    """Somebody with the tutorial's program that publishes what no stage can read."""
    assert programs(REPLAY, folder) == ["wrong.py"]
    reader = Reader(factory, folder)
    reader.env["QL_NATS_URL"] = msgspec.json.decode((factory.data / RUN_FILE).read_bytes())["nats"]
    return reader


async def test_a_finished_workflow_is_looked_back_at_done_again_and_forked(
    factory: Running, packages: Packages, tmp_path: Path
) -> None:
    reader = publisher(factory, tmp_path)
    reader.known["WORKFLOW"] = packages["geometry"]["workflow"]
    reader.env["EDITOR"] = "sed -i s/keeps/holds/"
    said = typed("tutorials/replay-and-fork.md")
    assert len(said) > 30
    async with going_on(reader, "code_generation"):
        told = dict(zip(said, await reader.types(*said), strict=True))
    for line in said:
        if "--strict" in line or "--replay" in line or "--local" in line:
            assert "the same bytes as recorded" in told[line], line
    assert "test_execution 1: the same" in told["ql workflow replay WORKFLOW --strict"]
    elsewhere = "QL_DATA=elsewhere ql workflow open wf.qlx"
    assert "packaging " in told[elsewhere]
    assert packages["geometry"]["sha256"] in told[f"{elsewhere} --files"]
    assert "wf.qlx: ok, " in told[f"{elsewhere} --verify"]
    (fork,) = (line for line in said if line.startswith("ql workflow replay FORK"))
    assert told[fork].count(" reused ") == 12
    assert "paused since" in told["ql stage list"]
    assert b"holds layers" in (tmp_path / "requirements.json").read_bytes()


async def test_forks(factory: Running, packages: Packages, tmp_path: Path) -> None:
    (tmp_path / "prompt.txt").write_bytes((PROMPTS / "geometry.txt").read_bytes())
    workflow = packages["geometry"]["workflow"]
    reader = Reader(factory, tmp_path, **{"WORKFLOW": workflow, "openai/gpt-4o": "blueprint/default"})
    reader.env["EDITOR"] = "sed -i s/keeps/holds/"
    said = typed("how-to/fork.md")
    assert len(said) >= 11
    async with httpx.AsyncClient(base_url=factory.url) as http:
        before = len((await http.get(f"/v1/workflows/{workflow}")).json()["forks"])
        await reader.types(*said)
        forks = (await http.get(f"/v1/workflows/{workflow}")).json()["forks"]
        begun = [line for line in said if re.match("ql workflow (fork|resume)", line) and "--dry-run" not in line]
        assert len(forks) - before == len(begun) == 6
        for fork in forks[before:]:
            await http.post(f"/v1/workflows/{fork}/cancel")


async def wrong(reader: Reader, http: httpx.AsyncClient, workflow: str, *names: str) -> None:
    """A dead letter for each name; what each should have said lies in a file of that name."""
    program = (reader.folder / "wrong.py").read_text(encoding="utf-8").replace(NOBODY, workflow)
    for revision, name in enumerate(names, 7):
        (reader.folder / name).write_bytes(mended(workflow, revision))
        (reader.folder / f"{name}.py").write_text(program.replace("{STEP}.1", f"{{STEP}}.{revision}"), encoding="utf-8")
        await reader.types(f"python {name}.py")
    found: list[str] = []
    async with asyncio.timeout(30):
        while len(found) < len(names):
            items = (await http.get("/v1/deadletters", params={"workflow": workflow})).json()["items"]
            found = [item["id"] for item in items]
    for letter in found:
        subject = (await http.get(f"/v1/deadletters/{letter}")).json()["subject"]
        reader.known[names[int(subject.rpartition(".")[2]) - 7]] = letter


def mended(workflow: str, revision: int) -> bytes:
    told = StageCompleted(
        tenant="default",
        workflow=workflow,
        drop=f"{workflow}.test_plan_generation.{revision}",
        stage="test_plan_generation",
        revision=revision,
        artifact=Ref(key="k", offset=0, length=1, sha256="0" * 64),
        media_type=JSON,
        inputs=(),
    )
    return msgspec.json.encode(told)


@asynccontextmanager
async def going_on(reader: Reader, stage: str) -> AsyncIterator[None]:
    """Others need the stage, which the commands pause, whatever becomes of them."""
    try:
        yield
    finally:
        await reader.types(f"ql stage resume {stage}")


async def test_control_and_dead_letters(factory: Running, tmp_path: Path) -> None:
    reader = publisher(factory, tmp_path)
    said = typed("how-to/recover.md")
    assert len(said) >= 10
    async with httpx.AsyncClient(base_url=factory.url, timeout=30) as http, going_on(reader, "code_generation"):
        for item in (await http.get("/v1/deadletters")).json()["items"]:  # of other tests
            await http.delete(f"/v1/deadletters/{item['id']}")
        await http.post("/v1/stages/code_generation/pause")
        for name, prompt in (("RUNNING", CHORES), ("HELD", CHORES), ("FAILED", POEM)):
            reader.known[name] = (await http.post("/v1/workflows", json={"prompt": prompt})).json()["id"]
        await wrong(reader, http, reader.known["HELD"], "MENDED", "OTHER", "LETTER")
        body = (tmp_path / "MENDED").read_bytes()
        (await http.put(f"/v1/deadletters/{reader.known['MENDED']}/body", content=body)).raise_for_status()
        (tmp_path / "FILE").write_bytes((tmp_path / "LETTER").read_bytes())
        told = dict(zip(said, await reader.types(*said), strict=True))
        (every,) = (line for line in said if line.startswith("ql deadletter resend --all"))
        assert "sent again: 1 of 1" in told[every]
        assert (await http.get("/v1/deadletters")).json()["items"] == []
        assert (await http.get(f"/v1/workflows/{reader.known['RUNNING']}")).json()["error"] == "wrong prompt"
        await http.post(f"/v1/workflows/{reader.known['HELD']}/cancel")


async def test_webhooks(factory: Running, tmp_path: Path) -> None:
    said = typed("how-to/webhooks.md")
    assert len(said) == 8
    async with receiver() as hook:
        reader = Reader(factory, tmp_path, **{"https://example.org/hook": f"{hook.url}/ok"})
        first = said.index(next(line for line in said if line.startswith("ql webhook show")))
        (added, *_) = await reader.types(*said[:first])
        tested = (await hook.came(1))[0]
        assert tested.signed_with(added.split()[1])
        (shown, *_) = await reader.types(*said[first:-1])
        assert reader.known["DELIVERY"] in shown
        assert [call.id for call in await hook.came(2)] == [tested.id] * 2
        await reader.types(said[-1])


async def test_models(factory: Running, reachable: Path, tmp_path: Path) -> None:
    """No question is asked: the page's providers are real ones."""
    reader = Reader(factory, tmp_path)
    reader.env |= {"HOME": str(tmp_path), "QL_DATA": str(reachable / "models-page"), "QL_HTTP_PORT": "0"}
    reader.env["GROQ_API_KEY"] = "gsk-of-nobody"
    said = typed("how-to/models.md")
    assert len(said) == 4
    await reader.types(*said)
    (refused,) = await reader.types(f"{FOREGROUND}  # refused")
    assert "ANTHROPIC_API_KEY" in refused
    (tmp_path / ".keys").mkdir()
    for name in ("anthropic", "openai"):
        (tmp_path / ".keys" / name).write_text("sk-of-nobody")
    command = ["sh", "-ec", reader.command(f"exec {FOREGROUND}")]
    up = await asyncio.create_subprocess_exec(*command, cwd=tmp_path, env=reader.env, stdout=PIPE)
    assert up.stdout is not None
    try:
        assert (await up.stdout.readline()).startswith(b"http://127.0.0.1:")
    finally:
        up.terminate()
        await up.wait()


async def test_the_page_s_program_hears_of_a_capsule_and_fetches_it(
    factory: Running, packages: Packages, tmp_path: Path
) -> None:
    """Thirteen lines that know the AsyncAPI document only."""
    page = (DOCS / "how-to/follow-events.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", page, flags=re.S)
    issued = json.loads((await factory.ql("key", "nats", "issue", "capsules", "--json")).stdout)
    url = issued["server"].replace("//", f"//{issued['user']}:{issued['password']}@")
    env = {**os.environ, "NATS_URL": url, "GATEWAY_URL": factory.url}
    listening = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, env=env, cwd=tmp_path, stdout=asyncio.subprocess.PIPE
    )
    await asyncio.sleep(1.5)  # a plain subscription hears only what comes after it
    made = packages["expenses"]
    forked = await factory.ql("workflow", "fork", made["workflow"], "--from", "packaging")
    assert forked.returncode == 0, forked.stderr
    heard, _ = await asyncio.wait_for(listening.communicate(), 60)
    kind, sha256 = heard.decode().split()
    assert kind == "dev.quantumlayer.workflow.completed.v1"
    assert sha256 == made["sha256"]
    assert (tmp_path / "capsule.tar.gz").read_bytes() == Path(made["archive"]).read_bytes()
