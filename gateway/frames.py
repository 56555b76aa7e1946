"""What a follower is told, as bytes: an event is made into them once, however many are told of it.

As Server-Sent Events, or as lines of JSON: CloudEvents with one attribute more, `position`.
"""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from contracts import cloudevents, subjects
from contracts.topology import LIFECYCLE

ENDS = frozenset({"completed", "failed", "cancelled", "expired"})
_OBJECT = 1 << 10
"""Bytes that a message costs beside its own."""
_log = structlog.get_logger()


class Fact:
    """An event of the stream; what no reader of today can decode is told to nobody."""

    __slots__ = ("_body", "_data", "_headers", "_line", "_position", "_sse", "seq", "size", "subject", "type")

    def __init__(self, seq: int, subject: str, headers: Mapping[str, str], data: bytes, epoch: int) -> None:
        self.seq = seq
        self.subject = subject
        self.type = headers.get("ce-type", "")
        self.size = _OBJECT + len(data)
        self._headers, self._data, self._position = headers, data, f"{epoch}-{seq}".encode()
        self._body: bytes | None = None
        self._sse: bytes | None = None
        self._line: bytes | None = None

    @property
    def workflow(self) -> str:
        """Whose it is."""
        return self.subject.split(".", 4)[3]

    @property
    def end(self) -> str:
        """The event's id where it ends its workflow, '' for any other."""
        parts = self.subject.split(".")
        return ".".join(parts[3:]) if is_end(parts[4], parts[5]) else ""

    def sse(self) -> bytes:
        """The frame of an event stream."""
        if self._sse is None:
            body = self._structured()
            head = b"id: %s\nevent: %s\ndata: " % (self._position, self.type.encode())
            self._sse = head + body + b"\n\n" if body else b""
        return self._sse

    def line(self) -> bytes:
        """The line of JSON."""
        if self._line is None:
            body = self._structured()
            self._line = b'%s,"position":"%s"}\n' % (body[:-1], self._position) if body else b""
        return self._line

    def _structured(self) -> bytes:
        if self._body is None:
            try:
                event = cloudevents.from_binary(self._headers, self._data)
                self.type, self._body = event.type, cloudevents.to_structured(event)
            except cloudevents.BadEvent as error:  # the stages' dead letters tell of it; a follower goes on
                _log.warning("event_left_out", subject=self.subject, error=str(error))
                self._body = b""
        return self._body


class Progress:
    """What a stage says while it works: for those who follow its workflow now; it is stored nowhere."""

    __slots__ = ("_data", "seq", "size")

    end = ""

    def __init__(self, seq: int, data: bytes) -> None:
        self.seq = seq
        self.size = _OBJECT + len(data)
        self._data = data

    def sse(self) -> bytes:
        """Anyone may publish progress: a line break in it must not begin a frame of its own."""
        return b"event: progress\ndata: %s\n\n" % b" ".join(self._data.splitlines())

    def line(self) -> bytes:
        """Nothing: scripts hear events only."""
        return b""


def ending(type_: str, body: bytes, *, lines: bool) -> bytes:
    """How a workflow ended, as the store knows it: at no place of the stream."""
    return body + b"\n" if lines else b"event: %s\ndata: %s\n\n" % (type_.encode(), body)


def ping(position: str, *, lines: bool) -> bytes:
    """That nothing happened up to here, so that a client that comes back need not be told what it doesn't want."""
    return b"\n" if lines else b": ping\nid: %s\n\n" % position.encode()


def begin(position: str, retry_ms: int, *, lines: bool) -> bytes:
    """Where the stream stood, so that who is cut off before the first event loses none."""
    return b"" if lines else b"retry: %d\nid: %s\n\n" % (retry_ms, position.encode())


def farewell(retry_ms: int, *, lines: bool) -> bytes:
    """The gateway stops; not everybody is to come back at the same moment."""
    return b"" if lines else b": the gateway stops; come back\nretry: %d\n\n" % retry_ms


def lag(*, lines: bool) -> bytes:
    """Some was left out; a script, whose lines are events only, sees the cut that follows."""
    return b"" if lines else b"event: lag\ndata: too slow: events were left out here; come back with the last id\n\n"


def is_end(stage: str, outcome: str) -> bool:
    """Whether this outcome ends the workflow, unless it is resumed."""
    return stage == LIFECYCLE and outcome in ENDS


class Wanted:
    """Which events one asks for: of one workflow (with its progress, where it is asked for) or of all; of some types
    (one that ends with `*` stands for all that begin so) or of all."""

    __slots__ = ("_exact", "_heads", "key", "progress", "workflow")

    def __init__(self, workflow: str = "", types: tuple[str, ...] = (), *, progress: bool = False) -> None:
        self.workflow, self.progress = workflow, progress
        self.key = (workflow, progress, tuple(sorted(set(types))))
        self._exact = frozenset(type_ for type_ in types if not type_.endswith("*"))
        self._heads = tuple(type_[:-1] for type_ in types if type_.endswith("*"))

    def has(self, fact: Fact) -> bool:
        """Whether it is one of them."""
        if self.workflow and fact.workflow != self.workflow:
            return False
        return not (self._exact or self._heads) or fact.type in self._exact or fact.type.startswith(self._heads)

    def pattern(self, tenant: str) -> str:
        """A filter of the stream that lets all of them through."""
        kinds = {_kind(type_) for type_ in (*self._exact, *self._heads)} or {("", "")}
        stage, outcome = (
            shared.pop() or "*" if len(shared := set(one)) == 1 else "*" for one in zip(*kinds, strict=True)
        )
        workflow = subjects.token(self.workflow) if self.workflow else "*"
        return f"ql.evt.{subjects.token(tenant)}.{workflow}.{stage}.{outcome}.>"


def _kind(head: str) -> tuple[str, str]:
    """Stage and outcome of all types that begin so, '' for what it leaves open."""
    whole = [*head.split(".")[2:-1], "", ""]  # its last part may go on
    return whole[0], whole[1]
