"""What holds for the tree as a whole: no registry host, no machine's path, every requirement hashed, small modules."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from contracts.topology import TOPOLOGY

ROOT = Path(__file__).parent.parent
DOT = re.escape(".")
HOSTS = re.compile(rf"pypi{DOT}org|pythonhosted{DOT}org|registry{DOT}npmjs|deb{DOT}debian{DOT}org")
MACHINE = re.compile(r"(?:^|[^a-z])/(?:work|farm|root)/[a-z.]")
MAX_LINES = 400


def tracked(suffix: str = "") -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name.endswith(suffix) and name and (ROOT / name).is_file()]


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_every_requirement_of_a_lock_has_a_hash(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    entries = re.split(r"\n(?=\S)", text.strip())
    assert len(entries) > 50
    assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert "litellm==1.106.2" in text


def test_no_tracked_file_names_a_registry_host_or_a_machine_path() -> None:
    found = []
    for path in tracked():
        text = path.read_text(encoding="utf-8", errors="replace")
        found += [f"{path.relative_to(ROOT)}: {m.group()}" for m in (HOSTS.search(text), MACHINE.search(text)) if m]
    assert found == []


def test_no_module_is_longer_than_a_person_reads() -> None:
    long = [(len(p.read_text(encoding="utf-8").splitlines()), str(p.relative_to(ROOT))) for p in tracked(".py")]
    assert [entry for entry in long if entry[0] > MAX_LINES] == []


def test_no_binary_is_tracked() -> None:
    assert [str(p.relative_to(ROOT)) for p in tracked() if b"\0" in p.read_bytes()[:8192]] == []


def test_the_readme_shows_the_topology_of_today() -> None:
    assert TOPOLOGY.mermaid() in (ROOT / "README.md").read_text(encoding="utf-8")


LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def test_every_relative_link_of_the_docs_leads_somewhere() -> None:
    broken = []
    for page in tracked(".md"):
        if "prompts" in page.parts or page.name == "prompt.md":
            continue
        targets = LINK.findall(page.read_text(encoding="utf-8"))
        broken += [f"{page.relative_to(ROOT)}: {t}" for t in targets if not (page.parent / t).exists()]
    assert broken == []
