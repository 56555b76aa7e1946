"""A name, a title and a summary for what is wanted."""

from __future__ import annotations

import re
from collections.abc import Sequence

from contracts.artifacts.model import Kind

from .draft import Draft
from .inflect import singular, words_of
from .lexicon.words import ADVERBS, AUXILIARIES, CONJUNCTIONS, DETERMINERS, EMPTY_ADJECTIVES, PREPOSITIONS, PRONOUNS
from .text import Unit

MAX_NAME = 40
_QUOTED_NAME = re.compile(
    r"\b(?:called|named|name it|call it)[:\s]+[\"'`*]*([A-Za-z][\w-]{1,60}(?: [A-Z][\w-]{1,30})?)"
)
_KIND_WORDS = {"rest_api": "api", "cli": "cli", "library": "lib"}
_KIND_TITLES = {"rest_api": "REST API", "cli": "command line tool", "library": "library"}
_TOPICS = frozenset(
    {
        "tracker",
        "manager",
        "planner",
        "log",
        "journal",
        "catalogue",
        "catalog",
        "inventory",
        "organizer",
        "organiser",
        "diary",
        "register",
        "shop",
        "store",
        "bookstore",
        "clinic",
        "school",
        "library",
        "gym",
        "restaurant",
        "hotel",
        "registry",
        "toolkit",
        "converter",
        "helpdesk",
        "blog",
        "garden",
    }
)
_SKIP = DETERMINERS | PRONOUNS | PREPOSITIONS | CONJUNCTIONS | AUXILIARIES | ADVERBS | EMPTY_ADJECTIVES
_RESERVED = frozenset(
    {
        "test",
        "tests",
        "python",
        "src",
        "main",
        "app",
        "site",
        "code",
        "json",
        "csv",
        "list",
        "string",
        "math",
        "statistics",
        "calendar",
        "types",
        "token",
        "queue",
        "email",
        "http",
        "html",
        "select",
        "signal",
        "time",
        "random",
        "logging",
    }
)


def name_of(units: Sequence[Unit], draft: Draft, kind: Kind, functions: Sequence[str]) -> str:
    """The name that the prompt gives, else one made of its topic; kebab-case."""
    text = " ".join(unit.text for unit in units[:20])
    if found := _QUOTED_NAME.search(text):
        return _kebab(found.group(1))
    topic = _topic(units)
    if topic:
        return _kebab(f"{topic} {_KIND_WORDS[kind]}" if len(topic.split()) < 2 else topic)
    if draft.entities:
        first = next(iter(draft.entities.values()))
        return _kebab(" ".join((*first.words, _KIND_WORDS[kind])))
    return _kebab(
        " ".join((*words_of(functions[0]), "tools" if len(functions) > 1 else "tool")) if functions else "project"
    )


def _topic(units: Sequence[Unit]) -> str:
    """'expense tracker', 'recipe manager': a noun that names the whole, with the word before it."""
    for unit in units[:2]:
        words = unit.words
        for at, word in enumerate(words):
            if (
                word in _TOPICS
                and at
                and words[at - 1] not in _SKIP
                and words[at - 1].isalpha()
                and not words[at - 1].endswith("ed")
            ):
                before = words[at - 1]
                if before in ("python", "small", "rest", "reusable", "importable"):
                    continue
                return f"{singular(before)} {word}"
    return ""


def _kebab(name: str) -> str:
    slug = "-".join(words_of(name))[:MAX_NAME].strip("-")
    if not slug or not slug[0].isalpha():
        slug = f"project-{slug}".strip("-")
    return f"{slug}-project" if slug in _RESERVED else slug


def title_of(name: str, kind: Kind) -> str:
    shown = {"api": "API", "cli": "CLI", "lib": "library"}
    return " ".join(shown.get(word, word.capitalize()) for word in name.split("-"))


def summary_of(draft: Draft, kind: Kind, functions: Sequence[str]) -> str:
    """One sentence on what is made."""
    what = _KIND_TITLES[kind]
    if functions and not draft.entities:
        names = [name.replace("_", " ") for name in functions]
        return f"A Python {what} with {_joined(names)}."
    return f"A {what} that keeps {_joined([entity.plural.replace('_', ' ') for entity in draft.entities.values()])}."


def _joined(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
