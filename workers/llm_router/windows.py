"""How much a model takes at once, and a question made to fit: what is nice to have is left out, by rank.

The ledger's question stays whole, so who is asked for it may change; the manifest says what a model was not told.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from workers.kit.llm.wire import Message, Piece, Question
from workers.kit.prompts.context import examples_in, with_examples
from workers.kit.prompts.piece import tokens

TOKENS_OUT = 2048
"""Room for an answer, where the question sets no limit; in a small window a quarter of it."""
MARGIN = 1.1
"""Tokens are estimated, and no tokenizer is ours."""
_A_MESSAGE = 8


class Fitted(msgspec.Struct, frozen=True, kw_only=True):
    """The question as the model may be asked it, and the names of the pieces that it lacks."""

    question: Question
    left_out: tuple[str, ...] = ()


def fit(question: Question, window: int) -> Fitted | str:
    """The question for a model that takes `window` tokens (0: nobody knows), or why there is none for it."""
    room = _room(question, window)
    if not window or _at_most(question.messages) <= room:
        return Fitted(question=question)
    count = max((examples_in(message.content) for message in question.messages), default=0)
    size = 0
    for keep in range(count, -1, -1):
        messages = question.messages if keep == count else _keeping(question.messages, keep)
        if (size := about(messages)) <= room:
            told = msgspec.structs.replace(question, messages=messages)
            return Fitted(question=told, left_out=_names(keep, count))
    return (
        f"left out: its window of {window:,} tokens is too small for this question, "
        f"about {size:,} with nothing more to leave out and {window - room:,} for the answer"
    )


def without(fitted: Fitted) -> Fitted | None:
    """The same question without any example; None where it has none."""
    messages = fitted.question.messages
    count = max((examples_in(message.content) for message in messages), default=0)
    if not count:
        return None
    told = msgspec.structs.replace(fitted.question, messages=_keeping(messages, 0))
    return Fitted(question=told, left_out=(*_names(0, count), *fitted.left_out))


def marked(pieces: Sequence[Piece], left_out: Sequence[str]) -> tuple[Piece, ...]:
    """The manifest, with what a model was not told."""
    return tuple(msgspec.structs.replace(one, left_out=one.left_out or one.name in left_out) for one in pieces)


def _names(keep: int, count: int) -> tuple[str, ...]:
    return tuple(f"input:examples[{at}]" for at in range(keep, count))


def _room(question: Question, window: int) -> int:
    return window - min(question.max_tokens or TOKENS_OUT, window // 4)


def _at_most(messages: Sequence[Message]) -> int:
    """Without counting: no character is more than a token of the estimate."""
    return round(MARGIN * sum(len(message.content) + _A_MESSAGE for message in messages))


def about(messages: Sequence[Message]) -> int:
    """Tokens that a model reads, estimated with a margin."""
    return round(MARGIN * sum(tokens(message.content) + _A_MESSAGE for message in messages))


def _keeping(messages: Sequence[Message], keep: int) -> tuple[Message, ...]:
    return tuple(
        msgspec.structs.replace(message, content=with_examples(message.content, keep))
        if message.role == "user"
        else message
        for message in messages
    )
