"""Hostile files on disk for a scanner: under names of ours, in a folder that goes away."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from contracts.artifacts import File

_ENDING = re.compile(r"\.[A-Za-z0-9]{1,8}")


@dataclass(frozen=True, slots=True)
class Laid:
    """`files` maps the path on disk to the file's own."""

    folder: Path
    files: Mapping[str, str]

    def named(self, text: str) -> str:
        """`text` with the names that the files really have, and none of this machine."""
        for place, path in self.files.items():
            text = text.replace(place, path)
        return text.replace(str(self.folder), "")


@contextmanager
def laid_out(files: Sequence[File]) -> Iterator[Laid]:
    """The ending is kept, since scanners go by it."""
    with tempfile.TemporaryDirectory(prefix="ql-scan-") as name:
        folder = Path(name)
        places: dict[str, str] = {}
        for number, file in enumerate(files):
            place = folder / f"file{number:05d}{_ending(file.path)}"
            place.write_text(file.text, encoding="utf-8", errors="replace", newline="")
            places[str(place)] = file.path
        yield Laid(folder, places)


def _ending(path: str) -> str:
    name = PurePosixPath(path).name
    ending = name if name.startswith(".") else PurePosixPath(name).suffix
    return ending.lower() if _ENDING.fullmatch(ending) else ""
