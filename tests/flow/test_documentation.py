"""What the docs say to type is typed here."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import sys
from pathlib import Path

import pytest

from tests.flow.conftest import PROMPTS, Running

ROOT = Path(__file__).parents[2]
FOREGROUND = {"ql up"}  # the factory of these tests is what it starts; tests/gateway/test_cli.py starts it for real


def commands(page: Path) -> list[str]:
    """The indented `ql` lines of a page, without their remarks."""
    lines = [line.strip().removeprefix(".venv/bin/") for line in page.read_text(encoding="utf-8").splitlines()]
    return [re.sub(r"\s+# .*", "", line) for line in lines if line.startswith("ql ")]


@pytest.mark.parametrize(("page", "least"), [("docs/tutorials/first-capsule.md", 7), ("README.md", 3)])
async def test_the_page_s_commands_do_what_it_says(factory: Running, tmp_path: Path, page: str, least: int) -> None:
    workflow = ""
    lines = [line for line in commands(ROOT / page) if line not in FOREGROUND]
    assert len(lines) >= least
    for line in lines:
        arguments = shlex.split(line.replace("WORKFLOW", workflow))[1:]
        expanded = [
            str(path) for part in arguments for path in (sorted(tmp_path.glob(part)) if "*" in part else [part])
        ]
        ended = await factory.ql(*expanded, cwd=tmp_path)
        assert ended.returncode == 0, f"{line}\n{ended.stderr}"
        if arguments[0] == "submit":
            workflow = json.loads(ended.stdout)["id"]


async def test_the_page_s_program_hears_of_a_capsule_and_fetches_it(factory: Running, tmp_path: Path) -> None:
    """Thirteen lines that know the AsyncAPI document only."""
    page = (ROOT / "docs/how-to/follow-events.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", page, flags=re.S)
    issued = json.loads((await factory.ql("key", "nats", "issue", "capsules", "--json")).stdout)
    url = issued["server"].replace("//", f"//{issued['user']}:{issued['password']}@")
    env = {**os.environ, "NATS_URL": url, "GATEWAY_URL": factory.url}
    listening = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, env=env, cwd=tmp_path, stdout=asyncio.subprocess.PIPE
    )
    await asyncio.sleep(1.5)  # a plain subscription hears only what comes after it
    made = await factory.ql("generate", f"@{PROMPTS}/expenses.txt", "--out", str(tmp_path / "out"), "--json")
    heard, _ = await asyncio.wait_for(listening.communicate(), 60)
    kind, sha256 = heard.decode().split()
    assert kind == "dev.quantumlayer.workflow.completed.v1"
    assert sha256 == json.loads(made.stdout)["sha256"]
    assert (tmp_path / "capsule.tar.gz").read_bytes() == Path(json.loads(made.stdout)["archive"]).read_bytes()
