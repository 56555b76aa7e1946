"""FRD generation: a brief becomes a numbered requirements document, as people read it.

Wakes on `prompt_enhancement`. Writes an `Frd`. Calls the model once.
"""

from __future__ import annotations

from dataclasses import dataclass

from contracts.artifacts import Brief, Frd
from workers.kit.ports import Llm
from workers.kit.rules import naming
from workers.kit.rules.data_model import check_data_model
from workers.kit.stage import Run, Unfit

MAX_ITEMS = 1000


@dataclass(frozen=True, slots=True)
class FrdGeneration:
    llm: Llm

    async def __call__(self, brief: Brief, run: Run) -> Frd:
        return await self.llm.complete(
            run, task="frd_generation", inputs={"brief": brief}, into=Frd, check=lambda frd: check(frd, brief)
        )


def check(frd: Frd, brief: Brief) -> None:
    """Nothing the brief settled is changed, nothing the prompt said is forgotten."""
    for what in ("name", "kind", "language"):
        naming.same(what, getattr(frd, what), getattr(brief, what))
    naming.line("title", frd.title)
    naming.text("summary", frd.summary)
    if not 0 < len(frd.items) <= MAX_ITEMS:
        raise Unfit(f"the document must hold 1 to {MAX_ITEMS} items")
    naming.ids("items", "F", (item.id for item in frd.items))
    statements = {statement.id for statement in brief.statements}
    for item in frd.items:
        naming.line(f"section of {item.id}", item.section)
        naming.text(f"text of {item.id}", item.text)
        naming.known(item.id, item.statements, statements)
    answered = {statement for item in frd.items for statement in item.statements}
    if forgotten := sorted(statements - answered):
        raise Unfit(f"no item answers the prompt's statement {', '.join(forgotten)}")
    check_data_model(frd.entities, frd.operations)


STAGE = FrdGeneration
