"""A NATS that lives and takes no events is noticed, and one that only our own delays make look so is left alone."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import nats
import pytest

from deploy.local.stack import NATS, Stack
from tests.deploy.watching import another


async def test_a_nats_that_lives_and_takes_no_events_is_started_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"EVERY_S": 0.1, "ANSWER_S": 0.5, "FAILURES": 2}.items():
        monkeypatch.setattr(f"deploy.local.accepting.{name}", value)
    heard: list[str] = []
    async with Stack(folder, frozenset({NATS}), said=heard.append) as stack:
        await asyncio.sleep(1)  # time for some looks at one in order, without any stream
        assert heard == []
        stuck = stack.pid(NATS)
        os.kill(stuck, signal.SIGSTOP)
        await another(stack, NATS, stuck)
    assert heard == ["NATS takes no events. It is started again."]


async def test_a_nats_is_not_blamed_for_our_own_delays(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"EVERY_S": 0.02, "ANSWER_S": 0.3, "FAILURES": 2, "TICK_S": 0.02, "LATE_S": 0.1}.items():
        monkeypatch.setattr(f"deploy.local.accepting.{name}", value)
    heard: list[str] = []
    async with Stack(folder, frozenset({NATS}), said=heard.append) as stack:
        stuck = stack.pid(NATS)
        os.kill(stuck, signal.SIGSTOP)
        for _ in range(10):  # each look, which fails, has one of these in it
            time.sleep(0.2)  # noqa: ASYNC251  # the loop is held up
            await asyncio.sleep(0.03)
        assert (heard, stack.pid(NATS)) == ([], stuck)
        await another(stack, NATS, stuck)  # looked at by a process that is in time
    assert heard == ["NATS takes no events. It is started again."]


async def test_a_nats_that_never_takes_an_event_is_given_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It answers its client, and no publish: JetStream is on a disk that takes nothing, say."""
    for name, value in {"EVERY_S": 0.05, "FAILURES": 2, "RESTARTS": 2}.items():
        monkeypatch.setattr(f"deploy.local.accepting.{name}", value)
    heard: list[str] = []
    async with Stack(folder, frozenset({NATS}), said=heard.append) as stack:
        nc = await nats.connect(stack.urls.nats, error_cb=_quiet)
        await nc.jetstream().add_stream(name="OTHER", subjects=["ql.wake.>"], no_ack=True)  # it never acknowledges
        await nc.close()
        monkeypatch.setattr("deploy.local.accepting.ANSWER_S", 0.3)
        said = str(await asyncio.wait_for(stack.failure(), 30))
        assert stack.pid(NATS) == 0
    assert heard == ["NATS takes no events. It is started again."] * 2
    assert said.startswith("NATS takes no events. It was started again in vain; ")
    assert "nats.log says: " in said


async def _quiet(_: Exception) -> None: ...
