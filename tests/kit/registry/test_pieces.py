"""Names, environments, lock texts and licences, each on its own."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from workers.kit.ports import Unresolvable
from workers.kit.registry import Wheels, environment
from workers.kit.registry.licences import licence
from workers.kit.registry.locktext import pins, without_origin
from workers.kit.registry.names import checked

from .conftest import write_wheel

HASH = "a" * 64


@pytest.mark.parametrize(
    "text", ["fastapi", "uvicorn[standard]>=0.30,<1", "tomli; python_version < '3.11'", "A.b_c==1.0"]
)
def test_a_package_of_the_index_is_taken(text: str) -> None:
    assert len(checked([text])) == 1


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "x @ https://example.invalid/x.whl", "x @ file:///etc/passwd", "git+https://example.invalid/x",
        "./local", "../up", "/abs/path.whl", "-r requirements.txt", "--index-url=https://example.invalid", "-e .",
        "x --hash=sha256:0", "x\n--index-url https://example.invalid", "x # y\0", "x==1 ; import os", "x" * 400, "é",
        "x y", "x.whl @ ./x.whl",
    ],
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(Unresolvable):
        checked([text])


def test_too_many_packages_are_refused() -> None:
    with pytest.raises(Unresolvable, match="at most 100"):
        checked([f"p{number}" for number in range(101)])


def test_tools_see_only_how_to_reach_the_index() -> None:
    ours = {
        "HTTPS_PROXY": "http://proxy", "https_proxy": "http://proxy", "SSL_CERT_FILE": "/ca",
        "UV_DEFAULT_INDEX": "http://i",
        "UV_INDEX": "own=http://j?a=b http://k", "AWS_SECRET_ACCESS_KEY": "s", "QL_DATABASE_URL": "s", "HOME": "/root",
        "PYTHONPATH": "/x", "PATH": "/evil",
    }  # fmt: skip
    for_uv, for_pip = environment.for_uv(Path("/c"), ours), environment.for_pip(Path("/c"), ours)
    for made in (for_uv, for_pip):
        assert made["HTTPS_PROXY"] == made["https_proxy"] == "http://proxy"
        assert made["SSL_CERT_FILE"] == "/ca"
        assert not {"AWS_SECRET_ACCESS_KEY", "QL_DATABASE_URL", "HOME", "PYTHONPATH"} & made.keys()
        assert "/evil" not in made["PATH"]
    assert for_uv["UV_INDEX"] == ours["UV_INDEX"]
    assert (for_pip["PIP_INDEX_URL"], for_pip["PIP_EXTRA_INDEX_URL"]) == ("http://i", "http://j?a=b http://k")


def test_a_lock_is_read_back() -> None:
    text = f"Some.Name==1.0 \\\n    --hash=sha256:{HASH} \\\n    --hash=sha256:{'b' * 64}\n"
    (pin,) = pins(text)
    assert (pin.name, pin.version, sorted(pin.sha256s)) == ("some-name", "1.0", [HASH, "b" * 64])


@pytest.mark.parametrize(
    "line", ["x @ https://example.invalid/x.whl \\", "--index-url https://example.invalid", "x>=1 \\", "x==1"]
)
def test_a_lock_with_anything_else_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="not a line of a hashed lock"):
        pins(f"{line}\n    --hash=sha256:{HASH}\n")


def test_origins_are_cut_off() -> None:
    text = (
        f"# made by somebody\n--index-url https://example.invalid\n\nx==1 \\\n    --hash=sha256:{HASH}\n    # via y\n"
    )
    assert without_origin(text) == f"x==1 \\\n    --hash=sha256:{HASH}\n"


@pytest.mark.parametrize("name", ["", "..", "../x", "a" * 63, "A" * 64, "a" * 64 + "/..", "a" * 64 + "\n"])
def test_a_wheelhouse_folder_has_a_hash_for_a_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="sha256"):
        Wheels(tmp_path).folder(name)


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("License-Expression: MIT\nLicense: other\n", "MIT"),
        ("License: BSD\n", "BSD"),
        (
            "License: " + "the whole text " * 40 + "\nClassifier: License :: OSI Approved :: MIT License\n",
            "MIT License",
        ),
        ("Classifier: License :: OSI Approved :: A\nClassifier: License :: OSI Approved :: B\n", "A AND B"),
        ("Classifier: Topic :: Software Development\n", ""),
        ("", ""),
    ],
)
def test_the_licence_a_wheel_states(said: str, read: str, tmp_path: Path) -> None:
    path = tmp_path / "x-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/dist-info/METADATA", "License: wrong place\n")
        archive.writestr("x-1.dist-info/METADATA", f"Metadata-Version: 2.4\nName: x\nVersion: 1\n{said}")
    assert licence(path) == read


@pytest.mark.parametrize("body", [b"", b"not a zip", b"PK\x03\x04" + bytes(100)])
def test_a_broken_wheel_states_nothing(body: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.whl"
    path.write_bytes(body)
    assert licence(path) == ""


def test_our_own_wheels_state_theirs(tmp_path: Path) -> None:
    assert licence(write_wheel(tmp_path, "x", "1", licence="MPL-2.0")) == "MPL-2.0"
