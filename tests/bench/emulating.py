"""A router process whose models are emulated in it: `python -m tests.bench.emulating ANSWERS SECONDS TOLD`.

It is the product's router with its ledger, books and health, but for what reaches providers: litellm and HTTP. No limit
is set: a call under one begins by itself, and costs more. An answer comes after so many seconds, by task from a JSON
file. The questions that were asked are written when it ends.
"""

from __future__ import annotations

import asyncio
import cProfile
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from hashlib import sha256
from pathlib import Path

import msgspec

from observability import telemetry
from workers.kit import loop
from workers.kit.llm.wire import Question
from workers.kit.settings import Settings, load
from workers.llm_router.models import Model
from workers.llm_router.reach import Reach, reach
from workers.llm_router.said import Completion, CutOff, Facts, Failed, Said, Tell, Vectors
from workers.llm_router.serving import serving

CHARS_A_TOKEN = 4
FACTS = Facts(cost_in=1e-6, cost_out=4e-6, context=200_000, most_out=16_000)


class Emulated:
    """A `Provider` that takes its time, and remembers what it was asked."""

    def __init__(self, answers: Mapping[str, str], seconds: float) -> None:
        self.asked: list[str] = []
        self._answers = answers
        self._seconds = seconds

    def facts(self, model: Model) -> Facts:
        return FACTS

    async def complete(self, model: Model, question: Question, tell: Tell | None, *, last: bool) -> Said:
        words = "\0".join(message.content for message in question.messages)
        self.asked.append(sha256(words.encode()).hexdigest())
        tokens_in = len(words) // CHARS_A_TOKEN
        try:
            await asyncio.sleep(self._seconds)
        except asyncio.CancelledError:
            left = Failed(kind="fault", error="it was cut off", tokens_in=tokens_in, cost=FACTS.cost_in * tokens_in)
            raise CutOff(left) from None
        text = self._answers[question.task]
        tokens_out = len(text) // CHARS_A_TOKEN
        cost = FACTS.cost_in * tokens_in + FACTS.cost_out * tokens_out
        return Completion(text=text, tokens_in=tokens_in, tokens_out=tokens_out, cost=cost)

    async def embed(self, model: Model, texts: Sequence[str]) -> Vectors | Failed:
        return Failed(kind="rejected", error="it makes no embeddings")


async def _serve(settings: Settings, reached: Reach, emulated: Emulated) -> None:
    async with serving(settings, reached, lambda *_: emulated) as application:
        loop.collect_seldom()
        await application.run()


def main() -> int:
    """Serve until a signal. With BENCH_PROFILE=<file> it writes what cProfile saw when it ends."""
    answers, seconds, told = sys.argv[1:]
    settings = load()
    emulated = Emulated(msgspec.json.decode(Path(answers).read_bytes(), type=dict[str, str]), float(seconds))
    profile = os.environ.get("BENCH_PROFILE", "")
    profiler = cProfile.Profile() if profile else None
    close = telemetry.setup("llm_router", log_level=settings.log_level, otlp_url=settings.otlp_url)
    try:
        with profiler or nullcontext():
            loop.run(_serve(settings, reach(settings, os.environ), emulated))
    finally:
        close()
        if profiler is not None:
            profiler.dump_stats(f"{profile}.{os.getpid()}")
    with Path(told).open("a") as file:
        file.writelines(f"{question}\n" for question in emulated.asked)
    return 0


if __name__ == "__main__":
    sys.exit(main())
