"""ql deadletter …: what no stage can use, and what to do with it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from gateway.cli import connect, output
from gateway.cli.client import Client, Json
from gateway.cli.exits import FAILED, USAGE, CliError
from gateway.cli.listing import listed

MOST = 200
MAX_BYTES = 1 << 16


def list_(limit: int, as_json: bool) -> None:
    """Print the newest dead letters."""
    columns = {
        "LETTER": "{id}",
        "KIND": "{kind}",
        "STAGE": "{stage}",
        "WORKFLOW": "{workflow}",
        "CREATED": "{created_at:.19}",
        "REASON": "{reason}",
    }
    listed("/v1/deadletters", columns, as_json, limit=limit)


def show(letter: str, as_json: bool) -> None:
    """Print one with its message."""
    with Client(connect.known_gateway()) as client:
        found = client.get(f"/v1/deadletters/{letter}")
    if as_json:
        output.as_json(found)
        return
    lines = [
        f"{found['id']}  {found['kind']}  created {found['created_at'][:19]}",
        f"reason:   {found['reason']}",
        f"stage:    {found['stage']}",
        f"workflow: {found['workflow']}",
        f"subject:  {found['subject']}",
        f"headers:  {found['headers']}",
        f"body:     {found['size']} bytes kept, sha256 of what came {found['sha256']}, shown as {found['encoding']}",
        found["body"],
        "",
        *_how_on(found),
    ]
    sys.stdout.writelines(output.plain(line) + "\n" for line in lines)


def _how_on(found: Json) -> list[str]:
    if found["kind"] == "work":
        return [f"to resume its workflow:  ql deadletter resend {found['id']}"]
    return [
        f"to put another body in its place:  ql deadletter edit {found['id']} --body FILE",
        f"to have it read again:             ql deadletter resend {found['id']}",
        f"to forget it:                      ql deadletter drop {found['id']}",
    ]


def edit(letter: str, body: str) -> None:
    """Put the content of the file `body` (- for standard input) in the place of the message's body."""
    raw = _read(body)
    with Client(connect.known_gateway()) as client:
        found = client.put(f"/v1/deadletters/{letter}/body", raw)
    sys.stdout.write(f"{found['id']}  {found['size']} bytes\n")
    sys.stderr.write(f"have it read again: ql deadletter resend {letter}\n")


def _read(body: str) -> bytes:
    try:
        if body == "-":
            raw = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with Path(body).open("rb") as file:
                raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise CliError(f"{body} can't be read: {error.strerror}", USAGE, "body") from error
    if len(raw) > MAX_BYTES:
        raise CliError(f"a message's body has at most {MAX_BYTES} bytes", USAGE, "body")
    return raw


def resend(letter: str, every: bool, stage: str = "") -> None:
    """Let the work go on, for one or for every letter (of a stage)."""
    _each(letter, every, stage, "sent again", lambda client, id_: client.post(f"/v1/deadletters/{id_}/resend"))


def drop(letter: str, every: bool, yes: bool, stage: str = "") -> None:
    """Forget one letter, or every letter (of a stage); the latter only after a yes: nothing brings them back."""
    if (every or stage) and not letter and not yes:
        which, how = (f"every dead letter of {stage}", "--stage") if stage else ("every dead letter", "--all")
        raise CliError(f"this forgets {which} for good; if you mean it, say {how} --yes", USAGE, "usage")
    _each(letter, every, stage, "dropped", lambda client, id_: client.delete(f"/v1/deadletters/{id_}"))


def _each(letter: str, every: bool, stage: str, done: str, act: Callable[[Client, str], object]) -> None:
    every = every or bool(stage)
    if every == bool(letter):
        raise CliError("name one dead letter, or all of them with --all, or those of a --stage", USAGE, "usage")
    with Client(connect.known_gateway()) as client:
        if letter:
            act(client, letter)
            sys.stderr.write(f"{done}: {letter}\n")
            return
        letters = list(_ids(client, stage))
        refused = sum(not _did(act, client, id_) for id_ in letters)
    sys.stderr.write(f"{done}: {len(letters) - refused} of {len(letters)}\n")
    if refused:
        raise CliError(f"{refused} of {len(letters)} dead letters stay; the reasons are above", FAILED, "refused")


def _did(act: Callable[[Client, str], object], client: Client, letter: str) -> bool:
    try:
        act(client, letter)
    except CliError as error:
        if error.code == "unreachable":
            raise
        sys.stderr.write(output.plain(f"{letter}: {error}") + "\n")
        return False
    return True


def _ids(client: Client, stage: str) -> Iterator[str]:
    cursor = ""
    while True:
        page = client.get("/v1/deadletters", limit=MOST, cursor=cursor)
        yield from (row["id"] for row in page["items"] if stage in {"", row["stage"]})
        if not page["next"]:
            return
        cursor = page["next"]
