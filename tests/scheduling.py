"""Which tests go to one process, and which files go first: a long one at the end would keep one core busy alone."""

from __future__ import annotations

import pytest
from xdist.scheduler import LoadFileScheduling

FLOW = "tests/flow"
OWN_SERVERS = (f"{FLOW}/test_models.py", f"{FLOW}/test_repair.py")
"""All others of the folder look at one factory and its five packages, which take half a minute of CPU to make."""

LONGEST_FIRST = (
    FLOW,
    "tests/flow/test_models.py",
    "tests/chaos/test_matrix.py",
    "tests/gateway/test_schemathesis.py",
    "tests/workers/llm_router/writing/test_projects.py",
    "tests/deploy/test_factory.py",
)


def scope(node: str) -> str:
    """The file of a test, or the folder whose files share a factory."""
    file = node.partition("::")[0]
    return FLOW if file.startswith(f"{FLOW}/") and file not in OWN_SERVERS else file


class Scheduling(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """`--dist loadfile` with these scopes."""

    def _split_scope(self, nodeid: str) -> str:
        return scope(nodeid)


def longest_first(items: list[pytest.Item]) -> None:
    """Else in the order of collection."""
    rank = {name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: rank.get(scope(item.nodeid), len(rank)))
