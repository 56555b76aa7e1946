"""python -m tests.documents: Spectral and the AsyncAPI parser find nothing in the gateway's documents; else 1."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from contracts.generate import json_documents
from gateway.app import create_app
from tests.documents.node import FOLDER, NODE, environment, installed
from workers.kit.settings import Settings

SPECTRAL = Path("node_modules/@stoplight/spectral-cli/dist/index.js")


def main() -> int:
    """Judge them all; the worst exit status."""
    packages = installed()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "node_modules").symlink_to(packages / "node_modules")
        for own in (*FOLDER.glob("*.yaml"), *FOLDER.glob("*.mjs")):
            shutil.copy(own, folder)
        openapi = msgspec.json.format(msgspec.json.encode(create_app(Settings()).openapi()), indent=1)
        (folder / "openapi.json").write_bytes(openapi)
        (folder / "asyncapi.json").write_bytes(json_documents()["asyncapi.json"])
        judged = [
            _spectral(folder, "openapi"),
            _spectral(folder, "asyncapi"),
            _run(folder, "asyncapi.mjs", "asyncapi.json"),
        ]
    return max(judged)


def _spectral(folder: Path, name: str) -> int:
    ruleset = ("--ruleset", f"{name}.spectral.yaml")
    return _run(folder, str(SPECTRAL), "lint", f"{name}.json", *ruleset, "--fail-severity", "hint", "--quiet")


def _run(folder: Path, *argv: str) -> int:
    return subprocess.run([NODE, *argv], cwd=folder, env=environment(), check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
