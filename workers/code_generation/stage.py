"""Code generation: every file of the contract is written, each by a model call of its own, all at once.

Wakes on `dependency_resolution`, and again when a check sends the code back. Writes a `SourceTree`.
"""

from __future__ import annotations

from dataclasses import dataclass

from contracts.artifacts import (
    Contract,
    File,
    Finding,
    Lock,
    Requirements,
    SecurityReport,
    SourceTree,
    TestReport,
    ValidationReport,
)
from workers.kit.gather import gather
from workers.kit.ports import Llm, Similar
from workers.kit.rules.slices import contract_of, requirements_of, served
from workers.kit.similar.about import about
from workers.kit.similar.nothing import NO_SIMILAR
from workers.kit.stage import Run

from .repair import findings_about, to_redo


@dataclass(frozen=True, slots=True)
class CodeGeneration:
    llm: Llm
    similar: Similar = NO_SIMILAR

    async def __call__(
        self,
        contract: Contract,
        requirements: Requirements,
        lock: Lock,
        run: Run,
        validation: ValidationReport | None = None,
        security: SecurityReport | None = None,
        tests: TestReport | None = None,
        previous: SourceTree | None = None,
    ) -> SourceTree:
        reports = (report for report in (validation, security, tests) if report is not None)
        findings = tuple(finding for report in reports for finding in report.findings)
        old = {file.path: file for file in previous.files} if previous else {}
        redo = to_redo(contract, findings, old)
        versions = [f"{package.name}=={package.version}" for package in lock.packages if package.direct]

        examples = await self.similar.code(run, {file.path: about(contract, file) for file in contract.files})

        async def written(path: str) -> File:
            inputs: dict[str, object] = {
                "versions": versions,
                "contract": contract_of(contract, path),
                "requirements": requirements_of(requirements, served(contract, path)),
                "path": path,
                **_repair(path, contract, findings, old),
            }
            if path in examples:
                inputs["examples"] = examples[path]
            (file,) = await self.llm.write(run, task="code_generation", inputs=inputs, paths=(path,))
            return file

        new = {file.path: file for file in await gather(written(path) for path in redo)}
        return SourceTree(files=tuple(new.get(file.path) or old[file.path] for file in contract.files))


def _repair(path: str, contract: Contract, findings: tuple[Finding, ...], old: dict[str, File]) -> dict[str, object]:
    if path not in old:
        return {}
    return {"findings": findings_about(path, contract, findings), "previous": old[path].text}


STAGE = CodeGeneration
