"""The built-in model, as a provider like any other."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Sequence
from importlib import resources
from importlib.resources.abc import Traversable

import msgspec

from workers.kit.llm.wire import Question
from workers.kit.prompts.block import BadBlock, last_block

from .blueprint.model import Refusal, UnknownTask, answer
from .models import BLUEPRINT, Model
from .said import Completion, Facts, Failed, Said, Tell, Vectors


class Blueprint:
    """The rule-based model: needs no key and no network, costs nothing, reads only the block that ends the prompt."""

    def facts(self, model: Model) -> Facts:
        return Facts()

    async def complete(self, model: Model, question: Question, tell: Tell | None, *, last: bool) -> Said:
        try:
            block = last_block([message.content for message in question.messages if message.role == "user"])
        except BadBlock as error:
            return Failed(kind="rejected", error=f"{model.name} can't read the question: {error}")
        try:
            said = await asyncio.to_thread(answer, block.task, block.inputs)
        except (UnknownTask, msgspec.ValidationError) as error:
            return Failed(kind="rejected", error=f"{model.name} can't use the question: {error}")
        if isinstance(said, Refusal):
            return Failed(kind="refused", error=said.sentence)
        return Completion(text=said)

    async def embed(self, model: Model, texts: Sequence[str]) -> Vectors | Failed:
        return Failed(kind="rejected", error=f"{BLUEPRINT} makes no embeddings")


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
