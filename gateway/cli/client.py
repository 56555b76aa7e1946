"""The gateway as the command line sees it: httpx, with problems turned into sentences."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import httpx
import httpx_sse

from gateway.cli.exits import TIMEOUT, USAGE, CliError

Json = dict[str, Any]
ENDS = tuple(f"dev.quantumlayer.workflow.{outcome}." for outcome in ("completed", "failed", "cancelled", "expired"))
RESUMED = "dev.quantumlayer.workflow.resumed."
PATIENCE_S = 30.0
RECONNECT_S = 0.5
SILENCE_S = 60.0
NOT_NOW = (429, 502, 503, 504)
"""The gateway's own, and what a proxy says while the gateway behind it is away."""
OCTETS = {"Content-Type": "application/octet-stream"}
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Client:
    """Raises `CliError` for whatever the gateway refuses or when it can't be reached."""

    def __init__(self, url: str) -> None:
        self.url = url
        try:
            at = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise CliError(f"{url!r} is no address of a gateway: {error}", USAGE, "settings") from error
        # A proxy of the environment can't reach this machine's loopback. Certificates are only read where some come.
        far = at.host not in LOOPBACK
        verify = far or at.scheme == "https"
        self._http = httpx.Client(base_url=at, timeout=PATIENCE_S, trust_env=far, verify=verify)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, path: str, **query: str | int | list[str]) -> Json:
        """The JSON at `path`."""
        return self._json(self._call("GET", path, params=query))

    def fetch(self, path: str) -> bytes:
        """What lies at `path`."""
        return self._call("GET", path).content

    def submit(
        self, prompt: str, language: str, key: str = "", budget: float | None = None, deadline_s: float | None = None
    ) -> Json:
        """Send a prompt; the accepted workflow."""
        headers = {"Idempotency-Key": key} if key else {}
        body: Json = {"prompt": prompt, "language": language}
        body |= {} if budget is None else {"budget": budget}
        body |= {} if deadline_s is None else {"deadline_s": deadline_s}
        return self._json(self._call("POST", "/v1/workflows", json=body, headers=headers))

    def post(self, path: str, body: Json | None = None, *, patience_s: float = PATIENCE_S) -> Json:
        """What the gateway says after doing it."""
        return self._json(self._call("POST", path, json=body, timeout=patience_s))

    def send(self, path: str, body: bytes) -> Json:
        """What the gateway says of these bytes."""
        return self._json(self._call("POST", path, content=body, headers=OCTETS))

    def put(self, path: str, body: bytes | Json) -> Json:
        """What the gateway has now in place of what it had."""
        if isinstance(body, bytes):
            return self._json(self._call("PUT", path, content=body, headers=OCTETS))
        return self._json(self._call("PUT", path, json=body))

    def delete(self, path: str) -> None:
        """It is gone."""
        self._call("DELETE", path)

    def download(self, path: str, into: Path) -> None:
        """Stream the bytes at `path` into a file, whole or not at all."""
        part = into.with_name(f".{into.name}.part")
        try:
            with self._http.stream("GET", path) as answer:
                if answer.status_code >= 400:
                    answer.read()
                    raise _problem(answer)
                into.parent.mkdir(parents=True, exist_ok=True)
                with part.open("wb") as file:
                    for chunk in answer.iter_bytes():
                        file.write(chunk)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        part.replace(into)

    def events(
        self, workflow: str, *, timeout_s: float, said: Callable[[str], object] = sys.stderr.write
    ) -> Iterator[httpx_sse.ServerSentEvent]:
        """A workflow's events, each once, and progress until it ends; reconnects and resumes for `timeout_s` seconds.

        `said` is told when the gateway goes away and when it is back.
        """
        until = time.monotonic() + timeout_s
        seen: set[str] = set()
        last, ended, away = "", False, False
        while not ended:
            try:
                for event in self._stream(f"/v1/workflows/{workflow}/events", last, until):
                    if away:
                        said("the gateway is back\n")
                        away = False
                    last = event.id or last
                    ended = not event.event.startswith(RESUMED) and (ended or event.event.startswith(ENDS))
                    if not _repeated(event, seen):
                        yield event
            except _NothingMore:
                ended = True
            except httpx.ReadTimeout:
                pass  # nothing was said for so long; below we see whether our own time is over
            except (httpx.HTTPError, _NotNow) as error:
                ended = False  # whether that was the end is told by who closes the stream
                if time.monotonic() > until:
                    raise self._unreachable(error) from error
                if not away:
                    said(f"the gateway at {self.url} does not answer ({error}); waiting for it\n")
                    away = True
            if not ended and time.monotonic() > until:
                raise CliError(
                    f"workflow {workflow} is still running; watch it: ql workflow watch {workflow}", TIMEOUT, "timeout"
                )
            if not ended:
                time.sleep(RECONNECT_S)

    def everything(
        self, query: str, after: str, *, follow: bool, said: Callable[[str], object] = sys.stderr.write
    ) -> Iterator[httpx_sse.ServerSentEvent]:
        """Events of all workflows, from a position on, or from now; without `follow` until the present is reached.

        Reconnects and resumes for ever. A stream that was made anew is told from its beginning.
        """
        last, away, over = after, False, False
        while not over:
            try:
                for event in self._stream(f"/v1/events?{query}", last, math.inf):
                    if away:
                        said("the gateway is back\n")
                        away = False
                    last = event.id or last
                    if event.event.startswith("dev.quantumlayer."):
                        yield event
                over = not follow
            except (httpx.HTTPError, _NotNow) as error:
                if not away and not isinstance(error, httpx.ReadTimeout):
                    said(f"the gateway at {self.url} does not answer ({error}); waiting for it\n")
                    away = True
            if not over:
                time.sleep(RECONNECT_S)

    def _stream(self, path: str, last: str, until: float) -> Iterator[httpx_sse.ServerSentEvent]:
        headers = {"Last-Event-ID": last} if last else {}
        timeout = httpx.Timeout(30, read=min(SILENCE_S, max(0.1, until - time.monotonic())))
        with httpx_sse.connect_sse(self._http, "GET", path, headers=headers, timeout=timeout) as source:
            if source.response.status_code in NOT_NOW:
                source.response.read()
                raise _NotNow(_problem(source.response))
            if source.response.status_code == 204:
                raise _NothingMore
            if source.response.status_code >= 400:
                source.response.read()
                raise _problem(source.response)
            for event in source.iter_sse():
                yield event
                if time.monotonic() > until:
                    return

    def _call(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        if answer.status_code >= 400:
            raise _problem(answer)
        return answer

    def _json(self, answer: httpx.Response) -> Json:
        try:
            return cast(Json, answer.json())
        except ValueError as error:
            raise CliError(f"what answers at {self.url} is no gateway", code="http_error") from error

    def _unreachable(self, error: Exception) -> CliError:
        return CliError(f"no gateway answers at {self.url} ({error}); start one with: ql up", code="unreachable")


class _NotNow(Exception):
    """The gateway is there and asks to come back later."""


class _NothingMore(Exception):
    """All was told before."""


def _repeated(event: httpx_sse.ServerSentEvent, seen: set[str]) -> bool:
    """Whether this event came before: a stream that was made anew is told from its beginning."""
    if not event.event.startswith("dev.quantumlayer."):
        return False
    known = len(seen)
    seen.add(json.loads(event.data)["id"])
    return len(seen) == known


def _problem(answer: httpx.Response) -> CliError:
    try:
        problem = answer.json()
        return CliError(f"{problem['title']}: {problem['detail']}", code=problem["code"])
    except (ValueError, KeyError, TypeError):
        return CliError(f"the gateway answered {answer.status_code}", code="http_error")
