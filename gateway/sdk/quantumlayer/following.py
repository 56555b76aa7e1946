"""Following a workflow's events: what was heard, where to go on after a cut, and when it is over."""

from __future__ import annotations

import time

import httpx
import httpx_sse

from .calls import Answer, answered, back_off
from .errors import NOT_NOW, Problem, QuantumLayerError, Unreachable
from .shapes import Event, event_of

PREFIX = "dev.quantumlayer."
ENDS = frozenset({"completed", "failed", "cancelled", "expired"})
NOTHING_MORE = 204
"""The status of an answer to who has been told the end."""
SILENCE_S = 60.0
"""The gateway says something every 15 s, if only that it is there."""


class Following:
    """One follower. Each event is told once: a stream that was made anew is told from its beginning."""

    def __init__(self, after: str, patience_s: float) -> None:
        self.over = False
        self._last = after
        self._ended = False
        self._seen: set[str] = set()
        self._patience_s = patience_s
        self._away = 0.0  # since when nothing answers; 0 while something does
        self._tried = 0

    @property
    def headers(self) -> dict[str, str]:
        """With where to go on."""
        return {"Last-Event-ID": self._last} if self._last else {}

    def opened(self, answer: Answer) -> None:
        """Raises `Problem` where no stream answers."""
        answered(answer)
        self._ended = self._ended or answer.response.status_code == NOTHING_MORE
        self._away = 0.0

    def heard(self, said: httpx_sse.ServerSentEvent) -> Event | None:
        """The event, if it is one and is new."""
        self._tried = 0
        self._last = said.id or self._last
        if not said.event.startswith(PREFIX):
            return None
        event = event_of(said.data, said.id)
        if event.stage == "workflow":
            self._ended = event.outcome in ENDS or (self._ended and event.outcome != "resumed")
        if event.id in self._seen:
            return None
        self._seen.add(event.id)
        return event

    def closed(self) -> float:
        """The gateway has closed the stream: it is over, or to be opened again after so many seconds."""
        self.over = self._ended
        return 0.0 if self.over else self._pause(Unreachable("the stream of events was cut"))

    def cut(self, error: httpx.TransportError | Problem) -> float:
        """Seconds to wait before the stream is opened again; raises when that is no use."""
        self._ended = False  # whether that was the end is told by who closes the stream
        if isinstance(error, Problem):
            if error.status not in NOT_NOW:
                raise error
            return self._pause(error, error.retry_after)
        return self._pause(Unreachable(f"no gateway answers ({error!r})"))

    def _pause(self, fault: QuantumLayerError, wanted: float = 0.0) -> float:
        pause = wanted + back_off(self._tried)
        self._tried += 1
        self._away = self._away or time.monotonic()
        if time.monotonic() + pause > self._away + self._patience_s:
            raise fault
        return pause
