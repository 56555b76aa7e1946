"""NATS credentials of other systems: an account each in a file that the server's configuration includes.

An account of its own, because a permission alone is not enough: whoever may ask a durable for its next message may
name any subject for the answer, and the server would publish there in our account. In another one the answer stays.
"""

from __future__ import annotations

import contextlib
import fcntl
import secrets
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from contracts import subscriptions
from contracts.subjects import STREAM, token
from deploy.local.credentials import write_private
from deploy.local.errors import StackError

FILE = "tenants.json"
PID_FILE = "server.pid"
"""Beside the file, in the embedded server's folder."""
API = "$JS.QL.API"
"""JetStream's subjects as an account sees them (`domain="QL"` in the clients): under its own name, `$JS.API`, each
account hears first that it has no JetStream."""
_COST = "$2b$05$"
"""Enough for a password of 192 random bits: what bcrypt slows down is guessing."""
_ALPHABET = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """What a credential is called on the server, and which durables it reads."""

    user: str
    tenant: str
    name: str
    durables: tuple[str, ...]


def issue(file: Path, tenant: str, name: str, reads: tuple[str, ...] = ()) -> tuple[Credential, str]:
    """A new credential for the durables of these names (its own name's when none), and its password."""
    user = subscriptions.durable(tenant, name)
    durables = tuple(subscriptions.durable(tenant, each) for each in dict.fromkeys(reads or (name,)))
    password = secrets.token_hex(24)
    with _held(file) as accounts:
        if user in accounts:
            raise StackError(f"There is a credential {name!r} already; revoke it first.")
        accounts[user] = _account(tenant, user, durables, _hashed(password))
    return Credential(user=user, tenant=tenant, name=name, durables=durables), password


def revoke(file: Path, tenant: str, name: str) -> bool:
    """Whether there was such a credential; now there is none."""
    with _held(file) as accounts:
        return accounts.pop(subscriptions.durable(tenant, name), None) is not None


def listed(file: Path, tenant: str) -> list[Credential]:
    """The tenant's credentials by name."""
    return [
        Credential(user=user, tenant=tenant, name=name, durables=_durables(account))
        for user, account in sorted(_read(file).items())
        if (name := subscriptions.name_of(user, tenant))
    ]


def prepare(file: Path) -> None:
    """The file is there: a server does not start without what it includes."""
    if not file.exists():
        write_private(file, "{}\n")


def _account(tenant: str, user: str, durables: tuple[str, ...], password: str) -> dict[str, Any]:
    """As nats-server reads it, whose configuration language includes JSON."""
    calls = [f"CONSUMER.{call}.{STREAM}.{durable}" for durable in durables for call in ("MSG.NEXT", "INFO")]
    acks = [f"$JS.ACK.{STREAM}.{durable}.>" for durable in durables]
    results = f"ql.res.{token(tenant)}.>"
    return {
        "users": [
            {
                "user": user,
                "password": password,
                "permissions": {
                    "publish": {"allow": [*(f"{API}.{call}" for call in calls), *acks]},
                    "subscribe": {"allow": [results, f"_INBOX_{user}.>"]},
                },
            }
        ],
        "imports": [
            *({"service": {"account": "QL", "subject": f"$JS.API.{call}"}, "to": f"{API}.{call}"} for call in calls),
            *({"service": {"account": "QL", "subject": ack}} for ack in acks),
            {"stream": {"account": "QL", "subject": results}},
        ],
    }


def _durables(account: dict[str, Any]) -> tuple[str, ...]:
    named = (entry.get("service", {}).get("subject", "") for entry in account["imports"])
    return tuple(subject.split(".")[3] for subject in named if subject.startswith("$JS.ACK."))


def _hashed(password: str) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # gone from Python 3.13, which we don't run on
        import crypt
    salt = "".join(secrets.choice(_ALPHABET) for _ in range(21)) + "."
    made: str | None = crypt.crypt(password, _COST + salt)
    if made is None or not made.startswith(_COST):
        raise StackError(
            "This system's crypt(3) does not know bcrypt, which NATS needs; issue the credential on Linux."
        )
    return made


@contextlib.contextmanager
def _held(file: Path) -> Iterator[dict[str, Any]]:
    """The accounts, to be changed by one at a time and written if nothing is raised."""
    try:
        with file.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            accounts = _read(file)
            mode = file.stat().st_mode if file.exists() else 0o600  # a server in a container has another user
            yield accounts
            write_private(file, msgspec.json.format(msgspec.json.encode(accounts)).decode() + "\n").chmod(mode)
    except OSError as error:
        raise StackError(f"The file of credentials {file} can't be written: {error.strerror}.") from None


def _read(file: Path) -> dict[str, Any]:
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as error:
        raise StackError(f"The file of credentials {file} can't be read: {error}.") from None
