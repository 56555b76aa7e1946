"""How the tests reach the provider: litellm, in each maker's way, streaming or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from tests.providers.server import KEY, Provider
from workers.kit.prompts.block import with_block

LITELLM_WARNS = [
    pytest.mark.filterwarnings("ignore:Item .* is using the `ReadOnly` qualifier:UserWarning"),
    pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning"),
    pytest.mark.filterwarnings("ignore:Accessing the 'model_(computed_)?fields' attribute:DeprecationWarning"),
]
"""How it uses pydantic; nothing of ours."""

MODELS = {
    "openai": "gpt-test",
    "azure": "gpt-test",
    "anthropic": "claude-test",
    "groq": "llama-test",
    "bedrock": "converse/anthropic.claude-test-v1:0",
    "ollama_chat": "qwen-test:8b",
    "hosted_vllm": "Qwen/test",
}
MAKERS = tuple(MODELS)
PATHS = {"openai": "/v1", "groq": "/openai/v1", "hosted_vllm": "/keyless/v1"}
KEYED = tuple(maker for maker in MAKERS if maker not in ("ollama_chat", "hosted_vllm"))
WIRES = {"ollama_chat": "ollama", "hosted_vllm": "keyless"}
KEY_ID = "AKIATESTTESTTESTTEST"
INPUTS: dict[str, object] = {"submission": {"prompt": "Write a REST API for books with title and author"}}
PROMPT = with_block("Do it.", "prompt_enhancement", INPUTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What litellm made of the answer."""

    text: str
    finish: str | None
    tokens: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Caller:
    """litellm without its own retries."""

    litellm: Any

    async def __call__(
        self,
        provider: Provider,
        maker: str,
        *,
        stream: bool = False,
        prompt: str = PROMPT,
        key: str = KEY,
        within_s: float = 5,
        **more: object,
    ) -> Said:
        if maker == "azure":
            more["api_version"] = "2024-10-21"
        if maker == "bedrock":
            more |= {"aws_access_key_id": KEY_ID, "aws_secret_access_key": key, "aws_region_name": "eu-central-1"}
        elif maker in KEYED:
            more["api_key"] = key
        if stream:
            more["stream_options"] = {"include_usage": True}
        reply = await self.litellm.acompletion(
            model=f"{maker}/{MODELS[maker]}",
            messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": prompt}],
            api_base=provider.url + PATHS.get(maker, ""),
            timeout=within_s,
            stream=stream,
            max_retries=0,
            num_retries=0,
            **more,
        )
        return await _streamed(reply) if stream else _whole(reply)


def _whole(reply: Any) -> Said:
    choice = reply.choices[0]
    tokens = (reply.usage.prompt_tokens, reply.usage.completion_tokens)
    return Said(text=choice.message.content or "", finish=choice.finish_reason, tokens=tokens)


async def _streamed(reply: Any) -> Said:
    text, finish, tokens = "", None, (0, 0)
    async for chunk in reply:
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
        if usage := getattr(chunk, "usage", None):
            tokens = (usage.prompt_tokens, usage.completion_tokens)
    return Said(text=text, finish=finish, tokens=tokens)
