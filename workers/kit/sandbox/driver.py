"""Runs inside the sandbox, as its first process, from the source text of this file: only the standard library here.

Reads the plan (files, commands, what to collect) from one socket, runs the commands one after the other, and writes
what happened to the same socket as frames: four bytes of length, JSON with the `sizes` of the blobs, the blobs.
"""

# ruff: noqa: PTH103, PTH118, PTH120, PTH123 - this runs at every start: importing pathlib costs more than it says
from __future__ import annotations

import ctypes
import json
import os
import resource
import selectors
import signal
import stat
import subprocess
import sys
import time
from typing import IO, Any

_PR_SET_DUMPABLE = 4
_TICK = 0.05


def main(fd: int) -> None:
    # Else a command could open our socket through /proc, or write into our memory, and speak in our name.
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    os.set_inheritable(fd, False)
    with os.fdopen(fd, "rb", closefd=False) as source, os.fdopen(fd, "wb", closefd=False) as sink:
        plan = json.loads(_exactly(source, int.from_bytes(_exactly(source, 4), "big")))
        _lay_out(plan, source)
        resource.setrlimit(resource.RLIMIT_NPROC, (plan["processes"], plan["processes"]))
        _send(sink, {"kind": "ready"})
        deadline = time.monotonic() + plan["wall_s"]
        for command in plan["commands"]:
            result, output = _execute(command, plan, min(deadline, time.monotonic() + command["wall_s"]))
            _send(sink, {"kind": "command", **result}, *output)
            if command["required"] and result["exit"] != 0:
                break
        for name in plan["collect"]:
            body = _collected(os.path.join(plan["work"], name), plan["collect_bytes"])
            if body is not None:
                _send(sink, {"kind": "file", "name": name}, body)
        _send(sink, {"kind": "end"})


def _exactly(source: IO[bytes], count: int) -> bytes:
    body = source.read(count)
    if len(body) != count:
        raise SystemExit("the plan was cut off")
    return body


def _send(sink: IO[bytes], header: dict[str, Any], *blobs: bytes) -> None:
    head = json.dumps({**header, "sizes": [len(blob) for blob in blobs]}).encode()
    sink.write(b"".join([len(head).to_bytes(4, "big"), head, *blobs]))
    sink.flush()


def _lay_out(plan: dict[str, Any], source: IO[bytes]) -> None:
    os.makedirs(plan["work"])
    os.makedirs(plan["env"]["HOME"])
    for name, size in plan["files"]:
        path = os.path.join(plan["work"], name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "xb") as file:
            file.write(_exactly(source, size))


def _execute(command: dict[str, Any], plan: dict[str, Any], deadline: float) -> tuple[dict[str, Any], list[bytes]]:
    spent = _cpu_s()
    try:
        process = subprocess.Popen(
            command["argv"],
            cwd=plan["work"],
            env=plan["env"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        return {"exit": 127, "reason": "exited"}, [b"", f"{command['argv'][0]}: {error.strerror}".encode()]
    output, reason = _follow(process, deadline, plan["output_bytes"])
    status = process.wait()
    if not reason and status >= 0:
        return {"exit": status, "reason": "exited"}, output
    if not reason:
        over = status == -signal.SIGXCPU or _cpu_s() - spent >= plan["cpu_s"]
        reason = "cpu time" if over else "signal"
    return {"exit": None, "reason": reason}, output


def _follow(process: subprocess.Popen[bytes], deadline: float, limit: int) -> tuple[list[bytes], str]:
    """The output, and the limit that was met ('' for none). Nothing that the command started is left running."""
    kept: list[list[bytes]] = [[], []]
    total, reason = 0, ""
    with selectors.DefaultSelector() as selector:
        for place, pipe in enumerate((process.stdout, process.stderr)):
            assert pipe is not None  # noqa: S101 - both are pipes, asked for above
            os.set_blocking(pipe.fileno(), False)
            selector.register(pipe, selectors.EVENT_READ, place)
        ended = False
        while selector.get_map():
            ready = selector.select(_TICK)
            for key, _ in ready:
                chunk = os.read(key.fd, 1 << 16)
                if not chunk:
                    selector.unregister(key.fileobj)
                kept[key.data].append(chunk[: max(0, limit - total)])
                total += len(chunk)
            if not reason and total > limit:
                reason = "output"
            if not reason and not ended and time.monotonic() > deadline:
                reason = "wall time"
            if reason or (not ended and process.poll() is not None):
                ended = True
                _kill_all()
    reason = reason or _outwait(process, deadline)
    _kill_all()
    return [b"".join(chunks) for chunks in kept], reason


def _outwait(process: subprocess.Popen[bytes], deadline: float) -> str:
    """For a command that closed its output and runs on."""
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return "wall time"
    return ""


def _kill_all() -> None:
    """Everything in this process namespace but its first process and us; a fork can't slip through."""
    try:
        os.kill(-1, signal.SIGKILL)
    except ProcessLookupError:
        return


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _collected(path: str, limit: int) -> bytes | None:
    """A regular file of at most `limit` bytes. It was left by hostile code: no link, no FIFO to wait for."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return None
        body = file.read(limit + 1)
    return body if len(body) <= limit else None


if __name__ == "__main__":
    main(int(sys.argv[1]))
