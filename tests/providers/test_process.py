from __future__ import annotations

from pathlib import Path

import httpx
import msgspec

from tests.providers.own import own_provider
from tests.providers.server import KEY, Call

QUESTION = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}


async def test_a_process_of_its_own(tmp_path: Path) -> None:
    log, recorded = tmp_path / "calls", tmp_path / "answers.json"
    recorded.write_text("{}")
    asked = ("--plan", "500", "--log", str(log), "--answers", str(recorded))
    async with (
        own_provider(*asked) as provider,
        httpx.AsyncClient(headers={"authorization": f"Bearer {KEY}"}) as client,
    ):
        where = f"{provider.url}/v1/chat/completions"
        assert (await client.post(where, json=QUESTION)).status_code == 500
        told = (await client.post(where, json=QUESTION)).json()
        assert told["choices"][0]["message"]["content"] == "You said: hello"
        await provider.plan("429:3")
        refused = await client.post(where, json=QUESTION)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "3")
        calls = await provider.calls()
    assert [call.outcome for call in calls] == ["500", "answered", "429"]
    assert [msgspec.json.decode(line, type=Call) for line in log.read_bytes().splitlines()] == calls
    assert provider.process.returncode == 0
