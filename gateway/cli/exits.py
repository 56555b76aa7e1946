"""Exit statuses and the one error type of the command line."""

from __future__ import annotations

OK, FAILED, USAGE, GATES, TIMEOUT, INTERRUPTED = 0, 1, 2, 3, 5, 130


class CliError(Exception):
    """Ends the command with `status`; the message is what the person reads, `code` what a script may match.

    `told`: the command has written its JSON document; a second one would make stdout unreadable.
    """

    def __init__(self, message: str, status: int = FAILED, code: str = "", *, told: bool = False) -> None:
        super().__init__(message)
        self.told = told
        self.status = status
        self.code = code
