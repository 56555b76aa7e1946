"""The command line that starts the driver in a bubblewrap sandbox: profile D of the trust notes.

Nothing of the host is visible but /usr (read-only), the interpreter, uv and one folder of wheels; nothing is writable
but three sized tmpfs; there is no network, no capability, no environment, no new namespace, and no uid of the host.
"""

from __future__ import annotations

import os
import shutil
from functools import cache
from pathlib import Path
from subprocess import run

import msgspec

from workers.kit.ports import Limits, NotAvailable

from . import seccomp
from .runtime import PYTHON, Runtime

WORK, VENV, WHEELS = "/w/project", "/w/venv", "/wheels"
INTERPRETER = f"/python/bin/{PYTHON}"
WRITABLE = ("/w", "/tmp", "/dev/shm")  # noqa: S108 - inside the sandbox, each a tmpfs of its own
_TMP_BYTES, _SHM_BYTES = 64 << 20, 64 << 20
_OPEN_FILES = 1024
# Address space is not memory: uv and node reserve far more than they touch. What they touch is watched.
_RESERVED = 4
_SEARCH = "/usr/bin:/bin:/usr/sbin:/sbin"

ENVIRONMENT = {
    "PATH": f"{VENV}/bin:/tools:/python/bin:/usr/bin:/bin",
    "HOME": "/w/home",
    "TMPDIR": "/tmp",  # noqa: S108
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "PYTHONHASHSEED": "0",
    "VIRTUAL_ENV": VENV,
    "UV_CACHE_DIR": "/w/cache",  # the same tmpfs as the environment, so that installing is linking
    "UV_OFFLINE": "1",
    "UV_NO_CONFIG": "1",
    "UV_NO_PROGRESS": "1",
    "UV_PYTHON_DOWNLOADS": "never",
}
_MADE_UP = {
    "/etc/passwd": b"sandbox:x:1000:1000::/w/home:/bin/sh\n",
    "/etc/group": b"sandbox:x:1000:\n",
    "/etc/hosts": b"127.0.0.1 localhost\n::1 localhost\n",
}


class Tools(msgspec.Struct, frozen=True, kw_only=True):
    """What has to be on the host; `setpriv` only where we are root."""

    bwrap: str
    prlimit: str
    setpriv: str
    filter: bytes
    no_userns: bool


def tools() -> Tools | NotAvailable:
    """Looked up at each run: bubblewrap may be installed while we are up."""
    found = {name: shutil.which(name, path=_SEARCH) for name in ("bwrap", "prlimit", "setpriv")}
    if found["bwrap"] is None:
        return NotAvailable(reason="bubblewrap is not installed: there is no `bwrap` (apt-get install bubblewrap)")
    for name in ("prlimit", "setpriv"):
        if found[name] is None:
            return NotAvailable(reason=f"util-linux is not installed: there is no `{name}`")
    known = run([found["bwrap"], "--help"], capture_output=True, text=True, check=False, env={}).stdout
    if "--size" not in known:
        return NotAvailable(reason="bubblewrap is too old: it can't limit the size of a tmpfs (0.7 can)")
    program = seccomp.program()
    if program is None:
        return NotAvailable(reason="there is no system call filter for this machine's architecture")
    return Tools(
        bwrap=str(found["bwrap"]),
        prlimit=str(found["prlimit"]),
        setpriv=str(found["setpriv"]),
        filter=program,
        no_userns="--disable-userns" in known,
    )


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """One start: the command line and the descriptors it names, which the caller closes."""

    argv: tuple[str, ...]
    descriptors: tuple[int, ...]


def launch(found: Tools, runtime: Runtime, limits: Limits, *, uid: int, wheels: Path | None, channel: int) -> Launch:
    """`uid` is who to be where we are root."""
    descriptors = [_memory_file(found.filter), *(_memory_file(body) for body in _MADE_UP.values())]
    made_up = [
        arg for fd, path in zip(descriptors[1:], _MADE_UP, strict=True) for arg in ("--ro-bind-data", str(fd), path)
    ]
    argv = [
        *(_drop_root(found.setpriv, uid) if os.geteuid() == 0 else ()),
        *_limited(found.prlimit, limits),
        *(found.bwrap, "--unshare-user", "--unshare-all", *(("--disable-userns",) if found.no_userns else ())),
        *("--uid", "1000", "--gid", "1000", "--hostname", "sandbox", "--cap-drop", "ALL"),
        *("--clearenv", "--die-with-parent", "--new-session"),
        *_system(),
        *made_up,
        *("--proc", "/proc", "--dev", "/dev"),
        *("--size", str(_SHM_BYTES), "--tmpfs", "/dev/shm"),  # noqa: S108
        *("--perms", "1777", "--size", str(_TMP_BYTES), "--tmpfs", "/tmp"),  # noqa: S108
        *("--size", str(limits.workspace_bytes), "--tmpfs", "/w"),
        *("--ro-bind", str(runtime.tools), "/tools"),
        *_interpreter(runtime),
        *(("--ro-bind", str(wheels), WHEELS) if wheels else ("--dir", WHEELS)),
        *("--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/w", "--seccomp", str(descriptors[0])),
        *("--", INTERPRETER, "-I", "-S", "-B", "-c", _driver(), str(channel)),
    ]
    return Launch(argv=tuple(argv), descriptors=tuple(descriptors))


def _drop_root(setpriv: str, uid: int) -> tuple[str, ...]:
    # bwrap leaves uid 0 its capabilities, and with them the host: never start it as root.
    if uid <= 0:
        raise ValueError("a sandbox needs a uid that is not root's")
    return (setpriv, f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--no-new-privs", "--")


def _limited(prlimit: str, limits: Limits) -> tuple[str, ...]:
    # One second between the two CPU limits, so that the signal names the cause.
    args = [
        f"--cpu={limits.cpu_s}:{limits.cpu_s + 1}", f"--as={limits.memory_bytes * _RESERVED}",
        f"--fsize={limits.file_bytes}", f"--nofile={_OPEN_FILES}", "--core=0",
    ]  # fmt: skip
    if os.geteuid() == 0:  # another user's own processes would count; the driver limits what is inside
        args.append(f"--nproc={limits.processes + 8}")
    return (prlimit, *args, "--")


def _system() -> list[str]:
    args = ["--ro-bind", "/usr", "/usr"]
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        path = Path("/", name)
        if path.is_symlink():
            args += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            args += ["--ro-bind", str(path), str(path)]
    for name in ("ld.so.cache", "alternatives"):
        args += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    return args


def _interpreter(runtime: Runtime) -> list[str]:
    if runtime.python is None:
        return ["--symlink", str(runtime.prefix), "/python"]
    # The link is for the library path that was built into the interpreter.
    return ["--ro-bind", str(runtime.python), "/python", "--symlink", "/python", str(runtime.prefix)]


@cache
def _driver() -> str:
    return Path(__file__).with_name("driver.py").read_text()


def _memory_file(body: bytes) -> int:
    """A fresh one for each start: bwrap reads it to its end."""
    fd = os.memfd_create("sandbox", os.MFD_CLOEXEC)
    os.write(fd, body)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
