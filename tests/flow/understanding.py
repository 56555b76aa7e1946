"""How well prompts are understood: micro F1 as prompts/README.md defines it (`python -m tests.flow.understanding`).

Twenty of the 60 prompts were kept out of tuning and are reported apart; of those nothing but numbers is ever printed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from contracts.artifacts.brief import Brief
from contracts.artifacts.submission import Submission
from workers.llm_router.blueprint.understanding import Refusal, understand
from workers.llm_router.blueprint.understanding.inflect import singular

PROMPTS = Path(__file__).parent / "prompts"
CATEGORIES = ("kind", "entity", "field", "operation")
Label = Mapping[str, Any]
Fact = tuple[str, ...]


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """How many facts were right, how many claimed and how many labelled."""

    right: int = 0
    claimed: int = 0
    labelled: int = 0

    @property
    def f1(self) -> float:
        return 2 * self.right / (self.claimed + self.labelled) if self.claimed + self.labelled else 1.0

    def plus(self, other: Count) -> Count:
        return Count(
            right=self.right + other.right,
            claimed=self.claimed + other.claimed,
            labelled=self.labelled + other.labelled,
        )


def labelled() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = msgspec.json.decode((PROMPTS / "labelled.json").read_bytes())
    return found


def refused() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = msgspec.json.decode((PROMPTS / "refused.json").read_bytes())
    return found


def normal(name: str) -> str:
    """A name without case, separators and number, which the comparison leaves out."""
    return singular("".join(mark for mark in name.lower() if mark not in "_- "))


def _names(item: Label) -> list[str]:
    return [normal(name) for name in (item["name"], *item.get("aliases", ()))]


def _fits(wanted: list[set[str]], fact: Fact) -> bool:
    return all(part in allowed for part, allowed in zip(fact, wanted, strict=True))


def expected(label: Label, category: str) -> list[list[set[str]]]:
    """The facts of a label: for each of its parts the spellings that count as right."""
    entities = {entity["name"]: set(_names(entity)) for entity in label["entities"]}
    if category == "kind":
        return [[{normal(label["kind"])}]]
    if category == "entity":
        return [[names] for names in entities.values()]
    if category == "field":
        return [
            [entities[entity["name"]], set(_names(field)), {field["type"], *field.get("also", ())}]
            for entity in label["entities"]
            for field in entity["fields"]
        ]
    found: list[list[set[str]]] = []
    for operation in label["operations"]:
        if operation["name"] == "function":
            names = {normal(name) for name in (operation["function"], *operation.get("aliases", ()))}
            found.append([{"function"}, names])
        elif (
            not operation.get("optional")
            and (fact := [{operation["name"]}, entities[operation["entity"]]]) not in found
        ):
            found.append(fact)
    return found


def _optional(label: Label) -> set[Fact]:
    entities = {entity["name"]: _names(entity) for entity in label["entities"]}
    return {
        (operation["name"], name)
        for operation in label["operations"]
        if operation.get("optional")
        for name in entities[operation["entity"]]
    }


def claimed(brief: Brief | Refusal, label: Label, category: str) -> set[Fact]:
    """The facts that were read; a refusal claims none."""
    if isinstance(brief, Refusal):
        return set()
    if category == "kind":
        return {(normal(brief.kind),)}
    if category == "entity":
        return {(normal(entity.name),) for entity in brief.entities}
    if category == "field":
        return {
            (
                normal(entity.name),
                normal(field.name.removesuffix("_id") if field.type == "reference" else field.name),
                field.type,
            )
            for entity in brief.entities
            for field in entity.fields
        }
    facts = {(operation.name, normal(operation.function or operation.entity)) for operation in brief.operations}
    return {fact for fact in facts if fact not in _optional(label)}


def compare(brief: Brief | Refusal, label: Label, category: str) -> tuple[Count, list[Fact], list[list[set[str]]]]:
    """Count one category of one prompt; also what was claimed wrongly and what was missed."""
    missed = expected(label, category)
    total = len(missed)
    wrong: list[Fact] = []
    facts = claimed(brief, label, category)
    for fact in sorted(facts):
        match = next((wanted for wanted in missed if len(wanted) == len(fact) and _fits(wanted, fact)), None)
        if match is None:
            wrong.append(fact)
        else:
            missed.remove(match)
    return Count(right=total - len(missed), claimed=len(facts), labelled=total), wrong, missed


def score(labels: Iterable[Label]) -> dict[str, Count]:
    """The counts of each category over these prompts, and of all together."""
    counts = dict.fromkeys((*CATEGORIES, "all"), Count())
    for label in labels:
        brief = understand(Submission(prompt=label["prompt"]))
        for category in CATEGORIES:
            count, _, _ = compare(brief, label, category)
            counts[category] = counts[category].plus(count)
            counts["all"] = counts["all"].plus(count)
    return counts


def report() -> str:
    """The table of F1 for all, tuned and held-out prompts."""
    labels = labelled()
    groups = {
        "all": labels,
        "tuned": [label for label in labels if not label["held_out"]],
        "held out": [label for label in labels if label["held_out"]],
    }
    lines = ["".join(f"{title:>12}" for title in ("prompts", "F1", *CATEGORIES))]
    for name, group in groups.items():
        counts = score(group)
        parts = (counts["all"], *(counts[category] for category in CATEGORIES))
        lines.append(f"{name:>12}" + "".join(f"{count.f1:12.3f}" for count in parts))
    served = sum(not isinstance(understand(Submission(prompt=item["prompt"])), Refusal) for item in refused())
    lines.append(f"to be refused: {len(refused())}, of which served all the same: {served}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(report() + "\n")
