"""A changed byte names its file, in an archive and in a folder."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kit.capsule.sample import FILES, capsule, contents, repacked
from workers.kit.capsule import unpack, verify
from workers.kit.capsule.reader import read

MANIFEST = ".quantumlayer/manifest.json"


def changed(body: bytes) -> bytes:
    return bytes([body[0] ^ 1]) + body[1:] if body else b"x"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "plums.tar.gz"
    path.write_bytes(capsule())
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return unpack(capsule(), tmp_path)


def test_what_was_built_is_ok(archive: Path, folder: Path) -> None:
    for path in (archive, folder):
        told = verify(path)
        assert (told.ok, told.problems, told.name, told.grade, told.files) == (True, (), "plums", "A", len(FILES))


def test_an_archive_that_another_tool_packed_again_is_still_what_was_built(archive: Path) -> None:
    archive.write_bytes(repacked(capsule(), {}))
    assert verify(archive).ok


@pytest.mark.parametrize("path", [*FILES, MANIFEST, ".quantumlayer/manifest.sha256"])
def test_one_changed_byte_names_the_file(path: str, archive: Path, folder: Path) -> None:
    body = contents(capsule())[f"plums/{path}"]
    archive.write_bytes(repacked(capsule(), {path: changed(body)}))
    (folder / path).write_bytes(changed(body))
    for place in (archive, folder):
        told = verify(place)
        assert not told.ok
        named = MANIFEST if path.endswith("sha256") else path
        assert any(problem.startswith(f"{named}:") for problem in told.problems), told.problems


@pytest.mark.parametrize("path", [*FILES, MANIFEST, ".quantumlayer/manifest.sha256"])
def test_a_missing_file_is_named(path: str, archive: Path, folder: Path) -> None:
    archive.write_bytes(repacked(capsule(), {path: None}))
    (folder / path).unlink()
    for place in (archive, folder):
        assert f"{path}: is missing" in verify(place).problems


@pytest.mark.parametrize("path", ["extra.py", "src/plums/extra.py", ".quantumlayer/extra.json"])
def test_an_extra_file_is_named(path: str, archive: Path, folder: Path) -> None:
    archive.write_bytes(repacked(capsule(), {path: b"x"}))
    (folder / path).write_bytes(b"x")
    for place in (archive, folder):
        assert verify(place).problems == (f"{path}: is not in the manifest",)


def test_a_manifest_that_was_edited_is_named(archive: Path) -> None:
    manifest = json.loads(contents(capsule())[f"plums/{MANIFEST}"])
    for field, value in [("grade", "B"), ("grade", "Z"), ("schema", 2), ("files", []), ("name", "pears")]:
        edited = json.dumps({**manifest, field: value}).encode()
        archive.write_bytes(repacked(capsule(), {MANIFEST: edited}))
        told = verify(archive)
        assert not told.ok
        assert any(problem.startswith(f"{MANIFEST}:") for problem in told.problems), (field, told.problems)


def test_a_changed_byte_of_the_archive_is_noticed_or_changes_nothing_that_is_in_it(archive: Path) -> None:
    """gzip's header and the codes of symbols that don't occur can change without changing the content."""
    body = capsule()
    noticed = 0
    for place in range(len(body)):
        mangled = body[:place] + bytes([body[place] ^ 0x20]) + body[place + 1 :]
        archive.write_bytes(mangled)
        if verify(archive).ok:
            assert read(mangled) == read(body), place
        else:
            noticed += 1
    assert noticed > len(body) * 0.9


def test_every_byte_of_the_tar_that_is_content_or_name(archive: Path) -> None:
    raw = gzip.decompress(capsule())
    for path, content in contents(capsule()).items():
        for text in (path.encode(), content):
            place = raw.find(text)
            if not text:
                continue
            archive.write_bytes(gzip.compress(raw[:place] + changed(raw[place:]), 1))
            assert not verify(archive).ok, path


def test_what_work_leaves_behind_in_a_folder_is_passed_over_but_not_what_is_listed(folder: Path) -> None:
    for name in (
        ".venv/lib/x.py",
        "src/plums/__pycache__/a.pyc",
        ".pytest_cache/v",
        "src/plums.egg-info/PKG-INFO",
        "dist/x.whl",
        ".coverage",
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    assert verify(folder).ok


@pytest.mark.parametrize("name", ["src/plums/build/__init__.py", "src/venv/__init__.py", "tests/.venv/x.py"])
def test_only_at_the_top_is_a_folder_of_such_a_name_passed_over(name: str, folder: Path) -> None:
    (folder / name).parent.mkdir(parents=True)
    (folder / name).write_bytes(b"x")
    assert verify(folder).problems == (f"{name}: is not in the manifest",)


def test_a_listed_file_in_a_folder_that_is_passed_over_is_looked_at(tmp_path: Path) -> None:
    folder = unpack(capsule({**FILES, "build/x.py": b"x"}), tmp_path)
    assert verify(folder).ok
    (folder / "build/x.py").write_bytes(b"y")
    assert verify(folder).problems == ("build/x.py: was changed",)


def _link(path: Path) -> None:
    copy = path.with_name("copy")
    path.rename(copy.parent.parent.parent.parent / "copy")
    path.symlink_to(copy.parent.parent.parent.parent / "copy")


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("swap", [_link, _pipe])
def test_a_link_or_a_pipe_is_not_the_file(swap: Callable[[Path], None], folder: Path) -> None:
    swap(folder / "src/plums/models.py")
    assert not verify(folder).ok
    assert any(problem.startswith("src/plums/models.py:") for problem in verify(folder).problems)


def test_a_link_to_a_folder_is_told_of(folder: Path) -> None:
    (folder / "more").symlink_to("/etc")
    assert verify(folder).problems == ("more: is not a plain file of a capsule's size",)


@pytest.mark.parametrize("body", [b"", b"garbage", gzip.compress(b"garbage", mtime=0)])
def test_what_is_no_capsule(body: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    path.write_bytes(body)
    told = verify(path)
    assert not told.ok
    assert told.problems[0].startswith("x.tar.gz: ")
    assert not verify(tmp_path).ok, "a folder without a manifest"
