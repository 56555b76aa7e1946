"""The Llm port in process, for unit tests: the same rendering and reading, with a function in the model's place."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from workers.kit.prompts.block import last_block

from .dialogue import Dialogue
from .wire import Answer, Problem, Question, question_key

MODEL = "direct/test"


class DirectLlm(Dialogue):
    """`answer` gets the task and its inputs as plain JSON values, like a model behind the router."""

    def __init__(self, answer: Callable[[str, Mapping[str, object]], str | Problem]) -> None:
        self._answer_of = answer

    async def ask(self, question: Question) -> Answer | Problem:
        if MODEL in question.skip:
            return Problem(kind="permanent", message="there is no other model", code="no_model")
        block = last_block([message.content for message in question.messages if message.role == "user"])
        said = self._answer_of(block.task, block.inputs)
        if isinstance(said, Problem):
            return said
        return Answer(text=said, model=MODEL, question=question_key(question, MODEL))
