"""Noun phrases in a list of words: where one begins, where it ends, and what is in it."""

from __future__ import annotations

from collections.abc import Sequence

from .inflect import is_plural
from .lexicon.words import (
    ADVERBS,
    AUXILIARIES,
    CONJUNCTIONS,
    DETERMINERS,
    EMPTY_ADJECTIVES,
    NUMBER_WORDS,
    PREPOSITIONS,
    PRONOUNS,
)

_FUNCTION_WORDS = DETERMINERS | PRONOUNS | PREPOSITIONS | CONJUNCTIONS | AUXILIARIES | ADVERBS
QUOTES = frozenset("\"'`*“”")
_ED_NOUNS = frozenset({"speed", "feed", "seed", "bed", "breed", "shed", "need", "weed", "red", "embed", "deed"})
_ARTICLES = frozenset({"a", "an", "the", "their", "its", "one"})
MAX_PHRASE = 5


_LY_NOUNS = frozenset({
    "family", "supply", "assembly", "reply", "daily", "weekly", "nightly", "monthly", "yearly", "hourly", "anomaly",
    "quarterly",
    "friendly", "elderly", "biweekly", "fortnightly",
})  # fmt: skip


def is_noun(word: str) -> bool:
    if word in NUMBER_WORDS:
        return False
    if word.endswith("ly") and len(word) > 5 and word not in _LY_NOUNS:
        return False
    return (word[0].isalpha() or (word[0] == "_" and len(word) > 1)) and word not in _FUNCTION_WORDS


def is_number(word: str) -> bool:
    return word[0].isdigit() or word in NUMBER_WORDS


def number(word: str) -> float | None:
    if word in NUMBER_WORDS:
        return float(NUMBER_WORDS[word])
    plain = word.replace(",", "") if word.count(",") and not word.count(".") else word
    try:
        return float(plain[:18]) if plain[0].isdigit() else None
    except ValueError:
        return None


def skip_lead(words: Sequence[str], at: int) -> int:
    """Past determiners, quotes, counts and adjectives that name nothing, where a noun still follows."""
    while at < len(words) and (
        words[at] in DETERMINERS
        or words[at] in QUOTES
        or (words[at] in EMPTY_ADJECTIVES and at + 1 < len(words) and is_noun(words[at + 1]))
        or (is_number(words[at]) and at + 1 < len(words) and is_noun(words[at + 1]))
        or (words[at] == "of" and words[at - 1 : at] in (["all"], ["each"], ["any"], ["list"]))
    ):
        at += 1
    return at


def noun_phrase(words: Sequence[str], at: int) -> tuple[tuple[str, ...], int]:
    """The nouns of the phrase that starts at `at` (empty where none does) and the place after it."""
    at = skip_lead(words, at)
    found: list[str] = []
    while at < len(words) and len(found) < MAX_PHRASE:
        word = words[at]
        if word in QUOTES:
            at += 1
            if found:
                break
            continue
        if not is_noun(word) or (found and word.endswith("ed") and len(word) > 4 and word not in _ED_NOUNS):
            break
        if found and is_plural(found[-1]) and at + 1 < len(words) and words[at + 1] in _ARTICLES:
            break
        found.append(word)
        at += 1
    return tuple(found), at
