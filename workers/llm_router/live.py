"""Tokens as they come, for whoever watches the workflow: plain messages, at most four a second a workflow.

A piece costs more CPU than all else of a call, so an answer that nobody watches comes whole.
`text` begins at character `at` of the answer that `model` writes; a lower `at` than before means that it began again.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import msgspec
from faststream.nats import NatsBroker, NatsMessage

from contracts import subjects
from workers.kit.llm.wire import WATCH_S, Question

from .models import Model
from .said import Tell

EVERY_S = 0.25
WATCHED_S = 2.5 * WATCH_S
"""So long a workflow counts as watched after the last word of it: one may be lost."""
MOST_CHARS = 64 * 1024
CHARS_A_TOKEN = 4


class Live:
    """`streams` answers are streamed at once; those beyond come whole."""

    def __init__(
        self,
        publish: Callable[[str, bytes], Awaitable[None]],
        streams: int,
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._publish = publish
        self._streams = streams
        self._now = now
        self._open: Counter[tuple[str, str]] = Counter()
        self._next: dict[tuple[str, str], float] = {}
        self._watched: dict[tuple[str, str], float] = {}
        self._telling: set[asyncio.Task[None]] = set()

    def watched(self, tenant: str, workflow: str) -> None:
        """Somebody follows the workflow."""
        self._watched.pop((tenant, workflow), None)
        self._watched[tenant, workflow] = self._now() + WATCHED_S
        while self._watched[oldest := next(iter(self._watched))] <= self._now():
            del self._watched[oldest]

    @contextmanager
    def writing(self, question: Question, model: Model) -> Iterator[Tell | None]:
        """Where to tell the pieces of the answer; None when nobody watches, or enough are streamed."""
        workflow = (question.tenant, question.workflow)
        if self._watched.get(workflow, 0.0) <= self._now() or self._open.total() >= self._streams:
            yield None
            return
        self._open[workflow] += 1
        try:
            yield _Text(question, model, self._may, self._say).add
        finally:
            self._open[workflow] -= 1
            if not self._open[workflow]:
                del self._open[workflow]
                self._forget()

    def _may(self, question: Question) -> bool:
        workflow = (question.tenant, question.workflow)
        if self._now() < self._next.get(workflow, 0.0):
            return False
        self._next[workflow] = self._now() + EVERY_S
        return True

    def _forget(self) -> None:
        """Workflows whose pause is over."""
        now = self._now()
        self._next = {workflow: at for workflow, at in self._next.items() if at > now}

    def _say(self, question: Question, news: dict[str, object]) -> None:
        task = asyncio.ensure_future(self._said(question, news))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _said(self, question: Question, news: dict[str, object]) -> None:
        with contextlib.suppress(Exception):  # nobody's answer fails because nobody can watch it
            subject = subjects.live(question.tenant, question.workflow, question.stage)
            await self._publish(subject, msgspec.json.encode(news))


def listen(broker: NatsBroker, live: Live) -> None:
    """Hear from the gateways which workflows are watched."""

    @broker.subscriber(subjects.WATCHED, no_reply=True)
    async def watched(message: NatsMessage) -> None:
        with contextlib.suppress(subjects.BadSubject):
            live.watched(*subjects.parse_watched(message.raw_message.subject))


class _Text:
    """One answer as it comes, and how much of it was told."""

    def __init__(
        self,
        question: Question,
        model: Model,
        may: Callable[[Question], bool],
        say: Callable[[Question, dict[str, object]], None],
    ) -> None:
        self._question = question
        self._model = model
        self._may = may
        self._say = say
        self._waiting = ""
        self._told = 0

    def add(self, text: str) -> None:
        self._waiting += text
        if not self._may(self._question):
            return
        now, self._waiting = self._waiting[:MOST_CHARS], self._waiting[MOST_CHARS:]
        news: dict[str, object] = {
            "stage": self._question.stage,
            "revision": self._question.revision,
            "state": "writing",
            "task": self._question.task,
            "model": self._model.name,
            "tokens": (self._told + len(now)) // CHARS_A_TOKEN,
            "at": self._told,
            "text": now.encode(errors="replace").decode(),
        }
        self._told += len(now)
        self._say(self._question, news)
