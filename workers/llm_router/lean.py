"""What litellm does beside each call, left out: it books, times and logs for callbacks that nobody here has.

It is half of a call's CPU. litellm has no switch for most of it, so names of its own are replaced: each is looked up
first, and a release that renames one fails at the start of a router, not in silence.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import wraps
from inspect import unwrap
from operator import attrgetter
from typing import Any

_AT_ONCE = ("openai/", "azure/", "anthropic/", "groq/", "hosted_vllm/")
"""To prepare a call to these is work on its arguments only. Others read files, sign, or ask their server first."""


def make_lean(litellm: Any, router: Any) -> None:
    """litellm's own limits would be counted by what is cleared here; nothing else needs it."""
    for callbacks in (litellm.success_callback, litellm.failure_callback):
        callbacks.clear()
    for callbacks in (litellm._async_success_callback, litellm._async_failure_callback):  # no other way
        callbacks.clear()
    _replaced(router, "increment_deployment_usage_for_response", _nothing)
    _replaced(router, "set_response_headers", _as_it_is)
    _replaced(router.service_logger_obj, "async_service_success_hook", _nothing)
    _replaced(litellm.utils, "update_response_metadata", _no_metadata)
    _replaced(litellm.main, "get_model_info_helper", _once(unwrap(litellm.main.get_model_info_helper)))
    _replaced(litellm.main, "supports_httpx_timeout", _all)  # its HTTP client does, for all makers
    _replaced(litellm.httpx.Cookies, "extract_cookies", _no_cookies)  # litellm's jar takes none
    litellm.LlmProviders.value = property(attrgetter("_value_"))  # each call reads those of all, twice


def unlogged(litellm: Any) -> None:
    """For the calls of the running task: litellm holds them for its own, which nobody is told of."""
    litellm._internal_context.is_internal_call.set(True)


def prepare_at_once() -> None:
    """litellm prepares each call in a thread. To go there and back takes longer than what it does there."""
    asyncio.get_running_loop().set_default_executor(_AtOnce())


class _AtOnce(ThreadPoolExecutor):
    """A thread for everything else, as ever."""

    def submit(self, do: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        if not _prepares(do):
            return super().submit(do, *arguments, **named)
        done: Future[Any] = Future()
        try:
            done.set_result(do(*arguments, **named))
        except Exception as error:  # noqa: BLE001  # a Future tells it to whoever waits
            done.set_exception(error)
        return done


def _prepares(do: Any) -> bool:
    """Whether it is `litellm.completion` for a coroutine, in the context that `litellm.acompletion` gives it."""
    inner = do.args[0] if getattr(do, "args", ()) else None
    named = getattr(inner, "keywords", {})
    return bool(named.get("acompletion")) and str(named.get("model", "")).startswith(_AT_ONCE)


def _replaced(owner: Any, name: str, by: object) -> None:
    getattr(owner, name)
    setattr(owner, name, by)


def _all(_provider: str) -> bool:
    return True


async def _nothing(**_: object) -> None:
    return None


async def _as_it_is(response: object, **_: object) -> object:
    return response


def _no_metadata(**_: object) -> None:
    return None


def _no_cookies(_jar: object, _response: object) -> None:
    return None


def _once(look_up: Callable[..., object]) -> Callable[..., object]:
    """What is told of each model, also that it is not known: looked for twice a call, and the models are few."""
    found: dict[tuple[tuple[str, object], ...], object] = {}

    @wraps(look_up)
    def again(**asked: object) -> object:
        key = tuple(sorted(asked.items()))
        if key not in found:
            try:
                found[key] = look_up(**asked)
            except Exception as error:  # noqa: BLE001  # litellm raises plain exceptions for what it does not know
                found[key] = error
        if isinstance(told := found[key], Exception):
            raise told.with_traceback(None)
        return told

    return again
