"""What comes out of a sandbox is read as if hostile code had written it."""

from __future__ import annotations

import asyncio

import pytest

from workers.kit.sandbox.channel import BrokenChannel, next_frame


def framed(header: bytes, body: bytes = b"") -> bytes:
    return len(header).to_bytes(4, "big") + header + body


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"\0\0",
        b"\xff\xff\xff\xff",
        framed(b"not json"),
        framed(b'{"kind":"else","sizes":[]}'),
        framed(b'{"kind":"end","sizes":[],"more":1}'),
        framed(b'{"kind":"end","sizes":"x"}'),
        framed(b'{"kind":"file","sizes":[-1]}'),
        framed(b'{"kind":"file","sizes":[101]}', b"x" * 101),
        framed(b'{"kind":"command","sizes":[60,60]}', b"x" * 120),
        framed(b'{"kind":"command","sizes":[1,1,1]}', b"xxx"),
        framed(b'{"kind":"file","sizes":[5]}', b"cut"),
        framed(b"[" * 60_000),
    ],
)
async def test_anything_else_than_a_frame_breaks_the_channel(sent: bytes) -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(sent)
    reader.feed_eof()
    with pytest.raises(BrokenChannel):
        await next_frame(reader, blob_bytes=100)


async def test_a_frame_brings_its_blobs() -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(framed(b'{"kind":"command","exit":0,"reason":"exited","sizes":[2,3]}', b"abcde"))
    frame, blobs = await next_frame(reader, blob_bytes=100)
    assert (frame.kind, frame.exit, blobs) == ("command", 0, [b"ab", b"cde"])
