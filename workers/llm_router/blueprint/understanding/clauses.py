"""Fields asked for as questions: 'whether it is done', 'how many copies', 'when it was bought'."""

from __future__ import annotations

from collections.abc import Sequence

from .draft import FieldDraft
from .phrases import is_noun, noun_phrase

_MEASURES = {
    "much": ("amount", "number"),
    "long": ("duration", "integer"),
    "old": ("age", "integer"),
    "often": ("frequency", "text"),
}
_EMPTY = frozenset(
    {
        "take",
        "takes",
        "place",
        "taking",
        "telling",
        "already",
        "currently",
        "still",
        "yet",
        "happened",
        "took",
        "there",
        "reader",
        "user",
    }
)


def asked_field(words: Sequence[str], at: int) -> tuple[FieldDraft | None, int]:
    """The field that a question word introduces, and the place after its clause."""
    asked, at = words[at], at + 1
    draft = FieldDraft(())
    if asked == "how" and at < len(words):
        return _how(draft, words, at)
    end = at
    while end < len(words) and words[end] not in (",", ";", "and", ".", "(", ")", "but"):
        end += 1
    timed = next((word for word in words[at:end] if word in _TIMES), None)
    if asked == "when" and timed:
        draft.words, draft.type = (_TIMES[timed], "at"), "datetime"
        return draft, end
    if asked == "what" and "called" in words[at:end]:
        draft.words = ("name",)
        return draft, end
    if asked == "what" and not _names_something(words, at):
        draft.words = ("description",)
        return draft, end
    telling = tuple(word for word in words[at:end] if is_noun(word) and word not in _EMPTY)
    if not telling and asked == "where":
        draft.words = ("location",)
        return draft, end
    if not telling and asked == "when":
        draft.words, draft.type = ("date",), "date"
        return draft, end
    if not telling:
        return None, at
    if asked in ("whether", "if"):
        draft.type, draft.words = "boolean", telling[:3]
        if len(telling) == 1 and at < end and {"on", "in"} & set(words[at:end]):
            draft.words = (next(word for word in words[at:end] if word in ("on", "in")), *telling)
    elif asked == "when":
        draft.type, draft.words = "datetime", (telling[-1], "at")
    elif asked == "where":
        draft.words = ("location",)
    else:
        draft.words = telling[:1]
    return draft, end


_TIMES = {
    "starts": "starts",
    "start": "starts",
    "begins": "starts",
    "ends": "ends",
    "finishes": "ends",
    "closes": "closes",
    "opens": "opens",
}


def _names_something(words: Sequence[str], at: int) -> bool:
    """'what genre it is' names a genre; 'what was done' names nothing."""
    return at < len(words) and is_noun(words[at])


def _how(draft: FieldDraft, words: Sequence[str], at: int) -> tuple[FieldDraft | None, int]:
    nouns, after = noun_phrase(words, at + 1)
    if words[at] == "many":
        if words[after : after + 1] == ["of"] and (of := noun_phrase(words, after + 1))[0]:
            nouns, after = (*nouns[:1], "of", *of[0][:1]), of[1]
        draft.words, draft.type = nouns[:3] or ("count",), "integer"
        return draft, after
    name, kind = _MEASURES.get(words[at], ("amount", "number"))
    draft.words = (name,)
    draft.type = "integer" if kind == "integer" else "number" if kind == "number" else "text"
    end = at + 1
    while end < len(words) and words[end] not in (",", ";", "and", ".", "(", ")"):
        end += 1
    return draft, end
