"""Hostile archives: refused with a reason, and nothing is written, inside or outside."""

from __future__ import annotations

import gzip
import io
import os
import random
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from contracts.paths import UnsafePath
from tests.kit.capsule.sample import FILES, capsule, contents, entry, packed, repacked
from workers.kit.capsule import BadArchive, unpack
from workers.kit.capsule.archive import MAX_BYTES
from workers.kit.capsule.reader import read

OK = entry("p/a.py", b"x = 1\n")
LINK: dict[str, Any] = {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}
HOSTILE = {
    "absolute": [OK, entry("/tmp/ql-escaped", b"x")],
    "parent": [OK, entry("p/../../ql-escaped", b"x")],
    "parent at the top": [OK, entry("../ql-escaped", b"x")],
    "dot": [OK, entry("p/./a", b"x")],
    "empty part": [OK, entry("p//b", b"x")],
    "backslash": [OK, entry("p\\..\\..\\ql-escaped", b"x")],
    "drive": [OK, entry("p/C:x", b"x")],
    "nul device": [OK, entry("p/NUL.txt", b"x")],
    "control character": [OK, entry("p/a\x1b[2J", b"x")],
    "git hook": [OK, entry("p/.git/hooks/post-checkout", b"x")],
    "300 letters": [OK, entry("p/" + "n" * 300, b"x")],
    "symlink": [OK, entry("p/link", **LINK)],
    "file through a symlink": [entry("p/link", **{**LINK, "linkname": ".."}), entry("p/link/ql-escaped", b"x")],
    "hardlink": [OK, entry("p/hard", type=tarfile.LNKTYPE, linkname="p/a.py")],
    "character device": [OK, entry("p/dev", type=tarfile.CHRTYPE, devmajor=1, devminor=5)],
    "block device": [OK, entry("p/dev", type=tarfile.BLKTYPE, devmajor=8, devminor=0)],
    "pipe": [OK, entry("p/pipe", type=tarfile.FIFOTYPE)],
    "contiguous": [OK, entry("p/cont", b"x", type=tarfile.CONTTYPE)],
    "unknown kind": [OK, entry("p/z", b"x", type=b"Z")],
    "the same name twice": [OK, entry("p/a.py", b"x = 2\n")],
    "the same name in other letters": [OK, entry("p/A.py", b"x = 2\n")],
    "a file and a folder": [OK, entry("p/a.py/b", b"x")],
    "two folders": [OK, entry("q/a.py", b"x")],
    "a file beside the folder": [OK, entry("loose", b"x")],
    "nothing": [],
    "a link in a pax header": [OK, entry("p/b", b"x", pax_headers={"linkpath": "/etc/passwd"})],
    "a sparse file": [OK, entry("p/b", b"x", pax_headers={"GNU.sparse.name": "/etc/passwd"})],
    "a size in a pax header": [OK, entry("p/b", b"x", pax_headers={"size": "1"})],
}


@pytest.mark.parametrize("attack", HOSTILE)
def test_a_hostile_archive_is_refused_and_leaves_nothing(attack: str, tmp_path: Path) -> None:
    into = tmp_path / "deep" / "out"
    into.mkdir(parents=True)
    with pytest.raises((BadArchive, UnsafePath)):
        unpack(packed(HOSTILE[attack]), into)
    assert [path for path in tmp_path.rglob("*") if path not in {into, into.parent}] == []
    assert not Path("/tmp/ql-escaped").exists()


def test_the_plain_one_of_that_corpus_is_taken(tmp_path: Path) -> None:
    assert (unpack(packed([OK]), tmp_path) / "a.py").read_bytes() == OK[1]


@pytest.mark.parametrize("size", [2 << 20, 80 << 20])
def test_a_bomb_is_refused_before_it_is_whole(size: int) -> None:
    with pytest.raises(BadArchive, match="more than"):
        read(packed([OK, entry("p/zeros", bytes(size))]))


def test_a_header_may_not_promise_more_than_there_is() -> None:
    raw = bytearray(gzip.decompress(packed([OK])))
    raw[124:136] = f"{MAX_BYTES:011o}\0".encode()
    raw[148:156] = b" " * 8
    raw[148:156] = f"{sum(raw[:512]):06o}\0 ".encode()
    with pytest.raises(BadArchive, match="cut off"):
        read(gzip.compress(bytes(raw)))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x1f\x8b",
        b"not an archive",
        gzip.compress(b"not a tar", mtime=0),
        capsule()[:-9],
        capsule() + b"x",
        capsule() + gzip.compress(b"x", mtime=0),
    ],
)
def test_no_archive_at_all(body: bytes, tmp_path: Path) -> None:
    with pytest.raises(BadArchive):
        unpack(body, tmp_path)


def test_garbage_never_ends_in_another_error() -> None:
    rng = random.Random(7)  # noqa: S311 - the same garbage each time is wanted
    raw = gzip.decompress(capsule())
    for _ in range(400):
        mangled = bytearray(raw)
        for _ in range(rng.randint(1, 4)):
            mangled[rng.randrange(len(mangled))] = rng.randrange(256)
        try:
            read(gzip.compress(bytes(mangled), 1))
        except (BadArchive, UnsafePath):
            continue


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_archives_of_other_tools_are_read(form: int) -> None:
    files = {**FILES, "deep/" + "n" * 80 + "/" + "m" * 90 + ".py": b"x = 1\n"}
    body = repacked(capsule(files), {}, form)
    assert {f"plums/{path}": content for path, content in read(body)[1].items()} == contents(body)


def test_the_tar_command_and_we_agree(tmp_path: Path) -> None:
    ours = unpack(capsule({**FILES, "n" * 120 + ".txt": b"long"}), tmp_path)
    subprocess.run(["tar", "czf", "again.tar.gz", "plums"], cwd=tmp_path, check=True)
    (tmp_path / "second").mkdir()
    again = unpack(tmp_path / "again.tar.gz", tmp_path / "second")
    listing = {path.relative_to(ours): path.read_bytes() for path in ours.rglob("*") if path.is_file()}
    assert listing == {path.relative_to(again): path.read_bytes() for path in again.rglob("*") if path.is_file()}


def test_files_and_folders_are_plain(tmp_path: Path) -> None:
    old = os.umask(0o022)
    try:
        folder = unpack(capsule(), tmp_path)
    finally:
        os.umask(old)
    modes = {path.stat().st_mode & 0o7777 for path in folder.rglob("*") if path.is_file()}
    assert modes == {0o644}
    assert {path.stat().st_mode & 0o7777 for path in [folder, *folder.rglob("*")] if path.is_dir()} == {0o755}


def test_what_is_there_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "plums").mkdir()
    with pytest.raises(FileExistsError):
        unpack(capsule(), tmp_path)
    assert list(tmp_path.iterdir()) == [tmp_path / "plums"]
    (tmp_path / "plums").rmdir()
    (tmp_path / "plums").symlink_to("/nowhere")
    with pytest.raises(FileExistsError):
        unpack(capsule(), tmp_path)


def test_one_bad_name_keeps_the_whole_of_it_out() -> None:
    with pytest.raises(UnsafePath):
        read(packed([entry("p/a", b"1"), entry("p/../b", b"2")]))
    assert io.BytesIO(packed([OK])).read()
