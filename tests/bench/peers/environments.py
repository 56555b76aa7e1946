"""A peer's environment: a venv from its pinned requirements, its server from npm or Debian; kept for the next run.

`<peer>.txt` is what `uv pip compile --no-header --no-annotate --python-version 3.11 <peer>.in` made of what is asked.
Nothing of it goes into the repository or our venv. What can't be had is told in a sentence, and the peer skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from deploy.local.paths import data_home, make_folder

HERE = Path(__file__).parent
RESTATE = "@restatedev/restate-server@1.7.12"
REDIS = (
    "redis-server",
    "redis-tools",
    "libjemalloc2",
    "liblua5.1-0",
    "liblzf1",
    "libhiredis0.14",
    "lua-cjson",
    "lua-bitop",
)
COMPLETE = "complete"


class Unavailable(Exception):
    """The peer can't be installed or started here; the message is the row's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Where a peer's programs are."""

    name: str
    folder: Path

    @property
    def python(self) -> Path:
        """The peer's own Python."""
        return self.folder / "venv" / "bin" / "python"

    def program(self, name: str) -> str:
        """A console script of the peer."""
        return str(self.python.parent / name)

    @property
    def complete(self) -> bool:
        """Installed by an earlier run, from the same pins."""
        return (self.folder / COMPLETE).is_file()


def environment(name: str) -> Environment:
    """The peer's place; other pins have another place."""
    pins = (HERE / f"{name}.txt").read_bytes() + sys.version.encode() + RESTATE.encode()
    return Environment(name=name, folder=data_home() / "peers" / f"{name}-{sha256(pins).hexdigest()[:12]}")


def install(env: Environment, until: float) -> None:
    """Make the environment if it is not there yet; raises `Unavailable`, also when it is not done `until` then."""
    if env.complete:
        return
    shutil.rmtree(env.folder, ignore_errors=True)
    make_folder(env.folder)
    _run([sys.executable, "-m", "venv", "--without-pip", str(env.folder / "venv")], until)
    uv = [str(Path(sys.executable).parent / "uv"), "--system-certs", "--quiet", "pip", "install"]
    _run([*uv, "--python", str(env.python), "--requirement", str(HERE / f"{env.name}.txt")], until)
    if env.name == "restate":
        npm = ["npm", "install", "--ignore-scripts", "--no-package-lock", "--prefix", str(env.folder)]
        _run([*npm, RESTATE], until)
    if env.name == "celery" and shutil.which("redis-server") is None:
        _debian(env.folder / "debian", until)
    (env.folder / COMPLETE).touch()


def restate_server(env: Environment) -> str:
    """The server's binary, as npm unpacked it."""
    found = sorted((env.folder / "node_modules" / "@restatedev").glob("restate-server-*/**/restate-server"))
    if not found:
        raise Unavailable("npm gave no restate-server for this platform")
    return str(found[0])


def redis_server(env: Environment) -> tuple[str, dict[str, str]]:
    """The server's binary and the environment that it needs."""
    if installed := shutil.which("redis-server"):
        return installed, dict(os.environ)
    root = env.folder / "debian" / "usr"
    libraries = sorted({str(path.parent) for path in (root / "lib").rglob("*.so*")})
    # Debian's redis-server is a link to redis-check-rdb, which is the same binary under another name.
    return str(root / "bin" / "redis-server"), os.environ | {"LD_LIBRARY_PATH": ":".join(libraries)}


def _debian(folder: Path, until: float) -> None:
    """Debian's packages, unpacked without installing them."""
    packages = make_folder(folder / "packages", 0o777)
    for name in REDIS:
        try:
            _run(["apt-get", "download", name], until, packages)
        except Unavailable:
            if name.startswith("redis"):  # the libraries' names differ from release to release
                raise
    for package in packages.glob("*.deb"):
        _run(["dpkg-deb", "-x", str(package), str(folder)], until)


def _run(command: list[str], until: float, cwd: Path | None = None) -> None:
    left = max(0.1, until - time.monotonic())
    try:
        ended = subprocess.run(command, cwd=cwd, capture_output=True, timeout=left, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{Path(command[0]).name}: {error}") from None
    if ended.returncode:
        raise Unavailable(f"{Path(command[0]).name} {command[1]}: {_last(ended.stderr)}")


def _last(output: bytes) -> str:
    return (output.decode(errors="replace").strip().splitlines() or ["it failed and said nothing"])[-1][:200]
