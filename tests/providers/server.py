"""The provider: `async with Provider() as fake` in a test, or `python -m tests.providers` as a process of its own."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import struct
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import msgspec

from tests.providers.answers import Answers, question_sha
from tests.providers.http import JSON, Connection, Request, Response
from tests.providers.makers import ANTHROPIC, AZURE, OPENAI, wire
from tests.providers.plan import Fault, Faults, Plan, plan
from tests.providers.wires import CHARS_A_TOKEN, Asked, BadRequest, Told, Wire

KEY = "sk-test-0123456789abcdef"
HUGE = 10 * 1024 * 1024
DIMENSIONS = 64
PIECES = 24
"""A streamed answer comes in about so many pieces."""
ANSWERED = "answered"


class Speed(msgspec.Struct, frozen=True, kw_only=True):
    """How fast the model is: seconds to the first token, then tokens a second (0: at once)."""

    first_s: float = 0.0
    tokens_per_s: float = 0.0

    def of(self, tokens: int) -> float:
        """Seconds that so many tokens take after the first."""
        return tokens / self.tokens_per_s if self.tokens_per_s else 0.0


class Call(msgspec.Struct, kw_only=True):
    """A request as the provider saw it. `outcome` is `answered` only when all of a right answer was written.

    Others: `asked` (being worked on), the name of a fault, `gone` (the caller hung up), `unauthorized`, `bad request`,
    `too large` (for the model's window).
    """

    at: float
    wire: str
    model: str
    question: str
    stream: bool = False
    schema: bool = False
    outcome: str = "asked"
    took: float = 0.0


class Provider:
    """A server on loopback for one API key; what was asked of it is in `calls`.

    `windows` are the tokens that a model takes, where it has a limit.
    """

    def __init__(
        self,
        planned: Plan | str = "",
        *,
        answers: Answers | None = None,
        key: str = KEY,
        speed: Speed | None = None,
        echo: bool = False,
        models: Sequence[str] = ("gpt-test", "claude-test"),
        windows: Mapping[str, int] | None = None,
        log: Path | None = None,
        port: int = 0,
    ) -> None:
        self.calls: list[Call] = []
        self.key = key
        self._answers = answers or Answers()
        self._speed = speed or Speed()
        self._echo = echo
        self._models = tuple(models)
        self._windows = windows or {}
        self._port = port
        self._log = log
        self._open: set[Connection] = set()
        self.plan(planned)

    def plan(self, planned: Plan | str) -> None:
        """Faults from now on."""
        self._faults = Faults(planned if isinstance(planned, Plan) else plan(planned))

    @property
    def url(self) -> str:
        """The api_base of Azure, Anthropic, Ollama and Bedrock; `makers` tells the paths of the others."""
        return f"http://127.0.0.1:{self._port}"

    def answered(self) -> dict[str, int]:
        """How often each distinct question was answered rightly."""
        counts: dict[str, int] = {}
        for call in self.calls:
            if call.outcome == ANSWERED:
                counts[call.question] = counts.get(call.question, 0) + 1
        return counts

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(self._handled, self._open), "127.0.0.1", self._port, backlog=2048
        )
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for connection in list(self._open):
            connection.close()
        await self._server.wait_closed()

    async def _handled(self, request: Request, response: Response) -> None:
        if request.method == "POST" and (maker := wire(request.path)):
            await self._complete(maker, request, response)
        elif request.path.endswith("/embeddings"):
            await self._guarded(self._embed, request, response)
        elif request.path == "/v1/models":
            await self._guarded(self._listed, request, response)
        elif request.path == "/_calls":
            response.whole(200, msgspec.json.encode(self.calls))
        elif request.path == "/_plan":
            self.plan(request.body.decode())
            response.whole(200, b"{}")
        else:
            response.whole(404, msgspec.json.encode(OPENAI.error(404, f"no {request.method} {request.path}")))

    async def _complete(self, maker: Wire, request: Request, response: Response) -> None:
        call = Call(at=time.time(), wire=maker.name, model="", question="")
        self.calls.append(call)
        began = time.perf_counter()
        try:
            await self._answer(maker, request, response, call)
        except BadRequest as error:
            call.outcome = "bad request"
            response.whole(400, msgspec.json.encode(maker.error(400, str(error))))
        except asyncio.CancelledError:
            call.outcome = "gone"
            raise
        finally:
            call.took = time.perf_counter() - began
            if self._log:
                with self._log.open("ab") as log:
                    log.write(msgspec.json.encode(call) + b"\n")

    async def _answer(self, maker: Wire, request: Request, response: Response, call: Call) -> None:
        if self.key and not maker.admits(request, self.key):
            call.outcome = "unauthorized"
            response.whole(maker.denied, msgspec.json.encode(maker.error(maker.denied)))
            return
        asked = maker.asked(request)
        call.model, call.question, call.stream = asked.model, question_sha(asked.turns), asked.stream
        call.schema = asked.schema
        size, window = _size(asked), self._windows.get(asked.model, 0)
        if 0 < window < size:
            call.outcome = "too large"
            response.whole(400, msgspec.json.encode(maker.too_large(size, window)))
            return
        met = self._faults.next(asked.model, call.question)
        if met.status != 200:
            call.outcome = met.kind
            more = {"retry-after": f"{met.seconds or 0:g}"} if met.status == 429 or met.seconds is not None else {}
            said = f"refused: Authorization: Bearer {maker.key(request)}" if self._echo else ""
            response.whole(met.status, msgspec.json.encode(maker.error(met.status, said)), more)
            return
        if met.kind == "hang":
            call.outcome = "hang"
            await asyncio.sleep(met.seconds or 3600)
            await response.cut()
            return
        told = _told(asked, await self._answers.to(asked.turns, call.question), met, call.question)
        if self._echo and met.kind in ("wrong_json", "wrong_schema", "prose"):
            told = replace(told, text=f"{told.text} {maker.key(request)}")
        await asyncio.sleep(self._speed.first_s)
        if asked.stream:
            await self._stream(maker, asked, told, met, response)
        else:
            await asyncio.sleep(self._speed.of(told.tokens_out))
            await _whole(msgspec.json.encode(maker.body(told)), met, response)
        call.outcome = ANSWERED if met.kind in ("ok", "drip", "no_usage") else met.kind

    async def _stream(self, maker: Wire, asked: Asked, told: Told, met: Fault, response: Response) -> None:
        response.head(200, maker.streams, None)
        pieces = _pieces(told.text)
        pause = self._speed.of(told.tokens_out) + (_drip(met) if met.kind == "drip" else 0.0)
        for at, event in enumerate(maker.events(told, pieces, usage=asked.streamed_usage)):
            if at:
                await asyncio.sleep(pause / len(pieces))
            if met.kind == "cut" and at >= len(pieces) // 2:
                await response.cut()
                return
            if met.kind == "eof" and at >= len(pieces) // 2:
                break
            await response.chunk(event)
        response.end()

    async def _guarded(
        self, reply: Callable[[dict[str, Any]], Awaitable[object]], request: Request, response: Response
    ) -> None:
        if self.key not in ("", OPENAI.key(request), AZURE.key(request), ANTHROPIC.key(request)):
            response.whole(401, msgspec.json.encode(OPENAI.error(401)))
            return
        document = msgspec.json.decode(request.body, type=dict[str, Any]) if request.body else {}
        met = self._faults.next(str(document.get("model", "")), hashlib.sha256(request.body).hexdigest())
        if met.status != 200:
            response.whole(met.status, msgspec.json.encode(OPENAI.error(met.status)))
            return
        if met.kind == "hang":
            await asyncio.sleep(met.seconds or 3600)
        response.whole(200, msgspec.json.encode(await reply(document)))

    async def _listed(self, _: dict[str, Any]) -> object:
        models = [{"id": name, "object": "model", "created": 0, "owned_by": "test"} for name in self._models]
        return {"object": "list", "data": models}

    async def _embed(self, document: dict[str, Any]) -> object:
        given = document.get("input", "")
        texts = [given] if isinstance(given, str) else [str(text) for text in given]
        vectors = [embedded(text, int(document.get("dimensions") or DIMENSIONS)) for text in texts]
        coded: list[object] = list(vectors)
        if document.get("encoding_format") == "base64":
            coded = [base64.b64encode(struct.pack(f"<{len(one)}f", *one)).decode() for one in vectors]
        data = [{"object": "embedding", "index": at, "embedding": one} for at, one in enumerate(coded)]
        tokens = sum(map(_tokens, texts))
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return {"object": "list", "model": document.get("model"), "data": data, "usage": usage}


def _tokens(text: str) -> int:
    return -(-len(text) // CHARS_A_TOKEN)


def _size(asked: Asked) -> int:
    return sum(_tokens(turn) + 4 for _, turn in asked.turns)


def _told(asked: Asked, text: str, met: Fault, question: str) -> Told:
    text = _spoilt(text, met)
    most = (asked.most_tokens or len(text)) * CHARS_A_TOKEN
    cut_off = met.kind == "length" or (len(text) > most and met.kind != "huge")
    if met.kind == "length":
        most = min(most, len(text) // 2)
    said = text[:most] if cut_off else text
    return Told(
        id=question[:24],
        model=asked.model,
        text=said,
        cut_off=cut_off,
        tokens_in=_size(asked),
        tokens_out=_tokens(said),
        usage=met.kind != "no_usage",
        tool=asked.tool,
    )


def _spoilt(text: str, met: Fault) -> str:
    match met.kind:
        case "empty":
            return ""
        case "wrong_json":
            return text.rstrip()[:-1] + ", ]"
        case "wrong_schema":
            return '{"unexpected": [1, 2, 3]}'
        case "prose":
            fenced = f"```json\n{text}\n```" if text.startswith("{") else text
            return f"Sure! Here is what you asked for:\n\n{fenced}\n\nLet me know if you need anything else."
        case "huge":
            return text + " " + "x" * (HUGE - len(text))
        case _:
            return text


def _pieces(text: str) -> list[str]:
    size = max(1, -(-len(text) // PIECES))
    return [text[at : at + size] for at in range(0, len(text), size)] or [""]


def _drip(met: Fault) -> float:
    return met.seconds if met.seconds is not None else 5.0


async def _whole(body: bytes, met: Fault, response: Response) -> None:
    response.head(200, JSON, len(body))
    if met.kind == "cut":
        await response.piece(body[: len(body) // 2])
        await response.cut()
        return
    size = -(-len(body) // PIECES) if met.kind == "drip" else len(body)
    for at in range(0, len(body), size):
        if at:
            await asyncio.sleep(_drip(met) / PIECES)
        await response.piece(body[at : at + size])


def embedded(text: str, dimensions: int) -> list[float]:
    """A unit vector of the text's words: equal texts are equal, texts that share words are near."""
    vector = [0.0] * dimensions
    for word in re.findall(r"\w+", text.lower()):
        digest = hashlib.sha256(word.encode()).digest()
        vector[int.from_bytes(digest[:4], "big") % dimensions] += 1.0 if digest[4] & 1 else -1.0
    length = sum(one * one for one in vector) ** 0.5 or 1.0
    return [one / length for one in vector]
