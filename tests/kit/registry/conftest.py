"""Small packages of our own in a folder, which stands for an index without a network: uv and pip really read it."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from pathlib import Path

import pytest


def write_wheel(folder: Path, name: str, version: str, *, needs: tuple[str, ...] = (), licence: str = "MIT") -> Path:
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    metadata = [f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\nLicense-Expression: {licence}\n"]
    metadata += [f"Requires-Dist: {need}\n" for need in needs]
    files = {
        f"{name}.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": "".join(metadata),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{file},sha256={_digest(text)},{len(text)}\n" for file, text in files.items())
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            archive.writestr(file, text)
    return path


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An index that holds: soup 1.0 and 2.0 (needs spoon), spoon 1.0, ladle 1.0 (needs spoon < 1)."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    write_wheel(folder, "soup", "1.0")
    write_wheel(folder, "soup", "2.0", needs=("spoon>=1",), licence="Apache-2.0")
    write_wheel(folder, "spoon", "1.0", licence="BSD-3-Clause")
    write_wheel(folder, "ladle", "1.0", needs=("spoon<1",))
    monkeypatch.setenv("UV_FIND_LINKS", str(folder))
    monkeypatch.setenv("UV_NO_INDEX", "1")
    return folder
