"""Where a prompt comes from: the argument itself, a file, or standard input."""

from __future__ import annotations

import sys
from pathlib import Path

from gateway.cli.exits import USAGE, CliError

MAX_BYTES = 1 << 18


def read(argument: str) -> str:
    """The prompt's text; raises `CliError` for what is no text, empty or far too long."""
    raw = _raw(argument)
    if len(raw) > MAX_BYTES:
        raise CliError(f"the prompt has {len(raw)} bytes; at most 65,536 characters are taken", USAGE, "prompt")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise CliError("the prompt is no UTF-8 text", USAGE, "prompt") from None
    if not text.strip():
        raise CliError("the prompt is empty: say in a sentence or more what to build", USAGE, "prompt")
    return text


def _raw(argument: str) -> bytes:
    if argument == "-":
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    if not argument.startswith("@"):
        return argument.encode("utf-8", "surrogateescape")
    try:
        with Path(argument[1:]).open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise CliError(f"{argument[1:]} can't be read: {error.strerror}", USAGE, "prompt") from error
