"""What a person asked for; the input of the first stage."""

from __future__ import annotations

import msgspec


class Submission(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The prompt as it was sent (1 to 65,536 characters) and the language wanted."""

    prompt: str
    language: str = "python"
