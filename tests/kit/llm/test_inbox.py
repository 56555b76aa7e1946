"""Replies of many questions over one inbox: each comes to who asked, late ones to nobody."""

from __future__ import annotations

import asyncio

import msgspec
import nats
import pytest
from nats.aio.msg import Msg

from workers.kit.llm import LlmClient
from workers.kit.llm.wire import COMPLETE, Answer, Message, Question, Working
from workers.kit.settings import Settings
from workers.kit.stage import Transient

WORKING = msgspec.json.encode(Working())


def question(content: str) -> Question:
    return Question(
        tenant="default",
        workflow="w",
        stage="s",
        revision=1,
        task="t",
        messages=(Message(role="user", content=content),),
    )


def answer(content: str) -> Answer:
    return Answer(text=content, model="m", question="q")


def content_of(message: Msg) -> str:
    return msgspec.json.decode(message.data, type=Question).messages[0].content


async def test_each_reply_comes_to_who_asked_and_a_late_one_to_nobody(nats_url: str) -> None:
    nc = await nats.connect(nats_url)
    heard: asyncio.Queue[Msg] = asyncio.Queue()

    async def hear(message: Msg) -> None:
        await message.respond(WORKING)
        heard.put_nowait(message)

    await nc.subscribe(COMPLETE, cb=hear)
    llm = LlmClient(nc, Settings(llm_silence_s=5))
    contents = [str(number) for number in range(20)]
    asked = [asyncio.create_task(llm.ask(question(content))) for content in contents]
    messages = [await heard.get() for _ in contents]
    for message in reversed(messages):
        await message.respond(msgspec.json.encode(answer(content_of(message))))
    assert await asyncio.gather(*asked) == [answer(content) for content in contents]
    assert len({message.reply for message in messages}) == len(contents)
    assert len({message.reply.rpartition(".")[0] for message in messages}) == 1

    again = asyncio.create_task(llm.ask(question("again")))
    in_time = await heard.get()
    await messages[0].respond(msgspec.json.encode(answer("late")))
    await in_time.respond(msgspec.json.encode(answer("in time")))
    assert await again == answer("in time")
    await nc.close()


async def test_a_router_that_falls_silent_after_a_sign_of_life_is_given_up(nats_url: str) -> None:
    nc = await nats.connect(nats_url)

    async def hear(message: Msg) -> None:
        await message.respond(WORKING)

    await nc.subscribe(COMPLETE, cb=hear)
    with pytest.raises(Transient, match=r"silent for 0\.2 s"):
        await LlmClient(nc, Settings(llm_silence_s=0.2)).ask(question("x"))
    await nc.close()
