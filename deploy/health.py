"""python -m deploy.health NAME...: does a process live, connected to the servers that the settings NAME hold?

For containers: it looks at the open connections of process 1 (or --pid) to QL_NATS_URL, … and, where QL_HEALTH_PORT is
set, asks the process's own /livez. With --publish it also asks whether NATS takes events: one whose disk was full takes
none until it is started again, and says that it is well.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

ESTABLISHED = "01"
ANSWER_S = 6.0
"""Longer than a process looks at itself for its answer."""


def main() -> int:
    """0 if all is well; 1 and what is not on stderr."""
    parser = argparse.ArgumentParser(prog="python -m deploy.health", description=__doc__)
    parser.add_argument("settings", nargs="+", metavar="NAME")
    parser.add_argument("--pid", type=int, default=1)
    parser.add_argument("--publish", action="store_true", help="publish to the event stream of QL_NATS_URL too")
    asked = parser.parse_args()
    wrong = _unconnected(asked.settings, asked.pid) or _not_live(os.environ)
    if not wrong and asked.publish:
        from deploy.local.accepting import accepts

        if not asyncio.run(accepts(os.environ["QL_NATS_URL"])):
            wrong = "NATS takes no events; start it again once its disk has room"
    if wrong:
        sys.stderr.write(f"{wrong}\n")
    return 1 if wrong else 0


def _unconnected(settings: Sequence[str], pid: int) -> str:
    ports = connected_ports(pid)
    missing = [name for name in settings if urlsplit(os.environ[name]).port not in ports]
    return f"not connected: {', '.join(missing)}" if missing else ""


def _not_live(environ: Mapping[str, str]) -> str:
    """A connection stays open though nobody works at the other end any more."""
    port = int(environ.get("QL_HEALTH_PORT", "0"))
    if not port:
        return ""
    door = HTTPConnection(environ.get("QL_HEALTH_HOST", "127.0.0.1"), port, timeout=ANSWER_S)
    try:
        door.request("GET", "/livez")
        answer = door.getresponse()
        said = answer.read().decode(errors="replace").strip()
    except (OSError, HTTPException) as error:
        return f"not live: {error!r}"
    finally:
        door.close()
    return "" if answer.status == 200 else f"not live: {said}"


def connected_ports(pid: int) -> set[int]:
    """The remote ports of the process's own established connections."""
    process = Path("/proc") / str(pid)
    own = {_target(link) for link in (process / "fd").iterdir()}
    rows = [row.split() for name in ("tcp", "tcp6") for row in _rows(process / "net" / name)]
    return {int(row[2].rpartition(":")[2], 16) for row in rows if row[3] == ESTABLISHED and f"socket:[{row[9]}]" in own}


def _rows(file: Path) -> list[str]:
    return file.read_text(encoding="ascii").splitlines()[1:] if file.exists() else []


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:  # closed since it was listed
        return ""


if __name__ == "__main__":
    sys.exit(main())
