"""Lists of fields whose owner stands elsewhere: 'its fields are …', 'I note the …', 'required are …'."""

from __future__ import annotations

from .draft import EntityDraft, FieldDraft
from .inflect import is_plural
from .items import items_at
from .lexicon.describing import FIELD_WORDS, KEEP_VERBS, NEVER_OWNERS
from .lexicon.items import REQUIREMENT
from .lexicon.verbs import RESULTS
from .lexicon.words import DETERMINERS
from .owners import owner_of
from .phrases import noun_phrase
from .reading import Reading
from .verbs import OPERATIONS, is_verb_at, phrase_before, verb_at

_GIVING = frozenset({
    "giving", "gives", "give", "specifying", "specifies", "specify", "providing", "provides", "supplying", "supplies",
    "entering", "enters", "stating", "states", "passing", "passes", "consisting", "filling",
})  # fmt: skip
_ENTERS = frozenset({"enter", "enters", "give", "gives", "note", "notes", "record", "records"})
_TELLERS = frozenset({"i", "we", "to", "you", "they", "and", "must", "should", "can", "it"})
_BARE = FIELD_WORDS - {"data", "items", "things", "pieces", "values", "information", "info", "details"}


def tell_at(reading: Reading, at: int) -> int:
    """Where to read on after such a list that begins here; 0 where none does."""
    words, word = reading.words, reading.words[at]
    if word in _BARE:
        return _fields_are(reading, at)
    if word in REQUIREMENT and at == 0:
        return _required_are(reading, at)
    if word in _GIVING and words[at + 1 : at + 2] and words[at + 1] in DETERMINERS:
        return _listed(reading, at + 1, entered(reading, at) or reading.subject or _somebody(reading), least=1)
    if word in ("is", "are") and at:
        return _is_list(reading, at)
    if word in KEEP_VERBS and at and words[at - 1] in _TELLERS and words[at + 1 : at + 2] in (["the"], ["its"]):
        return _listed(reading, at + 1, reading.subject or reading.draft.main(), singular=True)
    if word in _ENTERS and at == 1 and words[0] in ("she", "he", "they") and words[2:3] and words[2] in DETERMINERS:
        return _listed(reading, 2, reading.draft.current)
    return 0


def _somebody(reading: Reading) -> EntityDraft | None:
    """'She enters a description and …' goes on about what was spoken of."""
    return reading.draft.current if reading.words[0] in ("she", "he", "they") else None


def _listed(reading: Reading, at: int, owner: EntityDraft | None, *, least: int = 2, singular: bool = False) -> int:
    items, end = items_at(reading.words, at)
    if owner is None or len(items) < least or (singular and all(is_plural(item.words[-1]) for item in items)):
        return 0
    if singular and any(reading.draft.exact(item.words) for item in items[:1]):
        return 0
    reading.take(owner, items)
    return end


def _fields_are(reading: Reading, at: int) -> int:
    """'The fields of a recipe are …', 'their attributes: …'."""
    words, draft, place = reading.words, reading.draft, at + 1
    owner = draft.current
    if words[place : place + 1] in (["of"], ["for"], ["per"]):
        nouns, place = noun_phrase(words, place + 1)
        owner = owner_of(nouns, draft)
    elif at and words[at - 1] == "'s":
        owner = owner_of(phrase_before(words, at - 1), draft)
    elif at and words[at - 1] in ("their", "its") and draft.spoken:
        owner = owner_of(draft.spoken, draft)
    if words[place : place + 1] not in (["are"], ["is"], [":"], ["-"]):
        return 0
    return _listed(reading, place + 1, owner or draft.main(), least=1)


def _required_are(reading: Reading, at: int) -> int:
    """'Required for a member are name and email', 'Optional fields: note'."""
    words, draft, place = reading.words, reading.draft, at + 1
    owner = draft.main()
    if words[place : place + 1] in (["for"], ["of"]):
        nouns, place = noun_phrase(words, place + 1)
        owner = owner_of(nouns, draft) or owner
    while place < len(words) and words[place] in FIELD_WORDS:
        place += 1
    if words[place : place + 1] not in (["are"], ["is"], [":"]) or owner is None:
        return 0
    items, end = items_at(words, place + 1)
    for item in items:
        item.required = REQUIREMENT[words[at]]
        if known := owner.fields.get(item.name):
            known.required = item.required
    if items:
        reading.take(owner, items)
    return end if items else 0


def _is_list(reading: Reading, at: int) -> int:
    """'A workout is a date, an exercise and a weight', 'What I want to store is the date and the place'."""
    words, draft = reading.words, reading.draft
    following = words[at + 1] if at + 1 < len(words) else ""
    if words[0] == "what" and following in ("the", "a", "an", "its", ":"):
        return _listed(reading, at + 1, draft.main())
    if "what" in words[max(0, at - 5) : at] and reading.subject and following in ("the", "a", "an"):
        return _listed(reading, at + 1, reading.subject)
    nouns, end = noun_phrase(words, 0)
    if words[0] not in ("a", "an", "each", "every") or end != at or following not in ("a", "an", "the"):
        return 0
    items, after = items_at(words, at + 1)
    if "or" in words[at:after] and "and" not in words[at:after]:
        return 0
    if len(items) < 2 or not nouns or nouns[-1] in NEVER_OWNERS:
        return 0
    return _listed(reading, at + 1, owner_of(nouns, draft))


def entered(reading: Reading, at: int) -> EntityDraft | None:
    """What the sentence says is added or recorded: 'record payments from tenants, with amount and date'."""
    words = reading.words
    for place in range(at - 1, -1, -1):
        if is_verb_at(words, place) and enters(words, place):
            nouns, _ = noun_phrase(words, place + 1)
            return _result(words, place, reading) or owner_of(nouns, reading.draft)
        if is_verb_at(words, place) and (made := _result(words, place, reading)):
            return made
    return None


def _result(words: list[str], at: int, reading: Reading) -> EntityDraft | None:
    """The reservation that reserving makes, where the prompt speaks of reservations."""
    found = verb_at(words, at)
    names = RESULTS.get(found[0].base, ()) if found else ()
    return next((reading.draft.entity((name,)) for name in names if reading.draft.speaks_of(name)), None)


def made_of(reading: Reading, at: int, nouns: tuple[str, ...]) -> EntityDraft | None:
    """'book a tour with my name and email': the fields are those of the booking, which points to the tour."""
    words = reading.words
    while at > 0 and words[at] in DETERMINERS:
        at -= 1
    made = _result(words, at, reading) if at >= 0 and is_verb_at(words, at) else None
    if made is None or reading.draft.find(nouns) is made or reading.draft.find(nouns) is None:
        return None
    reading.point(made, nouns, weak=True, fleeting=True)
    return made


def enters(words: list[str], at: int) -> bool:
    """Whether somebody adds or sends in what follows: 'applicants submit an application with …'."""
    while at >= 0 and words[at] in DETERMINERS | {"new", "my"}:
        at -= 1
    found = verb_at(words, at) if at >= 0 else None
    return (
        found is not None and "create" in OPERATIONS[found[0].base] and found[0].base not in ("create", "make", "write")
    )


def entering(words: list[str], at: int) -> bool:
    """Whether a command that adds stands before the flags."""
    return bool(
        {"add", "new", "create", "log", "put", "register", "insert", "record"} & set(words[max(0, at - 4) : at])
    )


def stated_presence(reading: Reading, at: int) -> int:
    """'A phone number is optional': a field that nothing has listed before."""
    words, owner = reading.words, reading.draft.current
    nouns = phrase_before(words, at)
    following = words[at + 1] if at + 1 < len(words) else ""
    if following not in REQUIREMENT and following != "unique":
        return 0
    if owner is None or not nouns or len(nouns) > 2 or nouns[-1] in FIELD_WORDS or not owner.described:
        return 0
    if len(nouns) > 1 and (known := reading.draft.find(nouns[:-1])) and known.field_called(nouns[-1:]):
        return 0
    if reading.draft.find(nouns) or any(entity.field_called(nouns) for entity in reading.draft.entities.values()):
        return 0
    reading.take(owner, [FieldDraft(nouns, required=REQUIREMENT.get(following), unique=following == "unique")])
    return at + 2
