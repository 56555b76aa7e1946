"""A fork of a finished sample, on the whole factory: what did not change is neither done nor asked for again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx

from tests.flow.conftest import Running

CODE = {"code_generation", "test_generation"}


async def shown(factory: Running, workflow: str) -> dict[str, Any]:
    found = json.loads((await factory.ql("workflow", "show", workflow, "--json")).stdout)
    return {drop["stage"]: drop for drop in found["drops"]}


async def forked(factory: Running, workflow: str, *how: str) -> dict[str, Any]:
    """The drops of a fork that has ended, by stage."""
    begun = await factory.ql("workflow", "fork", workflow, *how)
    assert begun.returncode == 0, begun.stderr
    fork = begun.stdout.strip()
    watched = await factory.ql("workflow", "watch", fork, "--json")
    assert watched.returncode == 0, watched.stderr
    assert json.loads(watched.stdout)["grade"] == "A"
    return await shown(factory, fork)


def asked(drops: dict[str, Any]) -> dict[str, int]:
    """The questions whose answers the ledger did not have, by stage."""
    new = {name: sum(each["calls"] - each["known"] for each in drop["calls"]) for name, drop in drops.items()}
    return {name: count for name, count in new.items() if count}


async def artifact(factory: Running, drop: dict[str, Any]) -> Any:
    async with httpx.AsyncClient(base_url=factory.url) as http:
        return (await http.get(drop["artifact"]["address"])).json()


async def test_one_changed_requirement_asks_for_its_own_files_only(
    factory: Running, packages: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    parent = packages["helpdesk"]["workflow"]
    before = await shown(factory, parent)
    requirements, contract, suite = [
        await artifact(factory, before[stage])
        for stage in ("requirements_parsing", "project_structure", "test_generation")
    ]
    needed = {name for claim in requirements["requirements"] for name in claim.get("depends_on", ())}
    claim = next(claim for claim in requirements["requirements"] if claim["id"] not in needed)
    files = {file["path"] for file in contract["files"] if claim["id"] in file.get("requirement_ids", ())}
    files |= {test["path"] for test in suite["tests"] if claim["id"] in test["requirement_ids"]}
    claim["text"] += " It says so."
    edited = tmp_path / "requirements.json"
    edited.write_text(json.dumps(requirements))
    edit = ("--edit", f"requirements_parsing={edited}")
    planned = json.loads((await factory.ql("workflow", "fork", parent, *edit, "--dry-run", "--json")).stdout)["plan"]
    assert planned["calls"] == sum(
        each["calls"] for name, drop in before.items() if name in planned["runs"] for each in drop["calls"]
    )
    drops = await forked(factory, parent, *edit)
    new = asked(drops)
    assert sum(new[stage] for stage in CODE if stage in new) == len(files)
    assert {name: count for name, count in new.items() if name not in CODE} == {
        "project_structure": 1,
        "test_plan_generation": 1,
        "documentation": 1,
    }
    full = sum(each["calls"] for drop in before.values() for each in drop["calls"])
    assert len(contract["files"]) >= 20
    assert sum(new.values()) * 3 < full
    assert [name for name, drop in drops.items() if drop["edited"]] == ["requirements_parsing"]
    reused = {name for name, drop in drops.items() if drop["reused"]}
    assert reused >= {"prompt_enhancement", "frd_generation", "dependency_resolution"}


async def test_a_fork_without_a_change_is_the_same_capsule(
    factory: Running, packages: dict[str, dict[str, Any]]
) -> None:
    parent = packages["geometry"]["workflow"]
    drops = await forked(factory, parent, "--from", "security_scanning")
    assert asked(drops) == {}
    assert [name for name, drop in drops.items() if not drop["reused"]] == ["security_scanning", "packaging"]
    assert drops["packaging"]["artifact"]["sha256"] == packages["geometry"]["sha256"]
