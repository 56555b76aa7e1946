"""What a model can hold: a question is made to fit by leaving out examples, and who can't hold it is not asked."""

from __future__ import annotations

import msgspec
import pytest

from tests.workers.llm_router.serving import Counting, chain, service
from workers.kit.llm.wire import Answer, Message, Piece, Problem, Question
from workers.kit.prompts.block import read_block, with_block
from workers.kit.settings import SettingsError
from workers.kit.stores.memory.ledger import MemoryLedger
from workers.llm_router.models import Model, read_chains, read_contexts
from workers.llm_router.said import Facts, Failed, Said, Tell
from workers.llm_router.service import Service
from workers.llm_router.windows import Fitted, fit

EXAMPLE = "word " * 400  # about 500 tokens
INPUTS: dict[str, object] = {"path": "a.py", "examples": [f"{n} {EXAMPLE}" for n in range(4)]}
NAMES = tuple(f"input:examples[{n}]" for n in range(4))


def asked(inputs: dict[str, object], *more: Message) -> Question:
    messages = (
        Message(role="system", content="Be brief. " * 40),
        Message(role="user", content=with_block("Do.", "t", inputs)),
    )
    pieces = tuple(Piece(name=name, sha256="0" * 64, tokens=500) for name in NAMES)
    return Question(
        tenant="default", workflow="w1", stage="s", revision=1, task="t", messages=(*messages, *more), pieces=pieces
    )


def examples(question: Question, at: int = 1) -> int:
    return len(read_block(question.messages[at].content).inputs.get("examples", ()))  # type: ignore[arg-type]


@pytest.mark.parametrize(("window", "kept"), [(0, 4), (200_000, 4), (4_096, 4), (2_600, 3), (1_500, 1), (900, 0)])
def test_the_last_examples_are_left_out_until_the_rest_and_an_answer_fit(window: int, kept: int) -> None:
    fitted = fit(asked(INPUTS), window)
    assert isinstance(fitted, Fitted)
    assert examples(fitted.question) == kept
    assert fitted.left_out == NAMES[kept:]
    assert (fitted.question == asked(INPUTS)) is (kept == 4)


def test_every_turn_that_repeats_the_question_is_made_to_fit() -> None:
    again = Message(role="user", content=with_block("Once more.", "t", INPUTS))
    fitted = fit(asked(INPUTS, Message(role="assistant", content="no"), again), 2_000)
    assert isinstance(fitted, Fitted)
    assert examples(fitted.question) == examples(fitted.question, 3) == 1


def test_what_can_not_fit_is_told_with_window_and_size() -> None:
    told = fit(asked({"path": "a.py", "code": EXAMPLE * 8}), 4_096)
    assert isinstance(told, str)
    assert "its window of 4,096 tokens is too small for this question, about 4,5" in told


class Windows(Counting):
    """Each model has its own."""

    def __init__(self, **contexts: int) -> None:
        super().__init__()
        self._contexts = contexts
        self.questions: list[Question] = []

    def facts(self, model: Model) -> Facts:
        return Facts(cost_out=0.01, context=self._contexts[model.name.partition("/")[2]])

    async def complete(self, model: Model, question: Question, tell: Tell | None, *, last: bool) -> Said:
        self.questions.append(question)
        return await super().complete(model, question, tell, last=last)


def router(provider: Windows, ledger: MemoryLedger, models: str) -> Service:
    return Service(read_chains(models), chain(provider), ledger)


async def test_each_model_of_a_chain_is_told_what_it_can_hold_and_the_manifest_says_so() -> None:
    provider, ledger = Windows(small=1_500, large=200_000), MemoryLedger()
    provider.by_name["openai/small"] = Failed(kind="fault", error="500: ill")
    asker = router(provider, ledger, "openai/small,openai/large")
    answer = await asker.answer(asked(INPUTS))
    assert isinstance(answer, Answer)
    assert [examples(question) for question in provider.questions] == [1, 4]
    assert "left_out" not in msgspec.json.encode(ledger.used[-1].call.pieces).decode()
    del provider.by_name["openai/small"]
    second = await asker.answer(msgspec.structs.replace(asked(INPUTS), nonce="2"))
    assert isinstance(second, Answer)
    assert second.model == "openai/small"
    manifest = msgspec.to_builtins(ledger.used[-1].call.pieces)
    assert [piece["name"] for piece in manifest if piece.get("left_out")] == list(NAMES[1:])
    assert (await asker.answer(msgspec.structs.replace(asked(INPUTS), nonce="2"))) == msgspec.structs.replace(
        second, known=True, cost=0.0
    )  # under the whole question, whoever was told what


async def test_who_can_not_hold_a_question_is_not_asked_and_stays_well() -> None:
    provider = Windows(small=4_096, large=200_000)
    asker = router(provider, MemoryLedger(), "openai/small,openai/large")
    answer = await asker.answer(asked({"code": EXAMPLE * 8}))
    assert isinstance(answer, Answer)
    assert (answer.model, provider.asked) == ("openai/large", ["openai/large"])
    assert "its window of 4,096 tokens" in answer.tried[0].error
    assert {model.state for model in (await asker.models()).known} == {"closed"}


async def test_a_question_that_nobody_can_hold_is_a_permanent_problem_that_names_model_window_and_size() -> None:
    provider, ledger = Windows(small=4_096, less=2_048), MemoryLedger()
    problem = await router(provider, ledger, "openai/small,openai/less").answer(asked({"code": EXAMPLE * 8}))
    assert isinstance(problem, Problem)
    assert problem.kind == "permanent"
    for word in (
        "openai/small: left out: its window of 4,096",
        "openai/less: left out: its window of 2,048",
        "about 4,5",
    ):
        assert word in problem.message
    assert provider.asked == []
    assert ledger.used[-1].spent.outcome == "failed"


async def test_a_model_that_says_it_is_too_long_hands_over_to_one_with_a_larger_window() -> None:
    provider = Windows(a=100_000, b=100_000, c=200_000)
    provider.by_name["openai/a"] = Failed(kind="large", error="400: prompt is too long")
    answer = await router(provider, MemoryLedger(), "openai/a,openai/b,openai/c").answer(asked({"code": EXAMPLE}))
    assert isinstance(answer, Answer)
    assert provider.asked == ["openai/a", "openai/c"]
    assert [one.error for one in answer.tried] == ["400: prompt is too long", "the question is too long for it too"]


async def test_a_model_of_unknown_window_that_says_it_is_too_long_is_told_no_examples() -> None:
    class Grumbling(Windows):
        async def complete(self, model: Model, question: Question, tell: Tell | None, *, last: bool) -> Said:
            said = await super().complete(model, question, tell, last=last)
            return Failed(kind="large", error="400: too long") if examples(question) else said

    provider, ledger = Grumbling(unknown=0), MemoryLedger()
    answer = await router(provider, ledger, "openai/unknown").answer(asked(INPUTS))
    assert isinstance(answer, Answer)
    assert [examples(question) for question in provider.questions] == [4, 0]
    left_out = [piece["name"] for piece in msgspec.to_builtins(ledger.used[-1].call.pieces) if piece.get("left_out")]
    assert left_out == list(NAMES)


def test_windows_are_read_from_the_setting() -> None:
    models = tuple(read_chains("ollama/tiny,ollama/big@http://h:1,openai/x").all)
    assert read_contexts("ollama/big=32768; openai/x=8192", models) == {
        "ollama/tiny": 16_384,
        "ollama/big": 32_768,
        "openai/x": 8_192,
    }
    for wrong in ("openai/y=8192", "openai/x=many", "openai/x=", "openai/x=12", "=4096"):
        with pytest.raises(SettingsError, match="QL_MODEL_CONTEXTS"):
            read_contexts(wrong, models)


async def test_a_model_of_which_nothing_is_known_is_told_all() -> None:
    provider = Counting()
    assert isinstance(await service(provider).answer(asked({"code": EXAMPLE * 800})), Answer)
    assert provider.calls == 1
