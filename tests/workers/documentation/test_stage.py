"""Which documents are refused."""

from __future__ import annotations

import pytest

from contracts.artifacts import File
from tests.workers.chain import contract, direct, requirements, run
from workers.documentation.stage import PATHS, Documentation, check
from workers.kit.stage import Unfit


async def test_readme_and_reference_are_written() -> None:
    docs = await Documentation(direct())(contract(), requirements(), run("documentation"))
    assert tuple(file.path for file in docs.files) == PATHS


@pytest.mark.parametrize(
    ("readme", "api", "sentence"),
    [
        ("Books\n", "# API\n", "README.md does not begin with a title"),
        ("# Books\n", "API\n", "docs/api.md does not begin with a title"),
        ("# Books\n", "# API\n", "does not give the command: python -m"),
    ],
)
def test_a_readme_that_leaves_its_reader_alone_is_refused(readme: str, api: str, sentence: str) -> None:
    with pytest.raises(Unfit, match=sentence):
        check((File(path="README.md", text=readme), File(path="docs/api.md", text=api)), contract())
