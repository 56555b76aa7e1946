"""Five prompts become five packages: graded, verified, tested in the sandbox, and usable as their READMEs say."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from contracts.artifacts import TestReport, decode
from contracts.topology import TOPOLOGY
from tests.flow.conftest import PROMPTS, SAMPLES, Running

STARTS_S = 30.0


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_sample_passes_its_own_tests_in_the_sandbox(packages: dict[str, dict[str, Any]], sample: str) -> None:
    package = Path(packages[sample]["folder"])
    report = decode((package / ".quantumlayer/evidence/tests.json").read_bytes(), TestReport)
    assert (report.verdict, report.installed, report.started) == ("passed", True, True)
    assert len(report.results) >= 10
    assert report.line_coverage >= 0.85
    assert packages[sample]["grade"] == "A", packages[sample]["reasons"]


async def test_every_capsule_verifies_and_tells_where_each_file_comes_from(
    factory: Running, packages: dict[str, dict[str, Any]]
) -> None:
    archives = [told["archive"] for told in packages.values()]
    verified = await factory.ql("capsule", "verify", *archives, *(told["folder"] for told in packages.values()))
    assert verified.returncode == 0, verified.stdout
    for told in packages.values():
        manifest = json.loads((Path(told["folder"]) / ".quantumlayer/manifest.json").read_bytes())
        written = [file for file in manifest["files"] if file["stage"] == "code_generation"]
        assert written
        assert all(
            file["model"] == "blueprint/default" and file["question"] and file["revision"] == 1 for file in written
        )
        must = [entry for entry in manifest["trace"] if entry["priority"] == "must"]
        assert len(must) >= 5
        assert all(entry["verdict"] == "proven" and entry["files"] and entry["tests"] for entry in must)


async def test_the_same_prompt_gives_the_same_bytes(
    factory: Running, packages: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    again = await factory.ql("generate", f"@{PROMPTS}/expenses.txt", "--out", str(tmp_path), "--json")
    told = json.loads(again.stdout)
    assert told["workflow"] != packages["expenses"]["workflow"]
    assert told["sha256"] == packages["expenses"]["sha256"]
    assert Path(told["archive"]).read_bytes() == Path(packages["expenses"]["archive"]).read_bytes()


async def test_a_workflow_is_one_trace_from_the_request_through_every_stage(
    factory: Running, packages: dict[str, dict[str, Any]]
) -> None:
    wanted = {f"process ql.evt.{{tenant}}.{{workflow}}.{name}" for name in TOPOLOGY.stages} | {"POST /v1/workflows"}
    until = time.monotonic() + 15  # exporters send in batches, every five seconds
    while not any(wanted <= names for names in _traces(factory).values()):
        assert time.monotonic() < until, sorted(_traces(factory).values(), key=len)[-1:]
        await asyncio.sleep(0.2)
    known = {told["workflow"] for told in packages.values()}
    assert not any(workflow in name for names in _traces(factory).values() for name in names for workflow in known)


def _traces(factory: Running) -> dict[bytes, set[str]]:
    traces: dict[bytes, set[str]] = {}
    for request in list(factory.spans):
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    traces.setdefault(span.trace_id, set()).add(span.name)
    return traces


def _blocks(readme: Path) -> dict[str, list[str]]:
    """The commands of the README's shell blocks, by heading; a backslash continues a line."""
    found: dict[str, list[str]] = {}
    for section in re.split(r"^## ", readme.read_text(encoding="utf-8"), flags=re.M)[1:]:
        heading, _, rest = section.partition("\n")
        commands = "\n".join(re.findall(r"```sh\n(.*?)```", rest, flags=re.S)).replace("\\\n", " ")
        found[heading.strip()] = [line for line in commands.splitlines() if line.strip()]
    return found


def _shell(command: str, folder: Path) -> str:
    """As a person would type it who does not want all that is installed compiled beforehand: that takes a second."""
    env = os.environ | {"PIP_NO_COMPILE": "0"}  # pip takes it for the answer to "compile?"
    ended = subprocess.run(
        ["sh", "-c", command], cwd=folder, env=env, capture_output=True, text=True, timeout=280, check=False
    )
    assert ended.returncode == 0, f"{command}\n{ended.stdout}\n{ended.stderr}"
    return ended.stdout


@pytest.mark.parametrize("sample", ["bookshelf", "expenses", "geometry"])
def test_the_readme_s_own_commands_install_test_and_start_it(packages: dict[str, dict[str, Any]], sample: str) -> None:
    folder = Path(packages[sample]["folder"])
    blocks = _blocks(folder / "README.md")
    for command in blocks["Install"]:
        _shell(command, folder)
    assert " passed" in "".join(_shell(command, folder) for command in blocks["Test"])
    if sample == "geometry":
        (example,) = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(encoding="utf-8"), flags=re.S)
        _shell(f".venv/bin/python -c {shlex.quote(example)}", folder)
    elif sample == "bookshelf":
        _serves(blocks["Start"][0], folder)
    else:
        assert _shell(blocks["Start"][0], folder)


def _serves(command: str, folder: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        ["sh", "-c", f"exec {command}"], cwd=folder, env={"PORT": str(port), "PATH": "/usr/bin:/bin"}
    )
    try:
        until = time.monotonic() + STARTS_S
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/books", timeout=5) as answer:
                    assert json.load(answer)["total"] == 0
                return
            except OSError:
                assert time.monotonic() < until, "it did not start"
                time.sleep(0.1)
    finally:
        server.terminate()
        server.wait(timeout=10)
