"""What a model is told for one task, within a budget of tokens, and the manifest that says what it was made of.

Stable text stands first (role, template, form of the answer), then the inputs in the caller's order, which begins with
what calls share: a provider may then reuse what it has read before.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

import msgspec

from . import templates
from .block import BadBlock, before_block, read_block, with_block
from .piece import Piece, piece
from .roles import Role

BUDGET = 150_000
"""Tokens of one question: with its answer they fit where a model takes 200,000. The router fits it to smaller ones."""

EXAMPLES = "examples"
"""The input that is nice to have: a list, the most telling first, of which the last are left out first."""


class TooMuch(Exception):
    """What can't be left out is more than the budget."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One piece that may be sent. Of those not `required`, the lowest `priority` is left out first."""

    name: str
    text: str
    required: bool = True
    priority: int = 0


class Fitted(msgspec.Struct, frozen=True, kw_only=True):
    """The parts to be sent, in their order, and the names of those left out. `pieces` are of all, the latter last."""

    parts: tuple[Part, ...]
    pieces: tuple[Piece, ...]
    left_out: tuple[str, ...]


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """The two messages of a question; `pieces` is the manifest of what is in them, then of what did not fit."""

    system: str
    user: str
    pieces: tuple[Piece, ...]
    left_out: tuple[str, ...] = ()


def fit(parts: Iterable[Part], budget: int) -> Fitted:
    """As many of the parts as fit; raises `TooMuch` when the required ones alone do not.

    Of two that are equally dear, the later one goes first.
    """
    given = tuple(parts)
    pieces = tuple(piece(part.name, part.text) for part in given)
    total = sum(each.tokens for each in pieces)
    optional = sorted(
        (index for index, part in enumerate(given) if not part.required),
        key=lambda index: (given[index].priority, -index),
    )
    out: set[int] = set()
    for index in optional:
        if total <= budget:
            break
        out.add(index)
        total -= pieces[index].tokens
    if total > budget:
        raise TooMuch(f"what has to be told takes about {total:,} tokens, more than the {budget:,} of the budget")
    return Fitted(
        parts=tuple(part for index, part in enumerate(given) if index not in out),
        pieces=(
            *(each for index, each in enumerate(pieces) if index not in out),
            *(msgspec.structs.replace(each, left_out=True) for index, each in enumerate(pieces) if index in out),
        ),
        left_out=tuple(part.name for index, part in enumerate(given) if index in out),
    )


def tell(
    role: Role,
    task: str,
    form: tuple[str, Mapping[str, str]],
    inputs: Mapping[str, object],
    *,
    instead: str = "",
    budget: int = BUDGET,
) -> Told:
    """The messages for `task`; `form` is a template with its variables. What stands `instead` is told in place of the
    task's own template. Raises `TooMuch`, `NoPrompt` or `BadPrompt`.
    """
    rules, shape, intro = templates.template(task), templates.template(form[0]), templates.template("inputs")
    fixed = (
        Part(name=role.name, text=role.system()),
        Part(name=f"template:{task}@fork", text=instead) if instead else Part(name=rules.name, text=rules.render()),
        Part(name=shape.name, text=shape.render(**form[1])),
        Part(name=intro.name, text=intro.render()),
    )
    fitted = fit((*fixed, *_parts(inputs)), budget)
    return Told(
        system="\n\n".join(part.text for part in fixed[:3]),
        user=with_block(fixed[3].text, task, _kept(inputs, fitted.left_out)),
        pieces=fitted.pieces,
        left_out=fitted.left_out,
    )


def examples_in(text: str) -> int:
    """How many examples a user's message holds."""
    try:
        value = read_block(text).inputs.get(EXAMPLES)
    except BadBlock:
        return 0
    return len(value) if isinstance(value, list) else 0


def with_examples(text: str, keep: int) -> str:
    """The same message with no more than the first `keep` of its examples."""
    if examples_in(text) <= keep:
        return text
    block = read_block(text)
    left_out = {_example(number) for number in range(keep, examples_in(text))}
    return with_block(before_block(text), block.task, _kept(block.inputs, left_out))


def _parts(inputs: Mapping[str, object]) -> Iterator[Part]:
    for name, value in inputs.items():
        if name == EXAMPLES and isinstance(value, tuple | list):
            yield from (Part(name=_example(n), text=_text(one), required=False) for n, one in enumerate(value))
        else:
            yield Part(name=f"input:{name}", text=_text(value))


def _kept(inputs: Mapping[str, object], left_out: Collection[str]) -> Mapping[str, object]:
    value = inputs.get(EXAMPLES)
    if not left_out or not isinstance(value, tuple | list):
        return inputs
    some = [one for n, one in enumerate(value) if _example(n) not in left_out]
    return {name: some if name == EXAMPLES else other for name, other in inputs.items() if name != EXAMPLES or some}


def _example(number: int) -> str:
    return f"input:{EXAMPLES}[{number}]"


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()
