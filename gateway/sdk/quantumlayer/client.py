"""The clients: `QuantumLayer`, and `AsyncQuantumLayer` with the same methods. What they say is in calls.py."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack
from urllib.parse import quote

import httpx
import httpx_sse

from .calls import Answer, Calls, Changes, Pause, Send, Steps, Wishes
from .capsules import MAX_BYTES, Capsule, keep
from .errors import Problem, QuantumLayerError
from .following import SILENCE_S, Following
from .shapes import Artifact, Drop, Event, Fork, Json, Workflow

T = TypeVar("T")
PATIENCE_S = 60.0
ANSWER_S = 30.0
WAIT_S = 3600.0
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def _options(url: str) -> dict[str, Any]:
    try:
        at = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise QuantumLayerError(f"{url!r} is no address of a gateway: {error}") from error
    if at.scheme not in {"http", "https"} or not at.host:
        raise QuantumLayerError(f"{url!r} is no address of a gateway: http://host:port")
    # A proxy of the environment can't reach this machine's loopback.
    # Certificates take long to load, and without TLS there is none to check.
    return {
        "base_url": at,
        "timeout": ANSWER_S,
        "trust_env": at.host not in LOOPBACK,
        "verify": at.scheme == "https",
    }


def _request(send: Send) -> dict[str, Any]:
    return {
        "method": send.method,
        "url": send.path,
        "json": send.body,
        "content": send.content,
        "headers": dict(send.headers),
    }


def _following(id_: str, following: Following) -> dict[str, Any]:
    timeout = httpx.Timeout(ANSWER_S, read=SILENCE_S)
    return {
        "method": "GET",
        "url": f"/v1/workflows/{quote(id_, safe='')}/events",
        "headers": following.headers,
        "timeout": timeout,
    }


class _Body:
    """What is read of an answer: at most what the largest of ours has."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._body = bytearray()

    def take(self, chunk: bytes) -> None:
        self._body += chunk
        if len(self._body) > MAX_BYTES:
            raise QuantumLayerError(f"the answer has more than {MAX_BYTES} bytes")

    @property
    def answer(self) -> Answer:
        return Answer(self._response, bytes(self._body))


class QuantumLayer:
    """A gateway. What is sent is sent again, for up to `patience_s` seconds, while it can't be answered."""

    def __init__(self, url: str, *, patience_s: float = PATIENCE_S) -> None:
        self._http = httpx.Client(**_options(url))
        self._patience_s = patience_s
        self.calls = Calls(patience_s)
        self.capsule = Capsules(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def submit(self, prompt: str, *, idempotency_key: str = "", **wishes: Unpack[Wishes]) -> Workflow:
        """Submit a prompt; from then on it is never lost. Without a key of yours, one is made for this call."""
        return self.run(self.calls.submit(prompt, wishes, idempotency_key))

    def workflow(self, id: str) -> Workflow:
        """How it stands, with its drops."""
        return self.run(self.calls.workflow(id))

    def wait(self, id: str, *, timeout: float = WAIT_S) -> Workflow:
        """How it ended. Raises `TimedOut`; the workflow goes on then."""
        return self.run(self.calls.wait(id, timeout))

    def cancel(self, id: str, *, reason: str = "") -> Workflow:
        """End it."""
        return self.run(self.calls.cancel(id, reason))

    def fork(
        self, id: str, *, from_stage: str, dry_run: bool = False, idempotency_key: str = "", **changes: Unpack[Changes]
    ) -> Fork:
        """Begin a new workflow from a stage of this one, which stays as it is; `Changes` says what may be otherwise."""
        return self.run(self.calls.fork(id, from_stage, changes, dry_run, idempotency_key))

    def drops(self, id: str) -> tuple[Drop, ...]:
        """Every drop, superseded ones and those of stages of your own too."""
        return self.run(self.calls.drops(id))

    def artifact(self, sha256: str) -> bytes:
        """What a stage wrote, checked."""
        return self.run(self.calls.artifact(sha256))

    def put_artifact(self, body: bytes) -> Artifact:
        """Send an artifact before the drop that names it."""
        return self.run(self.calls.put_artifact(body))

    def add_drop(self, id: str, drop: Json, *, traceparent: str = "") -> Drop:
        """Add a drop of a stage of your own; `quantumlayer.stages` does it for you."""
        return self.run(self.calls.add_drop(id, drop, traceparent))

    def events(self, id: str, *, after: str = "") -> Iterator[Event]:
        """Every event once, in order: those that were, then those that come, until the workflow ends.

        `after` is the `position` of the last one you have seen.
        """
        following = Following(after, self._patience_s)
        while not following.over:
            try:
                with httpx_sse.connect_sse(self._http, **_following(id, following)) as source:
                    body = source.response.read() if source.response.status_code >= 400 else b""
                    following.opened(Answer(source.response, body))
                    for said in source.iter_sse():
                        if event := following.heard(said):
                            yield event
                pause = following.closed()
            except (httpx.TransportError, Problem) as error:
                pause = following.cut(error)
            time.sleep(pause)

    def run(self, steps: Steps[T]) -> T:
        """Carry out a call of calls.py."""
        try:
            step = next(steps)
            while True:
                try:
                    done = self._done(step)
                except httpx.TransportError as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(done)
        except StopIteration as stop:
            found: T = stop.value
            return found

    def _done(self, step: Send | Pause) -> Answer | None:
        if isinstance(step, Pause):
            time.sleep(step.seconds)
            return None
        with self._http.stream(**_request(step)) as response:
            body = _Body(response)
            for chunk in response.iter_bytes():
                body.take(chunk)
        return body.answer


class Capsules:
    """Finished packages."""

    def __init__(self, client: QuantumLayer) -> None:
        self._client = client

    def download(self, id: str, to: str | Path, *, verify: bool = True) -> Capsule:
        """Write the archive to the file (or into the folder) `to`, whole or not at all.

        With `verify` every byte in it is checked against its manifest, without a network; raises `BadCapsule`.
        """
        body, promised = self._client.run(self._client.calls.capsule(id))
        return keep(id, body, promised, Path(to), verify=verify)


class AsyncQuantumLayer:
    """A gateway. What is sent is sent again, for up to `patience_s` seconds, while it can't be answered."""

    def __init__(self, url: str, *, patience_s: float = PATIENCE_S) -> None:
        self._http = httpx.AsyncClient(**_options(url))
        self._patience_s = patience_s
        self.calls = Calls(patience_s)
        self.capsule = AsyncCapsules(self)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def submit(self, prompt: str, *, idempotency_key: str = "", **wishes: Unpack[Wishes]) -> Workflow:
        """Submit a prompt; from then on it is never lost. Without a key of yours, one is made for this call."""
        return await self.run(self.calls.submit(prompt, wishes, idempotency_key))

    async def workflow(self, id: str) -> Workflow:
        """How it stands, with its drops."""
        return await self.run(self.calls.workflow(id))

    async def wait(self, id: str, *, timeout: float = WAIT_S) -> Workflow:  # noqa: ASYNC109  the synchronous twin's word
        """How it ended. Raises `TimedOut`; the workflow goes on then."""
        return await self.run(self.calls.wait(id, timeout))

    async def cancel(self, id: str, *, reason: str = "") -> Workflow:
        """End it."""
        return await self.run(self.calls.cancel(id, reason))

    async def fork(
        self, id: str, *, from_stage: str, dry_run: bool = False, idempotency_key: str = "", **changes: Unpack[Changes]
    ) -> Fork:
        """Begin a new workflow from a stage of this one, which stays as it is; `Changes` says what may be otherwise."""
        return await self.run(self.calls.fork(id, from_stage, changes, dry_run, idempotency_key))

    async def drops(self, id: str) -> tuple[Drop, ...]:
        """Every drop, superseded ones and those of stages of your own too."""
        return await self.run(self.calls.drops(id))

    async def artifact(self, sha256: str) -> bytes:
        """What a stage wrote, checked."""
        return await self.run(self.calls.artifact(sha256))

    async def put_artifact(self, body: bytes) -> Artifact:
        """Send an artifact before the drop that names it."""
        return await self.run(self.calls.put_artifact(body))

    async def add_drop(self, id: str, drop: Json, *, traceparent: str = "") -> Drop:
        """Add a drop of a stage of your own; `quantumlayer.stages` does it for you."""
        return await self.run(self.calls.add_drop(id, drop, traceparent))

    async def events(self, id: str, *, after: str = "") -> AsyncIterator[Event]:
        """Every event once, in order: those that were, then those that come, until the workflow ends.

        `after` is the `position` of the last one you have seen.
        """
        following = Following(after, self._patience_s)
        while not following.over:
            try:
                async with httpx_sse.aconnect_sse(self._http, **_following(id, following)) as source:
                    body = await source.response.aread() if source.response.status_code >= 400 else b""
                    following.opened(Answer(source.response, body))
                    async for said in source.aiter_sse():
                        if event := following.heard(said):
                            yield event
                pause = following.closed()
            except (httpx.TransportError, Problem) as error:
                pause = following.cut(error)
            await asyncio.sleep(pause)

    async def run(self, steps: Steps[T]) -> T:
        """Carry out a call of calls.py."""
        try:
            step = next(steps)
            while True:
                try:
                    done = await self._done(step)
                except httpx.TransportError as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(done)
        except StopIteration as stop:
            found: T = stop.value
            return found

    async def _done(self, step: Send | Pause) -> Answer | None:
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
            return None
        async with self._http.stream(**_request(step)) as response:
            body = _Body(response)
            async for chunk in response.aiter_bytes():
                body.take(chunk)
        return body.answer


class AsyncCapsules:
    """Finished packages."""

    def __init__(self, client: AsyncQuantumLayer) -> None:
        self._client = client

    async def download(self, id: str, to: str | Path, *, verify: bool = True) -> Capsule:
        """Write the archive to the file (or into the folder) `to`, whole or not at all.

        With `verify` every byte in it is checked against its manifest, without a network; raises `BadCapsule`.
        """
        body, promised = await self._client.run(self._client.calls.capsule(id))
        return await asyncio.to_thread(keep, id, body, promised, Path(to), verify=verify)
