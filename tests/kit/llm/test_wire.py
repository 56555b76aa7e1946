"""What goes over the bus to a router is read, of older versions too, and nothing else is."""

from __future__ import annotations

import msgspec
import pytest

from workers.kit.llm.wire import ByReference, Question, read_asked


def test_a_question_of_a_version_that_knew_no_reference_is_read() -> None:
    asked = {"tenant": "default", "workflow": "w", "stage": "s", "revision": 1, "task": "t", "messages": []}
    read = read_asked(msgspec.json.encode(asked))
    assert isinstance(read, Question)
    assert read.stage == "s"


def test_a_reference_is_read() -> None:
    at = ByReference(key="k", sha256="0" * 64, length=1)
    assert read_asked(msgspec.json.encode(at)) == at


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"type":"answer","text":""}', b'{"type":"reference","key":1}'])
def test_anything_else_is_refused(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        read_asked(body)
