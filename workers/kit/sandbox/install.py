"""The commands that make the project's environment inside the sandbox, from the wheelhouse alone."""

from __future__ import annotations

from workers.kit.ports import Command

from .profile import INTERPRETER, VENV, WHEELS


def install(lock: str, *, wall_s: float = 60) -> tuple[Command, ...]:
    """`lock` is the hashed requirements file among the project's files; afterwards `python` is the environment's."""
    return (
        Command(argv=("uv", "venv", "--quiet", "--python", INTERPRETER, VENV), wall_s=wall_s),
        Command(
            argv=(
                "uv",
                "pip",
                "install",
                "--quiet",
                "--no-index",
                "--find-links",
                WHEELS,
                "--no-build",
                "--require-hashes",
                "-r",
                lock,
            ),
            wall_s=wall_s,
        ),
    )
