"""What is laid out in the sandbox and which commands run there."""

from __future__ import annotations

import configparser
import io
from pathlib import Path

from contracts.artifacts import Contract, Lock, SourceTree, TestSuite
from workers.kit.ports import Command, Limits
from workers.kit.sandbox.install import install

FOLDER = ".ql-run"
RESULTS, COVERAGE = f"{FOLDER}/results.jsonl", f"{FOLDER}/coverage.json"
LIMITS = Limits(wall_s=300, cpu_s=240, processes=256)
TESTS_WALL_S = 150
LOCKFILE = "requirements-dev.lock"
_INSIDE = Path(__file__).parent / "inside"


def files(tree: SourceTree, suite: TestSuite, lock: Lock, contract: Contract) -> list[tuple[str, bytes]]:
    """The project as it will be delivered, but for its documents: they are written while it is tested."""
    told = [(file.path, file.text.encode()) for file in (*tree.files, *suite.files)]
    told += [(LOCKFILE, lock.requirements_dev.encode()), (f"{FOLDER}/coverage.ini", _coverage_ini(contract, tree))]
    told += [(f"{FOLDER}/{name}", (_INSIDE / name).read_bytes()) for name in ("run_tests.py", "boot.py")]
    if not any(path.lower() == "readme.md" for path, _ in told):
        told.append(("README.md", f"# {contract.title}\n\n{contract.summary}\n".encode()))
    return told


def commands(suite: TestSuite, contract: Contract) -> tuple[Command, ...]:
    """Install the lock, install the project, test, start; the last two run whatever became of each other."""
    planned = {test.path for test in suite.tests}
    named = (file.path for file in suite.files)
    paths = sorted(path for path in named if path in planned or path.rpartition("/")[2].startswith("test_"))
    build = ("uv", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", ".")
    test = ("python", f"{FOLDER}/run_tests.py", FOLDER, *paths)
    return (
        *install(LOCKFILE),
        Command(argv=build),
        Command(argv=test, required=False, wall_s=TESTS_WALL_S),
        Command(argv=_start(contract), required=False, wall_s=45),
    )


def _start(contract: Contract) -> tuple[str, ...]:
    if contract.run.help:
        return contract.run.help
    if contract.kind == "rest_api":
        plain = [route.path for route in contract.routes if route.method == "GET" and "{" not in route.path]
        return ("python", f"{FOLDER}/boot.py", next(iter(plain), "/"), *contract.run.start)
    return contract.run.start or ("python", "-c", f"import {contract.module}")


def _coverage_ini(contract: Contract, tree: SourceTree) -> bytes:
    root = "src/" if any(file.path.startswith(f"src/{contract.module}/") for file in tree.files) else ""
    ini = configparser.ConfigParser()
    ini["run"] = {
        "source_pkgs": contract.module,
        "data_file": f"{FOLDER}/data/coverage",
        "parallel": "true",
        "relative_files": "true",
        # A command line is often tested by starting it.
        "patch": "subprocess",
    }
    # The same files, imported from the project and from where it was installed.
    ini["paths"] = {"project": f"\n{root}{contract.module}\n*/site-packages/{contract.module}"}
    text = io.StringIO()
    ini.write(text)
    return text.getvalue().encode()
