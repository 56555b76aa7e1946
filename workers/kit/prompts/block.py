"""The one JSON block that every prompt ends with: `{"task": ..., "inputs": {...}}` in a ```json fence.

It is the whole question in machine form: equal tasks and inputs give equal bytes, and the blueprint model reads nothing
else. It stands on one line and holds no backticks, so nothing inside of it can end its fence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

_OPEN = "```json\n"
_CLOSE = "\n```"


class BadBlock(ValueError):
    """The text does not end with a block of our form."""


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """The name of a task and what the model is told for it."""

    task: str
    inputs: dict[str, object]


def with_block(text: str, task: str, inputs: Mapping[str, object]) -> str:
    """`text`, then the block; inputs keep their order, so that what calls share can stand first."""
    body = msgspec.json.encode(Block(task=task, inputs=dict(inputs))).decode()
    escaped = body.replace("`", "\\u0060")
    return f"{text}\n\n{_OPEN}{escaped}{_CLOSE}"


def read_block(text: str) -> Block:
    """The block at the end of `text`; raises `BadBlock`."""
    head, opened, tail = text.rstrip().rpartition(_OPEN)
    if not opened or not tail.endswith(_CLOSE) or (head and not head.endswith("\n")):
        raise BadBlock("the prompt does not end with a JSON block")
    try:
        return msgspec.json.decode(tail.removesuffix(_CLOSE), type=Block)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadBlock(f"the prompt's JSON block can't be read: {error}") from None


def before_block(text: str) -> str:
    """What stands above the block that ends `text`."""
    return text.rstrip().rpartition(_OPEN)[0].removesuffix("\n\n")


def last_block(texts: Sequence[str]) -> Block:
    """That of the last text which ends with one: who is asked to go on is given none. Raises `BadBlock`."""
    fault = BadBlock("there is no prompt")
    for text in reversed(texts):
        try:
            return read_block(text)
        except BadBlock as error:
            fault = error
    raise fault
