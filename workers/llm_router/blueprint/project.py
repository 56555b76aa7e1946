"""The files that every package has: its pyproject and the modules that only mark a folder."""

from __future__ import annotations

import json

from contracts.artifacts import Package

from .design import Design
from .text import docstring, plain

PYTHON = ">=3.11"
_DEVELOPMENT = (
    Package(name="pytest", specifier=">=8", modules=("pytest",), dev=True),
    Package(name="coverage", specifier=">=7", modules=("coverage",), dev=True),
    Package(name="hatchling", specifier=">=1.25", modules=("hatchling",), dev=True),
)


def packages(design: Design) -> tuple[Package, ...]:
    if design.kind != "rest_api":
        return _DEVELOPMENT
    return (
        Package(name="fastapi", specifier=">=0.115", modules=("fastapi",)),
        Package(name="pydantic", specifier=">=2.9", modules=("pydantic",)),
        Package(name="uvicorn", specifier=">=0.30", modules=("uvicorn",)),
        *_DEVELOPMENT,
        Package(name="httpx2", specifier=">=2", modules=("httpx2",), dev=True),
    )


def package_init(doc: str) -> str:
    return "\n".join(docstring(doc)) + "\n"


def pyproject(design: Design) -> str:
    runtime = [package for package in packages(design) if not package.dev]
    lines = [
        "[build-system]",
        'requires = ["hatchling"]',
        'build-backend = "hatchling.build"',
        "",
        "[project]",
        f"name = {toml(design.name)}",
        'version = "0.1.0"',
        f"description = {toml(design.summary)}",
        f'requires-python = "{PYTHON}"',
        *_array("dependencies", runtime),
        "",
        "[project.optional-dependencies]",
        *_array("dev", [package for package in packages(design) if package.dev]),
    ]
    if design.kind != "library":
        entry = "__main__:main" if design.kind == "rest_api" else "cli:main"
        lines += ["", "[project.scripts]", f'{toml(design.name)} = "{design.module}.{entry}"']
    lines += [
        "",
        "[tool.hatch.build.targets.wheel]",
        f'packages = ["src/{design.module}"]',
        "",
        "[tool.pytest.ini_options]",
        'testpaths = ["tests"]',
        'pythonpath = ["src"]',
        "",
        "[tool.coverage.run]",
        f'source = ["{design.module}"]',
        "branch = true",
    ]
    return "\n".join(lines) + "\n"


def toml(text: str) -> str:
    """A basic string: JSON's, once control characters are gone."""
    return json.dumps(plain(text), ensure_ascii=False)


def _array(name: str, wanted: list[Package]) -> list[str]:
    if not wanted:
        return [f"{name} = []"]
    return [f"{name} = [", *(f"    {toml(package.name + package.specifier)}," for package in wanted), "]"]
