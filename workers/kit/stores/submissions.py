"""What makes two submissions the same, and which ones no store could hold."""

from __future__ import annotations

from hashlib import sha256
from math import inf

import msgspec

from contracts.subjects import token

from .drops import NewWorkflow


def body_sha256(new: NewWorkflow) -> bytes:
    """Of what was submitted: the same Idempotency-Key must come with the same."""
    budget = b"" if new.budget is None else msgspec.json.encode(new.budget)
    wished = b"" if new.wished_s is None else b" in " + msgspec.json.encode(new.wished_s)
    return sha256(msgspec.json.encode(new.submission) + budget + wished).digest()


def checked(new: NewWorkflow) -> None:
    """Raises ValueError for what can't stand in a subject or in a text column."""
    token(new.tenant)
    token(new.id)
    for text in (new.submission.prompt, new.submission.language, new.idempotency_key):
        if "\0" in text:
            raise ValueError("a submission can't hold a NUL character")
        text.encode()
    if new.budget is not None and not 0 <= new.budget < inf:
        raise ValueError(f"a budget of {new.budget} USD is none")
