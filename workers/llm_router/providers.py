"""Who answers: a model's name begins with its provider's, as in `blueprint/default`."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Sequence
from importlib import resources
from importlib.resources.abc import Traversable

import msgspec

from workers.kit.llm.wire import Message, Problem
from workers.kit.prompts.block import BadBlock, read_block
from workers.kit.settings import SettingsError

from .blueprint.model import Refusal, UnknownTask, answer
from .service import Completion, Provider

BLUEPRINT = "blueprint/default"


class Blueprint:
    """The built-in rule-based model: needs no key and no network, reads only the block that ends the prompt."""

    async def complete(
        self, model: str, messages: Sequence[Message], schema: dict[str, object] | None
    ) -> Completion | Problem:
        asked = next((message.content for message in reversed(messages) if message.role == "user"), "")
        try:
            block = read_block(asked)
        except BadBlock as error:
            return Problem(kind="permanent", message=f"{model} can't read the question: {error}")
        try:
            said = await asyncio.to_thread(answer, block.task, block.inputs)
        except (UnknownTask, msgspec.ValidationError) as error:
            return Problem(kind="permanent", message=f"{model} can't use the question: {error}")
        if isinstance(said, Refusal):
            return Problem(kind="refused", message=said.sentence)
        return Completion(text=said)


def version(code: Traversable | None = None) -> str:
    """Of the blueprint: its code's sha256, 16 hex digits. What it answers depends on nothing else but the question."""
    digest = hashlib.sha256()
    for name, body in sorted(_sources(code or resources.files(__package__) / "blueprint", "")):
        digest.update(f"{name}\0{len(body)}\0".encode() + body)
    return digest.hexdigest()[:16]


def _sources(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _sources(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(".py"):
            yield prefix + entry.name, entry.read_bytes()


def provider_of(models: str) -> tuple[str, Provider]:
    """The model that `QL_MODELS` names, and its provider; raises `SettingsError` for one that is not built in."""
    if models.strip() != BLUEPRINT:
        raise SettingsError(f"QL_MODELS is {models!r}, but only {BLUEPRINT} is built in so far")
    return BLUEPRINT, Blueprint()
