"""python -m deploy.health NAME...: is a process connected to the servers that the settings NAME (QL_NATS_URL, …) hold?

For containers whose process listens on nothing: it looks at the open connections of process 1 (or --pid), so it needs
no password and no library, and costs the process nothing. With --publish it also asks whether NATS takes events: one
whose disk was full takes none until it is started again, and says that it is well.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

ESTABLISHED = "01"


def main() -> int:
    """0 if it is connected to each; 1 and the missing names on stderr."""
    parser = argparse.ArgumentParser(prog="python -m deploy.health", description=__doc__)
    parser.add_argument("settings", nargs="+", metavar="NAME")
    parser.add_argument("--pid", type=int, default=1)
    parser.add_argument("--publish", action="store_true", help="publish to the event stream of QL_NATS_URL too")
    asked = parser.parse_args()
    ports = connected_ports(asked.pid)
    missing = [name for name in asked.settings if urlsplit(os.environ[name]).port not in ports]
    if missing:
        sys.stderr.write(f"not connected: {', '.join(missing)}\n")
    if missing or not asked.publish:
        return 1 if missing else 0
    from deploy.local.accepting import accepts

    if not asyncio.run(accepts(os.environ["QL_NATS_URL"])):
        sys.stderr.write("NATS takes no events; start it again once its disk has room\n")
        return 1
    return 0


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
