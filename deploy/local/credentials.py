"""The stack's secrets: made at random at the first start, kept in one file that only its owner may read."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import msgspec

from deploy.local.errors import StackError

FILE = "credentials.json"
ROLES = ("ql_owner", "ql_worker", "ql_gateway")
ADMIN = "ql_admin"


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """Hexadecimal throughout, so that they need no quoting in a URL, a configuration file or SQL."""

    nats_user: str
    nats_password: str
    s3_access: str
    s3_secret: str
    s3_internal: str
    database: dict[str, str]


def credentials(data: Path) -> Credentials:
    file = data / FILE
    try:
        if file.exists():
            return msgspec.json.decode(file.read_bytes(), type=Credentials)
        # Everything in these folders was made with the secrets of the file that is gone.
        orphaned = [name for name in ("postgres", "nats", "s3") if (data / name).exists()]
        if orphaned:
            raise StackError(f"{file} is gone, but data made with it is in {data}: put it back or remove the folder.")
        made = _random()
        _write(file, msgspec.json.encode(made))
    except OSError as error:
        raise StackError(f"The secrets' file {file} can't be used: {error.strerror}.") from None
    except msgspec.DecodeError as error:
        raise StackError(f"The secrets' file {file} can't be read: {error}.") from None
    return made


def _random() -> Credentials:
    return Credentials(
        nats_user="ql" + secrets.token_hex(4),
        nats_password=secrets.token_hex(24),
        s3_access="QL" + secrets.token_hex(9).upper(),
        s3_secret=secrets.token_hex(24),
        s3_internal=secrets.token_hex(32),
        database={role: secrets.token_hex(24) for role in (ADMIN, *ROLES)},
    )


def _write(file: Path, content: bytes) -> None:
    part = file.with_suffix(".part")
    part.unlink(missing_ok=True)
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    part.rename(file)


def write_private(file: Path, text: str) -> Path:
    """A server's configuration with secrets in it, written anew at each start."""
    try:
        _write(file, text.encode())
    except OSError as error:
        raise StackError(f"The file {file} can't be written: {error.strerror}.") from None
    return file
