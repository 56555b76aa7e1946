"""What the provider says: the blueprint model's answer, or one that was recorded."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence

import msgspec

from workers.kit.prompts.block import BadBlock, Block, read_block

Turns = Sequence[tuple[str, str]]


def question_sha(turns: Turns) -> str:
    """Of a conversation, whatever format it came in: sha256 over (role, text) of every turn."""
    return hashlib.sha256(msgspec.json.encode([[role, text] for role, text in turns])).hexdigest()


class Answers:
    """Recorded ones first, by question or else by task; then what the blueprint model says, once a question."""

    def __init__(self, recorded: Mapping[str, str] | None = None) -> None:
        self._recorded = recorded or {}
        self._made: dict[str, str] = {}

    async def to(self, turns: Turns, sha: str) -> str:
        """The text. A conversation that already holds the beginning of it is told the rest."""
        if sha in self._recorded:
            return self._recorded[sha]
        if sha not in self._made:
            at, block = _block(turns)
            said = self._recorded.get(block.task) if block else ""
            if block and said is None:
                said = await asyncio.to_thread(_blueprint, block)
            whole = said or f"You said: {turns[-1][1] if turns else ''}"
            self._made[sha] = _rest(whole, "".join(text for role, text in turns[at:] if role == "assistant"))
        return self._made[sha]


def _block(turns: Turns) -> tuple[int, Block | None]:
    """The last user's turn that ends with a block, and where it stands."""
    for at in reversed(range(len(turns))):
        if turns[at][0] == "user":
            try:
                return at, read_block(turns[at][1])
            except BadBlock:
                continue
    return 0, None


def _blueprint(block: Block) -> str:
    from workers.llm_router.blueprint.model import Refusal, UnknownTask, answer  # not where all is recorded

    try:
        said = answer(block.task, block.inputs)
    except (UnknownTask, msgspec.ValidationError) as error:
        return f"I can't do that: {error}"
    return said.sentence if isinstance(said, Refusal) else said


def _rest(whole: str, told: str) -> str:
    return whole[len(told) :] if told and whole.startswith(told) else whole
