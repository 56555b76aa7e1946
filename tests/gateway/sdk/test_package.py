"""The SDK as others get it: a wheel of its own, which needs little and imports less."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

SDK = Path(__file__).parents[3] / "gateway" / "sdk"
NEEDED = {"httpx", "httpx_sse", "httpcore", "h11", "anyio", "idna", "certifi", "sniffio", "typing_extensions"}
"""What it depends on, with what that depends on."""
LOADED = """
import importlib.abc, json, sys
before = set(sys.modules)
class Only(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in {*sys.stdlib_module_names, "quantumlayer", *sys.argv[2].split()}:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Only())
exec(sys.argv[1])
new = {name.partition(".")[0] for name in set(sys.modules) - before}
print(json.dumps(sorted(new - set(sys.stdlib_module_names))))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, since a build leaves things behind."""
    folder = tmp_path_factory.mktemp("sdk")
    shutil.copytree(SDK, folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=folder / "src", check=True, capture_output=True, timeout=60)
    (made,) = folder.glob("*.whl")
    return made


def loaded(wheel: Path, program: str, allowed: set[str]) -> set[str]:
    """What the program has imported from outside the standard library, where nothing but `allowed` is there."""
    path = f"import sys; sys.path.insert(0, {str(wheel)!r})\n"
    argv = [sys.executable, "-I", "-c", path + LOADED, program, " ".join(allowed)]
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    return set(json.loads(ended.stdout))


def test_the_wheel_holds_the_package_alone_and_names_what_it_needs(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = [name for name in names if name.endswith(".dist-info/METADATA")]
        told = Parser().parsestr(archive.read(metadata).decode())
    folder = metadata.partition("/")[0]
    assert {name.partition("/")[0] for name in names} == {"quantumlayer", folder}
    assert "quantumlayer/py.typed" in names
    assert {need.split(">")[0] for need in told.get_all("Requires-Dist", [])} == {"httpx", "httpx-sse", "nats-py"}
    assert [need for need in told.get_all("Requires-Dist", []) if "nats-py" in need and "extra" not in need] == []


def test_it_imports_nothing_until_a_client_is_wanted(wheel: Path) -> None:
    assert loaded(wheel, "import quantumlayer as q; q.webhooks.verify, q.check_capsule", set()) == {"quantumlayer"}


def test_a_client_needs_what_the_wheel_names(wheel: Path) -> None:
    found = loaded(wheel, "from quantumlayer import *; AsyncQuantumLayer('http://127.0.0.1:9')", NEEDED)
    assert {"httpx", "httpx_sse"} <= found <= NEEDED | {"quantumlayer"}


def test_the_stage_kit_needs_nats_beside_it(wheel: Path) -> None:
    found = loaded(wheel, "import quantumlayer.stages", NEEDED | {"nats"})
    assert {"nats"} <= found <= NEEDED | {"quantumlayer", "nats"}
