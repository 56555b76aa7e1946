"""What a page of the docs says to type, and somebody who types it: line by line in a shell, to a factory that runs."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import time
from pathlib import Path

from tests.flow.conftest import QL, Running

DOCS = Path(__file__).parents[2] / "docs"
TYPED = re.compile(r"(?:QL_\w+=\S+ )?(?:ql|python|export|\$EDITOR) ")
REMARK = re.compile(r"\s+# (.*)")
FAILS = re.compile(r"refused|fails")
NAMED = re.compile(r"prints ([A-Z]+)")
ID = re.compile(r"\b(?:(?:test:)?[0-9A-HJKMNP-TV-Z]{26}|[0-9a-f]{32})\b")
PATIENCE_S = 15.0


def lines(page: Path) -> list[str]:
    """The commands of a page, in indented and fenced blocks, with their remarks."""
    found, fence = [], ""
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.startswith("```"):
            fence = "" if fence else line
        elif fence == "```sh" or (not fence and line.startswith("    ")):
            found.append(line.strip().removeprefix(".venv/bin/"))
    return [line for line in found if TYPED.match(line)]


def commands(page: Path) -> list[str]:
    """The page's `ql` commands, without remarks."""
    return [REMARK.sub("", line) for line in lines(page) if line.startswith("ql ")]


def programs(page: Path, folder: Path) -> list[str]:
    """The page's Python blocks, each written to the file that it is called; their names."""
    blocks = re.findall(r"```python (\S+)\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.S)
    for name, code in blocks:
        (folder / name).write_text(code, encoding="utf-8")
    return [name for name, _ in blocks]


class Reader:
    """Types what a page says, in one folder. `known` is what its words in capitals, or other words, stand for."""

    def __init__(self, factory: Running, folder: Path, **known: str) -> None:
        self.folder = folder
        self.known = known
        self.env = os.environ | {"PATH": f"{Path(QL).parent}:{os.environ['PATH']}", "QL_DATA": str(factory.data)}
        self._exports: list[str] = []

    async def types(self, *said: str) -> list[str]:
        """What each line printed. It must have worked, unless its remark begins with 'fails' or 'refused'. Of what it
        `prints`, as the remark says, the first id is known by that name from then on; `ql submit` prints WORKFLOW.
        """
        return [await self._types(line) for line in said]

    def command(self, line: str) -> str:
        """What a shell is told, after the exports so far."""
        names = "|".join(map(re.escape, self.known)) or "(?!)"
        said = re.sub(rf"\b(?:{names})\b", lambda name: self.known[name[0]], REMARK.sub("", line))
        return "\n".join([*self._exports, said])

    async def _types(self, line: str) -> str:
        if line.startswith("export "):
            self._exports.append(line)
        remark = REMARK.search(line)
        about = remark[1] if remark else "prints WORKFLOW" if line.startswith("ql submit") else ""
        named = NAMED.match(about)
        until = time.monotonic() + PATIENCE_S
        while True:
            ended = await asyncio.to_thread(self._typed, line)
            said = f"{line}\n{ended.stdout}{ended.stderr}"
            assert (ended.returncode != 0) == bool(FAILS.match(about)), said
            if named is None:
                return ended.stdout + ended.stderr
            if found := ID.search(ended.stdout):
                self.known[named[1]] = found[0]
                return ended.stdout + ended.stderr
            assert " list" in line, said
            assert time.monotonic() < until, said  # what is listed comes over the bus: one looks again

    def _typed(self, line: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-ec", self.command(line)],
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
