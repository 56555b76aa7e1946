"""Things that the prompt acts on without describing them: objects of verbs, and what an 'expense tracker' tracks."""

from __future__ import annotations

from collections.abc import Sequence

from .draft import Draft
from .inflect import is_plural, singular
from .lexicon.words import SYSTEM_NOUNS
from .phrases import noun_phrase
from .text import Unit
from .verbs import OPERATIONS, Mention, phrase_before

_ACTS = frozenset({"create", "list", "update", "delete", "manage", "search", "track", "filter", "export"})
_ABOUT = frozenset(
    {
        "tracker",
        "manager",
        "management",
        "tracking",
        "catalogue",
        "catalog",
        "list",
        "app",
        "api",
        "register",
        "inventory",
        "organizer",
        "organiser",
        "log",
        "logger",
        "planner",
        "journal",
        "database",
        "backend",
        "service",
        "system",
        "cli",
        "tool",
        "store",
        "registry",
        "directory",
        "diary",
        "book",
    }
)


_PLACES = frozenset({
    "team", "company", "office", "home", "school", "clinic", "shop", "club", "lab", "laboratory", "restaurant", "hotel",
    "store", "gym", "museum", "teacher", "treasurer", "family", "business", "startup", "web", "university",
})  # fmt: skip


def gather(units: Sequence[Unit], mentioned: Sequence[tuple[Unit, Mention]], draft: Draft) -> None:
    """Add an entity for each thing acted on that is neither known nor a field of something known."""
    wanted: list[tuple[str, ...]] = []
    for _, mention in mentioned:
        kinds = {kind for verb in mention.verbs for kind in OPERATIONS[verb]}
        if not kinds & _ACTS:
            continue
        for nouns in mention.objects:
            if known := draft.find(nouns) or draft.entities.get(singular(nouns[-1])):
                known.acted = True
            elif _plausible(nouns, draft) and (not draft.entities or _worth(nouns, kinds)):
                wanted.append(nouns)
    heads = {singular(nouns[0]) for nouns in wanted if len(nouns) == 1}
    for nouns in wanted:
        if draft.find(nouns) is None:
            name = nouns[-1:] if singular(nouns[-1]) in heads else nouns[-2:]
            if (entity := draft.entity(name)) is not None:
                entity.acted = True
    if not draft.entities and draft.topic:
        draft.entity(draft.topic)


def _plausible(nouns: tuple[str, ...], draft: Draft) -> bool:
    head = nouns[-1]
    if head in SYSTEM_NOUNS or singular(head) in SYSTEM_NOUNS or len(head) < 3:
        return False
    return not any(
        entity.field_called(nouns) or entity.field_called((singular(head),)) for entity in draft.entities.values()
    )


def _worth(nouns: tuple[str, ...], kinds: set[str]) -> bool:
    """Whether a thing that is only acted on is worth keeping next to others that are described."""
    return bool(kinds & {"create", "delete", "manage"}) and is_plural(nouns[-1])


def topic(units: Sequence[Unit]) -> tuple[str, ...]:
    """'A recipe manager', 'API for recipes': what the software is about."""
    for unit in units[:4]:
        words = unit.words
        for at, word in enumerate(words):
            if word in ("for", "of", "about", "managing", "tracking", "manage", "track") and at:
                nouns, _ = noun_phrase(words, at + 1)
                if nouns and _plausible(nouns, Draft()) and nouns[-1] not in _PLACES:
                    return nouns[-2:]
            if word in _ABOUT and at:
                nouns = tuple(noun for noun in phrase_before(words, at) if noun not in _ABOUT | SYSTEM_NOUNS)
                if nouns and _plausible(nouns, Draft()):
                    return nouns[-1:]
    return ()
