"""Models of the providers that litellm knows: its Router retries by kind of error, and knows prices.

Its fallbacks, cooldowns and limits are not used: they are one process's own, and ours are shared by all routers.
litellm takes seconds to import, so a `Chat` is made only where a chain needs one.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from importlib import import_module
from typing import Any

import msgspec
import structlog

from workers.kit.llm.wire import Question

from .again import lost, may_again, pausing, soon
from .errors import read_error
from .lean import make_lean, unlogged
from .models import PROVIDERS, Model, Parameters, Price
from .said import Completion, CutOff, Facts, Failed, Said, Tell, Vectors
from .scrub import Hiding, Scrub

RETRIES = 1
CONNECT_S = 15.0
MOST_CHARS = 8 * 1024 * 1024
CHARS_A_TOKEN = 4
_ENVIRONMENT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it fetches prices at import
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    "LITELLM_MODE": "PRODUCTION",  # else it reads the .env of the current folder
    "LITELLM_LOG": "ERROR",
    # The openai package takes a third of a call's CPU. So litellm's own client asks OpenAI too, as most others.
    "EXPERIMENTAL_OPENAI_BASE_LLM_HTTP_HANDLER": "True",
    # An answer that comes whole may be silent for minutes. A host that is gone is noticed before they are over.
    "AIOHTTP_SO_KEEPALIVE": "True",
    "AIOHTTP_TCP_KEEPIDLE": "20",
    "AIOHTTP_TCP_KEEPINTVL": "10",
    "AIOHTTP_TCP_KEEPCNT": "3",
}
_LATE = (
    "litellm.integrations.otel.logger",
    "litellm.litellm_core_utils.default_encoding",
    "litellm.proxy._types",
    "litellm.router_utils.baseline_request",
    "openai.resources",
)
"""What litellm imports when it is first asked: a second, which the first question would wait for."""
_log = structlog.get_logger()


class Chat:
    """A `Provider`. `reached` are the models by place, with what litellm needs to reach them (keys too)."""

    def __init__(
        self,
        reached: Mapping[Model, Parameters],
        scrub: Scrub,
        *,
        model_s: float,
        silence_s: float,
        prices: Mapping[str, Price] | None = None,
        contexts: Mapping[str, int] | None = None,
    ) -> None:
        self._prices = prices or {}
        self._contexts = contexts or {}
        self._litellm = _imported()
        self._scrub = scrub
        self._model_s = model_s
        self._silence_s = silence_s
        # Who can't be reached is known long before its time is up: then nothing was asked, and nothing is paid.
        self._timeout = self._litellm.httpx.Timeout(model_s, connect=min(CONNECT_S, model_s / 4))
        self._reached = {model: f"{PROVIDERS[model.provider].litellm}/{_rest(model)}" for model in reached}
        self._register_ollama()
        self._facts = {model: self._found(model) for model in reached}
        self._router = self._litellm.Router(
            model_list=[self._deployment(model, parameters) for model, parameters in reached.items()],
            num_retries=0,
            disable_cooldowns=True,
            retry_policy=self._policy(last=False),
        )
        soon(self._router)
        make_lean(self._litellm, self._router)

    def facts(self, model: Model) -> Facts:
        return self._facts[model]

    async def complete(self, model: Model, question: Question, tell: Tell | None, *, last: bool) -> Said:
        unlogged(self._litellm)
        options = self._options(model, question)
        if last:
            options["model_group_retry_policy"] = {model.place: self._policy(last=True)}
        heard: list[str] = []
        try:
            async with asyncio.timeout(self._model_s):
                said = await self._said(model, question, options, tell, heard)
                unread = isinstance(said, Failed) and said.kind == "rejected" and not said.tokens_in + said.tokens_out
                if unread and options.pop("response_format", None) and await may_again():
                    said = await self._said(model, question, options, tell, heard)  # perhaps it takes no schema
        except TimeoutError:
            late = Failed(kind="fault", error=f"it took longer than {self._model_s:g} s")
            return late if pausing() else self._paid(late, model, question, "".join(heard), None)
        except asyncio.CancelledError:
            left = Failed(kind="fault", error="it was cut off")
            raise CutOff(left if pausing() else self._paid(left, model, question, "".join(heard), None)) from None
        return said

    async def embed(self, model: Model, texts: Sequence[str]) -> Vectors | Failed:
        about, price = -(-sum(map(len, texts)) // CHARS_A_TOKEN), self._facts[model].cost_in
        try:
            told = await self._router.aembedding(model=model.place, input=list(texts), timeout=self._silence_s)
            vectors = tuple(tuple(float(one) for one in row["embedding"]) for row in told.data)
            tokens = getattr(told.usage, "prompt_tokens", None) or about
            return Vectors(vectors=vectors, tokens_in=tokens, cost=price * tokens)
        except Exception as error:  # noqa: BLE001  # a provider may fail in any way
            failed = self._failed(model, error)
            took = about if lost(error) else 0
            return msgspec.structs.replace(failed, tokens_in=took, cost=price * took)

    async def _said(
        self, model: Model, question: Question, options: dict[str, Any], tell: Tell | None, heard: list[str]
    ) -> Said:
        """`heard` gets each piece as it comes: what a model wrote is paid for, also where nobody waits for its end."""
        try:
            if tell is not None:
                return await self._streamed(model, question, options, tell, heard)
            told = await self._router.acompletion(model=model.place, timeout=self._timeout, **options)
            choice = told.choices[0]
            return self._completion(model, question, choice.message.content or "", choice.finish_reason, told)
        except TimeoutError:
            raise
        except Exception as error:  # noqa: BLE001  # a provider may fail in any way
            failed = self._failed(model, error)
            return self._paid(failed, model, question, "".join(heard), None) if heard or lost(error) else failed

    async def _streamed(
        self, model: Model, question: Question, options: dict[str, Any], tell: Tell, heard: list[str]
    ) -> Said:
        stream = await self._router.acompletion(
            model=model.place, timeout=self._silence_s, stream=True, stream_options={"include_usage": True}, **options
        )
        telling = Hiding(self._scrub, tell)
        size, finish, usage = 0, None, None
        async for chunk in _closed(stream):
            usage = chunk if getattr(chunk, "usage", None) else usage
            for choice in chunk.choices[:1]:
                finish = choice.finish_reason or finish
                if text := choice.delta.content:
                    heard.append(text)
                    size += len(text)
                    telling.add(text)
            if size > MOST_CHARS:
                break
        telling.end()
        if size <= MOST_CHARS and not _ended(stream):
            broken = Failed(kind="fault", error="it ended in the middle of its answer")
            return self._paid(broken, model, question, "".join(heard), usage)
        return self._completion(model, question, "".join(heard), finish, usage)

    def _completion(self, model: Model, question: Question, text: str, finish: str | None, told: Any) -> Said:
        failed = None
        if finish == "content_filter":
            error = f"{model.name} will not answer this: its provider's filter stopped it"
            failed = Failed(kind="refused", error=error)
        elif not text and finish == "length":
            failed = Failed(kind="rejected", error="it thought for as long as it may, and wrote nothing")
        elif not text:
            failed = Failed(kind="fault", error="it said nothing")  # or no event that could be read
        elif len(text) > MOST_CHARS:
            failed = Failed(kind="rejected", error=f"it wrote more than {MOST_CHARS >> 20} MiB")
        if failed is not None:
            return self._paid(failed, model, question, text, told) if text or told is not None else failed
        tokens_in, tokens_out, cost = self._took(model, question, text, told)
        return Completion(
            text=self._scrub.answer(text),
            finish="length" if finish == "length" else "stop",
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            cost=cost,
        )

    def _paid(self, failed: Failed, model: Model, question: Question, text: str, told: Any) -> Failed:
        tokens_in, tokens_out, cost = self._took(model, question, text, told)
        return msgspec.structs.replace(failed, tokens_in=tokens_in, tokens_out=tokens_out, cost=cost)

    def _took(self, model: Model, question: Question, text: str, told: Any) -> tuple[int, int, float]:
        """Tokens in and out, and US dollars; about, where the provider doesn't say."""
        usage = getattr(told, "usage", None)
        written = sum(len(message.content) for message in question.messages)
        tokens_in = getattr(usage, "prompt_tokens", None) or -(-written // CHARS_A_TOKEN)
        tokens_out = getattr(usage, "completion_tokens", None) or -(-len(text) // CHARS_A_TOKEN)
        return tokens_in, tokens_out, self._cost(model, tokens_in, tokens_out, usage)

    def _cost(self, model: Model, tokens_in: int, tokens_out: int, usage: object) -> float:
        """By QL_MODEL_PRICES, else litellm's list, which knows of cached tokens too; 0 for a model without a price."""
        try:
            name = self._reached[model]
            listed = usage is not None and model.name not in self._prices and self._facts[model] != Facts()
            paid = self._litellm.cost_per_token(model=name, usage_object=usage) if listed else (0.0, 0.0)
        except Exception:  # noqa: BLE001  # litellm raises plain exceptions for what it has no price of
            paid = (0.0, 0.0)
        facts = self._facts[model]
        return float(sum(paid)) or facts.cost_in * tokens_in + facts.cost_out * tokens_out

    def _options(self, model: Model, question: Question) -> dict[str, Any]:
        options: dict[str, Any] = {
            "messages": [{"role": message.role, "content": message.content} for message in question.messages]
        }
        if question.temperature is not None:
            options["temperature"] = question.temperature
        if question.max_tokens is not None:
            options["max_tokens"] = question.max_tokens
        if question.schema is not None:
            schema = {"name": question.schema_name or "answer", "schema": rooted(question.schema), "strict": False}
            options["response_format"] = {"type": "json_schema", "json_schema": schema}
        return options

    def _deployment(self, model: Model, parameters: Parameters) -> dict[str, Any]:
        mine: dict[str, Any] = {"model": self._reached[model], "max_retries": 0, **parameters}
        if model.provider == "ollama" and model.name in self._contexts:
            mine["num_ctx"] = self._contexts[model.name]  # else it holds 4,096 tokens, and cuts what is longer
        return {"model_name": model.place, "litellm_params": mine}

    def _policy(self, *, last: bool) -> Any:
        """How often the Router asks the same model again. Where another one waits, a busy one is left to it at once."""
        waiting = RETRIES if last else 0
        return self._litellm.types.router.RetryPolicy(
            AuthenticationErrorRetries=0,
            BadRequestErrorRetries=0,
            ContentPolicyViolationErrorRetries=0,
            NotFoundErrorRetries=0,
            TimeoutErrorRetries=waiting,
            RateLimitErrorRetries=waiting,
            DefaultRetries=RETRIES,
        )

    def _register_ollama(self) -> None:
        """litellm asks a server for what it doesn't know of a model, and the whole router would wait for that."""
        names = [self._reached[model] for model in self._reached if model.provider == "ollama"]
        self._litellm.register_model({name: {"litellm_provider": "ollama_chat", "mode": "chat"} for name in names})

    def _found(self, model: Model) -> Facts:
        try:
            known = self._litellm.get_model_info(self._reached[model])
        except Exception:  # noqa: BLE001  # litellm raises plain exceptions for a model that it doesn't know
            known = {}
        price = self._prices.get(model.name)
        return Facts(
            cost_in=price.cost_in if price else known.get("input_cost_per_token") or 0.0,
            cost_out=price.cost_out if price else known.get("output_cost_per_token") or 0.0,
            context=self._contexts.get(model.name) or known.get("max_input_tokens") or 0,
            most_out=known.get("max_output_tokens") or 0,
        )

    def _failed(self, model: Model, error: Exception) -> Failed:
        failed = read_error(error, self._scrub)
        if failed is None:
            said = self._scrub(f"{type(error).__name__}: {error}")
            _log.error("llm.unforeseen", model=model.name, error=said)
            return Failed(kind="fault", error=said)
        return failed


def rooted(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with an object at its root: providers refuse one whose root only refers to it."""
    name = str(schema.get("$ref", "")).removeprefix("#/$defs/")
    root = schema.get("$defs", {}).get(name)
    return {**root, "$defs": schema["$defs"]} if root else schema


async def _closed(stream: Any) -> AsyncIterator[Any]:
    """A stream that is not read to its end must still hang up, or the provider goes on writing."""
    try:
        async for chunk in stream:
            yield chunk
    finally:
        await stream.aclose()


def _ended(stream: Any) -> bool:
    """Whether the provider said that this was all. Where it didn't, litellm makes up a "stop", but keeps none."""
    return any(choice.finish_reason for chunk in reversed(stream.chunks) for choice in chunk.choices)


def _rest(model: Model) -> str:
    return model.name.partition("/")[2]


def _imported() -> Any:
    os.environ.update(_ENVIRONMENT)
    import litellm
    import litellm._internal_context
    import litellm.types.router

    for name in _LATE:
        import_module(name)
    litellm.telemetry = False
    litellm.suppress_debug_info = True
    litellm.expose_router_debug_in_errors = False
    litellm.drop_params = True
    # Of a client of its own, which it takes for vectors where 0 is told.
    litellm.DEFAULT_MAX_RETRIES = 0  # type: ignore[attr-defined]
    litellm.disable_hf_tokenizer_download = True  # to count what a stream without usage took
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy", "httpx", "httpcore", "openai"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = False
        logger.disabled = True  # they print requests and exceptions; what matters we tell, scrubbed
    return litellm
