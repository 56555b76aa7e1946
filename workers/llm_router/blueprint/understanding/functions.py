"""Which functions of the catalogue a prompt asks for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

from contracts.artifacts.model import Operation
from workers.llm_router.blueprint.functions import catalogue

from .inflect import singular
from .lexicon.words import DETERMINERS
from .text import Unit

_DROPPED = DETERMINERS | {
    "of",
    "in",
    "to",
    "and",
    "from",
    '"',
    "'",
    "`",
    "(",
    ")",
    "your",
    "given",
    "into",
    "between",
    "whether",
    "is",
    "two",
    "number's",
    "for",
    "text's",
    "-",
    "'s",
    "s",
    "up",
}


def wanted(units: Sequence[Unit]) -> tuple[Operation, ...]:
    """The functions named anywhere in the prompt, in the order in which they are named."""
    text = f" {' | '.join(_plain(unit.words) for unit in units)} "
    found: dict[str, tuple[int, int]] = {}
    for phrase, name in _phrases():
        at = text.find(f" {phrase} ")
        if at >= 0:
            place = (at, at + len(phrase) + 1)
            if name not in found or place[0] < found[name][0]:
                found[name] = place
    kept = [name for name, place in found.items() if not _inside(place, name, found)]
    return tuple(Operation(name="function", function=name) for name in sorted(kept, key=lambda name: found[name]))


def _inside(place: tuple[int, int], name: str, found: dict[str, tuple[int, int]]) -> bool:
    """Whether a longer phrase was read at the same place: 'weighted average' is no 'average'."""
    return any(
        other != name and start <= place[0] and place[1] <= end and (start, end) != place
        for other, (start, end) in found.items()
    )


@cache
def _phrases() -> tuple[tuple[str, str], ...]:
    return tuple(
        dict.fromkeys(
            (_plain(phrase.split()), function.name) for function in catalogue().values() for phrase in function.phrases
        )
    )


def _plain(words: Iterable[str]) -> str:
    """Words without articles, inflections and hyphens, so that 'counts the words' meets 'count word'."""
    parts = [part for word in words for part in word.replace("-", " ").replace("_", " ").split()]
    return " ".join(_stem(part) for part in parts if part not in _DROPPED)


@cache
def _stem(word: str) -> str:
    word = singular(word)
    for ending, kept in (
        ("ization", "ize"),
        ("isation", "ize"),
        ("ising", "ize"),
        ("izing", "ize"),
        ("ise", "ize"),
        ("ies", "y"),
        ("fying", "fy"),
        ("tting", "t"),
        ("ting", "t"),
        ("ing", ""),
        ("fied", "fy"),
    ):
        if word.endswith(ending) and len(word) > len(ending) + 3:
            return word.removesuffix(ending) + kept
    return word.removesuffix("e") if len(word) > 4 else word
