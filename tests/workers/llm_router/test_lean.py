"""What litellm does beside each call is left out, and a litellm that names it differently is noticed at the start."""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from functools import partial
from threading import get_ident
from types import SimpleNamespace

import pytest

from workers.llm_router.lean import _once, make_lean, prepare_at_once


def _where(**_: object) -> int:
    return get_ident()


async def _prepared(model: str) -> int:
    """The thread in which litellm's own way to prepare a call runs."""
    asked = partial(copy_context().run, partial(_where, model=model, acompletion=True))
    return await asyncio.get_running_loop().run_in_executor(None, asked)


async def test_a_call_is_prepared_where_it_is_made_unless_its_provider_might_wait_and_other_work_keeps_its_thread() -> (
    None
):
    prepare_at_once()
    assert await _prepared("openai/gpt-test") == get_ident()
    assert await _prepared("bedrock/some") != get_ident()
    assert await asyncio.to_thread(_where, model="openai/gpt-test", acompletion=True) != get_ident()


async def test_an_error_while_a_call_is_prepared_is_raised_to_its_caller() -> None:
    def wrong(**_: object) -> None:
        raise ValueError("no such model")

    prepare_at_once()
    asked = partial(copy_context().run, partial(wrong, model="openai/gpt-test", acompletion=True))
    with pytest.raises(ValueError, match="no such model"):
        await asyncio.get_running_loop().run_in_executor(None, asked)


def test_a_litellm_that_names_it_differently_is_noticed() -> None:
    lists = ("success_callback", "failure_callback", "_async_success_callback", "_async_failure_callback")
    litellm = SimpleNamespace(utils=SimpleNamespace(), **{name: [] for name in lists})
    with pytest.raises(AttributeError):
        make_lean(litellm, SimpleNamespace())


def test_what_is_told_of_a_model_is_looked_up_once_also_where_nothing_is_known_of_it() -> None:
    asked = []

    def look_up(*, model: str) -> dict[str, str]:
        asked.append(model)
        if model == "unknown":
            raise ValueError("not mapped")
        return {"mode": "chat"}

    told = _once(look_up)
    assert [told(model="known") for _ in range(3)] == [{"mode": "chat"}] * 3
    for _ in range(3):
        with pytest.raises(ValueError, match="not mapped"):
            told(model="unknown")
    assert asked == ["known", "unknown"]
