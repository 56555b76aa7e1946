"""A capsule's bytes depend on its parts alone."""

from __future__ import annotations

import io
import json
import tarfile
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.paths import UnsafePath
from tests.kit.capsule.sample import FILES, MANIFEST, capsule, contents, origin
from workers.kit.capsule import BadArchive, build
from workers.kit.capsule.reader import read

PART = st.text(st.sampled_from("abcxyz0129_é"), min_size=1, max_size=12)
PATH = st.lists(PART, min_size=1, max_size=12).map("/".join)
TREES = st.dictionaries(PATH, st.binary(max_size=2000), max_size=12).filter(
    lambda tree: not any(f"{other}/".startswith(f"{path}/") for path in tree for other in tree if other != path)
)


def test_the_same_parts_give_the_same_bytes_in_any_order_at_any_time(monkeypatch: pytest.MonkeyPatch) -> None:
    first = capsule()
    monkeypatch.setattr(time, "time", lambda: 4_000_000_000.0)
    assert capsule(dict(reversed(FILES.items()))) == first


def test_the_archive_holds_no_clock_owner_or_odd_mode() -> None:
    body = capsule()
    assert body[3:8] == bytes(5), "no name and no time in the gzip header"
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        members = tar.getmembers()
    assert [m.name for m in members] == sorted(m.name for m in members)
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode, m.type) for m in members} == {
        (0, 0, 0, "", "", 0o644, tarfile.REGTYPE)
    }


def test_everything_is_inside_with_its_hash() -> None:
    found = contents(capsule())
    manifest = json.loads(found["plums/.quantumlayer/manifest.json"])
    assert {f"plums/{path}": body for path, body in FILES.items()}.items() <= found.items()
    assert [file["path"] for file in manifest["files"]] == sorted(FILES)
    sizes = {file["path"]: file["size"] for file in manifest["files"]}
    assert sizes == {path: len(body) for path, body in FILES.items()}


@settings(max_examples=60, deadline=None)
@given(TREES)
def test_what_is_packed_is_read_back_by_us_and_by_others(tree: dict[str, bytes]) -> None:
    try:
        body = capsule(tree)
    except UnsafePath:
        return
    name, files = read(body)
    assert name == "plums"
    assert {path: files[path] for path in tree} == tree
    assert contents(body) == {f"plums/{path}": content for path, content in files.items()}
    assert capsule(tree) == body


@pytest.mark.parametrize(
    "path", ["../a", "/a", "a//b", "a/../b", "con.py", "a\x00b", "a\nb", "README.MD", "README.md/x", "n" * 300]
)
def test_an_unsafe_name_is_not_packed(path: str) -> None:
    with pytest.raises(UnsafePath):
        capsule({**FILES, path: b""})


def test_every_file_needs_one_origin() -> None:
    with pytest.raises(BadArchive, match=r"README\.md"):
        build(MANIFEST, FILES, [origin(path) for path in FILES if path != "README.md"])
    with pytest.raises(BadArchive):
        build(MANIFEST, FILES, [origin(path) for path in FILES] + [origin("README.md")])
    with pytest.raises(BadArchive, match=r"x\.py"):
        build(MANIFEST, FILES, [origin(path) for path in (*FILES, "x.py")])


def test_what_could_not_be_read_back_is_not_built() -> None:
    with pytest.raises(BadArchive):
        capsule({**FILES, "zeros.txt": bytes(30 << 20)})
    with pytest.raises(BadArchive):
        capsule({**FILES, "zeros.txt": bytes(65 << 20)})
