"""Singular and plural, forms of verbs, and the spelling of names: `order items` ↔ `OrderItem` ↔ `order_items`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache, lru_cache

from .lexicon.inflections import DOUBLING, INVARIANT, IRREGULAR_PAST, IRREGULAR_PLURALS, SINGULAR_IN_S

_SINGULARS = {plural: singular for singular, plural in IRREGULAR_PLURALS.items()}
_VOWELS = "aeiou"


def singular(word: str) -> str:
    """The singular of a lower-case noun; a word that is no plural comes back as it is."""
    if word in INVARIANT or word in SINGULAR_IN_S or word in IRREGULAR_PLURALS:
        return word
    if word in _SINGULARS:
        return _SINGULARS[word]
    if len(word) < 3 or not word.endswith("s") or word.endswith(("ss", "us", "is", "ous", "'s")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes", "zzes")):
        return word[:-2]
    if word.endswith("uses") and word[:-2] in SINGULAR_IN_S:
        return word[:-2]
    if word.endswith("oes") and len(word) > 5:
        return word[:-2]
    return word[:-1]


def plural(word: str) -> str:
    """The plural of a lower-case singular noun."""
    if word in INVARIANT:
        return word
    if word in IRREGULAR_PLURALS:
        return IRREGULAR_PLURALS[word]
    if word.endswith("y") and word[-2:-1] not in _VOWELS:
        return word[:-1] + "ies"
    if word.endswith(("s", "sh", "ch", "x", "z")):
        return word + "es"
    return word + "s"


def is_plural(word: str) -> bool:
    return singular(word) != word or word in _SINGULARS


@cache
def verb_forms(base: str) -> dict[str, str]:
    """The forms of a verb by what they are: base, third, gerund, past. A second word ('check out') stays behind."""
    verb, _, particle = base.partition(" ")
    stem = verb + verb[-1] if verb in DOUBLING else verb
    short = verb[:-1] if verb.endswith("e") and not verb.endswith("ee") else stem
    if verb.endswith("y") and verb[-2:-1] not in _VOWELS:
        third, past = verb[:-1] + "ies", verb[:-1] + "ied"
    else:
        third = verb + ("es" if verb.endswith(("s", "sh", "ch", "x", "z", "o")) else "s")
        past = short + "ed"
    forms = {"base": verb, "third": third, "gerund": short + "ing", "past": IRREGULAR_PAST.get(verb, past)}
    return {kind: f"{form} {particle}".strip() for kind, form in forms.items()}


@lru_cache(maxsize=4096)
def words_of(name: str) -> tuple[str, ...]:
    """The lower-case words of a name in any spelling: `dueDate`, `due_date`, `Due date`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return tuple(re.findall(r"[a-z0-9]+", _ascii(spaced).lower()))


def snake(words: Iterable[str]) -> str:
    return "_".join(part for word in words for part in words_of(word))


def camel(words: Iterable[str]) -> str:
    return "".join(part[:1].upper() + part[1:] for word in words for part in words_of(word))


def _ascii(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")
