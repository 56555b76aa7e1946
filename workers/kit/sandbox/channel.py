"""The talk with the driver: the plan goes in, frames come out. What comes out was made beside hostile code."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from workers.kit.ports import Command, Limits

from .profile import ENVIRONMENT, WORK

MAX_COLLECT_BYTES = 16 << 20
_MAX_HEADER_BYTES = 64 << 10


class Frame(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One message of the driver; `sizes` are those of the blobs behind it."""

    kind: Literal["ready", "command", "file", "end"]
    sizes: tuple[int, ...]
    exit: int | None = None
    reason: str = ""
    name: str = ""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """All that the driver is told; the files' bytes follow it in the same order."""

    files: Sequence[tuple[str, int]]
    commands: Sequence[Command]
    collect: Sequence[str]
    processes: int
    output_bytes: int
    cpu_s: int
    wall_s: float
    collect_bytes: int = MAX_COLLECT_BYTES
    work: str = WORK
    env: Mapping[str, str] = msgspec.field(default_factory=lambda: ENVIRONMENT)


class BrokenChannel(Exception):
    """The driver is gone, or something else spoke in its place."""


async def send_plan(
    writer: asyncio.StreamWriter,
    files: Sequence[tuple[str, bytes]],
    commands: Sequence[Command],
    collect: Sequence[str],
    limits: Limits,
) -> None:
    """A driver that dies meanwhile is noticed by whoever reads."""
    plan = msgspec.json.encode(
        Plan(
            files=[(name, len(body)) for name, body in files],
            commands=commands,
            collect=collect,
            processes=limits.processes,
            output_bytes=limits.output_bytes,
            cpu_s=limits.cpu_s,
            wall_s=limits.wall_s,
        )
    )
    try:
        for body in (len(plan).to_bytes(4, "big"), plan, *(body for _, body in files)):
            writer.write(body)
            await writer.drain()
    except ConnectionError:
        return


async def next_frame(reader: asyncio.StreamReader, *, blob_bytes: int) -> tuple[Frame, list[bytes]]:
    """The next frame and its blobs, together at most `blob_bytes`; `BrokenChannel` for anything else."""
    try:
        length = int.from_bytes(await reader.readexactly(4), "big")
        if length > _MAX_HEADER_BYTES:
            raise BrokenChannel("a header is too long")
        frame = msgspec.json.decode(await reader.readexactly(length), type=Frame)
        if len(frame.sizes) > 2 or min(frame.sizes, default=0) < 0 or sum(frame.sizes) > blob_bytes:
            raise BrokenChannel("a frame is too large")
        return frame, [await reader.readexactly(size) for size in frame.sizes]
    except (asyncio.IncompleteReadError, ConnectionError, msgspec.DecodeError) as error:
        raise BrokenChannel(str(error)) from error
