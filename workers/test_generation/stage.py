"""Test generation: the planned tests are written from requirements and contract alone, never from the code.

Wakes on `test_plan_generation`, and again when test execution finds the tests at fault. Writes a `TestSuite`. The
shared fixtures come first, by one model call; then every test file, each by a call of its own, all at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from contracts.artifacts import Contract, File, Finding, PlannedTest, Requirements, TestPlan, TestReport, TestSuite
from workers.kit.gather import gather
from workers.kit.ports import Llm
from workers.kit.rules.slices import plan_of, proven, requirements_of
from workers.kit.stage import Run, Unfit

FIXTURES = "tests/conftest.py"
_FUNCTION = re.compile(r"^[ \t]*(?:async )?def (\w+)\(", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class TestGeneration:
    llm: Llm

    __test__ = False

    async def __call__(
        self,
        plan: TestPlan,
        contract: Contract,
        requirements: Requirements,
        run: Run,
        report: TestReport | None = None,
        previous: TestSuite | None = None,
    ) -> TestSuite:
        paths = (FIXTURES, *dict.fromkeys(test.path for test in plan.tests))
        findings = report.findings if report else ()
        old = {file.path: file for file in previous.files} if previous else {}
        redo = _to_redo(paths, findings, old)

        async def written(path: str, fixtures: Mapping[str, object]) -> File:
            if path not in redo:
                return old[path]
            inputs = {
                "contract": contract,
                "requirements": requirements_of(requirements, proven(plan, path)),
                "plan": plan if path == FIXTURES else plan_of(plan, path),
                **fixtures,
                "path": path,
                **_repair(path, paths, findings, old),
            }
            (file,) = await self.llm.write(
                run,
                task="test_generation",
                inputs=inputs,
                paths=(path,),
                check=lambda files: check(files[0], plan.tests),
            )
            return file

        fixtures = await written(FIXTURES, {})
        others = await gather(written(path, {"fixtures": fixtures.text}) for path in paths[1:])
        return TestSuite(files=(fixtures, *others), tests=plan.tests)


def check(file: File, planned: Iterable[PlannedTest]) -> None:
    """Every function planned for this file is in it."""
    written = set(_FUNCTION.findall(file.text))
    for test in planned:
        if test.path == file.path and test.function not in written:
            raise Unfit(f"{file.path} holds no function {test.function}, which the plan asks for")


def _to_redo(paths: tuple[str, ...], findings: tuple[Finding, ...], old: Mapping[str, File]) -> frozenset[str]:
    """The files named by findings and those never written; all of them when no finding names one."""
    hit = {finding.path for finding in findings if finding.path in paths}
    return frozenset(path for path in paths if not hit or path in hit or path not in old)


def _repair(
    path: str, paths: tuple[str, ...], findings: tuple[Finding, ...], old: Mapping[str, File]
) -> dict[str, object]:
    if path not in old:
        return {}
    told = tuple(finding for finding in findings if finding.path == path or finding.path not in paths)
    return {"findings": told, "previous": old[path].text}


STAGE = TestGeneration
