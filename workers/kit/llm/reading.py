"""A model's text, read as an artifact or as files; raises `Unfit` with what the model should put right.

What stands around an answer is forgiven, what is wrong inside of it is not: JSON with a comma too many, single quotes
or a comment is asked for again, since nobody knows what else its writer got wrong.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

import msgspec

from contracts.artifacts import File
from workers.kit.prompts.fenced import CutOff, NotClosed, parse_files
from workers.kit.stage import Unfit

from . import joining
from .objects import is_cut, objects
from .wire import Answer

T = TypeVar("T", bound=msgspec.Struct)
R_co = TypeVar("R_co", covariant=True)

MAX_FILE_BYTES = 512 * 1024
_THOUGHT = re.compile(r"\s*<(think|thinking)>.*?</\1>\s*", re.DOTALL)


class Form(Protocol[R_co]):
    """One form of answers: how it is read, and how it is put together when it comes in pieces."""

    def read(self, answer: Answer) -> R_co:
        """What the answer says; raises `Unfit`."""
        ...

    def is_cut(self, text: str) -> bool:
        """Whether the text ends too early, whatever the provider says."""
        ...

    def joined(self, begun: Answer, more: Answer) -> str:
        """The text in one piece."""
        ...


class JsonForm(Generic[T]):
    """One object."""

    def __init__(self, into: type[T]) -> None:
        self._into = into

    def read(self, answer: Answer) -> T:
        """The only object in the text that is an artifact of this type."""
        _whole(answer)
        text = said(answer.text)
        try:
            return msgspec.json.decode(text, type=self._into)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            fault = _sentence(error)
        found: list[T] = []
        for place, part in enumerate(objects(text)):
            try:
                found.append(msgspec.json.decode(part, type=self._into))
            except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
                fault = fault if place else _sentence(error)
        if not found:
            raise Unfit(f"it is not the JSON of a {self._into.__name__}: {fault}")
        if any(other != found[0] for other in found):
            raise Unfit(f"it holds {len(found)} different {self._into.__name__} objects")
        return found[0]

    def is_cut(self, text: str) -> bool:
        return is_cut(said(text))

    def joined(self, begun: Answer, more: Answer) -> str:
        return joining.joined_json(said(begun.text), said(more.text))


class FilesForm:
    """Exactly the files asked for, each in a fence."""

    def __init__(self, paths: Sequence[str], revision: int) -> None:
        self._paths = paths
        self._revision = revision

    def read(self, answer: Answer) -> tuple[File, ...]:
        """The files, in the order of `paths`."""
        _whole(answer)
        try:
            found = parse_files(said(answer.text), self._paths)
        except (CutOff, NotClosed) as error:
            raise Unfit(str(error)) from None
        texts = dict(found)
        if unasked := [path for path in texts if path not in self._paths]:
            raise Unfit(f"it holds {unasked[0][:80]!a}, which nobody asked for")
        if len(texts) < len(found):
            raise Unfit("it holds one file twice")
        if missing := [path for path in self._paths if path not in texts]:
            raise Unfit(f"it holds no file {missing[0]}")
        return tuple(self._file(path, texts[path], answer) for path in self._paths)

    def _file(self, path: str, text: str, answer: Answer) -> File:
        return File(
            path=path,
            text=_text(path, text),
            model=answer.model,
            question=answer.question,
            revision=self._revision,
            instead=answer.instead,
        )

    def is_cut(self, text: str) -> bool:
        try:
            parse_files(said(text), self._paths)
        except CutOff:
            return True
        except NotClosed:
            return False
        return False

    def joined(self, begun: Answer, more: Answer) -> str:
        first, second = said(begun.text), said(more.text)
        if not second.strip() and begun.finish == more.finish == "stop":
            return joining.closed(first, self._paths)
        return joining.joined_files(first, second, self._paths)


def said(text: str) -> str:
    """Without a byte order mark, and without the thoughts that some models begin with."""
    text = text.removeprefix("\ufeff")
    thought = _THOUGHT.match(text)
    return text[thought.end() :] if thought else text


def _sentence(error: Exception) -> str:
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)


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
