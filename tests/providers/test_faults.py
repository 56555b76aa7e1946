from __future__ import annotations

import asyncio
import json

import pytest

from tests.providers.calling import LITELLM_WARNS, MAKERS, Caller
from tests.providers.plan import Plan
from tests.providers.server import HUGE, Provider

pytestmark = LITELLM_WARNS
STREAMS = pytest.mark.parametrize("stream", [False, True])
CUTS = ("APIConnectionError", "InternalServerError", "ServiceUnavailableError")
"""In a stream it is one for a fallback in its middle: a kind of the last."""
EVERY = pytest.mark.parametrize("maker", MAKERS)


@STREAMS
@EVERY
@pytest.mark.parametrize(
    ("planned", "raised"),
    [
        ("401", "AuthenticationError"),
        ("404", "NotFoundError"),
        ("429:2", "RateLimitError"),
        ("500", ("InternalServerError", "APIError", "ServiceUnavailableError")),  # by maker
        ("503", "ServiceUnavailableError"),
        ("hang", "Timeout"),
    ],
)
async def test_what_litellm_raises(
    caller: Caller, maker: str, stream: bool, planned: str, raised: str | tuple[str, ...]
) -> None:
    kinds = (raised,) if isinstance(raised, str) else raised
    async with Provider(planned) as provider:
        with pytest.raises(tuple(getattr(caller.litellm, kind) for kind in kinds)):
            await caller(provider, maker, stream=stream, within_s=0.15 if planned == "hang" else 5)
        assert [call.outcome for call in provider.calls] == [planned.partition(":")[0]]
        assert (await caller(provider, maker, stream=stream)).finish == "stop"
    assert provider.calls[-1].outcome == "answered"


@EVERY
async def test_a_caller_reads_when_to_come_back(caller: Caller, maker: str) -> None:
    async with Provider("429:7") as provider:
        with pytest.raises(caller.litellm.RateLimitError) as caught:
            await caller(provider, maker)
    assert caught.value.litellm_response_headers["retry-after"] == "7"


@STREAMS
@EVERY
async def test_a_cut_connection(caller: Caller, maker: str, stream: bool) -> None:
    kinds = tuple(getattr(caller.litellm, kind) for kind in CUTS)
    async with Provider("cut") as provider:
        with pytest.raises(kinds):
            await caller(provider, maker, stream=stream)
        assert [call.outcome for call in provider.calls] == ["cut"]


@STREAMS
@EVERY
async def test_a_slow_drip_arrives_whole_or_times_out(caller: Caller, maker: str, stream: bool) -> None:
    async with Provider("drip:0.1") as provider:
        assert (await caller(provider, maker, stream=stream)).finish == "stop"
    assert provider.calls[0].took >= 0.07


@STREAMS
@EVERY
async def test_spoilt_answers(caller: Caller, maker: str, stream: bool) -> None:
    async with Provider("ok,length,empty,wrong_json,prose,wrong_schema") as provider:
        whole, cut_off, empty, broken, prose, other = [await caller(provider, maker, stream=stream) for _ in range(6)]
    assert (cut_off.text, cut_off.finish) == (whole.text[: len(whole.text) // 2], "length")
    assert (empty.text, empty.finish) == ("", "stop")
    with pytest.raises(ValueError, match="Expecting"):
        json.loads(broken.text)
    assert f"```json\n{whole.text}\n```" in prose.text
    assert json.loads(other.text) == {"unexpected": [1, 2, 3]}
    assert [call.outcome for call in provider.calls[1:]] == ["length", "empty", "wrong_json", "prose", "wrong_schema"]


@pytest.mark.parametrize("maker", ["openai", "anthropic", "bedrock", "ollama_chat"])
async def test_an_answer_of_ten_megabytes(caller: Caller, maker: str) -> None:
    async with Provider("huge") as provider:
        assert len((await caller(provider, maker, within_s=20)).text) > HUGE


@STREAMS
async def test_usage_that_is_missing(caller: Caller, stream: bool) -> None:
    async with Provider("no_usage,no_usage") as provider:
        said = await caller(provider, "openai", stream=stream)
        assert said.finish == "stop"
        if stream:
            assert said.tokens != (0, 0)  # litellm counts itself
        else:
            assert said.tokens == (0, 0)
            with pytest.raises(caller.litellm.APIConnectionError, match="usage"):  # litellm can't read it
                await caller(provider, "anthropic")


async def test_faults_of_one_model_do_not_touch_another(caller: Caller) -> None:
    async with Provider(Plan(always={"gpt-test": "503"})) as provider:
        with pytest.raises(caller.litellm.ServiceUnavailableError):
            await caller(provider, "openai")
        assert (await caller(provider, "anthropic")).finish == "stop"


async def test_a_caller_that_hangs_up_was_not_answered(caller: Caller) -> None:
    async with Provider("drip:20") as provider:
        asking = asyncio.create_task(caller(provider, "openai", within_s=30))
        while not provider.calls:  # noqa: ASYNC110  a list can't tell
            await asyncio.sleep(0.01)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        while provider.calls[0].outcome == "asked":  # noqa: ASYNC110  a call can't tell
            await asyncio.sleep(0.01)
        assert provider.calls[0].outcome == "gone"
