"""A disk in a file: filled to the last byte, or cut off the power with what the servers on it have really written."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.lock import is_alive
from deploy.local.paths import make_folder

CHUNK = bytes(1 << 20)
GONE_S = 10.0


class NoDisk(Exception):
    """This machine lets us mount none; the message says why."""


class Disk:
    """An ext4 file system in `<folder>/<name>.img`, mounted at `<folder>/<name>`."""

    def __init__(self, folder: Path, name: str, mib: int) -> None:
        self.at = make_folder(folder / name)
        self._image = folder / f"{name}.img"
        self._cut = folder / f"{name}.cut"
        self._filler = self.at / "filler"
        with self._image.open("wb") as image:
            image.truncate(mib << 20)
        _run("mkfs.ext4", "-q", "-F", "-m", "0", str(self._image))
        self._mount()

    def _mount(self) -> None:
        _run("mount", "-o", "loop,nosuid,nodev", str(self._image), str(self.at))

    def take(self, folder: Path) -> None:
        """Move the folder here; a link stays in its place."""
        _run("cp", "-a", str(folder), str(self.at))
        shutil.rmtree(folder)
        folder.symlink_to(self.at / folder.name)
        self.sync()

    def sync(self) -> None:
        """As the kernel does by itself, later: what was written is on the disk."""
        _run("sync", "--file-system", str(self.at))

    def fill(self) -> None:
        """Not a byte is left."""
        with self._filler.open("ab", buffering=0) as filler:
            for chunk in (CHUNK, CHUNK[:4096], CHUNK[:1]):
                with contextlib.suppress(OSError):
                    while filler.write(chunk):
                        pass

    def make_room(self) -> None:
        """What `fill` took is free again."""
        self._filler.unlink(missing_ok=True)

    def freeze(self, writers: set[int]) -> None:
        """The moment of the power cut: nobody writes any more."""
        for pid in writers:
            _signal(pid, signal.SIGSTOP)

    def keep(self) -> None:
        """Remember what had reached the disk at that moment."""
        _run("cp", "--sparse=always", str(self._image), str(self._cut))

    def restore(self, writers: set[int]) -> None:
        """The power comes back: the writers are dead, and there is what was kept."""
        for pid in writers:
            _signal(pid, signal.SIGKILL)
        _wait_for_the_end(writers)
        _run("umount", str(self.at))
        self._cut.rename(self._image)
        self._mount()

    def close(self) -> None:
        """Nothing is left; whoever still has a file open keeps it to himself."""
        subprocess.run(["umount", "--lazy", str(self.at)], check=False, capture_output=True)
        self._image.unlink(missing_ok=True)


@contextmanager
def disk(folder: Path, name: str, mib: int) -> Iterator[Disk]:
    """For the block."""
    made = Disk(folder, name, mib)
    try:
        yield made
    finally:
        made.close()


def require(folder: Path) -> None:
    """Make a first small disk, and take it away; raises `NoDisk`. Where this went well, later failures are faults."""
    try:
        with disk(folder, "first", 8) as first:
            first.sync()
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        raise NoDisk(f"no loop-mounted disk on this machine: {error}") from error


@contextmanager
def workshop(home: Path) -> Iterator[Path]:
    """A folder for disks and what is on them; what killed runs left is taken away first."""
    for left in home.glob("disks-*"):
        if not is_alive(int(left.name.removeprefix("disks-"))):
            _clear(left)
    folder = make_folder(home / f"disks-{os.getpid()}")
    try:
        yield folder
    finally:
        _clear(folder)


def _clear(folder: Path) -> None:
    mounts = [Path(line.split()[1]) for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    for mount in mounts:
        if folder in mount.parents:
            subprocess.run(["umount", "--lazy", str(mount)], check=False, capture_output=True)
    shutil.rmtree(folder, ignore_errors=True)


def _run(*argv: str) -> None:
    ended = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=120)
    if ended.returncode:
        said = ended.stderr.strip().splitlines() or ["it said nothing"]
        raise RuntimeError(f"{argv[0]} failed: {said[-1]}")


def _signal(pid: int, name: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, name)


def _wait_for_the_end(pids: set[int]) -> None:
    until = time.monotonic() + GONE_S
    while any(is_alive(pid) for pid in pids):
        if time.monotonic() > until:
            raise TimeoutError(f"processes {sorted(pids)} do not end")
        time.sleep(0.01)
