"""What a call may take: told to the ledger before it, and kept to where a limit holds, by how much a model may write.

Nobody knows beforehand how many tokens a text is. The guess is for people's texts; no tokenizer makes more tokens of a
text than it has bytes, so the most is sound. There is no tighter one: of signs at random each is a token.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from workers.kit.llm.wire import Problem, Question

from .said import Completion, Facts, Failed
from .windows import about

BYTES_A_TOKEN = 3
"""A Chinese character has as many bytes, and is about a token."""
TOKENS_OUT = 2048
"""What an answer is taken to need where the question sets no limit."""
MOST_OUT = 8192
"""What an answer may have where the question sets no limit, but its money has one, which is near, or else nobody knows
what the model can; it can be gone on with."""
AGAIN_S = 1.0
_FRAME = 512
"""What a provider may put around a question: the words for a schema, and what marks each message."""
_FRAME_A_MESSAGE = 16
_ROUNDING = 1e-6


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """US dollars that a call is expected to take, and the most that it can, once what it writes is capped.

    `full`: the most where it may write as much as the model does.
    """

    guess: float
    most: float
    full: float = 0.0


def need(question: Question, models: Sequence[Facts]) -> Need:
    """Of the dearest of these models."""
    guessed, most = _tokens_in(question)
    return Need(
        guess=max(one.cost_in * guessed + one.cost_out * _out(question, one, TOKENS_OUT) for one in models),
        most=max(one.cost_in * most + one.cost_out * _out(question, one, MOST_OUT) for one in models),
        full=max(one.cost_in * most + one.cost_out * _full(question, one) for one in models),
    )


def to_embed(texts: Sequence[str], model: Facts) -> Need:
    """Of vectors for these texts."""
    size = sum(len(text.encode(errors="replace")) for text in texts)
    most = size + _FRAME_A_MESSAGE * len(texts)
    return Need(guess=model.cost_in * size / BYTES_A_TOKEN, most=model.cost_in * most)


class Purse:
    """What one call was granted, and what is left of it: models that fail are paid too.

    One that was granted less than the most it can take runs alone, on the guess: only there a limit may be crossed, by
    what is read beyond that.
    """

    def __init__(self, granted: float, needed: Need) -> None:
        self._left = granted
        self._paid = 0.0
        self.short = granted < needed.most

    @property
    def paid(self) -> bool:
        """Whether a model took anything."""
        return self._paid > 0

    def capped(self, question: Question, model: Facts) -> Question | None:
        """The question as this model may be asked it; None where what is left does not suffice."""
        if not model.cost_in and not model.cost_out:
            return question
        guessed, most = _tokens_in(question)
        left = self._left - model.cost_in * (guessed if self.short else most)
        affordable = int(left / model.cost_out + _ROUNDING) if model.cost_out else _full(question, model)
        least = _out(question, model, MOST_OUT if self.paid and not self.short else TOKENS_OUT)
        if left < -_ROUNDING * model.cost_in or affordable < least:
            return None
        cap = min(_full(question, model), affordable)
        if model.context:
            cap = max(1, min(cap, model.context - about(question.messages)))  # `fit` has left room there
        return msgspec.structs.replace(question, max_tokens=cap)

    def excused(self, problem: Problem) -> Problem:
        """What became of a call that was cut short for want of money: another try is over the limit, and says so."""
        if not self.short or not self.paid or problem.kind != "permanent" or problem.code:
            return problem
        return msgspec.structs.replace(problem, kind="transient", retry_after=AGAIN_S)

    def pay(self, said: Completion | Failed) -> None:
        """What a model took."""
        self._left -= said.cost
        self._paid += said.cost


def _full(question: Question, model: Facts) -> int:
    return _out(question, model, model.most_out or MOST_OUT)


def _out(question: Question, model: Facts, most: int) -> int:
    wanted = question.max_tokens or most
    return min(wanted, model.most_out or wanted)


def _tokens_in(question: Question) -> tuple[float, int]:
    """About, and at most."""
    size = sum(len(message.content.encode(errors="replace")) for message in question.messages)
    if question.schema is not None:
        size += len(msgspec.json.encode(question.schema))
    return size / BYTES_A_TOKEN, size + _FRAME + _FRAME_A_MESSAGE * len(question.messages)
