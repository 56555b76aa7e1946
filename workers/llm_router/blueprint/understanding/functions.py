"""Which functions of the catalogue a prompt asks for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache

from contracts.artifacts.model import Operation
from workers.llm_router.blueprint.functions import catalogue

from .draft import Draft
from .inflect import singular
from .lexicon.words import DETERMINERS
from .text import Unit

_COMPUTING = frozenset({
    "function", "functions", "compute", "computes", "calculate", "calculates", "convert", "converts", "conversion",
    "conversions", "estimate", "estimates", "calculation", "returns", "helpers", "converter", "formula", "pure",
    "calculator", "calculating", "computing", "converting",
})  # fmt: skip
_COMPUTED = ("function", "comput", "calculat", "convert", "conversion")
_STATELESS = re.compile(
    r"\bstateless\b|\bwithout any (?:state|storage)|\bno (?:storage|database|state)\b"
    r"|\bnothing (?:is |has to be |needs to be )?(?:stored|saved|kept)"
    r"|\bpure (?:helper )?functions?\b|(?:need|have) to (?:save|store|remember|keep) anything"
)
_DROPPED = DETERMINERS | {
    "of", "in", "for", "your", "given", "whether", "is", "two", "'s", "\"", "'", "`", "(", ")", "-", "up",
}  # fmt: skip


def wanted(units: Sequence[Unit]) -> tuple[Operation, ...]:
    """The functions named anywhere in the prompt, in the order in which they are named."""
    text = f" {' | '.join(_plain(unit.words) for unit in units)} "
    exact = _single_words(units)
    found: dict[str, tuple[int, int]] = {}
    for phrase, name in _phrases():
        at = text.find(f" {phrase} ")
        if at >= 0 and (" " in phrase or name in exact or phrase in exact):
            place = (at, at + len(phrase) + 1)
            if name not in found or place[0] < found[name][0]:
                found[name] = place
    for name in list(found):
        if (other := _inverse(name)) and other not in found and _both_ways(text, found[name][1]):
            found[other] = (found[name][0] + 1, found[name][1] + 1)
    kept = [name for name, place in found.items() if not _inside(place, name, found)]
    return tuple(Operation(name="function", function=name) for name in sorted(kept, key=lambda name: found[name]))


def are_wished(units: Sequence[Unit]) -> bool:
    """Whether the prompt asks to compute something rather than to keep something."""
    words = [word for unit in units[:10] for word in unit.words]
    return sum(word in _COMPUTING for word in words) > 1 or bool(
        {"stateless", "calculator", "calculations"} & set(words)
    )


def nothing_is_kept(units: Sequence[Unit]) -> bool:
    """Whether the prompt says that it computes something and that there is nothing to store."""
    text = " ".join(word for unit in units for word in unit.words)
    return bool(_STATELESS.search(text)) and any(word.startswith(_COMPUTED) for word in text.split())


def are_meant(operations: Sequence[Operation], draft: Draft) -> bool:
    """Whether what was read as fields are the functions themselves: 'helpers: mean, median'."""
    if len(operations) > 1 and not any(entity.acted for entity in draft.entities.values()):
        return True
    names = [field.words for entity in draft.entities.values() for field in entity.fields.values()]
    known = {phrase for phrase, _ in _phrases()}
    functions = {operation.function for operation in operations}
    meant = sum(
        "_".join(words) in functions or any(f" {phrase} " in f" {_plain(words)} " for phrase in known)
        for words in names
    )
    return meant * 2 >= len(names)


def _inverse(name: str) -> str:
    """The function that goes the other way: 'miles_to_kilometers', 'from_roman'."""
    first, joined, second = name.partition("_to_")
    candidates = (
        f"{second}_to_{first}" if joined else "",
        name.replace("to_", "from_", 1),
        name.replace("from_", "to_", 1),
    )
    return next((other for other in candidates if other != name and other in catalogue()), "")


def _both_ways(text: str, end: int) -> bool:
    near = text[end : end + 40]
    return near.startswith((" and back", " and other way", " and revers")) or any(
        said in text for said in (" direction ", " vice versa", " and back ")
    )


def _inside(place: tuple[int, int], name: str, found: dict[str, tuple[int, int]]) -> bool:
    """Whether a longer phrase was read at the same place: 'weighted average' is no 'average'."""
    return any(
        other != name and start <= place[0] and place[1] <= end and (start, end) != place
        for other, (start, end) in found.items()
    )


def _single_words(units: Sequence[Unit]) -> set[str]:
    """Stems of words that are not cut down to them: 'priming' is not 'prime'."""
    return {
        _stem(word)
        for unit in units
        for written in unit.words
        for word in written.replace("-", " ").replace("_", " ").split()
        if not (word.endswith("ing") and len(_stem(word)) < 5)
    }


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
        ("ized", "ize"),
        ("ised", "ize"),
    ):
        if word.endswith(ending) and len(word) > len(ending) + 3:
            return word.removesuffix(ending) + kept
    return word.removesuffix("e") if len(word) > 4 else word
