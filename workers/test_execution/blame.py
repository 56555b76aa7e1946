"""Whose fault a failed test is, by rule: the tests', when they fail in their own frame for a reason of their own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from contracts.artifacts import Contract, Finding, SourceTree, TestSuite

from .records import Frame, Record, node_name, own_frames, plain

CODE, TESTS = "code_generation", "test_generation"
# In a test file's own frame these say that the test itself is broken, whatever the code does.
_OWN_FAULTS = frozenset(
    ["NameError", "UnboundLocalError", "SyntaxError", "IndentationError", "TabError", "FixtureLookupError"]
)
_IMPORT_FAULTS = frozenset(["ImportError", "ModuleNotFoundError"])
_NAME = re.compile(r"cannot import name '(\w+)'")
_MODULE = re.compile(r"No module named '([\w.]+)'")


@dataclass(frozen=True, slots=True)
class Blame:
    """What is needed to decide; `requirements` are the ids that each test (path::function) proves."""

    source: Mapping[str, str]
    tests: Mapping[str, str]
    promised: frozenset[str]
    requirements: Mapping[str, tuple[str, ...]]
    serving: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, tree: SourceTree, suite: TestSuite, contract: Contract) -> Blame:
        serving: dict[str, tuple[str, ...]] = {}
        for file in contract.files:
            for name in file.requirement_ids:
                serving[name] = (*serving.get(name, ()), file.path)
        modules = {file.path.removeprefix("src/").removesuffix(".py").replace("/", ".") for file in contract.files}
        return cls(
            source={file.path.removeprefix("src/"): file.path for file in tree.files},
            tests={file.path: file.path for file in suite.files},
            promised=frozenset({export.symbol for file in contract.files for export in file.exports} | modules),
            requirements={f"{test.path}::{test.function}": test.requirement_ids for test in suite.tests},
            serving=serving,
        )

    def proven_by(self, node: str) -> tuple[str, ...]:
        """The requirements of a node, also of one inside a class."""
        path, _, inner = node_name(node).partition("::")
        return self.requirements.get(f"{path}::{inner.rpartition('::')[2]}", ())

    def finding(self, record: Record) -> tuple[str, Finding]:
        """(stage at fault, finding): in the innermost frame of the code, else in the test's."""
        frames = own_frames(record, {**self.source, **self.tests})
        target = self._target(record, frames)
        path, line = self._place(record, frames, target)
        ids = self.proven_by(record.node)
        message = ": ".join(filter(None, [node_name(record.node), record.error, plain(record.message)]))
        return target, Finding(
            rule=f"test-{record.when or 'collection'}", message=message, path=path, line=line, requirement_ids=ids
        )

    def _target(self, record: Record, frames: list[Frame]) -> str:
        if frames and frames[-1][0] not in self.tests:
            return CODE
        if record.error in _IMPORT_FAULTS:
            return CODE if self._was_promised(record.message) else TESTS
        return TESTS if record.error in _OWN_FAULTS else CODE

    def _was_promised(self, message: str) -> bool:
        """A name of the contract that is not there is the code's fault; one that nobody promised is the test's."""
        wanted = _NAME.search(message) or _MODULE.search(message)
        return wanted is not None and wanted[1] in self.promised

    def _place(self, record: Record, frames: list[Frame], target: str) -> Frame:
        own = self.tests if target == TESTS else set(self.source.values())
        inner = [frame for frame in frames if frame[0] in own]
        if inner:
            return inner[-1]
        if target == TESTS:
            return node_name(record.node).partition("::")[0], 0
        # A wrong value has no frame in the code: the file that serves most of the test's requirements, if one does.
        served = [path for name in self.proven_by(record.node) for path in self.serving.get(name, ())]
        return (max(dict.fromkeys(served), key=served.count), 0) if served else ("", 0)
