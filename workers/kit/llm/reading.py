"""A model's text, read as an artifact or as files; raises `Unfit` with what the model should put right."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar

import msgspec

from contracts.artifacts import File
from workers.kit.prompts.fenced import CutOff, parse_files
from workers.kit.stage import Unfit

from .wire import Answer

T = TypeVar("T", bound=msgspec.Struct)

MAX_FILE_BYTES = 512 * 1024
_FENCED_JSON = re.compile(r"\s*```(?:json)?[ \t]*\n(.*)\n```\s*", re.DOTALL)


def read_json(answer: Answer, into: type[T]) -> T:
    """The JSON object that the answer is, or holds in its only fence."""
    _whole(answer)
    fenced = _FENCED_JSON.fullmatch(answer.text)
    try:
        return msgspec.json.decode(fenced[1] if fenced else answer.text, type=into)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise Unfit(f"it is not the JSON of a {into.__name__}: {error}") from None
    except RecursionError:
        raise Unfit(f"it is not the JSON of a {into.__name__}: it is nested too deeply") from None


def read_files(answer: Answer, paths: Sequence[str], revision: int) -> tuple[File, ...]:
    """Exactly the files asked for, in the order of `paths`."""
    _whole(answer)
    try:
        found = parse_files(answer.text)
    except CutOff as error:
        raise Unfit(str(error)) from None
    texts = dict(found)
    if len(texts) < len(found):
        raise Unfit("it holds one file twice")
    if unasked := [path for path in texts if path not in paths]:
        raise Unfit(f"it holds {unasked[0][:80]!a}, which nobody asked for")
    if missing := [path for path in paths if path not in texts]:
        raise Unfit(f"it holds no file {missing[0]}")
    return tuple(
        File(path=path, text=_text(path, texts[path]), model=answer.model, question=answer.question, revision=revision)
        for path in paths
    )


def _whole(answer: Answer) -> None:
    if answer.finish == "length":
        raise Unfit("it was cut off because it became too long")


def _text(path: str, text: str) -> str:
    if "\0" in text:
        raise Unfit(f"{path} holds a NUL character")
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise Unfit(f"{path} holds half of a surrogate pair") from None
    if size > MAX_FILE_BYTES:
        raise Unfit(f"{path} is larger than {MAX_FILE_BYTES // 1024} KiB")
    return text
