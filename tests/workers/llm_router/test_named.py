"""A question that names its model is asked of that one, or of nobody."""

from __future__ import annotations

from msgspec.structs import replace

from tests.workers.llm_router.serving import Counting, chain, question
from workers.kit.llm.wire import Answer, Problem
from workers.kit.stores.memory.ledger import MemoryLedger
from workers.llm_router.models import read_chains
from workers.llm_router.service import Service


async def test_a_model_is_asked_by_its_name_and_kept_apart_from_its_chain_s() -> None:
    provider, ledger = Counting(), MemoryLedger()
    service = Service(read_chains("openai/first,openai/second"), chain(provider), ledger)
    models = []
    for group in ("", "openai/second", "openai/first", "openai/second"):
        reply = await service.answer(replace(question(), group=group))
        assert isinstance(reply, Answer), reply
        models.append((reply.model, reply.known))
    assert models == [
        ("openai/first", False),
        ("openai/second", False),
        ("openai/first", True),  # the same question, whether the chain begins with it or it was named
        ("openai/second", True),
    ]


async def test_where_it_is_not_there_any_more_nobody_answers_in_its_place_but_the_ledger() -> None:
    provider, ledger = Counting(), MemoryLedger()
    named = replace(question(), group="openai/second")
    before = await Service(read_chains("openai/first,openai/second"), chain(provider), ledger).answer(named)
    service = Service(read_chains("openai/first"), chain(provider), ledger)
    again = await service.answer(named)
    assert isinstance(before, Answer)
    assert isinstance(again, Answer)
    assert (again.text, again.known) == (before.text, True)
    reply = await service.answer(replace(question("another"), group="openai/second"))
    assert isinstance(reply, Problem)
    assert (reply.kind, reply.code) == ("permanent", "no_model")
    assert "QL_MODELS does not name openai/second" in reply.message
