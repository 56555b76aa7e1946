"""The capsule: one archive that holds a package and the proof of where every byte of it came from.

`build` makes it, `verify` checks it without a network, `unpack` writes it to a disk.
"""

from .archive import BadArchive
from .build import build
from .manifest import FileEntry, Manifest, StageEntry, TraceEntry, Verdict
from .unpack import unpack
from .verify import Verification, verify

__all__ = [
    "BadArchive",
    "FileEntry",
    "Manifest",
    "StageEntry",
    "TraceEntry",
    "Verdict",
    "Verification",
    "build",
    "unpack",
    "verify",
]
