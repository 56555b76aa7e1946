"""Resolving, downloading and keeping, with the real uv and the real pip."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import time
from pathlib import Path

import pytest

from deploy.local.paths import make_folder
from workers.kit.ports import Command, Resolution, SandboxResult, Unresolvable
from workers.kit.registry import Index, Wheels
from workers.kit.sandbox import Bubblewrap, install
from workers.kit.stage import Permanent, Transient

PYTHON = "3.11"


async def test_a_lock_names_everything_and_says_what_is_shipped(shelf: Path, tmp_path: Path) -> None:
    made = await Index(tmp_path).lock(["soup>=1"], ["spoon"], python=PYTHON)
    assert [(p.name, p.version, p.licence, p.dev, p.direct) for p in made.packages] == [
        ("soup", "2.0", "Apache-2.0", False, True),
        ("spoon", "1.0", "BSD-3-Clause", False, True),
    ]
    for package in made.packages:
        assert hashlib.sha256((shelf / package.wheel).read_bytes()).hexdigest() == package.sha256
        assert package.sha256 in made.requirements_dev


async def test_what_only_tests_need_is_not_shipped(shelf: Path, tmp_path: Path) -> None:
    made = await Index(tmp_path).lock(["spoon"], ["soup"], python=PYTHON)
    assert {package.name: package.dev for package in made.packages} == {"spoon": False, "soup": True}
    assert "soup==" not in made.requirements
    assert "soup==2.0" in made.requirements_dev


async def test_both_locks_hold_the_same_versions(shelf: Path, tmp_path: Path) -> None:
    made = await Index(tmp_path).lock(["soup"], ["soup<2"], python=PYTHON)
    assert "soup==1.0" in made.requirements
    assert made.requirements == made.requirements_dev


async def test_a_lock_says_nothing_of_the_machine(shelf: Path, tmp_path: Path) -> None:
    first = await Index(tmp_path / "one").lock(["soup"], [], python=PYTHON)
    second = await Index(tmp_path / "two").lock(["soup"], [], python=PYTHON)
    assert first == second
    assert str(tmp_path) not in first.requirements
    assert all(
        line.startswith(("soup==2.0", "spoon==1.0", "    --hash=sha256:")) for line in first.requirements.splitlines()
    )


async def test_a_lock_is_kept_whole_in_its_folder(shelf: Path, tmp_path: Path) -> None:
    made = await Index(tmp_path).lock(["soup"], [], python=PYTHON)
    folder = Wheels(tmp_path / "wheelhouse").folder(made.wheels)
    assert sorted(path.name for path in folder.iterdir()) == sorted(package.wheel for package in made.packages)
    for package in made.packages:
        stored = tmp_path / "wheelhouse" / package.sha256[:2] / package.sha256 / package.wheel
        assert stored.samefile(folder / package.wheel)
        assert stored.stat().st_mode & 0o777 == 0o644
    assert not list((tmp_path / "wheelhouse").glob(".new-*"))


@pytest.mark.parametrize(
    ("asked", "culprit", "said"),
    [
        (["soup", "no-such-soup"], "no-such-soup", "no-such-soup was not found"),
        (["soup==9"], "soup", "no version of soup==9"),
        (["soup>=2", "ladle"], "ladle", "unsatisfiable"),
    ],
)
async def test_what_cannot_be_had_is_named(
    shelf: Path, tmp_path: Path, asked: list[str], culprit: str, said: str
) -> None:
    with pytest.raises(Unresolvable, match=said) as refused:
        await Index(tmp_path).lock(asked, [], python=PYTHON)
    assert refused.value.package == culprit


async def test_a_source_package_is_never_built(shelf: Path, tmp_path: Path) -> None:
    source = tmp_path / "evil-1.0"
    source.mkdir()
    trace = tmp_path / "ran"
    (source / "setup.py").write_text(
        f"open({str(trace)!r}, 'w')\nimport setuptools; setuptools.setup(name='evil', version='1.0')\n"
    )
    (source / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n")
    shutil.make_archive(str(shelf / "evil-1.0"), "gztar", tmp_path, "evil-1.0")
    with pytest.raises(Unresolvable) as refused:
        await Index(tmp_path).lock(["evil"], [], python=PYTHON)
    assert refused.value.package == "evil"
    assert not trace.exists()


async def test_a_damaged_wheel_is_noticed_and_fetched_again(shelf: Path, tmp_path: Path) -> None:
    index = Index(tmp_path)
    made = await index.lock(["soup"], [], python=PYTHON)
    victim = Wheels(tmp_path / "wheelhouse").folder(made.wheels) / made.packages[0].wheel
    body = bytearray(victim.read_bytes())
    body[40] ^= 1
    victim.write_bytes(body)
    assert await index.lock(["soup"], [], python=PYTHON) == made
    assert hashlib.sha256(victim.read_bytes()).hexdigest() == made.packages[0].sha256


async def test_an_index_that_swaps_a_file_is_not_believed(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = Index(tmp_path)
    made = await index.lock(["spoon"], [], python=PYTHON)
    shutil.rmtree(tmp_path / "wheelhouse")
    other = tmp_path / "other"
    other.mkdir()
    (other / "spoon-1.0-py3-none-any.whl").write_bytes((shelf / "soup-1.0-py3-none-any.whl").read_bytes())
    monkeypatch.setattr(
        "workers.kit.registry.environment._FOR_PIP", {"OTHER": "PIP_FIND_LINKS", "UV_NO_INDEX": "PIP_NO_INDEX"}
    )
    monkeypatch.setenv("OTHER", str(other))
    with pytest.raises(Permanent, match="hash"):
        await index.lock(["spoon"], [], python=PYTHON)
    assert not Wheels(tmp_path / "wheelhouse").folder(made.wheels).exists()


async def test_two_at_once_share_one_wheelhouse(shelf: Path, tmp_path: Path) -> None:
    made = await asyncio.gather(*(Index(tmp_path).lock(["soup"], ["spoon"], python=PYTHON) for _ in range(3)))
    assert made[0] == made[1] == made[2]
    folder = Wheels(tmp_path / "wheelhouse").folder(made[0].wheels)
    assert len(list(folder.iterdir())) == 2
    assert not list((tmp_path / "wheelhouse").glob(".new-*"))


async def test_an_index_out_of_reach_is_transient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _unreachable(monkeypatch)
    with pytest.raises(Transient, match="can't be reached"):
        await Index(tmp_path).lock(["fastapi"], [], python=PYTHON)


async def test_a_web_project_is_locked_kept_and_installed(reachable: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real index, then no network at all, then the sandbox."""
    data = make_folder(reachable / "registry", 0o755)
    index = Index(data)
    runtime, dev = ["fastapi>=0.100", "uvicorn"], ["pytest>=8", "coverage", "httpx"]
    try:
        made = await index.lock(runtime, dev, python=PYTHON)
    except Transient as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))
    _check_web_project(made)
    _unreachable(monkeypatch)
    assert await index.lock(runtime, dev, python=PYTHON) == made
    with pytest.raises(Transient):
        await index.lock(["flask"], [], python=PYTHON)
    await _installs(data, made)


def _check_web_project(made: Resolution) -> None:
    packages = {package.name: package for package in made.packages}
    assert {"fastapi", "starlette", "pydantic", "uvicorn", "pytest", "coverage", "httpx"} <= packages.keys()
    assert {name for name, package in packages.items() if package.direct} == {
        "fastapi",
        "uvicorn",
        "pytest",
        "coverage",
        "httpx",
    }
    assert (packages["starlette"].dev, packages["pluggy"].dev) == (False, True)
    assert packages["fastapi"].licence == "MIT"
    assert all(package.licence for package in made.packages)
    assert "://" not in made.requirements_dev


async def _installs(data: Path, made: Resolution) -> None:
    sandbox = Bubblewrap(data, Wheels(data / "wheelhouse"))
    missing = await sandbox.probe()
    if missing is not None and not os.environ.get("CI"):
        return
    files = [
        ("requirements-dev.lock", made.requirements_dev.encode()),
        ("test_it.py", b"import fastapi\ndef test(): pass\n"),
    ]
    started = time.monotonic()
    ended = await sandbox.run(
        files, [*install("requirements-dev.lock"), Command(argv=("python", "-m", "pytest", "-q"))], wheels=made.wheels
    )
    assert isinstance(ended, SandboxResult)
    assert [(run.exit, run.stderr) for run in ended.commands] == [(0, ""), (0, ""), (0, "")]
    assert "1 passed" in ended.commands[-1].stdout
    assert time.monotonic() - started < 20


def _unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy", "UV_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
