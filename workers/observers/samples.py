"""What is worth remembering of a workflow that went well: its prompt with its brief, its files with their purpose."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec.structs import replace

from contracts.artifacts import Brief, Contract, SourceTree
from workers.kit.ports import CodeSample, PastPrompt
from workers.kit.similar.about import about
from workers.kit.similar.store import Point
from workers.kit.similar.wire import MOST_BYTES

LEAST_CHARACTERS = 200
"""A file that is shorter shows nothing."""

MOST_FILES = 32


def of_prompt(prompt: str, brief: Brief) -> list[Point]:
    """One point, or none where it would take too much room in another prompt."""
    body = msgspec.json.encode(PastPrompt(prompt=prompt, brief=replace(brief, statements=())))
    return [Point(text=prompt, body=body)] if len(body) <= MOST_BYTES else []


def of_code(contract: Contract, tree: SourceTree) -> list[Point]:
    """The contract's files that are neither trivial nor too long, at most `MOST_FILES`, in the contract's order."""
    return list(_files(contract, tree))[:MOST_FILES]


def _files(contract: Contract, tree: SourceTree) -> Iterator[Point]:
    texts = {file.path: file.text for file in tree.files}
    for file in contract.files:
        text = texts.get(file.path, "")
        sample = CodeSample(path=file.path, layer=file.layer, purpose=file.purpose, text=text)
        body = msgspec.json.encode(sample)
        if len(text) >= LEAST_CHARACTERS and len(body) <= MOST_BYTES:
            yield Point(text=about(contract, file), body=body)
