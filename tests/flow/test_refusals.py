"""What can't be served ends at once, with a sentence that helps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.flow.conftest import Running


@pytest.mark.parametrize("prompt", ["write me a poem", "an iOS game", "Build me a web shop front end in React"])
async def test_a_prompt_that_can_t_be_served_is_refused(factory: Running, tmp_path: Path, prompt: str) -> None:
    ended = await factory.ql("generate", prompt, "--out", str(tmp_path))
    assert ended.returncode == 1
    assert ended.stdout == ""
    said = ended.stderr.splitlines()[-1]
    assert said.startswith("ql: ")
    assert all(word in said.lower() for word in ("rest api", "command line", "library"))
    assert list(tmp_path.iterdir()) == []


async def test_a_refusal_for_a_program_is_json(factory: Running, tmp_path: Path) -> None:
    ended = await factory.ql("generate", "write me a poem", "--out", str(tmp_path), "--json")
    assert json.loads(ended.stdout)["code"] == "failed"
