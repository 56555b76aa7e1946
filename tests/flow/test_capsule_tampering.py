"""A capsule of which one byte was changed does not verify, and the file is named."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

from tests.flow.conftest import Running


def _repacked(archive: Path, name: str, into: Path) -> Path:
    """The archive with one byte of one file changed, packed again as a careful forger would."""
    out = io.BytesIO()
    with tarfile.open(archive) as old, tarfile.open(fileobj=out, mode="w") as new:
        for member in old.getmembers():
            body = old.extractfile(member)
            content = body.read() if body else b""
            if member.name.endswith(name):
                content = content[:-1] + bytes([content[-1] ^ 1])
            new.addfile(member, io.BytesIO(content))
    into.write_bytes(gzip.compress(out.getvalue(), mtime=0))
    return into


async def test_one_changed_byte_is_found_in_an_archive_and_in_a_folder(
    factory: Running,
    packages: dict[str, dict[str, Any]],
    tmp_path: Path,
) -> None:
    archive = Path(packages["expenses"]["archive"])
    forged = _repacked(archive, "pyproject.toml", tmp_path / "forged.tar.gz")
    told = await factory.ql("capsule", "verify", str(forged), "--json")
    assert told.returncode == 1
    (found,) = json.loads(told.stdout.splitlines()[0])
    assert any("pyproject.toml" in problem for problem in found["problems"])
    pulled = await factory.ql("capsule", "pull", packages["expenses"]["workflow"], "--out", str(tmp_path / "fresh"))
    assert pulled.returncode == 0, pulled.stderr
    assert Path(pulled.stdout.strip()).read_bytes() == archive.read_bytes()
    folder = Path(packages["inventory"]["folder"])
    page = folder / "README.md"
    original = page.read_bytes()
    page.write_bytes(original.replace(b"a", b"e", 1))
    try:
        verified = await factory.ql("capsule", "verify", str(folder))
        assert verified.returncode == 1
        assert "README.md" in verified.stdout
    finally:
        page.write_bytes(original)
