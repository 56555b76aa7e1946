"""Which sentences and lists say what a thing consists of and what it points to; one pass, in reading order."""

from __future__ import annotations

from collections.abc import Sequence

from .draft import Draft, EntityDraft, FieldDraft
from .inflect import is_plural, singular
from .items import item_of, items_at
from .lexicon.describing import (
    COMMON_FIELDS,
    FIELD_WORDS,
    HAS,
    HAS_PHRASES,
    KEEP_VERBS,
    LINKING,
    LIST_LEADS,
    MOVES,
    NEVER_OWNERS,
    SECTIONS,
    SOFTWARE_KINDS,
    STORE_VERBS,
    TO_ONE,
    TO_ONE_WEAK,
)
from .lexicon.items import SEPARATORS
from .lexicon.words import DETERMINERS, SOFTWARE, SYSTEM_NOUNS
from .lexicon.types import SAID
from .modifiers import apply, closing, values_at
from .phrases import is_noun, noun_phrase
from .text import Unit
from .verbs import NOUN_VERBS, OPERATIONS, is_verb_at, phrase_before, starts_with_verb, verb_at

_SKIPPED = frozenset({
    "should", "must", "can", "may", "will", "also", "could", "would", "shall", "always", "usually", "to", "then",
    "might", "only", "just", "simply", "optionally", "typically", "is", "are", "be", "all", "both", "do", "does", "now",
})  # fmt: skip
_DONE = frozenset({"on", "at", "by", "for", "in", "to", "from", "under", "of", "with", "as"})
_ONE = frozenset({"a", "an", "one", "exactly", "the", "certain"})
_ITS = frozenset(
    {"it", "they", "which", "that", "these", "those", "this", "who", "both", "one", "each", "them", "ones"}
)
_HAS_OR_NOUN = frozenset({"tracks", "records", "features", "stores", "takes", "needs", "holds", "keeps", "need"})
_CORE = frozenset({"create", "read", "list", "update", "delete", "manage", "search", "export"})


def describe(units: Sequence[Unit], draft: Draft) -> None:
    """Read every unit; a list entry goes to the thing that its heading names."""
    for unit in units:
        owner = _listed_owner(unit, draft)
        if owner is not None and (field := item_of(unit.words)):
            _give(owner, [field])
            draft.current = owner
        elif owner is None:
            _Reader(unit, draft).read()


def _listed_owner(unit: Unit, draft: Draft) -> EntityDraft | None:
    """The entity of which this list entry is a field, or None."""
    head = unit.head
    if head is None or not unit.bullet or unit.children or not _is_field_entry(unit):
        return None
    words = [word for word in head.words if word not in ("*", "`", "#")]
    words = words[:-1] if words[-1:] == [":"] else words
    if not words:
        return None
    return _headed(words, draft) or _named_by(words, head, draft)


def _is_field_entry(unit: Unit) -> bool:
    """A list entry that names something, rather than a sentence about what to do."""
    words = [word for word in unit.words if word not in "*`"]
    if not words or (starts_with_verb(words) and len(words) > 1 and words[1] not in "(:-"):
        return False
    if (
        words[0] in ("i", "users", "the", "it", "you", "if", "when", "no", "we", "for", "only", "each", "every", "as")
        and len(words) > 4
    ):
        return False
    nouns, after = noun_phrase(words, 0)
    if not nouns and words[0] not in ("first", "last", "whether", "on", "optional"):
        return False
    return after >= len(words) or words[after] not in HAS | {"'s", "belongs", "belong", "="}


def _headed(words: list[str], draft: Draft) -> EntityDraft | None:
    """The owner in 'A book has the following fields', 'Book fields', 'Fields of a book', 'Each book has'."""
    says_fields = bool(set(words) & (FIELD_WORDS - {"data", "items", "things"}))
    has = next((at for at, word in enumerate(words) if word in HAS or word in ("with", "consists")), None)
    stores = bool(set(words) & STORE_VERBS)
    if not says_fields and has is None and not (stores and {"each", "every"} & set(words)):
        return None
    for at, word in enumerate(words):
        if word in ("each", "every") or (word in ("of", "for") and says_fields):
            nouns, _ = noun_phrase(words, at + 1)
            if owner := _owner(nouns, draft, firmly=word in ("each", "every")):
                return owner
    if has is not None:
        if owner := _owner(_before(words, has), draft):
            return owner
        return draft.current if set(words[:has]) & _ITS else None
    if says_fields:
        nouns = tuple(word for word in phrase_before(words, len(words)) if word not in FIELD_WORDS)
        return _owner(nouns, draft) or draft.current
    return None


def _named_by(words: list[str], head: Unit, draft: Draft) -> EntityDraft | None:
    """The owner where the heading is nothing but its name; at least half of the list must look like fields."""
    nouns, after = noun_phrase(words, 0)
    rest = words[after:]
    if not nouns or nouns[0] in SECTIONS or nouns[-1] in SECTIONS or (rest and rest[0] not in "(-:"):
        return None
    entries = [child for child in head.children if child.bullet]
    fields = [child for child in entries if _is_field_entry(child) and len(noun_phrase(child.words, 0)[0]) <= 4]
    if len(fields) * 2 < len(entries) or starts_with_verb(words):
        return None
    return _owner(nouns, draft)


class _Reader:
    """One sentence, from left to right. `subject` is the entity that it speaks of so far."""

    def __init__(self, unit: Unit, draft: Draft) -> None:
        self.unit, self.words, self.draft = unit, unit.words, draft
        self.subject: EntityDraft | None = None

    def read(self) -> None:
        at = self._labelled()
        self.unit.described.extend(range(at))
        while at < len(self.words):
            after = self._trigger(at)
            if after > at + 1:
                self.unit.described.extend(range(at, after))
            at = max(after, at + 1)

    def _labelled(self) -> int:
        """'Book: title, author', 'Book = …' or 'Book (title, author)' at the beginning; returns where to read on."""
        words = self.words
        start = next((at for at, word in enumerate(words) if word not in "*`" and word not in DETERMINERS), 0)
        nouns, after = noun_phrase(words, start)
        while after < len(words) and words[after] in "*`":
            after += 1
        target: tuple[str, ...] = ()
        if (
            nouns
            and words[after : after + 1]
            and words[after] in ("on", "of", "for", "in")
            and ":" in words[after : after + 6]
        ):
            target, after = noun_phrase(words, after + 1)
        if not nouns or after + 1 >= len(words) or words[after] not in (":", "(", "-", "{", "="):
            return 0
        if set(nouns) & FIELD_WORDS:
            return self._field_label(after, (*target, *nouns))
        named = words[start] in NOUN_VERBS and (words[after] != "(" or not is_plural(nouns[-1]))
        if nouns[0] in SECTIONS or (starts_with_verb(words[start:]) and not named) or not self._lists_fields(after + 1):
            return 0
        opened = after + (words[after] == ":" and words[after + 1] in "{[")
        end = closing(words, opened) if words[opened] in "({[" else len(words)
        items, stop = items_at(words[:end], opened + 1)
        if len(items) < 2 and self.draft.exact(nouns) is None and words[after] == "-":
            return 0
        owner = _owner(nouns, self.draft, firmly=words[after] != "-")
        if owner is None and words[after] != "-" and {field.name for field in items} & COMMON_FIELDS:
            owner = self.draft.entity(nouns)
        if owner is None or not items:
            return 0
        self._take(owner, items)
        if target and (pointed := _owner(target, self.draft)):
            self._point(owner, pointed.words, weak=False)
        return end if words[opened] in "({[" else stop

    def _lists_fields(self, at: int) -> bool:
        """Whether names follow, not a clause ('a grade is …'), other things with fields, or commands."""
        words = self.words
        while at < len(words) and words[at] in LIST_LEADS | DETERMINERS:
            at += 1
        if at < len(words) and (found := verb_at(words, at)) and set(OPERATIONS[found[0].base]) & _CORE:
            after = at + found[1]
            if (
                after >= len(words)
                or words[after] in ("by", "a", "an", "the", "and", "or", "all")
                or verb_at(words, after + 1)
            ):
                return False
        nouns, after = noun_phrase(words, at)
        following = words[after] if after < len(words) else "."
        if following in HAS or following in ("belongs", "is", "are", "can", "with", "should"):
            return False
        if following == "(" and nouns:
            inside = words[after + 1 : closing(words, after)]
            lists = "," in inside and (is_plural(nouns[-1]) or bool(set(inside) & COMMON_FIELDS) or ":" in inside)
            return not lists
        if "crud" in nouns or (following == "with" and nouns and is_plural(nouns[-1])):
            return False
        return True

    def _field_label(self, after: int, nouns: tuple[str, ...]) -> int:
        """'Fields: title, author', 'Book fields: title'."""
        own = tuple(word for word in nouns if word not in FIELD_WORDS)
        owner = (_owner(own, self.draft) or self.draft.entity(own) if own else None) or self.draft.main()
        items, end = items_at(self.words, after + 1)
        if owner is None or not items:
            return 0
        self._take(owner, items)
        return end

    def _trigger(self, at: int) -> int:
        """Look for a description that begins at `at`; returns where to go on."""
        words, word = self.words, self.words[at]
        if word in ("need", "want", "keep", "keeps", "add", "store", "stores", "track", "manage", "are", "have"):
            self._speak(at)
        for phrases, weak in ((TO_ONE, False), (TO_ONE_WEAK, True)):
            if phrase := next(
                (found for found in phrases.get(word, ()) if tuple(words[at : at + len(found)]) == found), None
            ):
                return self._to_one(at, at + len(phrase) - (phrase[-1] in ("a", "one")), weak=weak)
        if word in ("is", "are") and (after := self._done_with(at)):
            return after
        if word in LINKING:
            return self._linking(at)
        if length := self._has_at(at):
            return self._list(at + length, self._possessor(at))
        if word in ("with", "including", "incl") and at > 0:
            return self._with(at)
        if word == "(" and at > 0:
            return self._parenthesis(at)
        if word in ("each", "every") and words[at - 1 : at] in (["for"], ["of"], ["about"], ["per"]):
            return self._for_each(at)
        if word == "'s" and at > 0:
            return self._possessive(at)
        if word in (":", "=") and 1 < at + 1 < len(words) and self._lists_fields(at + 1):
            items, end = items_at(words, at + 1)
            nouns = phrase_before(words, at)
            if nouns and nouns[-1] in SECTIONS | FIELD_WORDS:
                return self._field_label(at, nouns) or at + 1 if nouns[-1] in FIELD_WORDS else at + 1
            firmly = word == "=" or len(nouns) > 1 or self._commanded(at, nouns)
            owner = _owner(nouns, self.draft, firmly=firmly) if len(items) > 1 else None
            if owner:
                self._take(owner, items)
                return end
        if (
            word in ("must", "should", "is", "shall")
            and words[at + 1 : at + 2]
            and words[at + 1] in ("be", "a", "an")
            and (after := self._typed(at))
        ):
            return after
        if word in ("can", "is", "are", "be"):
            return self._states(at)
        if word in MOVES:
            return self._moves(at)
        if (
            word in KEEP_VERBS
            and words[at + 1 : at + 2]
            and words[at + 1] in ("the", "its", "their", "a", "an", "which")
        ):
            return self._of_owner(at)
        return at + 1

    def _has_at(self, at: int) -> int:
        words = self.words
        if words[at] in HAS and words[at + 1 : at + 2] != ["to"]:
            before = words[at - 1] if at else ""
            return 1 if words[at] not in _HAS_OR_NOUN or before in _ITS or (before and is_noun(before)) else 0
        return next((len(phrase) for phrase in HAS_PHRASES if tuple(words[at : at + len(phrase)]) == phrase), 0)

    def _possessor(self, at: int) -> EntityDraft | None:
        """Who has: the noun before the verb, or what a pronoun or a joined clause refers to."""
        words = self.words
        while at > 0 and words[at - 1] in _SKIPPED:
            at -= 1
        if nouns := _before(words, at):
            return None if nouns[-1] in SOFTWARE else _owner(nouns, self.draft)
        if at == 0 and words[0] in (
            "need",
            "needs",
            "want",
            "includes",
            "tracks",
            "records",
            "keeps",
            "stores",
            "features",
        ):
            return None
        if at == 0:
            return self.draft.current
        if words[at - 1] in _ITS:
            if at <= 2 and self.draft.spoken and (owner := _owner(self.draft.spoken, self.draft)):
                return owner
            place = at - 1 - (words[at - 2 : at - 1] == [","])
            nouns = phrase_before(words, place)
            if nouns and nouns[-1] in SOFTWARE:
                return None
            return (_owner(nouns, self.draft) if nouns else None) or self.subject or self.draft.current
        return (self.subject or self.draft.current) if words[at - 1] in (",", "and", ";", "but", "-", "both") else None

    def _list(self, at: int, owner: EntityDraft | None) -> int:
        words, start = self.words, at
        while at < len(words) and (words[at] in LIST_LEADS or words[at] in FIELD_WORDS):
            if (words[at] in ("with", "to", "at") and at > start) or (
                words[at] in FIELD_WORDS and words[at + 1 : at + 2] in ([","], ["and"], ["."])
            ):
                break
            at += 1
        while at > start and words[at - 1] in ("the", "its", "their"):
            at -= 1
        if owner is None or not self._lists_fields(at):
            return start
        items, end = items_at(words, at)
        if not items:
            return start
        self._take(owner, items)
        return max(end, start)

    def _with(self, at: int) -> int:
        words = self.words
        if set(words[max(0, at - 5) : at]) & LINKING or words[at - 1] in ("together", "along", "do", "work", "deal"):
            return at + 1
        if words[at + 1 : at + 2] and words[at + 1] in ("their", "his", "her"):
            nouns, _ = noun_phrase(words, 0)
            owner = _owner(nouns[:1], self.draft) if nouns else None
        elif words[at - 1] in _ITS:
            owner = self._possessor(at)
        elif words[at - 1] == ",":
            owner = self.subject or _owner(phrase_before(words, at - 1), self.draft, firmly=False)
        elif words[at - 1] == ")":
            owner = None
        else:
            nouns = phrase_before(words, at)
            owner = _owner(nouns, self.draft, firmly=self._entered(at, nouns))
        return self._list(at + 1, owner) if owner and not self._only_software(at + 1) else at + 1

    def _only_software(self, at: int) -> bool:
        """'with CRUD', 'with a REST interface'."""
        nouns, after = noun_phrase(self.words, at)
        lone = after >= len(self.words) or self.words[after] not in SEPARATORS
        return (
            bool(nouns)
            and lone
            and nouns[-1] in SYSTEM_NOUNS
            and nouns[-1] not in ("name", "date", "amount", "status", "time", "number", "type", "value")
        )

    def _parenthesis(self, at: int) -> int:
        words, end = self.words, closing(self.words, at)
        nouns = phrase_before(words, at)
        inside = words[at + 1 : end]
        if (
            not nouns
            or len(inside) < 3
            or inside[0] in ("e.g", "i.e", "like", "such", "see", "for", "or", "and", "so", "no", "as")
        ):
            return at + 1
        if (
            any(entity.field_called(nouns) for entity in self.draft.entities.values())
            and self.draft.exact(nouns) is None
        ):
            return at + 1
        commas = sum(word in ",;" for word in inside)
        first = (
            is_plural(nouns[-1])
            or bool(set(inside) & COMMON_FIELDS)
            or self.draft.exact(nouns) is not None
            or self._commanded(at, nouns)
        )
        if not commas or not first or not self._lists_fields(at + 1):
            return at + 1
        if owner := _owner(nouns, self.draft):
            self._take(owner, items_at(words[:end], at + 1)[0])
            return end
        return at + 1

    def _entered(self, at: int, nouns: tuple[str, ...]) -> bool:
        """Whether the noun is what somebody adds or sends in: 'applicants submit an application with …'."""
        before = at - len(nouns) - 1
        while before >= 0 and self.words[before] in DETERMINERS | {"new"}:
            before -= 1
        found = verb_at(self.words, before) if before >= 0 else None
        return (
            found is not None
            and "create" in OPERATIONS[found[0].base]
            and found[0].base not in ("create", "make", "write")
        )

    def _commanded(self, at: int, nouns: tuple[str, ...]) -> bool:
        """Whether a verb stands before the noun: 'add an expense (amount, date)'."""
        before = at - len(nouns) - 1
        while before >= 0 and self.words[before] in DETERMINERS | {"new"}:
            before -= 1
        return before < 0 or is_verb_at(self.words, before) or self.words[before] in (".", ":", ",", "and", ")")

    def _for_each(self, at: int) -> int:
        """'For each book store the title and the author'."""
        words = self.words
        nouns, after = noun_phrase(words, at)
        place = after
        while place < min(len(words), after + 8) and words[place] not in STORE_VERBS:
            place += 1
        stored = place < min(len(words), after + 8)
        while place < len(words) and (words[place] in STORE_VERBS or words[place] in ("to", "track", "of")):
            place += 1
        if (
            stored
            and words[place : place + 1]
            and (
                words[place] in DETERMINERS | LIST_LEADS
                or is_noun(words[place])
                or words[place] in ("whether", "how", "when")
            )
        ):
            return max(self._list(place, _owner(nouns, self.draft)), after)
        if (
            not stored
            and words[after : after + 1] in ([","], [":"])
            and words[after + 1 : after + 2] not in (["i"], ["we"], ["you"], ["it"])
        ):
            return max(self._list(after + 1, _owner(nouns, self.draft)), after)
        return max(after, at + 1)

    def _possessive(self, at: int) -> int:
        """'each book's title, author and year'."""
        items, end = items_at(self.words, at + 1)
        owner = _owner(phrase_before(self.words, at), self.draft, firmly=False)
        if len(items) > 1 and owner is not None:
            self._take(owner, items)
            return end
        return at + 1

    def _of_owner(self, at: int) -> int:
        """'Record the title, author and year of every book'."""
        words = self.words
        _, end = items_at(words, at + 1)
        for place in range(at + 2, min(end + 1, len(words) - 1)):
            if words[place] in ("of", "for") and words[place + 1] in (
                "each",
                "every",
                "a",
                "an",
                "my",
                "all",
                "the",
                "our",
            ):
                nouns, _ = noun_phrase(words, place + 1)
                listed, _ = items_at(words[:place], at + 1)
                if listed and (owner := _owner(nouns, self.draft)):
                    self._take(owner, listed)
                    return place
        return at + 1

    def _states(self, at: int) -> int:
        """'a work order can be open, started or finished': states without a name are its status."""
        words = self.words
        start = at + 1 + (words[at + 1 : at + 2] == ["be"])
        if words[start : start + 1] in (["either"], ["one"]):
            start += 1
        if start >= len(words) or not is_noun(words[start]) or words[at] == "be":
            return at + 1
        values, end = values_at(words, start)
        if len(values) < 2 or words[end - 2 : end - 1] != ["or"] and "or" not in words[start:end]:
            return at + 1
        owner = self._possessor(at)
        verbs = [
            value
            for value in values
            if (found := verb_at([value], 0)) and found[0].kind == "past" and value != found[0].base
        ]
        if owner is None or len(verbs) == len(values) or not owner.fields or set(values) & set(owner.fields):
            return at + 1
        known = next(
            (field for field in owner.fields.values() if field.choices and set(field.choices) & set(values)), None
        )
        if known is None and self.draft.exact(_before(words, at)) is None and words[at - 1] not in _ITS:
            return at + 1
        self._take(owner, [FieldDraft(("status",), choices=values)] if known is None else [])
        return end

    def _typed(self, at: int) -> int:
        """'Capacity must be a positive integer': a field that nothing has listed before."""
        words = self.words
        end = next((place for place in range(at, len(words)) if words[place] in (",", ".", ";")), len(words))
        typed = any(
            word in SAID and word not in ("number", "text", "link", "choice", "real", "whole", "double")
            for word in words[at : min(end, at + 7)]
        )
        nouns = phrase_before(words, at)
        if not typed or not nouns or len(nouns) > 2 or words[at + 1 : at + 2] == ["not"] or at - len(nouns) > 1:
            return 0
        owner = self.draft.current
        if owner is None or self.draft.find(nouns) or owner.field_called(nouns):
            return 0
        field = FieldDraft(nouns)
        apply(field, words[at:end])
        self._take(owner, [field])
        return end

    def _moves(self, at: int) -> int:
        """'samples move through the states collected, received and discarded'."""
        start = at + 1
        while start < len(self.words) and self.words[start] in (
            ":",
            "are",
            "of",
            "being",
            "-",
            "is",
            "following",
            "these",
            "one",
        ):
            start += 1
        values, end = values_at(self.words, start)
        nouns, _ = noun_phrase(self.words, 0)
        while len(nouns) > 1 and nouns[-1] in ("move", "pass", "run", "cycle", "transition", "progress"):
            nouns = nouns[:-1]
        owner = (_owner(nouns, self.draft, firmly=False) if nouns else None) or self.subject or self.draft.current
        if len(values) < 2 or owner is None:
            return at + 1
        name = "status" if self.words[at] in ("statuses", "steps") else singular(self.words[at])
        known = next(
            (field for field in owner.fields.values() if field.name in ("status", "state", "stage", "phase")), None
        )
        self._take(owner, [FieldDraft(known.words if known else (name,), choices=values)])
        return end

    def _speak(self, at: int) -> None:
        """Remember the thing that a sentence ends with, for 'each one has …' in the next."""
        nouns, end = noun_phrase(self.words, at + 1)
        if nouns and is_plural(nouns[-1]) and end >= len(self.words) - 1 and nouns[-1] not in SYSTEM_NOUNS:
            self.draft.spoken = nouns

    def _to_one(self, at: int, after: int, *, weak: bool) -> int:
        """'a pet belongs to an owner and a clinic'."""
        words = self.words
        subject = self._possessor(at)
        if subject is None and not weak:
            subject = self.subject or self.draft.current
        place, done = after, False
        while subject is not None:
            nouns, end = noun_phrase(words, place)
            if (
                not nouns
                or (is_plural(nouns[-1]) and words[at] != "belong")
                or (nouns[-1] in NEVER_OWNERS and self.draft.exact(nouns) is None)
            ):
                break
            if (
                weak
                and place < len(words)
                and words[place] not in ("a", "an", "one", "exactly", "the", "its", "their", "this")
                and not self.draft.exact(nouns)
            ):
                break
            self._point(subject, nouns, weak=weak)
            done = True
            place = end
            if words[end : end + 1] != ["and"] or words[end + 1 : end + 2] not in (["a"], ["an"], ["one"], ["to"]):
                break
            place = end + 1 + (words[end + 1] == "to")
        if subject is not None and done:
            self.subject = self.draft.current = subject
            return place
        return at + 1

    def _done_with(self, at: int) -> int:
        """'a calibration is performed on a device at a certain date by a technician'."""
        words = self.words
        if (
            words[0] not in ("a", "an", "each", "every")
            or not words[at + 1 : at + 2]
            or not words[at + 1].endswith(("ed", "en", "one"))
        ):
            return 0
        nouns, end = noun_phrase(words, 0)
        place, found = at + 2, []
        while end == at and place + 1 < len(words) and words[place] in _DONE and words[place + 1] in _ONE:
            target, place = noun_phrase(words, place + 1)
            if (
                not target
                or target[-1] in NEVER_OWNERS - {"date", "time", "number", "name"}
                or target[-1] in ("file", "memory", "table")
            ):
                break
            found.append(target)
        owner = _owner(nouns, self.draft) if found else None
        if owner is None:
            return 0
        for target in found:
            words_of_target = self.draft.canonical(target)
            owner.add(FieldDraft(words_of_target, references=words_of_target, weak=True))
        owner.described = True
        self.subject = self.draft.current = owner
        return place

    def _linking(self, at: int) -> int:
        """'a submission links a student with an assignment'."""
        words, place, found = self.words, at + 1, []
        while place < len(words) and len(found) < 3 and words[place] in ("a", "an", "one", "the"):
            nouns, place = noun_phrase(words, place)
            if not nouns:
                break
            found.append(nouns)
            if words[place : place + 1] not in (["to"], ["with"], ["and"]):
                break
            place += 1
        subject = self._possessor(at) if len(found) > 1 else None
        if subject is None:
            return at + 1
        for nouns in found:
            self._point(subject, nouns, weak=True)
        self.subject = self.draft.current = subject
        return place

    def _point(self, owner: EntityDraft, target: tuple[str, ...], *, weak: bool) -> None:
        words = self.draft.canonical(target)
        if words != owner.words:
            owner.add(FieldDraft(words, references=words, weak=weak))
            owner.described = True

    def _take(self, owner: EntityDraft, fields: list[FieldDraft]) -> None:
        _give(owner, fields)
        self.subject = self.draft.current = owner
        self.draft.spoken = ()


def _before(words: Sequence[str], at: int) -> tuple[str, ...]:
    """The nouns before a verb, past what stands between: 'a book (paperback) should have'."""
    while at > 0 and words[at - 1] in _SKIPPED:
        at -= 1
    if at > 0 and words[at - 1] == ")":
        while at > 0 and words[at - 1] != "(":
            at -= 1
        at = max(0, at - 1)
    return phrase_before(words, at)


def _owner(nouns: tuple[str, ...], draft: Draft, *, firmly: bool = True) -> EntityDraft | None:
    """The entity that a noun phrase names as the owner of fields; None for the software itself."""
    nouns = tuple(word for word in nouns if word not in FIELD_WORDS) or nouns
    if not nouns or len(nouns[-1]) < 2:
        return None
    if found := draft.find(nouns):
        return found
    nouns = draft.canonical(nouns)
    head = nouns[-1]
    if (
        head in NEVER_OWNERS
        or head in FIELD_WORDS
        or (not firmly and head in SYSTEM_NOUNS and (len(nouns) < 2 or head in SOFTWARE_KINDS))
    ):
        return None
    if not firmly and any(entity.field_called(nouns) for entity in draft.entities.values()):
        return None
    return draft.entity(nouns)


def _give(owner: EntityDraft, fields: list[FieldDraft]) -> None:
    for field in fields:
        owner.add(field)
    owner.described = owner.described or bool(fields)
