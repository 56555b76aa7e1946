"""Verbs in a sentence: which operations they ask for, and what they are done to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from .inflect import is_plural, singular, verb_forms
from .lexicon import verbs as lexicon
from .lexicon.words import DETERMINERS, EMPTY_ADJECTIVES, NUMBER_WORDS, PRONOUNS, THINGS_MEANT
from .phrases import MAX_PHRASE, QUOTES, is_noun, noun_phrase

OPERATIONS: dict[str, tuple[str, ...]] = {}
for _name, _verbs in (
    ("transition", tuple(lexicon.TRANSITIONS)), ("mark", lexicon.MARK), ("create", lexicon.CREATE),
    ("read", lexicon.READ), ("list", lexicon.LIST), ("filter", lexicon.FILTER), ("search", lexicon.SEARCH),
    ("update", lexicon.UPDATE), ("delete", lexicon.DELETE), ("manage", lexicon.MANAGE), ("track", lexicon.TRACK),
    ("export", lexicon.EXPORT),
):  # fmt: skip
    for _verb in _verbs:
        OPERATIONS[_verb] = (*OPERATIONS.get(_verb, ()), _name)


class Form(NamedTuple):
    base: str
    kind: str


FORMS: dict[str, Form] = {}
for _verb in OPERATIONS:
    for _kind, _form in verb_forms(_verb).items():
        FORMS.setdefault(_form, Form(_verb, _kind))
    _parts = _verb.split(" ")
    if len(_parts) > 1:
        _own = {kind: form.split(" ")[0] for kind, form in verb_forms(_parts[0]).items()}
        for _kind, _form in _own.items():
            FORMS.setdefault(" ".join((_form, *_parts[1:])), Form(_verb, _kind))
_NOT = frozenset({
    "not", "never", "cannot", "can't", "don't", "doesn't", "nobody", "mustn't", "shouldn't", "needn't", "won't",
    "without", "nothing", "neither", "nor",
})  # fmt: skip
_SEPARATORS = frozenset({",", "and", "or", "/", "&", "then", "also"})
_BE = frozenset({"be", "is", "are", "been", "being", "gets", "get", "was", "were"})
_BACK = _BE | frozenset({
    "can", "may", "must", "should", "could", "will", "then", "later", "also", "only", "not", "might", "shall", ",",
    "and", "or", "both", "either", "/", "to", "able", "possible", "easily", "it", "never", "cannot",
})  # fmt: skip
_SUBJECTS = (PRONOUNS - {"it"}) | {
    "to",
    "can",
    "could",
    "should",
    "must",
    "may",
    "will",
    "let",
    "lets",
    "and",
    "or",
    ",",
    "please",
    "users",
    "then",
    "also",
    ":",
    ";",
    "(",
    "-",
    "/",
    "`",
    '"',
    ".",
    "by",
    "for",
    "not",
    "cannot",
    "user",
    "&",
    "via",
    "clients",
    "members",
    "people",
    "admins",
    "just",
    "quickly",
    "easily",
    "either",
    "both",
    "shall",
    "would",
    "supports",
    "support",
    "supporting",
    "allows",
    "allow",
    "of",
    "never",
    "i",
    "customers",
    "staff",
    "*",
    "'",
}
_PARTICLES = frozenset(
    {"up", "out", "down", "off", "back", "through", "for", "in", "over", "about", "on", "at", "from"}
)


class Mention(NamedTuple):
    """Verbs and their object. `nouns` is empty where a pronoun or nothing stands; `aspect` is what of the object."""

    verbs: tuple[str, ...]
    objects: tuple[tuple[str, ...], ...]
    aspect: tuple[str, ...]
    start: int
    end: int
    passive: bool
    pronoun: bool
    every: bool
    negated: bool = False


def verb_at(words: Sequence[str], at: int) -> tuple[Form, int] | None:
    """The verb that starts here in any form, the longest first, and its length."""
    for length in (3, 2, 1):
        form = FORMS.get(" ".join(words[at : at + length]))
        if form and at + length <= len(words):
            return form, length
    return None


def is_verb_at(words: Sequence[str], at: int) -> bool:
    """Whether the word here is used as a verb: many are nouns as well ('a list', 'the order', 'records')."""
    found = verb_at(words, at)
    if found is None:
        return False
    before = words[at - 1] if at else ""
    kind = found[0].kind
    if words[at] == "done":
        after = words[at + 1] if at + 1 < len(words) else "."
        return after in ("`", "<") or (before in (",", "/", "`", ":", "and") and after in (",", "/", ".", "and"))
    if (
        before in DETERMINERS - {"that"}
        or before in NUMBER_WORDS
        or (before in ("'s", "of", "with") and kind != "gerund")
    ):
        return False
    if before in EMPTY_ADJECTIVES and words[at + 1 : at + 2] != ["/"]:
        return False
    if words[at] == "complete" and before in ("provide", "provides", "need", "want", "offer", "offers"):
        return False
    if words[at] in ("get", "gets") and words[at + 1 : at + 2] and FORMS.get(words[at + 1], found[0]).kind == "past":
        return False
    if kind == "gerund":
        return True
    if kind == "past" and found[0].kind != "base" and words[at] != found[0].base:
        return True
    if kind == "third":
        return before in ("that", "which", "who", "it", "he", "she", "and", ",", "", "then", "later", "also") or (
            bool(before) and is_noun(before) and not before.endswith("s")
        )
    return not before or before in _SUBJECTS or not is_noun(before) or _follows_command(words, at)


def _follows_command(words: Sequence[str], at: int) -> bool:
    """'users add …', '`todo add …`': a noun before a verb that has an object after it."""
    after = words[at + 1] if at + 1 < len(words) else ""
    if is_plural(after or "x") and words[at] not in NOUN_VERBS and is_noun(after):
        return True
    return at == 1 or words[at - 1].endswith("s") or after in DETERMINERS or after in ("them", "it", "`", "<", "[", "-")


NOUN_VERBS = frozenset({
    "book", "post", "record", "log", "file", "report", "order", "schedule", "note", "group", "store", "release",
    "place", "return", "rent", "reserve", "query", "star", "pin", "label", "tag", "flag", "track", "reading",
    "building",
    "booking", "posting", "listing", "meeting", "change", "check", "import", "view", "export", "issue", "ban", "block",
    "raise", "setting", "filing", "rating", "opening", "offering", "borrowing", "set", "shipping", "lock",
    "stop", "dispatch", "launch", "transfer", "drop", "retirement", "start", "filter", "search", "loan", "patch",
})  # fmt: skip


def starts_with_verb(words: Sequence[str]) -> bool:
    at = 0
    while at < len(words) and words[at] in ("*", "`", "to", "can", '"', "'", "-"):
        at += 1
    found = verb_at(words, at) if at < len(words) else None
    if found is None or found[0].kind not in ("base", "gerund"):
        return False
    return not (words[at] in NOUN_VERBS and words[at + 1 : at + 2] in ([":"], ["("], ["="], ["-"], [], ["'s"], ["has"]))


def mentions(words: Sequence[str]) -> Iterator[Mention]:
    """Every use of a verb of the lexicon, in order."""
    at = 0
    subject: Mention | None = None
    while at < len(words):
        if not is_verb_at(words, at) or _perfect(words, at):
            at += 1
            continue
        verbs, after, kind = _group(words, at)
        passive = kind == "past" and words[at] != FORMS[words[at]].base if words[at] in FORMS else False
        found = _passive(words, at, after, verbs) if passive else _active(words, at, after, verbs)
        if passive and subject and words[at - 1] in (",", "and", "or"):
            found = found._replace(objects=subject.objects, pronoun=subject.pronoun)
        subject = found if passive else subject
        yield found._replace(negated=_negated(words, at))
        at = max(found.end if not passive else after, at + 1)


def _perfect(words: Sequence[str], at: int) -> bool:
    """'when the child has finished it' tells what somebody did; it asks for nothing."""
    found = verb_at(words, at)
    return found is not None and found[0].kind == "past" and at > 1 and words[at - 1] in ("has", "have", "had")


def _negated(words: Sequence[str], at: int) -> bool:
    """'accounts can't be deleted', 'nobody has to delete anything': asked for is the opposite."""
    start = at
    while start > 0 and at - start < 6 and words[start - 1] not in (".", ",", ";", ":", "but", "and"):
        start -= 1
    before = words[start:at]
    return bool(set(before) & _NOT) or before[-5:-3] == ["no", "circumstances"]


def _group(words: Sequence[str], at: int) -> tuple[tuple[str, ...], int, str]:
    """Verbs joined by commas and conjunctions: 'create, read, update and delete'."""
    form, length = verb_at(words, at) or (Form(words[at], "base"), 1)
    verbs, after = [form.base], at + length
    while True:
        place = after
        while place < len(words) and words[place] in _SEPARATORS:
            place += 1
        following = verb_at(words, place) if place > after and place < len(words) else None
        if following is None or not _same_kind(following[0], form, words[place]):
            break
        verbs.append(following[0].base)
        after = place + following[1]
    return tuple(verbs), after, form.kind


def _same_kind(one: Form, other: Form, word: str) -> bool:
    return (
        one.kind == other.kind
        or (one.kind == "base" and other.kind in ("base", "past", "third"))
        or verb_forms(one.base)["past"] == word
    )


def _passive(words: Sequence[str], at: int, after: int, verbs: tuple[str, ...]) -> Mention:
    """'books and members can be added and removed': the subject is what it is done to."""
    place = at
    while place > 0 and (
        words[place - 1] in _BACK or (place > 1 and verb_at(words, place - 1) is not None and words[place - 2] in _BACK)
    ):
        place -= 1
    objects: list[tuple[str, ...]] = []
    subject = phrase_before(words, place)
    if subject:
        objects.append(subject)
        before = place - len(subject)
        while before > 1 and words[before - 1] in ("and", ",", "or", "&") and len(objects) < 6:
            other = phrase_before(words, before - 1)
            if not other or is_verb_at(words, before - 2):
                break
            objects.append(other)
            before -= 1 + len(other)
            before -= before > 0 and words[before - 1] in DETERMINERS
    pronoun = not objects
    return Mention(verbs, tuple(objects), (), at, after, True, pronoun, False)


def _active(words: Sequence[str], at: int, after: int, verbs: tuple[str, ...]) -> Mention:
    place = after
    if words[place : place + 1] == ["of"] and words[at] in ("list", "listing"):
        place += 1
    while place < len(words) and words[place] in _PARTICLES and place < after + 2:
        place += 1
    objects: list[tuple[str, ...]] = []
    aspect: tuple[str, ...] = ()
    every = place < len(words) and words[place] in ("all", "every", "my", "our", "any")
    pronoun = place < len(words) and words[place] in THINGS_MEANT and not noun_phrase(words, place)[0]
    if pronoun:
        return Mention(verbs, (), (), at, place + 1, False, True, every)
    while place < len(words):
        nouns, end = noun_phrase(words, place)
        if not nouns:
            break
        if words[end : end + 1] in (["one"], ["ones"]):
            return Mention(verbs, tuple(objects), (), at, end + 1, False, not objects, every)
        nouns, aspect, end = _whose(words, nouns, aspect, end)
        objects.append(nouns)
        place = end
        following = place
        while following < len(words) and words[following] in (",", "and", "or", "/", "&"):
            following += 1
        if following == place or following >= len(words) or is_verb_at(words, following):
            break
        place = following
    return Mention(verbs, tuple(objects), aspect, at, max(place, after), False, False, every)


def _whose(
    words: Sequence[str], nouns: tuple[str, ...], aspect: tuple[str, ...], end: int
) -> tuple[tuple[str, ...], tuple[str, ...], int]:
    """'the status of a task' and "a task's status": the thing, and what of it."""
    if words[end : end + 1] == ["'s"]:
        owned, after = noun_phrase(words, end + 1)
        return (nouns, owned, after) if owned else (nouns, aspect, end)
    if words[end : end + 1] == ["of"]:
        owner, after = noun_phrase(words, end + 1)
        if owner:
            return owner, nouns, after
    return nouns, aspect, end


def phrase_before(words: Sequence[str], at: int) -> tuple[str, ...]:
    """The nouns that end just before `at`; a verb that commands them is none of them ('add students')."""
    start = at
    while start > 0 and at - start < MAX_PHRASE and (is_noun(words[start - 1]) or words[start - 1] in QUOTES):
        start -= 1
        commands = is_verb_at(words, start) and words[start] in FORMS and FORMS[words[start]].kind != "past"
        if start < at - 1 and commands and words[start + 1] not in QUOTES:
            start += 1
            break
    while start < at and (words[start] in EMPTY_ADJECTIVES or words[start] in QUOTES):
        start += 1
    found = tuple(word for word in words[start:at] if word not in QUOTES)
    while len(found) > 1 and is_plural(found[-2]) and found[-1] in FORMS and FORMS[found[-1]].base == found[-1]:
        found = found[:-1]
    return found


def nouns_alone(sentences: Iterable[Sequence[str]]) -> frozenset[str]:
    """The nouns, in the singular, that stand somewhere without another noun before or after them."""
    found: set[str] = set()
    for words in sentences:
        for at, word in enumerate(words):
            if not is_noun(word):
                continue
            before = words[at - 1] if at else ""
            after = words[at + 1] if at + 1 < len(words) else ""
            compound = before and is_noun(before) and before not in EMPTY_ADJECTIVES and not is_verb_at(words, at - 1)
            leads = after and is_noun(after) and not is_verb_at(words, at + 1)
            commands = is_verb_at(words, at) and not is_plural(word)
            if not compound and not leads and not commands:
                found.add(singular(word))
    return frozenset(found)
