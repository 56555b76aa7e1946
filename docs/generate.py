"""Writes settings.md, cli.md, roles.md and metrics.md of docs/reference from the code; `--check` only compares them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from observability.metrics import ALL  # noqa: E402  the tree must be on the path first
from workers.kit.prompts.roles import roles as all_roles  # noqa: E402
from workers.kit.settings import Settings  # noqa: E402

REFERENCE = Path(__file__).parent / "reference"
COMMANDS = (
    "",
    "up",
    "generate",
    "submit",
    "workflow list",
    "workflow show",
    "workflow watch",
    "workflow cancel",
    "workflow resume",
    "capsule pull",
    "capsule verify",
    "events tail",
    "events follow",
    "deadletter list",
    "deadletter show",
    "deadletter edit",
    "deadletter resend",
    "deadletter drop",
    "doctor",
    "prompt list",
    "prompt show",
    "prompt diff",
    "prompt test",
    "llm calls",
    "llm call",
    "llm models",
    "llm test",
    "llm cost",
    "llm quota",
    "llm roles",
    "llm arms",
    "llm switches",
    "llm off",
    "llm on",
    "workflow ledger export",
    "workflow ledger import",
    "workflow fork",
    "workflow replay",
    "workflow export",
    "workflow open",
    "events subscribe",
    "key nats issue",
    "key nats list",
    "key nats revoke",
    "stage list",
    "stage pause",
    "stage resume",
    "webhook add",
    "webhook list",
    "webhook show",
    "webhook test",
    "webhook resend",
    "webhook rotate",
    "webhook enable",
    "webhook remove",
)
SETTINGS = """# Settings

Read once from the environment. Each may also come from a file: `QL_DATABASE_URL_FILE` names one that holds the value of
`QL_DATABASE_URL`. A `QL_` variable that is not in this table is refused.

| variable | meaning | default |
|---|---|---|
"""
ROLES = """# Roles

Who a model is when it does a task. A role is picked by rule: its task must match and each property named here must
too; the most specific one wins. `ql prompt show ROLE` prints its text. Which roles wrote what stands in the events
(`calls`) and in `ql workflow show`.

| role | tasks; picked for; models; temperature | purpose |
|---|---|---|
"""
METRICS = """# Metrics

What workers count, sent by OTLP every 15 seconds to the collector of `QL_OTLP_URL` (`/v1/metrics`); without one nothing
is measured. Each is a counter from the start of its process, by stage where it is a stage's: the system is the sum.

| metric | by | meaning |
|---|---|---|
"""
EXITS = """
## Exit statuses

| status | meaning |
|---|---|
| 0 | done |
| 1 | failed; the sentence on stderr says why |
| 2 | wrong use: options, settings, or a prompt that is no text |
| 3 | the package was built, but its grade is D or F |
| 5 | timed out waiting; the workflow goes on |
| 130 | interrupted; a submitted workflow goes on |

Data goes to stdout, everything else to stderr. With `--json`, errors too are one JSON document on stdout.
"""


def settings() -> str:
    """The table of every setting."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = f"`{field.default}`" if field.default not in ("", None) else ""
        rows.append(f"| `QL_{name.upper()}` | {field.description} | {default} |")
    return SETTINGS + "\n".join(rows) + "\n"


def cli() -> str:
    """What `--help` says of every command."""
    parts = ["# Command line\n"]
    for command in COMMANDS:
        shown = subprocess.run(
            [str(Path(sys.executable).parent / "ql"), *command.split(), "--help"],
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
            env={"COLUMNS": "110", "TERM": "dumb", "PATH": "/usr/bin:/bin", "NO_COLOR": "1"},
        ).stdout
        text = "\n".join(line.rstrip() for line in shown.strip().splitlines())
        parts.append(f"## ql {command}".rstrip() + f"\n\n```text\n{text}\n```\n")
    return "\n".join(parts) + EXITS


def roles() -> str:
    """The table of every role."""
    rows = (
        f"| `{role.id}` | {role.settings.removeprefix('tasks: ')} | {role.purpose} |" for role in all_roles().values()
    )
    return ROLES + "\n".join(rows) + "\n"


def metrics() -> str:
    """The table of every metric."""
    rows = (f"| `{metric.name}` | {metric.label} | {metric.meaning} |" for metric in sorted(ALL, key=lambda m: m.name))
    return METRICS + "\n".join(rows) + "\n"


def main() -> int:
    """Write or compare; 1 for a page that has drifted."""
    wrong = []
    pages = {"settings.md": settings(), "cli.md": cli(), "roles.md": roles(), "metrics.md": metrics()}
    for name, text in pages.items():
        page = REFERENCE / name
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            wrong.append(name)
            if "--check" not in sys.argv:
                page.parent.mkdir(parents=True, exist_ok=True)
                page.write_text(text, encoding="utf-8")
    if wrong and "--check" in sys.argv:
        sys.stderr.write(f"drifted: {', '.join(wrong)}; run make docs\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
