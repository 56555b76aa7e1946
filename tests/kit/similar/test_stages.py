"""Examples reach the model as the last thing it is told, only where there are any; the built-in model ignores them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from contracts.artifacts import Finding, ValidationReport
from tests.workers.chain import LOCK, SUBMISSION, blueprint, brief, contract, requirements, run
from workers.code_generation.stage import CodeGeneration
from workers.kit.llm import DirectLlm
from workers.kit.llm.wire import Problem
from workers.kit.ports import CodeSample, PastPrompt
from workers.kit.stage import Run
from workers.prompt_enhancement.stage import PromptEnhancement

PAST = PastPrompt(prompt="a shelf of books", brief=brief())
SAMPLE = CodeSample(
    path="src/a/errors.py", layer="domain", purpose="the errors", text="class Missing(Exception): ...\n"
)


@dataclass
class Library:
    """Knows one prompt, and a sample for each path that ends in errors.py."""

    asked: list[Mapping[str, str]] = field(default_factory=list)

    async def prompts(self, run: Run, prompt: str) -> tuple[PastPrompt, ...]:
        return (PAST,) if prompt == SUBMISSION.prompt else ()

    async def code(self, run: Run, wanted: Mapping[str, str]) -> Mapping[str, tuple[CodeSample, ...]]:
        self.asked.append(wanted)
        return {path: (SAMPLE,) for path in wanted if path.endswith("errors.py")}


@dataclass
class Listening:
    """The blueprint model; `told` holds the names of what it was told, in order, and the examples."""

    told: list[tuple[list[str], object]] = field(default_factory=list)

    def __call__(self, task: str, inputs: Mapping[str, object]) -> str | Problem:
        self.told.append((list(inputs), inputs.get("examples")))
        return blueprint(task, inputs)


async def test_a_prompt_is_read_with_similar_ones_beside_it() -> None:
    model = Listening()
    told = await PromptEnhancement(DirectLlm(model), Library())(SUBMISSION, run("prompt_enhancement"))
    ((names, examples),) = model.told
    assert names == ["submission", "examples"]
    assert isinstance(examples, list)
    assert [example["prompt"] for example in examples] == [PAST.prompt]
    assert told == await PromptEnhancement(DirectLlm(blueprint))(SUBMISSION, run("prompt_enhancement"))


async def test_a_file_is_written_with_samples_for_its_own_purpose_beside_it() -> None:
    model, library = Listening(), Library()
    stage = CodeGeneration(DirectLlm(model), library)
    tree = await stage(contract(), requirements(), LOCK, run("code_generation"))
    with_examples = [names for names, examples in model.told if examples is not None]
    assert [names[-2:] for names in with_examples] == [["path", "examples"]]
    assert all("examples" not in names for names, examples in model.told if examples is None)
    assert [wanted.keys() for wanted in library.asked] == [{file.path for file in contract().files}]
    plain = await CodeGeneration(DirectLlm(blueprint))(contract(), requirements(), LOCK, run("code_generation"))
    assert [(file.path, file.text) for file in tree.files] == [(file.path, file.text) for file in plain.files]


async def test_a_repair_asks_for_the_same_examples() -> None:
    model, library = Listening(), Library()
    stage = CodeGeneration(DirectLlm(model), library)
    tree = await stage(contract(), requirements(), LOCK, run("code_generation"))
    (path,) = (file.path for file in contract().files if file.path.endswith("errors.py"))
    finding = Finding(rule="syntax", message="it is broken", path=path)
    report = ValidationReport(files_checked=1, checks=("syntax",), findings=(finding,))
    model.told.clear()
    await stage(contract(), requirements(), LOCK, run("code_generation", 2), validation=report, previous=tree)
    ((names, _),) = model.told
    assert names[-3:] == ["findings", "previous", "examples"]
    assert library.asked[0] == library.asked[1]
