"""Where the reader of one sentence stands: what it speaks of, and what was found in it."""

from __future__ import annotations

from collections.abc import Sequence

from .draft import Draft, EntityDraft, FieldDraft
from .owners import give, possessor


class Reading:
    """One sentence, from left to right. `subject` is the entity that it speaks of so far.

    `pointed` is the place after the last 'belongs to …', so that a list that follows goes to the subject.
    """

    def __init__(self, words: Sequence[str], draft: Draft) -> None:
        self.words, self.draft = list(words), draft
        self.subject: EntityDraft | None = None
        self.pointed = -1

    def take(self, owner: EntityDraft, fields: Sequence[FieldDraft]) -> None:
        give(owner, fields)
        self.speak_of(owner)
        self.draft.spoken = ()

    def speak_of(self, entity: EntityDraft) -> None:
        self.subject = self.draft.current = entity

    def point(self, owner: EntityDraft, target: tuple[str, ...], *, weak: bool, fleeting: bool = False) -> None:
        """Let the owner refer to the thing of that name, where it turns out to be one."""
        words = self.draft.canonical(target)
        if words != owner.words:
            owner.add(FieldDraft(words, references=words, weak=weak, fleeting=fleeting))
            owner.described = True

    def possessor(self, at: int) -> EntityDraft | None:
        return possessor(self.words, at, self.draft, self.subject)
