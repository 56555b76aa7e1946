"""A test that fails shows what its factory said: the servers that were started again, the processes' last words."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.chaos.world import World


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for place in getattr(item, "funcargs", {}).values():
            if isinstance(place, World):
                report.sections.append(("What the factory said", "\n".join(place.told_of_itself())))
    return report
