"""A name, a title and a summary for what is wanted."""

from __future__ import annotations

import keyword
import re
import sys
from collections.abc import Sequence

from contracts.artifacts.model import Kind
from workers.llm_router.blueprint.functions import catalogue

from .draft import Draft, EntityDraft
from .inflect import is_plural, singular, words_of
from .lexicon.naming import ABOUT, KEEPING, NOT_TOPICS, OF_THINGS, PACKAGES, PEOPLE, WHOLES
from .lexicon.words import SYSTEM_NOUNS
from .phrases import noun_phrase
from .text import Unit
from .verbs import FORMS, is_verb_at, phrase_before

MAX_NAME = 40
_QUOTED_NAME = re.compile(
    r"\b(?:called|named|name it|call it)[:\s]+[\"'`*]*([A-Za-z][\w-]{1,60}(?: [A-Z][\w-]{1,30})?)"
)
_KIND_TITLES = {"rest_api": "REST API", "cli": "command line tool", "library": "library"}
_TAKEN = frozenset(sys.stdlib_module_names) | PACKAGES


def name_of(units: Sequence[Unit], draft: Draft, functions: Sequence[str]) -> str:
    """The name that the prompt gives, else what it is about, else the thing of which most is said; kebab-case."""
    if found := _QUOTED_NAME.search(" ".join(unit.text for unit in units[:20])):
        return _kebab(found.group(1).split())
    if functions:
        topics = {catalogue()[name].topic for name in functions if name in catalogue()}
        one = len(functions) == 1 or len(topics) != 1
        return _kebab(words_of(functions[0]) if one else (*map(singular, topics), "functions"))
    if topic := next((topic for unit in units[:2] if (topic := _topic(unit.words, draft))), ()):
        return _kebab(topic)
    if draft.entities:
        return _kebab(words_of(_weightiest(draft).plural))
    return "project"


def _weightiest(draft: Draft) -> EntityDraft:
    """The thing of which most is said; the first of several."""
    return max(draft.entities.values(), key=lambda entity: len(entity.fields))


def _topic(words: Sequence[str], draft: Draft) -> tuple[str, ...]:
    """'expense tracker', 'the help desk', 'manage the stock', 'API for recipes': what the whole is called."""
    for at, word in enumerate(words):
        if word == "desk" and words[max(0, at - 1)] == "help":
            return ("help", "desk")
        before = _clean(phrase_before(words, at))[-1:] if singular(word) in WHOLES else ()
        if before and (before[0] not in FORMS or not is_verb_at(words, at - 1)):
            return (singular(before[0]), singular(word))
    for at, word in enumerate(words):
        if word not in KEEPING | ABOUT:
            continue
        nouns, _ = noun_phrase(words, at + 1)
        topic = _clean(nouns)[-2:]
        if not topic or len(topic) < min(len(nouns), 2):
            continue
        known = draft.find(topic) is not None
        if topic[0] in FORMS or (word in ABOUT and not known and singular(topic[-1]).endswith(("er", "or"))):
            continue
        if known or (word in KEEPING and topic[-1] in OF_THINGS) or (len(topic) > 1 and is_plural(topic[-1])):
            return topic if topic[-1] in OF_THINGS or is_plural(topic[-1]) else ()
    return ()


def _clean(nouns: tuple[str, ...]) -> tuple[str, ...]:
    """The nouns, or none of them where they name the software, a part of it, or those it is for."""
    while nouns and (nouns[0] in NOT_TOPICS | SYSTEM_NOUNS):
        nouns = nouns[1:]
    head = singular(nouns[-1]) if nouns else ""
    vague = head in NOT_TOPICS | SYSTEM_NOUNS | PEOPLE or head.endswith(("er's", "'s")) or not head.isalpha()
    return () if vague else nouns


def _kebab(words: Sequence[str]) -> str:
    """A name that is neither a keyword nor a module that Python or what is generated already has."""
    slug = "-".join("-".join(words_of(word)) for word in words)[:MAX_NAME].strip("-")
    if not slug or not slug[0].isalpha():
        slug = f"project-{slug}".strip("-")
    module = slug.replace("-", "_")
    return f"{slug}-project" if module in _TAKEN or keyword.iskeyword(module) or keyword.issoftkeyword(module) else slug


def title_of(name: str) -> str:
    return " ".join(word.upper() if word in ("api", "cli") else word.capitalize() for word in name.split("-"))


def summary_of(draft: Draft, kind: Kind, functions: Sequence[str]) -> str:
    """One sentence on what is made."""
    what = _KIND_TITLES[kind]
    if functions and not draft.entities:
        names = [name.replace("_", " ") for name in functions]
        return f"A Python {what} with {_joined(names)}."
    return f"A {what} that keeps {_joined([entity.plural.replace('_', ' ') for entity in draft.entities.values()])}."


def _joined(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
