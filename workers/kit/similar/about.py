"""What a file is for, in the words by which a sample of it is found again."""

from __future__ import annotations

from contracts.artifacts import Contract, ContractFile

MOST_CHARACTERS = 2000


def about(contract: Contract, file: ContractFile) -> str:
    """One text for a file that is to be written and for one that was: so the two can be near."""
    names = " ".join(export.symbol for export in file.exports)
    name = file.path.rpartition("/")[2]
    said = (
        f"{file.language} {file.layer} {file.layer} {contract.kind}\n{name} {file.purpose}\n{names}\n{contract.title}"
    )
    return said[:MOST_CHARACTERS]
