"""The five sample prompts, each by `ql generate` as a person would run it; coverage and mutants of what came out."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.bench.table import Table

PROMPTS = Path(__file__).parent.parent / "flow" / "prompts"
GOAL = "25 s (12 s), passed, 85 %, 60 % killed"
BIN = Path(sys.executable).parent


def measure(table: Table, most: int, mutants: int) -> None:
    """A row each for `most` prompts; the first is run twice, since the goal is about a second run on the machine."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        prompts = sorted(PROMPTS.glob("*.txt"))[:most]
        with suppress(subprocess.CalledProcessError):  # it is told below, where it is measured
            _generate(prompts[0], out)
        for prompt in prompts:
            try:
                seconds, told = _generate(prompt, out)
            except subprocess.CalledProcessError as error:
                table.add(f"`ql generate`: {prompt.stem}", GOAL, f"NOT DONE: {error.stderr.strip().splitlines()[-1]}")
                continue
            package = Path(told["folder"])
            evidence = package / ".quantumlayer" / "evidence" / "tests.json"
            report = json.loads(evidence.read_text())
            covered = sum(file["covered"] for file in report["coverage"]) / sum(
                file["lines"] for file in report["coverage"]
            )
            measured = (
                f"grade {told['grade']}, {seconds:.1f} s (workflow {told['seconds']:.1f} s), "
                f"{len(report['results'])} tests {report['verdict']}, {covered:.0%} of lines, "
                f"mutants {_mutants(package, mutants)}"
            )
            table.add(f"`ql generate`: {prompt.stem}", GOAL, measured)


def _generate(prompt: Path, out: Path) -> tuple[float, dict[str, Any]]:
    began = time.perf_counter()
    command = [str(BIN / "ql"), "generate", f"@{prompt}", "--out", str(out), "--json"]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    return time.perf_counter() - began, json.loads(ended.stdout)


def _mutants(package: Path, sample: int) -> str:
    command = [sys.executable, "-m", "tests.flow.mutants", str(package), "--sample", str(sample), "--seed", "1"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    return (ended.stdout.strip().splitlines() or ["not measured"])[-1]
