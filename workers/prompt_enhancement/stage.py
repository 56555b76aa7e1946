"""Prompt enhancement: a prompt becomes a brief that says in the factory's terms what is wanted.

Wakes on `workflow.submitted`. Writes a `Brief`. Calls the model once.
"""

from __future__ import annotations

from dataclasses import dataclass

from contracts.artifacts import Brief, Submission
from workers.kit.ports import Llm, Similar
from workers.kit.rules import naming
from workers.kit.rules.data_model import check_data_model
from workers.kit.similar.nothing import NO_SIMILAR
from workers.kit.stage import Permanent, Run, Unfit

LANGUAGES = ("python",)
MAX_STATEMENTS = 2000


@dataclass(frozen=True, slots=True)
class PromptEnhancement:
    llm: Llm
    similar: Similar = NO_SIMILAR

    async def __call__(self, submission: Submission, run: Run) -> Brief:
        if submission.language not in LANGUAGES:
            wanted = naming.shown(submission.language)
            raise Permanent(f"packages are written in {', '.join(LANGUAGES)}; {wanted} is not supported")
        inputs: dict[str, object] = {"submission": submission}
        if examples := await self.similar.prompts(run, submission.prompt):
            inputs["examples"] = examples
        return await self.llm.complete(
            run,
            task="prompt_enhancement",
            inputs=inputs,
            into=Brief,
            check=lambda brief: check(brief, submission),
        )


def check(brief: Brief, submission: Submission) -> None:
    """Refuse what no later stage could use; the model's wording is not our business."""
    naming.slug("name of the package", brief.name)
    naming.line("title", brief.title)
    naming.text("summary", brief.summary)
    naming.same("language", brief.language, submission.language)
    if not 0 < len(brief.statements) <= MAX_STATEMENTS:
        raise Unfit(f"the brief must hold 1 to {MAX_STATEMENTS} statements of the prompt")
    naming.ids("statements", "S", (statement.id for statement in brief.statements))
    for statement in brief.statements:
        if not statement.text.strip():
            raise Unfit(f"{statement.id} is empty")
    check_data_model(brief.entities, brief.operations)


STAGE = PromptEnhancement
