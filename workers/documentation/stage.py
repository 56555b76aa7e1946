"""Documentation: the README and the reference of the package, written from its contract.

Wakes on `semantic_validation`. Writes `Docs`. Calls the model once.
"""

from __future__ import annotations

from dataclasses import dataclass

from contracts.artifacts import Contract, Docs, File, Requirements
from workers.kit.ports import Llm
from workers.kit.stage import Run, Unfit

PATHS = ("README.md", "docs/api.md")


@dataclass(frozen=True, slots=True)
class Documentation:
    llm: Llm

    async def __call__(self, contract: Contract, requirements: Requirements, run: Run) -> Docs:
        files = await self.llm.write(
            run,
            task="documentation",
            inputs={"contract": contract, "requirements": requirements, "paths": PATHS},
            paths=PATHS,
            check=lambda files: check(files, contract),
        )
        return Docs(files=files)


def check(files: tuple[File, ...], contract: Contract) -> None:
    """A reader can find out what it is called, how it is started and how it is tested."""
    for file in files:
        if not file.text.lstrip().startswith("# "):
            raise Unfit(f"{file.path} does not begin with a title")
    readme = files[0].text
    for command in (contract.run.start, contract.run.test):
        if " ".join(command) not in readme:
            raise Unfit(f"README.md does not give the command: {' '.join(command)}")


STAGE = Documentation
