"""Exit statuses and the one error type of the command line."""

from __future__ import annotations

OK, FAILED, USAGE, GATES, TIMEOUT, INTERRUPTED = 0, 1, 2, 3, 5, 130


class CliError(Exception):
    """Ends the command with `status`; the message is what the person reads, `code` what a script may match."""

    def __init__(self, message: str, status: int = FAILED, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
