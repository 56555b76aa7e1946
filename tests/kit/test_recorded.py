"""A recorded workflow's models: one task was answered under several names of who was asked."""

from __future__ import annotations

from hashlib import sha256

from msgspec.structs import replace

from tests.kit.stores.test_recording import entry
from workers.kit.llm.wire import Answer, Message, Problem, Question, question_asked
from workers.kit.recorded import RecordedLlm
from workers.kit.stores.calls import Entry

WHOLE, CUT, STAND_IN = "openai/a", "openai/a within a limit", "blueprint/default@1 for openai/a"
STRONG = "anthropic/b"


def question(text: str, task: str = "code_generation") -> Question:
    messages = (Message(role="user", content=text),)
    return Question(tenant="default", workflow="w", stage=task, revision=1, task=task, messages=messages)


def said(identity: str, text: str, task: str = "code_generation") -> Entry:
    asked = question_asked(question(text, task), identity).decode()
    return entry(asked, f"{text} by {identity}", task=task, stage=task, instead="why" if identity == STAND_IN else "")


async def test_every_entry_of_a_task_is_found_whoever_was_asked() -> None:
    entries = [said(who, who) for who in (WHOLE, CUT, STAND_IN, STRONG)] + [said(STRONG, "x", "documentation")]
    llm = RecordedLlm(entries, "default")
    for one in entries:
        text = one.answer.partition(" by ")[0]
        answer = await llm.ask(question(text, one.task))
        assert isinstance(answer, Answer), answer
        assert (answer.text, answer.question, answer.instead) == (one.answer, one.question, one.instead)
    missed = await llm.ask(question("never asked"))
    assert isinstance(missed, Problem)
    assert missed.code == "not_in_ledger"


async def test_of_several_the_one_that_was_given_last() -> None:
    """Who has money again is asked anew: the whole answer comes after a cut one, and that after a stand-in's."""
    entries = [said(who, "same") for who in (STAND_IN, CUT, WHOLE)]
    for _ in range(3):
        last = entries[-1]
        answer = await RecordedLlm(sorted(entries, key=lambda one: one.question), "default").ask(question("same"))
        assert isinstance(answer, Answer)
        assert answer.question == last.question == sha256(last.asked.encode()).hexdigest()
        entries.pop()


async def test_a_miss_is_told_against_its_own_task_s_model() -> None:
    llm = RecordedLlm([said(STAND_IN, "one"), said(WHOLE, "one")], "default")
    missed = await llm.ask(replace(question("two"), temperature=None))
    assert isinstance(missed, Problem)
    assert "message 1" in missed.message
