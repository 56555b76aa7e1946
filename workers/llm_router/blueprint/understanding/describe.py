"""Which sentences and lists say what a thing consists of; one pass, in reading order."""

from __future__ import annotations

from collections.abc import Sequence

from . import pointing, stating, telling
from .draft import Draft, EntityDraft
from .headings import listed_owner
from .inflect import is_plural
from .items import item_of, items_at
from .labels import field_label, holds_fields, labelled, lists_fields
from .lexicon.describing import (
    ADDED,
    ASIDES,
    COMMON_FIELDS,
    FIELD_WORDS,
    HAS,
    HAS_OR_NOUN,
    HAS_PHRASES,
    ITS,
    KEEP_VERBS,
    LINKING,
    LIST_LEADS,
    MOVES,
    NOT_THINGS,
    PLAIN_NAMES,
    SECTIONS,
    SKIPPED,
    STORE_VERBS,
)
from .lexicon.items import SEPARATORS
from .lexicon.types import UNITS
from .lexicon.words import DETERMINERS, SOFTWARE, SYSTEM_NOUNS
from .modifiers import closing, is_choice
from .owners import give, opening, owner_of, possessor
from .phrases import is_noun, is_number, noun_phrase
from .reading import Reading
from .text import Unit
from .verbs import FORMS, is_verb_at, phrase_before

_CORE = frozenset({"create", "read", "list", "update", "delete", "manage", "search", "export"})
_SPEAKING = frozenset({
    "need", "want", "keep", "keeps", "add", "store", "stores", "track", "manage", "are", "have", "log", "record",
    "save",
    "register", "logging", "tracking", "managing", "keeping", "storing", "saving", "recording", "organise", "organize",
})  # fmt: skip
_PLACEHOLDERS = frozenset({"name", "text", "value", "string", "n", "s", "b", "x", "email", "id", "num", "word"})
_CLAUSE = HAS | {"belongs", "is", "are", "can", "should"}


def describe(units: Sequence[Unit], draft: Draft) -> None:
    """Read every unit; a list entry goes to the thing that its heading names."""
    for unit in units:
        owner = listed_owner(unit, draft)
        if owner is not None and (field := item_of(unit.words)):
            give(owner, [field])
            draft.current = owner
        elif owner is None:
            _read(Reading(unit.words, draft), unit)


def _read(reading: Reading, unit: Unit) -> None:
    spoken = reading.draft.spoken
    at = labelled(reading)
    unit.described.extend(range(at))
    while at < len(unit.words):
        after = _trigger(reading, at)
        if after > at + 1:
            unit.described.extend(range(at + (unit.words[at] in ADDED), after))
        at = max(after, at + 1)
    if reading.subject is None and reading.draft.spoken is spoken and not unit.bullet:
        _open(reading)


def _open(reading: Reading) -> None:
    """Remember the thing that a sentence without fields begins with: 'A game is played by two. It has …'."""
    words = reading.words
    nouns, end = noun_phrase(words, 0)
    if (
        len(nouns) > 1
        and nouns[-1].endswith("s")
        and words[0] in ("a", "an")
        and words[end : end + 1] in (["to"], ["in"], ["at"], ["on"])
    ):
        reading.draft.spoken = nouns[:-1]
        return
    told = words[end : end + 1] and words[end] in ("is", "are", "can", "may", "come", "comes", "take", "takes")
    begins = bool(nouns) and (is_plural(nouns[-1]) or words[0] in ("a", "an", "each", "every"))
    if begins and told and nouns[-1] not in SYSTEM_NOUNS:
        reading.draft.spoken = nouns


def _trigger(reading: Reading, at: int) -> int:
    """Look for a description that begins at `at`; returns where to go on."""
    words, word = reading.words, reading.words[at]
    if word in _SPEAKING:
        _speak(reading, at)
    if after := pointing.point_at(reading, at) or telling.tell_at(reading, at):
        return after
    if word in LINKING:
        return pointing.linking(reading, at)
    if length := _has_at(words, at) or _goes_on(reading, at):
        owner = possessor(words, at, reading.draft, reading.subject)
        maybe = words[at] == "have" and bool({"may", "can", "might", "could"} & set(words[max(0, at - 2) : at]))
        return _list(reading, at + length, owner, maybe=maybe)
    if word == "/" and at and words[at - 1] in ("post", "put", "patch"):
        return _route_body(reading, at)
    if word == "-" and words[at + 1 : at + 2] == ["-"] and telling.entering(words, at):
        return _flags(reading)
    if word == "whose" and at > 0:
        return _list(
            reading,
            at + 1,
            possessor(words, at + 1, reading.draft, reading.subject)
            or owner_of(phrase_before(words, at), reading.draft),
        )
    if word in ("with", "including", "incl") and at > 0:
        return _with(reading, at)
    if word == "(" and at > 0:
        return _parenthesis(reading, at)
    if (word in ("each", "every") and words[at - 1 : at] in (["for"], ["of"], ["about"], ["by"], ["to"], ["with"])) or (
        (word == "per" and not at) or (at == 1 and words[0] in ("for", "about", "of", "with", "to"))
    ):
        return _for_each(reading, at)
    if word == "'s" and at > 0:
        return _possessive(reading, at)
    if word in (":", "=") and 1 < at + 1 < len(words) and lists_fields(reading, at + 1):
        return _colon(reading, at)
    if after := stating.state_at(reading, at):
        return after
    if word in ("is", "are") and (after := telling.stated_presence(reading, at)):
        return after
    if word in MOVES:
        return stating.moves(reading, at)
    if word in KEEP_VERBS and words[at + 1 : at + 2] and words[at + 1] in ("the", "its", "their", "a", "an", "which"):
        return _of_owner(reading, at)
    return at + 1


def _speak(reading: Reading, at: int) -> None:
    """Remember the thing that a sentence ends with, for 'each one has …' in the next."""
    nouns, end = noun_phrase(reading.words, at + 1)
    if nouns and is_plural(nouns[-1]) and end >= len(reading.words) - 1 and nouns[-1] not in SYSTEM_NOUNS:
        reading.draft.spoken = nouns


def _has_at(words: Sequence[str], at: int) -> int:
    following = words[at + 1] if at + 1 < len(words) else ""
    if (words[at] in HAS and following in ("to", "been", "lived", "gone", "become", "no", "part", "place")) or list(
        words[at + 1 : at + 3]
    ) == ["the", "same"]:
        return 0
    if words[at] in HAS:
        if words[at] == "gets" and words[at + 1 : at + 2] and words[at + 1] not in DETERMINERS:
            return 0
        place = at
        while place > 0 and words[place - 1] in SKIPPED:
            place -= 1
        previous = words[place - 1] if place else ""
        return 1 if words[at] not in HAS_OR_NOUN or previous in ITS or (previous and is_noun(previous)) else 0
    return next((len(phrase) for phrase in HAS_PHRASES if tuple(words[at : at + len(phrase)]) == phrase), 0)


def _goes_on(reading: Reading, at: int) -> int:
    """'a stay links a car to a spot and stores when it began': the same subject has more."""
    joined = at > 1 and reading.words[at - 1] in ("and", ",") and reading.subject is not None
    return int(joined and reading.words[at] in ("stores", "records", "holds", "keeps", "tracks", "contains", "carries"))


def _list(reading: Reading, at: int, owner: EntityDraft | None, *, maybe: bool = False) -> int:
    words, start = reading.words, at
    if at + 1 < len(words) and is_number(words[at]) and words[at + 1] in FIELD_WORDS:
        at += 1
    while at < len(words) and (words[at] in LIST_LEADS or words[at] in FIELD_WORDS):
        named = words[at] in FIELD_WORDS and words[at + 1 : at + 2] in ([","], ["and"], ["."])
        if named or (words[at] in ("with", "to", "at") and at > start):
            break
        at += 1
    while at > start and words[at - 1] in ("the", "its", "their"):
        at -= 1
    if owner is None or not lists_fields(reading, at):
        return start
    items, end = items_at(words, at)
    if not items:
        return start
    for item in items if maybe else ():
        item.required = bool(item.required)
    reading.take(owner, items)
    return max(end, start)


def _colon(reading: Reading, at: int) -> int:
    """'add a time entry: client, date, hours', 'comments belong to posts: author, body'."""
    words, draft = reading.words, reading.draft
    items, end = items_at(words, at + 1)
    nouns = phrase_before(words, at)
    if nouns and (nouns[-1] in FIELD_WORDS or (len(nouns) == 1 and nouns[0] in STORE_VERBS)):
        return field_label(reading, at, nouns) or at + 1
    section = bool(nouns) and nouns[-1] in SECTIONS and words[at] == ":"
    if len(items) < 2 or (section and (nouns[-1] in NOT_THINGS or not {field.name for field in items} & COMMON_FIELDS)):
        return at + 1
    firmly = words[at] == "=" or len(nouns) > 1 or _commanded(words, at, nouns)
    owner = reading.subject if reading.pointed == at else owner_of(nouns, draft, firmly=firmly)
    if owner is None:
        return at + 1
    reading.take(owner, items)
    return end


def _route_body(reading: Reading, at: int) -> int:
    """'POST /feeds {url, name}', 'POST /feeds body: url, name'."""
    words = reading.words
    nouns, place = noun_phrase(words, at + 1)
    nouns = tuple(word for word in nouns if word not in ("body", "json", "payload"))
    if words[place : place + 1] not in (["{"], [":"], ["("]) or not nouns:
        return at + 1
    end = closing(words, place) if words[place] in "{(" else len(words)
    items, stop = items_at(words[:end], place + 1)
    owner = owner_of(nouns[:1] if len(nouns) > 2 else nouns, reading.draft) if items else None
    if owner is None:
        return at + 1
    reading.take(owner, items)
    owner.firm = True
    return max(stop, end if words[place] in "{(" else stop)


def _flags(reading: Reading) -> int:
    """'kegs add --serial <unique> --size 20|30|50 [--note TEXT]': what can be given is a field."""
    words = reading.words
    first, _ = noun_phrase(words, 0)
    owner = owner_of(first[:1], reading.draft) if first and is_plural(first[0]) else reading.draft.main()
    places = [at + 2 for at in range(len(words) - 2) if words[at] == words[at + 1] == "-" and is_noun(words[at + 2])]
    if owner is None:
        return 0
    for start, end in zip(places, [*places[1:], len(words)], strict=True):
        said = [word for word in words[start:end] if word not in ("-", "[", "]", "<", ">", "`")]
        field = item_of(said[:1] if len(said) == 2 and said[1] in _PLACEHOLDERS else said)
        if field is not None:
            field.required = False if words[start - 3 : start - 2] == ["["] else field.required
            reading.take(owner, [field])
    owner.firm = True
    return len(words)


def _with(reading: Reading, at: int) -> int:
    words, draft = reading.words, reading.draft
    if set(words[max(0, at - 5) : at]) & LINKING or words[at - 1] in ("together", "along", "do", "work", "deal"):
        return at + 1
    if words[at + 1 : at + 2] and words[at + 1] in ("their", "his", "her"):
        nouns = phrase_before(words, at)
        owner = owner_of(nouns, draft) if nouns and is_plural(nouns[-1]) else opening(words, at, draft)
    elif words[at - 1] in ITS:
        owner = possessor(words, at, draft, reading.subject)
    elif words[at - 1] == ",":
        owner = (
            reading.subject
            or telling.entered(reading, at)
            or owner_of(phrase_before(words, at - 1), draft, firmly=False)
        )
    elif words[at - 1] == ")":
        owner = None
    elif words[at - 1].endswith("ly") or FORMS.get(words[at - 1], None) == ("keep", "past"):
        place = at
        while place > 0 and (
            words[place - 1].endswith("ly") or words[place - 1] in SKIPPED or words[place - 1] in FORMS
        ):
            place -= 1
        owner = possessor(words, place, draft, reading.subject)
    else:
        nouns = phrase_before(words, at)
        enters = telling.enters(words, at - len(nouns) - 1)
        if nouns and (made := telling.made_of(reading, at - len(nouns) - 1, nouns)):
            return _list(reading, at + 1, made)
        owner = owner_of(nouns, draft, firmly=enters) if nouns else opening(words, at, draft)
        if nouns and nouns[-1] in ("tracker", "manager", "catalogue", "catalog", "registry", "database"):
            owner = None
    return _list(reading, at + 1, owner) if owner and not _only_software(words, at + 1) else at + 1


def _only_software(words: Sequence[str], at: int) -> bool:
    """'with CRUD', 'with a REST interface'."""
    nouns, after = noun_phrase(words, at)
    lone = after >= len(words) or words[after] not in SEPARATORS
    return bool(nouns) and lone and nouns[-1] in SYSTEM_NOUNS - PLAIN_NAMES - FIELD_WORDS


def _parenthesis(reading: Reading, at: int) -> int:
    words, draft, end = reading.words, reading.draft, closing(reading.words, at)
    nouns, inside = phrase_before(words, at), words[at + 1 : end]
    if not nouns or len(inside) < 3 or inside[0] in ASIDES or not set(inside) & {",", ";"} or nouns[-1] in UNITS:
        return at + 1
    if draft.exact(nouns) is None and any(entity.field_called(nouns) for entity in draft.entities.values()):
        return at + 1
    tells = holds_fields(nouns, inside)
    article = words[at - len(nouns) - 1] if at > len(nouns) else ""
    commanded = article not in ("the", "its", "their") and _commanded(words, at, nouns) and not is_choice(nouns)
    thing = tells or is_plural(nouns[-1]) or draft.exact(nouns) is not None or commanded
    owner = owner_of(nouns, draft) if thing and lists_fields(reading, at + 1) else None
    if owner is None:
        return at + 1
    reading.take(owner, items_at(words[:end], at + 1)[0])
    owner.firm = True
    return end


def _commanded(words: Sequence[str], at: int, nouns: tuple[str, ...]) -> bool:
    """Whether a verb stands before the noun: 'add an expense (amount, date)'."""
    place = at - len(nouns) - 1
    while place >= 0 and words[place] in DETERMINERS | {"new"}:
        place -= 1
    return place < 0 or is_verb_at(words, place) or words[place] in (".", ":", ",", "and", ")", ";")


def _for_each(reading: Reading, at: int) -> int:
    """'For each book store the title and the author', 'for every trip: driver, date'."""
    words = reading.words
    nouns, after = noun_phrase(words, at + (words[at] == "per"))
    told = words[after : after + 1] in (["we"], ["i"], ["you"], ["one"], ["there"])
    if words[at] not in ("a", "an", "one", "each", "every", "per") and not told:
        return at + 1
    if words[at] in ("these", "them", "this", "those", "it") and not nouns:
        after = at + 1
    while len(nouns) > 1 and nouns[-1] in STORE_VERBS:
        nouns, after = nouns[:-1], after - 1
    owner = owner_of(nouns, reading.draft) if nouns else owner_of(reading.draft.spoken, reading.draft)
    if (
        not nouns
        and words[after : after + 1] == ["of"]
        and words[after + 1 : after + 2] in (["these"], ["them"], ["those"])
    ):
        owner = _plural_before(reading, at) or owner
        after += 2
    owner = owner or (None if nouns else reading.draft.main())
    after += not nouns and words[after : after + 1] in (["one"], ["of"])
    if words[after : after + 1] in (["a"], ["an"]) and at <= 1:
        return max(_list(reading, after, owner), after)
    colon = next((place for place in range(after, min(len(words), after + 4)) if words[place] == ":"), None)
    if colon is not None:
        return max(_list(reading, colon + 1, owner), after)
    place = next((place for place in range(after, min(len(words), after + 8)) if words[place] in STORE_VERBS), None)
    if place is None:
        if words[after : after + 1] in ([","], [":"]) and words[after + 1 : after + 2] not in (
            ["i"],
            ["we"],
            ["you"],
            ["it"],
        ):
            return max(_list(reading, after + 1, owner), after)
        return max(after, at + 1)
    while place < len(words) and (words[place] in STORE_VERBS or words[place] in ("to", "track", "of")):
        place += 1
    following = words[place] if place < len(words) else "."
    if following in DETERMINERS | LIST_LEADS | {"whether", "how", "when"} or is_noun(following):
        return max(_list(reading, place, owner), after)
    return max(after, at + 1)


def _plural_before(reading: Reading, at: int) -> EntityDraft | None:
    """'They have bikes, and for each of these …': the several that were named last."""
    words = reading.words
    place = next((place for place in range(at - 1, -1, -1) if is_plural(words[place]) and is_noun(words[place])), None)
    return None if place is None else owner_of(phrase_before(words, place + 1)[-1:], reading.draft)


def _possessive(reading: Reading, at: int) -> int:
    """'each book's title, author and year'."""
    items, end = items_at(reading.words, at + 1)
    nouns = phrase_before(reading.words, at)
    meant = reading.words[max(0, at - len(nouns) - 1)] in ("each", "every", "a", "an")
    meant = meant or reading.words[max(0, at - len(nouns) - 2)] in KEEP_VERBS
    owner = owner_of(nouns, reading.draft, firmly=False) if meant else reading.draft.find(nouns)
    if len(items) > 1 and owner is not None and items[0].words[-1] not in SOFTWARE:
        reading.take(owner, items)
        return end
    return at + 1


def _of_owner(reading: Reading, at: int) -> int:
    """'Record the title, author and year of every book'."""
    words = reading.words
    _, end = items_at(words, at + 1)
    for place in range(at + 2, min(end + 1, len(words) - 1)):
        if words[place] in ("of", "for") and words[place + 1] in DETERMINERS:
            nouns, _ = noun_phrase(words, place + 1)
            listed, _ = items_at(words[:place], at + 1)
            if listed and (owner := owner_of(nouns, reading.draft)):
                reading.take(owner, listed)
                return place
    return at + 1
