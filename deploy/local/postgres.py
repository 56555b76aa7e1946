"""PostgreSQL 18: loopback TCP with scram only, one database, the three roles of the first migration.

As root it runs as POSTGRES_UID, which nobody else uses and which needs no entry in the user database.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path

from deploy.local.credentials import ADMIN, ROLES, Credentials
from deploy.local.errors import StackError
from deploy.local.lock import is_alive
from deploy.local.part import Place
from deploy.local.paths import make_folder, tool
from deploy.local.postgres_program import programs
from deploy.local.server import Command, Server, start, unprivileged

POSTGRES_UID = 55_432
DATABASE = "quantumlayer"
HOST_RULES = "host all all 127.0.0.1/32 scram-sha-256\n"
SETTINGS = (
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=200",
    "fsync=on",
    "synchronous_commit=on",
    "timezone=UTC",
    "log_timezone=UTC",
)
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"}


async def start_postgres(place: Place, ports: Sequence[int]) -> Server:
    """Sets the data up where there is none."""
    folder = place.folder
    binaries = await asyncio.to_thread(programs)
    uid = POSTGRES_UID if os.geteuid() == 0 else None
    if uid is not None:
        _check_reachable(folder.parent, uid)
    if not folder.exists():
        await _create(folder, binaries, place.secrets, place.lock)
    _forget_stranger(folder / "postmaster.pid")
    await _end_orphans(folder)
    (port,) = ports
    settings = [word for setting in (*SETTINGS, f"port={port}") for word in ("-c", setting)]
    command = Command(
        name="PostgreSQL",
        argv=(str(binaries / "postgres"), "-D", str(folder), *settings),
        cwd=Path("/"),
        log=place.logs / "postgres.log",
        env=ENVIRONMENT,
        uid=uid,
        stop=signal.SIGINT,  # fast: SIGTERM would wait for every client to leave
        orphaned=signal.SIGINT,
        patience_s=10.0,
        inherit=(place.lock,),
    )
    return await start(command, lambda server: _accepts(folder / "postmaster.pid", server))


async def _create(folder: Path, binaries: Path, secrets: Credentials, lock: int) -> None:
    """Whole or not at all: a start that was killed here leaves only a folder that the next one throws away."""
    part = folder.with_name(folder.name + ".part")
    account = _account()
    try:
        shutil.rmtree(part, ignore_errors=True)
        make_folder(part, 0o700)
        if account is not None:
            os.chown(part, account, account)
        options = ("--auth=reject", "--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8")
        await _run((str(binaries / "initdb"), "-D", str(part), "-U", ADMIN, *options), account, lock)
        await _run(_single_user(binaries, part), account, lock, _bootstrap(secrets))
        if account is not None:
            _give(part, POSTGRES_UID)
        _overwrite(part / "pg_hba.conf", HOST_RULES)
        part.rename(folder)
    except OSError as error:
        raise StackError(f"PostgreSQL's data can't be made in {folder}: {error.strerror}.") from None


def _account() -> int | None:
    """initdb insists on a uid with a name: as root it runs as `nobody`, and what it made is given away after it."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("nobody").pw_uid
    except KeyError:
        raise StackError("PostgreSQL can't be set up as root without the account 'nobody'; add it.") from None


def _single_user(binaries: Path, folder: Path) -> tuple[str, ...]:
    quiet = ("-c", "exit_on_error=on", "-c", "log_min_error_statement=panic")
    return (str(binaries / "postgres"), "--single", "-j", "-D", str(folder), *quiet, "postgres")


def _bootstrap(secrets: Credentials) -> bytes:
    """Before the server has ever listened, so that there is no moment without passwords."""
    login = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS PASSWORD"
    statements = [
        f"ALTER ROLE {ADMIN} PASSWORD '{secrets.database[ADMIN]}'",
        *(f"CREATE ROLE {role} {login} '{secrets.database[role]}'" for role in ROLES),
        f"CREATE DATABASE {DATABASE} OWNER ql_owner",
    ]
    return "".join(f"{statement};\n\n" for statement in statements).encode()


async def _run(argv: tuple[str, ...], uid: int | None, lock: int, stdin: bytes = b"") -> None:
    who = unprivileged(uid) if uid is not None else ()
    process = await asyncio.create_subprocess_exec(
        *(tool("setpriv", "util-linux"), "--no-new-privs", *who, "--pdeathsig=KILL", "--", *argv),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd="/",
        env=ENVIRONMENT,
        pass_fds=(lock,),
    )
    said, _ = await process.communicate(stdin)
    if process.returncode != 0:
        last = " | ".join(said.decode("utf-8", "replace").splitlines()[-6:])
        raise StackError(f"{Path(argv[0]).name} failed with code {process.returncode}: {last}")


def _overwrite(file: Path, text: str) -> None:
    """No link is followed: until a moment ago the folder was another user's, and we may be root."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW), "w", encoding="utf-8") as out:
        out.write(text)


def _give(folder: Path, uid: int) -> None:
    """The folder first: from then on its old owner can't enter it."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, uid, uid, follow_symlinks=False)


def _check_reachable(folder: Path, uid: int) -> None:
    for parent in (folder, *folder.parents):
        state = parent.stat()
        if state.st_uid != uid and not state.st_mode & 0o001:
            raise StackError(
                f"PostgreSQL runs as uid {uid} and can't enter {parent}; choose a data folder that others may enter."
            )


def _forget_stranger(file: Path) -> None:
    """PostgreSQL clears a dead predecessor's file itself, but stops at one whose pid another program has now."""
    try:
        pid = int(file.read_text(encoding="utf-8").split("\n", 1)[0])
    except (OSError, ValueError):
        return
    if is_alive(pid) and _read(Path(f"/proc/{pid}/comm")) != "postgres":
        file.unlink(missing_ok=True)


async def _end_orphans(folder: Path) -> None:
    """A killed server's own processes hold its memory until they notice, which a busy one does late."""
    while orphans := [pid for pid in _postgres_processes() if _works_in(pid, folder)]:
        for pid in orphans:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(0.02)


def _postgres_processes() -> list[int]:
    names = ((int(file.parent.name), file) for file in Path("/proc").glob("[0-9]*/comm"))
    return [pid for pid, file in names if _read(file) == "postgres" and is_alive(pid)]


def _works_in(pid: int, folder: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").samefile(folder)
    except OSError:  # another user's, or gone
        return False


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


async def _accepts(file: Path, server: Server) -> bool:
    """The server writes `ready` into its pid file when it lets clients in; this is what pg_ctl waits for too."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    return len(lines) > 7 and lines[0] == str(server.process.pid) and lines[7].strip() == "ready"
