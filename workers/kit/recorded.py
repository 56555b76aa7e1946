"""The outside world of a recorded workflow, from its file alone: what models, examples and the index said then."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Literal

import msgspec
from packaging.requirements import Requirement

from contracts.artifacts import Lock
from workers.kit.llm.dialogue import Dialogue
from workers.kit.llm.wire import WITHIN_A_LIMIT, Answer, Problem, Question, question_asked
from workers.kit.ports import Resolution, Unresolvable
from workers.kit.registry.names import canonical
from workers.kit.similar.client import SimilarClient
from workers.kit.similar.wire import Find, Found, find_asked
from workers.kit.stage import Permanent
from workers.kit.stores.calls import Call, Entry
from workers.kit.stores.differences import missed
from workers.kit.stores.memory.ledger import recorded

MOST_LINES = 80
"""Of a difference that is shown."""


class RecordedLlm(Dialogue):
    """Answers from the ledger; what it does not know goes to `other`, and without one it is a problem that says why."""

    strict = True

    def __init__(self, entries: Sequence[Entry], tenant: str, other: Dialogue | None = None) -> None:
        self._ledger = recorded(entries, tenant)
        self._models = _models(entries)
        self._other = other

    async def ask(self, question: Question) -> Answer | Problem:
        mine = self._models.get(question.task, ("",))
        for model in dict.fromkeys([*mine, *(model for models in self._models.values() for model in models)]):
            call = self._call(question, model)
            found = await self._ledger.known(call)
            if found is not None:
                finish: Literal["stop", "length"] = "length" if found.finish_reason == "length" else "stop"
                return Answer(
                    text=found.text,
                    model=found.model,
                    question=call.question,
                    finish=finish,
                    tokens_in=found.tokens_in,
                    tokens_out=found.tokens_out,
                    known=True,
                    instead=found.instead,
                )
        if self._other is not None:
            return await self._other.ask(msgspec.structs.replace(question, strict=False))
        message = await missed(self._ledger, self._call(question, mine[0]))
        return Problem(kind="permanent", message=message, code="not_in_ledger")

    def _call(self, question: Question, model: str) -> Call:
        asked = question_asked(question, model)
        return Call(
            tenant=question.tenant,
            workflow=question.workflow,
            stage=question.stage,
            revision=question.revision,
            task=question.task,
            question=sha256(asked).hexdigest(),
            asked=asked,
        )


def _models(entries: Sequence[Entry]) -> dict[str, tuple[str, ...]]:
    """Who was asked, by task, in the router's order: a whole answer, one that was cut for a limit, a stand-in's."""
    found: dict[str, dict[str, int]] = {}
    for entry in entries:
        model = _model(entry)
        found.setdefault(entry.task, {})[model] = 2 if entry.instead else int(model.endswith(WITHIN_A_LIMIT))
    return {task: tuple(sorted(models, key=models.__getitem__)) for task, models in found.items()}


def _model(entry: Entry) -> str:
    """The identity of the model that was asked first: it stands first in what was asked."""
    try:
        asked = msgspec.json.decode(entry.asked)
    except msgspec.DecodeError:
        return ""
    return asked[0] if isinstance(asked, list) and asked and isinstance(asked[0], str) else ""


class RecordedSimilar(SimilarClient):
    """The examples that were told then; none where none were recorded."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        kept = [entry for entry in entries if entry.task.startswith("similar_")]
        self._kept = {entry.question: entry.answer for entry in kept}
        self._embedders = {entry.model for entry in kept}
        self._strict = True

    async def found(self, find: Find) -> Found:
        # `known` is no part of what is asked
        for embedder in self._embedders:
            kept = self._kept.get(sha256(find_asked(find, embedder)).hexdigest())
            if kept is not None:
                return msgspec.json.decode(kept, type=Found)
        return Found(arm="away")


class RecordedRegistry:
    """What the package index said then, for the same packages; nothing is fetched."""

    def __init__(self, locks: Sequence[Lock]) -> None:
        self._locks = locks

    async def lock(self, runtime: Sequence[str], dev: Sequence[str], *, python: str) -> Resolution:
        asked = {canonical(Requirement(name)) for name in (*runtime, *dev)}
        for lock in self._locks:
            if lock.findings:
                raise Unresolvable("; ".join(finding.message for finding in lock.findings))
            if lock.python == python and {package.name for package in lock.packages if package.direct} == asked:
                return Resolution(
                    requirements=lock.requirements,
                    requirements_dev=lock.requirements_dev,
                    wheels=lock.wheels,
                    packages=lock.packages,
                )
        raise Permanent(f"the index was not asked for {', '.join(sorted(asked))} when this was recorded")


def difference(recorded: bytes, made: bytes) -> str:
    """Two artifacts, line by line in canonical JSON; of what is no JSON, their sizes and hashes."""
    try:
        before, after = (_lines(body) for body in (recorded, made))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return "\n".join(
            f"{mark} {len(body)} bytes, sha256 {sha256(body).hexdigest()}"
            for mark, body in (("-", recorded), ("+", made))
        )
    return "\n".join(_cut(difflib.unified_diff(before, after, "recorded", "made now", lineterm="", n=2)))


def _cut(lines: Iterator[str]) -> Iterator[str]:
    for place, line in enumerate(lines):
        if place == MOST_LINES:
            yield "…"
            return
        yield line


def _lines(body: bytes) -> list[str]:
    whole = msgspec.json.format(msgspec.json.encode(msgspec.json.decode(body), order="sorted"), indent=1)
    return [ascii(line)[1:-1] if not line.isprintable() else line for line in whole.decode().splitlines()]
