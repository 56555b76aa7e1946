"""What a person sees of a history: every number of it, in order of time."""

from __future__ import annotations

import pytest

from contracts.events import ModelCalls, WorkflowSubmitted
from gateway.cli.replay import draw
from gateway.history.timeline import timeline
from tests.gateway.test_history import WORKFLOW, lifecycle, made

ASKED = ModelCalls(role="programmer", model="a/b", calls=9, known=2, tokens_in=700, tokens_out=80, cost=0.25)


def test_times_tries_repairs_calls_and_costs_are_all_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    events = [
        lifecycle("submitted", WorkflowSubmitted(tenant="default", workflow=WORKFLOW, prompt_sha256="0" * 64), 0),
        made("code_generation", 4, attempts=3, work_ms=1500, calls=(ASKED,)),
        made(
            "semantic_validation", 6, ("code_generation", 1), work_ms=500, findings=3, target="code_generation", opens=2
        ),
        made("code_generation", 7, ("semantic_validation", 1), revision=2, work_ms=1000, calls=(ASKED,)),
    ]
    draw(timeline(events))
    said = capsys.readouterr().out
    told = [line.split() for line in said.splitlines()]
    assert told[0][1:3] == ["active", "began"]
    assert told[2][:2] == ["workflow", "submitted"]
    assert told[3][:8] == ["code_generation", "1", "completed", "2.500", "s", "1.500", "s", "3"]
    assert told[3][8:12] == ["9", "(2", "known)", "0.2500"]
    assert "·" in said
    assert "3 findings: back to code_generation as revision 2" in said
    assert "2 retries, 1 repair, 0 reused; work 3.00 s, waiting 4.00 s" in said
    assert "18 calls to models, 4 of them answered by the ledger; 1400/160 tokens in/out, 0.5000 USD" in said
