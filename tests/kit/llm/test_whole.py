"""Cut off answers are gone on with; unfit ones are asked for again, then of another model, and then it is given up."""

from __future__ import annotations

import pytest

from workers.kit.llm.dialogue import MOST_PIECES, Waiting
from workers.kit.llm.wire import Problem
from workers.kit.stage import Permanent, Refused, Transient, Unfit
from workers.kit.stores.calls import REFUSED

from .asking import CUT, Chain, Pair, run

FILE = '"""Plums."""\n\n\ndef double(count: int) -> int:\n    return count * 2\n'


async def complete(chain: Chain) -> Pair:
    return await chain.complete(run(), task="frd_generation", inputs={"a": 1}, into=Pair)


async def write(chain: Chain, *paths: str) -> list[str]:
    files = await chain.write(run(), task="code_generation", inputs={"path": paths[0]}, paths=paths)
    return [file.text for file in files]


@pytest.mark.parametrize("cut", [CUT, ""], ids=["told", "not told"])
async def test_a_cut_answer_is_gone_on_with_from_its_last_characters(cut: str) -> None:
    chain = Chain(a=[f"```python a.py\n{FILE[:40]}{cut}", f"{FILE[40:]}```\n"])
    assert await write(chain, "a.py") == [FILE]
    first, on = chain.asked
    assert [message.role for message in on.messages] == ["system", "user", "assistant", "user"]
    assert on.messages[2].content.endswith(FILE[:40])
    assert f"\n{FILE[:40]}\n" in on.messages[3].content
    assert on.messages[:2] == first.messages


async def test_json_that_was_cut_is_gone_on_with() -> None:
    chain = Chain(a=[f'Sure:\n{{"left": 1, "rig{CUT}', 'ht": "a{b}c', '"}\nThat is all.'])
    assert await complete(chain) == Pair(left=1, right="a{b}c")


async def test_an_answer_is_gone_on_with_three_times_then_asked_for_again() -> None:
    endless = [f"```python a.py\n# {CUT}", *(f"more {number} {CUT}" for number in range(MOST_PIECES - 1))]
    chain = Chain(a=[*endless, f"```python a.py\n{FILE}```\n"])
    assert await write(chain, "a.py") == [FILE]
    assert "cut off because it became too long" in chain.asked[-1].messages[-1].content
    assert len(chain.asked) == MOST_PIECES + 1


async def test_a_forgotten_fence_is_forgiven_when_the_model_adds_nothing() -> None:
    assert await write(Chain(a=[f"```python a.py\n{FILE}", ""]), "a.py") == [FILE]
    # After a cut, nothing is no end.
    chain = Chain(a=[f"```python a.py\n{FILE}{CUT}", "", "", "", f"```python a.py\n{FILE}```"])
    assert await write(chain, "a.py") == [FILE]
    assert len(chain.asked) == 5


async def test_the_next_model_is_asked_when_the_first_one_fails_twice() -> None:
    chain = Chain(a=["no", "no"], b=['{"left": "no"}', '{"left": 2}'])
    assert await complete(chain) == Pair(left=2)
    assert [question.skip for question in chain.asked] == [(), (), ("a",), ("a",)]
    assert len(chain.asked[2].messages) == 2  # it begins afresh
    refused = [[piece.sha256 for piece in one.pieces if piece.name == REFUSED] for one in chain.asked]
    assert refused == [[], ["q1"], ["q2"], ["q2", "q3"]]  # whose role is not credited with them


async def test_two_models_are_asked_and_no_third() -> None:
    chain = Chain(a=["no", "no"], b=["no", '{"left": "no"}'], c=['{"left": 1}'])
    with pytest.raises(Unfit, match=r"a's answer to frd_generation .*; b's answer to frd_generation .*`int`"):
        await complete(chain)
    assert len(chain.asked) == 4


async def test_where_there_is_no_other_model_the_fault_is_told() -> None:
    with pytest.raises(Unfit, match="a's answer to frd_generation can't be used, also after one more try"):
        await complete(Chain(a=["no", "no"]))


async def test_what_the_next_model_is_said_about_is_not_hidden() -> None:
    over = Problem(kind="permanent", message="the budget of 1 USD is spent", code="over_budget")
    with pytest.raises(Permanent, match="the budget of 1 USD is spent"):
        await complete(Chain(a=["no", "no"], b=[over]))
    with pytest.raises(Refused, match="never"):
        await complete(Chain(a=["no", "no"], b=[Problem(kind="refused", message="never")]))


@pytest.mark.parametrize("code", ["rate_limited", "no_model", "switched_off"])
async def test_waiting_for_a_model_is_no_attempt(code: str) -> None:
    problem = Problem(kind="transient", message="wait", code=code, retry_after=9)  # type: ignore[arg-type]  # each of them
    with pytest.raises(Waiting, match="wait") as raised:
        await complete(Chain(a=[problem]))
    assert raised.value.retry_after == 9


async def test_a_call_that_failed_is_an_attempt() -> None:
    with pytest.raises(Transient) as raised:
        await complete(Chain(a=[Problem(kind="transient", message="500", retry_after=1)]))
    assert not isinstance(raised.value, Waiting)


async def test_each_file_says_who_wrote_it_and_why_another_did_not() -> None:
    chain = Chain(a=["no", "no"], b=[f"```\n{FILE[:30]}{CUT}", f"{FILE[30:]}```"])
    (file,) = await chain.write(run(), task="code_generation", inputs={"path": "a.py"}, paths=("a.py",))
    assert (file.text, file.model, file.question) == (FILE, "b", "q4")


async def test_one_file_that_runs_into_the_next_is_asked_for_again() -> None:
    good = "```python a.py\nx = 1\n```\n```python b.py\ny = 2\n```\n"
    chain = Chain(a=["```python a.py\nx = 1\n```python b.py\ny = 2\n```\n", good])
    assert await write(chain, "a.py", "b.py") == ["x = 1\n", "y = 2\n"]
    assert "the fence of a.py is still open where b.py begins" in chain.asked[1].messages[-1].content


async def test_a_question_tells_its_role_and_what_it_was_made_of() -> None:
    chain = Chain(a=['{"left": 1}'])
    await complete(chain)
    (question,) = chain.asked
    assert question.role
    assert question.temperature is not None
    assert {"role", "template", "input"} <= {piece.name.partition(":")[0] for piece in question.pieces}
    assert question.messages[0].content.startswith(f"# Role: {question.role}")
    assert question.schema_name == "Pair"
