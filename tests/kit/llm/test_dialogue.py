"""What becomes of a model's answers, good and bad."""

from __future__ import annotations

from hashlib import sha256

import msgspec
import pytest

from contracts.artifacts import File
from workers.kit.llm.dialogue import Dialogue
from workers.kit.llm.wire import Answer, Problem, Question, question_key
from workers.kit.prompts import templates
from workers.kit.prompts.block import read_block
from workers.kit.prompts.roles import pick
from workers.kit.prompts.topic import Topic
from workers.kit.stage import Permanent, Refused, Transient, Unfit

from .asking import Pair, Saying, run

FENCE = "```"
TWO = "y = 2\n"


def fenced(path: str, text: str = "x = 1\n") -> str:
    return f"{FENCE}python {path}\n{text}{FENCE}\n"


async def complete(saying: Saying) -> Pair:
    return await saying.llm.complete(run(), task="frd_generation", inputs={"a": 1}, into=Pair)


async def write(saying: Saying, *paths: str) -> tuple[File, ...]:
    return await saying.llm.write(run(3), task="code_generation", inputs={"path": paths[0]}, paths=paths)


async def test_a_json_answer_becomes_the_artifact() -> None:
    saying = Saying('{"left": 1, "right": "r"}')
    assert await complete(saying) == Pair(left=1, right="r")
    assert saying.heard == [("frd_generation", {"a": 1})]


@pytest.mark.parametrize("said", ['```json\n{"left": 1}\n```', '\n```\n{"left": 1}\n```\n', ' {"left": 1}\n'])
async def test_a_fence_around_the_json_does_no_harm(said: str) -> None:
    assert await complete(Saying(said)) == Pair(left=1)


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "no JSON",
        '{"left": "one"}',
        '{"right": "r"}',
        "[" * 100_000,
        '{"left": 1, "right": "\\ud800"}',
    ],
    ids=["empty", "prose", "type", "missing", "deep", "surrogate"],
)
async def test_an_unreadable_answer_is_asked_for_once_more_and_then_given_up(bad: str) -> None:
    assert await complete(Saying(bad, '{"left": 2}')) == Pair(left=2)
    twice = Saying(bad, bad)
    with pytest.raises(Unfit, match="can't be used, also after one more try: it is not the JSON of a Pair"):
        await complete(twice)
    assert len(twice.heard) == 2


async def test_a_check_has_its_say_and_the_model_hears_it() -> None:
    questions: list[Question] = []

    class Listening(Dialogue):
        async def ask(self, question: Question) -> Answer:
            questions.append(question)
            return Answer(text=f'{{"left": {len(questions)}}}', model="m", question="q")

    def check(pair: Pair) -> None:
        if pair.left < 2:
            raise Unfit("left is too small")

    found = await Listening().complete(run(), task="frd_generation", inputs={"a": 1}, into=Pair, check=check)
    assert found == Pair(left=2)
    first, again = questions
    assert [message.role for message in again.messages] == ["system", "user", "assistant", "user"]
    assert again.messages[:2] == first.messages
    assert "left is too small" in again.messages[3].content
    assert read_block(again.messages[3].content) == read_block(first.messages[1].content)


@pytest.mark.parametrize(
    ("problem", "error"),
    [
        (Problem(kind="refused", message="I build packages."), Refused),
        (Problem(kind="permanent", message="I build packages."), Permanent),
        (Problem(kind="transient", message="I build packages.", retry_after=7), Transient),
    ],
)
async def test_a_problem_is_raised_with_its_own_sentence(problem: Problem, error: type[Exception]) -> None:
    with pytest.raises(error) as raised:
        await complete(Saying(problem))
    assert type(raised.value) is error
    assert str(raised.value) == "I build packages."
    if isinstance(raised.value, Transient):
        assert raised.value.retry_after == 7


async def test_files_come_in_the_order_asked_with_their_origin() -> None:
    one, two = await write(Saying(f"Here:\n{fenced('b.py')}\n{fenced('a.py', TWO)}\n"), "a.py", "b.py")
    assert (one.path, one.text, one.model, one.revision) == ("a.py", "y = 2\n", "direct/test", 3)
    assert two.path == "b.py"
    assert len(one.question) == 64
    assert one.question == two.question


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        ("I'd rather not.", "holds no file a.py"),
        (fenced("b.py"), "holds 'b.py', which nobody asked for"),
        (fenced("a.py") + fenced("../../etc/passwd"), "which nobody asked for"),
        (fenced("a.py") + fenced("/etc/passwd"), "which nobody asked for"),
        (fenced("a.py") + fenced("n" * 300), "which nobody asked for"),
        (fenced("a.py") + fenced("a\0b.py"), r"holds 'a\\x00b.py', which nobody asked for"),
        (fenced("a.py") + fenced("a.py"), "holds one file twice"),
        (fenced("a.py", "x = '\0'\n"), "a.py holds a NUL"),
        (fenced("a.py", "x = '\ud800'\n"), "a.py holds half of a surrogate pair"),
        (fenced("a.py", "# " + "x" * 600_000 + "\n"), "a.py is larger than 512 KiB"),
    ],
    ids=["prose", "other", "up", "absolute", "long", "nul", "twice", "nul text", "surrogate", "huge"],
)
async def test_files_that_are_not_what_was_asked_are_asked_for_once_more(bad: str, sentence: str) -> None:
    (file,) = await write(Saying(bad, fenced("a.py")), "a.py")
    assert file.text == "x = 1\n"
    with pytest.raises(Unfit, match=sentence):
        await write(Saying(bad, bad), "a.py")


async def test_equal_questions_are_equal_bytes_and_a_repair_asks_anew() -> None:
    asked: list[str] = []

    class Keys(Dialogue):
        async def ask(self, question: Question) -> Answer:
            asked.append(question_key(question, "m"))
            return Answer(text='{"left": 1}', model="m", question=asked[-1])

    for revision, inputs in [(1, {"a": 1}), (1, {"a": 1}), (2, {"a": 1}), (1, {"a": 2})]:
        await Keys().complete(run(revision), task="frd_generation", inputs=inputs, into=Pair)
    await Keys().complete(run(), task="code_generation", inputs={"a": 1}, into=Pair)
    assert asked[0] == asked[1]
    assert len(set(asked)) == 4


async def test_a_task_without_a_prompt_is_no_task() -> None:
    for task in ("no_such_stage", "../secrets", "kit"):
        with pytest.raises(Permanent):
            await Saying().llm.complete(run(), task=task, inputs={}, into=Pair)


async def test_a_fork_s_own_model_and_words_stand_in_the_place_of_the_role_s_and_the_tree_s() -> None:
    questions: list[Question] = []

    class Listening(Dialogue):
        async def ask(self, question: Question) -> Answer:
            questions.append(question)
            return Answer(text='{"left": 1}', model="m", question="q")

    words = "Write as you like, {{this}} stays."
    asked = run(), msgspec.structs.replace(run(), model="a/b", template=words)
    for one in asked:
        await Listening().complete(one, task="frd_generation", inputs={"a": 1}, into=Pair)
    ever, other = questions
    assert (ever.group, other.group) == (pick("frd_generation", Topic()).group, "a/b")
    assert words in other.messages[0].content
    assert templates.template("frd_generation").text not in other.messages[0].content
    (piece,) = {one.name: one for one in other.pieces}.keys() - {one.name for one in ever.pieces}
    assert piece == "template:frd_generation@fork"
    assert [one.sha256 for one in other.pieces if one.name == piece] == [sha256(words.encode()).hexdigest()]
