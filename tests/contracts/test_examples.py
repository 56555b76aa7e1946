"""What was once said must be readable for ever; and the generated documents are those of today's code."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from contracts import cloudevents, generate
from contracts.artifacts import Capsule, Submission, decode
from contracts.events import LIFECYCLE_EVENTS, STAGE_EVENTS
from contracts.topology import TOPOLOGY

EXAMPLES = Path(generate.__file__).parent / "examples"
EVENTS = sorted((EXAMPLES / "events").iterdir())
BODIES = sorted((EXAMPLES / "artifacts").iterdir())
PRODUCED: list[type[msgspec.Struct]] = [Submission, *(stage.produces for stage in TOPOLOGY.stages.values())]
KINDS = {kind.__name__: kind for kind in PRODUCED}


@pytest.mark.parametrize("file", EVENTS, ids=lambda file: file.stem)
def test_an_event_recorded_once_is_read_today(file: Path) -> None:
    body = file.read_bytes()
    event = cloudevents.from_structured(body)
    assert event.type == file.stem
    _, headers, data = cloudevents.to_binary(body)
    assert cloudevents.from_binary(headers, data) == event


@pytest.mark.parametrize("file", BODIES, ids=lambda file: file.stem)
def test_an_artifact_recorded_once_is_read_today(file: Path) -> None:
    kind = KINDS[file.name.partition(".")[0]]
    assert isinstance(decode(file.read_bytes(), kind), kind)


def test_every_kind_of_event_and_artifact_has_an_example() -> None:
    told = {type(cloudevents.from_structured(file.read_bytes()).data) for file in EVENTS}
    assert told == {*LIFECYCLE_EVENTS.values(), *STAGE_EVENTS.values()}
    assert {file.name for file in BODIES} == {f"{name}.v1.json" for name in KINDS if name != Capsule.__name__}


def test_the_generated_documents_are_those_of_today(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert generate.main(["--check"]) == 0
    monkeypatch.setattr(generate, "FOLDER", tmp_path)
    assert generate.main(["--check"]) == 1
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
    (tmp_path / "asyncapi.yaml").write_text("changed", encoding="utf-8")
    assert generate.main(["--check"]) == 1
