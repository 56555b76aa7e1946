"""What makes two submissions the same, and which ones no store could hold."""

from __future__ import annotations

from hashlib import sha256

import msgspec

from contracts.artifacts import Submission
from contracts.subjects import token

from .drops import NewWorkflow


def body_sha256(submission: Submission) -> bytes:
    """Of the submission: the same Idempotency-Key must come with the same."""
    return sha256(msgspec.json.encode(submission)).digest()


def checked(new: NewWorkflow) -> None:
    """Raises ValueError for what can't stand in a subject or in a text column."""
    token(new.tenant)
    token(new.id)
    for text in (new.submission.prompt, new.submission.language, new.idempotency_key):
        if "\0" in text:
            raise ValueError("a submission can't hold a NUL character")
        text.encode()
