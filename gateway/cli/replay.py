"""ql workflow replay, export, open: what a workflow did, its file, and doing it again from what was recorded."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from deploy.local.factory import data_folder
from gateway.cli import connect, output
from gateway.cli.client import Client
from gateway.cli.exits import FAILED, OK, USAGE, CliError
from gateway.history.timeline import Mark, Step, Timeline, timeline
from workers.kit.settings import PROVIDER_KEYS

if TYPE_CHECKING:
    from workers.kit.exported import Exported

BAR = 40


def show(workflow: str, as_json: bool) -> None:
    """Print the timeline that the gateway reads from the stream."""
    with Client(connect.known_gateway()) as client:
        told = client.get(f"/v1/workflows/{workflow}/timeline")
    if as_json:
        output.as_json(told)
    else:
        for step in told["steps"]:
            step["calls"] = [{k: v for k, v in call.items() if v is not None} for call in step["calls"]]
        draw(msgspec.convert(told, Timeline))


def replay(
    workflow: str, *, stage: str, local: bool, strict: bool, ask: bool, debug: bool, stop: bool, as_json: bool
) -> None:
    """The timeline, or with `strict` or `local` the recorded work done again; its exit status is ours."""
    flags = [*(["--stage", stage] if stage else [])]
    flags += [name for name, given in (("--ask", ask), ("--pdb", debug), ("--break", stop)) if given]
    if strict == local and (strict or flags):
        raise CliError("--stage S --local does one stage again, --strict all of them", USAGE, "usage")
    if (strict and flags) or (local and not stage):
        raise CliError("--strict takes no other option, and --local needs --stage S", USAGE, "usage")
    if not (strict or local):
        show(workflow, as_json)
        return
    with _fetched(workflow) as path:
        _run(path, flags, ask=ask)


def export(workflow: str, out: str) -> None:
    """Write the file; '-' is standard output."""
    if out == "-":
        with _fetched(workflow) as path:
            sys.stdout.buffer.write(path.read_bytes())
        return
    target = Path(out or f"{workflow}.qlx")
    with Client(connect.known_gateway()) as client:
        client.download(f"/v1/workflows/{workflow}/export", target)
    sys.stdout.write(f"{target}\n")


def open_(path: Path, *, files: bool, extract: str, verify: bool, as_json: bool) -> None:
    """Show what is in an exported file; no server is asked."""
    found = _read(path)
    if verify:
        _verify(path, found, as_json)
    elif files:
        _files(found, as_json)
    elif extract:
        _extract(found, extract)
    else:
        told = timeline(found.told())
        if as_json:
            output.as_json(msgspec.to_builtins(told))
        else:
            draw(told)


def replay_file(path: Path) -> None:
    """As `replay --strict`, of an exported file."""
    _read(path)
    _run(path, [], ask=False)


@contextmanager
def _fetched(workflow: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ql-") as folder, Client(connect.known_gateway()) as client:
        path = Path(folder) / f"{workflow}.qlx"
        client.download(f"/v1/workflows/{workflow}/export", path)
        yield path


def _run(path: Path, flags: Sequence[str], *, ask: bool) -> None:
    """In a process of its own with this terminal: the command line imports no stage. Only one that asks has keys."""
    withheld = frozenset() if ask else PROVIDER_KEYS
    env = {name: value for name, value in os.environ.items() if name not in withheld}
    env["QL_DATA"] = str(data_folder(connect.settings()))
    command = [sys.executable, "-m", "workers.local", str(path), *flags]
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends ^C to that process too
    try:
        ended = subprocess.run(command, env=env, check=False)
    finally:
        signal.signal(signal.SIGINT, handler)
    if ended.returncode != OK:
        status = ended.returncode if ended.returncode in {FAILED, USAGE} else FAILED
        raise CliError("what was done again is not what was recorded (see above)", status, "different", told=True)


def _read(path: Path) -> Exported:
    from workers.kit.capsule.archive import MAX_BYTES
    from workers.kit.exported import BadExport, read

    try:
        if path.stat().st_size > MAX_BYTES:
            raise CliError(f"{path} is larger than any export", code="damaged")
        return read(path.read_bytes())
    except (BadExport, OSError) as error:
        raise CliError(f"{path}: {error}", code="damaged") from error


def _verify(path: Path, found: Exported, as_json: bool) -> None:
    """Reading has checked every hash; here also what drops and events say of each other, and the capsule."""
    from workers.kit.capsule import verify
    from workers.kit.exported import capsule_of, missing_events

    events = found.told()
    problems = [f"no event tells of {drop}" for drop in missing_events(events, found.drops)]
    capsule = capsule_of(found)
    if capsule is not None:
        with tempfile.NamedTemporaryFile(prefix="ql-", suffix=".tar.gz") as file:
            file.write(capsule)
            file.flush()
            problems += [f"capsule: {problem}" for problem in verify(Path(file.name)).problems]
    said = {
        "ok": not problems,
        "problems": problems,
        "workflow": found.workflow.id,
        "events": len(events),
        "drops": len(found.drops),
        "artifacts": len(found.artifacts),
        "answers": len(found.ledger.entries),
        "capsule": capsule is not None,
    }
    if as_json:
        output.as_json(said)
    else:
        verdict = "ok" if not problems else "NOT ok"
        counts = ", ".join(f"{said[name]} {name}" for name in ("events", "drops", "artifacts", "answers"))
        sys.stdout.write(f"{path}: {verdict}, {counts}\n")
        sys.stdout.writelines(f"  {output.plain(problem)}\n" for problem in problems)
    if problems:
        raise CliError("the file does not hold together", FAILED, "damaged", told=as_json)


def _files(found: Exported, as_json: bool) -> None:
    rows = [
        {
            "stage": drop.stage,
            "revision": drop.revision,
            "state": drop.state,
            "sha256": drop.artifact.sha256,
            "size": drop.artifact.length,
            "media_type": drop.media_type,
        }
        for drop in found.drops
        if drop.artifact is not None
    ]
    if as_json:
        output.as_json(rows)
        return
    heads = ("SHA256", "BYTES", "STAGE", "REVISION")
    output.table(heads, [(r["sha256"], str(r["size"]), r["stage"], str(r["revision"])) for r in rows])  # type: ignore[misc]  # builtins by name


def _extract(found: Exported, name: str) -> None:
    """One artifact, by stage (its newest) or by the beginning of its sha256, to standard output."""
    named = [drop.artifact.sha256 for drop in found.drops if drop.artifact is not None and drop.stage == name]
    matches = named[-1:] or [digest for digest in found.artifacts if len(name) > 5 and digest.startswith(name)]
    if len(matches) != 1:
        raise CliError(f"{name!r} names no artifact here; see: ql workflow open FILE --files", USAGE, "artifact")
    sys.stdout.buffer.write(found.artifacts[matches[0]])


def draw(told: Timeline) -> None:
    """A line for each step and for what happened to the workflow itself, in order of time."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="")
    for head in ("STAGE", "REV", "OUTCOME", "WAITED", "WORKED", "TRIES", "CALLS", "USD", "· WAITED, █ WORKED", "NOTE"):
        table.add_column(head, no_wrap=head != "NOTE", justify="right" if head in {"WAITED", "WORKED"} else "left")
    rows = [(mark.at_s, mark.outcome != "submitted", _marked(mark)) for mark in told.marks]
    rows += [(step.ended_s, False, _stepped(step, told.seconds)) for step in told.steps]
    for _, _, cells in sorted(rows, key=lambda row: row[:2]):
        table.add_row(*(Text(output.plain(cell)) for cell in cells))
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 200, highlight=False)
    with console.capture() as drawn:
        console.print(f"{told.workflow}  {told.state}  began {told.began[:19]}, {told.seconds:.2f} s")
        console.print(table)
    sys.stdout.writelines(line.rstrip() + "\n" for line in drawn.get().splitlines())
    sums = told.totals
    sys.stdout.write(
        f"{_many(sums.retries, 'retry', 'retries')}, {_many(sums.repairs, 'repair', 'repairs')}, {sums.reused} reused; "
        f"work {sums.work_s:.2f} s, waiting {sums.waited_s:.2f} s\n"
        f"{_many(sums.calls, 'call', 'calls')} to models, {sums.known} of them answered by the ledger; "
        f"{sums.tokens_in}/{sums.tokens_out} tokens in/out, {sums.cost:.4f} USD\n"
    )


def _stepped(step: Step, whole: float) -> tuple[str, ...]:
    calls, known = sum(c.calls for c in step.calls), sum(c.known for c in step.calls)
    cost = sum(c.cost for c in step.calls)
    return (
        step.stage,
        str(step.revision),
        "reused" if step.reused else step.outcome,
        f"{step.waited_s:.3f} s",
        f"{step.work_s:.3f} s",
        str(step.attempts),
        (f"{calls} ({known} known)" if known else str(calls)) if calls else "",
        f"{cost:.4f}" if cost else "",
        _bar(step.ready_s, step.waited_s, step.work_s, whole),
        step.note,
    )


def _marked(mark: Mark) -> tuple[str, ...]:
    """What failed says why in its own line."""
    note = mark.note.partition(":")[0] if mark.outcome == "failed" else mark.note
    return ("workflow", "", mark.outcome, *[""] * 6, f"at {mark.at_s:.3f} s{': ' if note else ''}{note}")


def _many(number: int, one: str, more: str) -> str:
    return f"{number} {one if number == 1 else more}"


def _bar(ready: float, waited: float, work: float, whole: float) -> str:
    scale = BAR / whole if whole > 0 else 0
    before, dots = round(ready * scale), round(waited * scale)
    full = max(1, round(work * scale))
    return (" " * before + "·" * dots + "█" * full)[: BAR + 1]
