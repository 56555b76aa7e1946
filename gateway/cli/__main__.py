"""ql: the command line. Commands import what they need when they run, so that `ql --help` is quick."""

from __future__ import annotations

import json
import re
import signal
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from gateway.cli import events, exits, keys, ledger, llm, output, stages, webhooks

app = typer.Typer(
    name="ql",
    help="QuantumLayer: a prompt goes in, a verified package comes out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
workflow = typer.Typer(
    help="Workflows: list, show, watch, cancel, resume, fork, replay, export, open.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
capsule = typer.Typer(help="Capsules: pull, verify.", no_args_is_help=True, rich_markup_mode=None)
deadletter = typer.Typer(
    help="Dead letters: list, show, edit, resend, drop.", no_args_is_help=True, rich_markup_mode=None
)
prompt = typer.Typer(
    help="Prompts: what models are told; list, show, diff, test.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(workflow, name="workflow")
app.add_typer(capsule, name="capsule")
app.add_typer(events.app, name="events")
app.add_typer(keys.app, name="key")
app.add_typer(deadletter, name="deadletter")
app.add_typer(prompt, name="prompt")
app.add_typer(llm.app, name="llm")
app.add_typer(webhooks.app, name="webhook")
app.add_typer(stages.app, name="stage")
workflow.add_typer(ledger.app, name="ledger")

Prompt = Annotated[str, typer.Argument(help="What to build, in English; @FILE reads a file, - standard input.")]
Language = Annotated[str, typer.Option("--language", help="Language of the package.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Budget = Annotated[float | None, typer.Option("--budget", help="US dollars that models may take.", min=0)]
Deadline = Annotated[float | None, typer.Option("--deadline", help="Seconds until it ends as expired.", min=0.001)]
Timeout = Annotated[float, typer.Option("--timeout", help="Seconds to wait for the end.", min=1)]


def _id(given: str) -> str:
    if not re.fullmatch(r"[0-9A-Z]{26}", given):
        said = f"{given!r} is no workflow's id (26 digits and capital letters); see: ql workflow list"
        raise exits.CliError(said, exits.USAGE, "id")
    return given


def _letter(given: str) -> str:
    if given and not re.fullmatch(r"[A-Za-z0-9_.-]{1,200}", given):
        raise exits.CliError(f"{given!r} is no dead letter's id; see: ql deadletter list", exits.USAGE, "id")
    return given


Id = Annotated[str, typer.Argument(help="The workflow's id.", metavar="WORKFLOW", callback=_id)]
LetterId = Annotated[str, typer.Argument(help="The dead letter's id.", metavar="LETTER", callback=_letter)]
OneOrAll = Annotated[str, typer.Argument(help="The dead letter's id.", metavar="LETTER", callback=_letter)]


@app.command()
def up() -> None:
    """Start the whole factory on this machine and keep it running."""
    from gateway.cli import factory

    factory.up()


@app.command()
def generate(
    prompt: Prompt,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the package.")] = Path("out"),
    language: Language = "python",
    timeout: Timeout = 900,
    budget: Budget = None,
    deadline: Deadline = None,
    as_json: AsJson = False,
) -> None:
    """Build a package from a prompt: submit, watch, download, verify, unpack."""
    from gateway.cli import generate as command

    command.generate(prompt, out, language, timeout, budget, as_json, deadline_s=deadline)


@app.command()
def submit(
    prompt: Prompt,
    language: Language = "python",
    key: Annotated[str, typer.Option("--idempotency-key", help="The same key gives the same workflow.")] = "",
    budget: Budget = None,
    deadline: Deadline = None,
    as_json: AsJson = False,
) -> None:
    """Submit a prompt and print the workflow's id."""
    from gateway.cli import workflows

    workflows.submit(prompt, language, key, budget, as_json, deadline_s=deadline)


@workflow.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, max=200)] = 20,
    state: Annotated[str, typer.Option(help="Only these: active, completed, failed, cancelled, expired.")] = "",
    as_json: AsJson = False,
) -> None:
    """The newest workflows."""
    from gateway.cli import workflows

    workflows.list_(limit, state, as_json)


@workflow.command()
def show(id_: Id, as_json: AsJson = False) -> None:
    """One workflow with its stages."""
    from gateway.cli import workflows

    workflows.show(id_, as_json)


@workflow.command()
def watch(id_: Id, timeout: Timeout = 900, as_json: AsJson = False) -> None:
    """Follow a workflow until it ends."""
    from gateway.cli import workflows

    workflows.watch(id_, timeout, as_json)


@workflow.command()
def cancel(
    id_: Id,
    reason: Annotated[str, typer.Option("--reason", help="Why, for whoever looks at it later.")] = "",
    as_json: AsJson = False,
) -> None:
    """End a running workflow; what it is doing stops within seconds."""
    from gateway.cli import workflows

    workflows.cancel(id_, reason, as_json)


@workflow.command()
def resume(
    id_: Id,
    stage: Annotated[str, typer.Option("--from", help="From this stage, as a new workflow.", metavar="STAGE")] = "",
    as_json: AsJson = False,
) -> None:
    """Let a failed workflow go on from the stage that failed; or do any one anew from a stage, as a fork."""
    from gateway.cli import forks, workflows

    if stage:
        forks.fork(id_, stage, "", "", False, as_json)
    else:
        workflows.resume(id_, as_json)


@workflow.command()
def fork(
    id_: Id,
    stage: Annotated[str, typer.Option("--from", help="The first stage that is done anew.", metavar="STAGE")] = "",
    change: Annotated[str, typer.Option("--set", help="prompt=TEXT, or prompt=@FILE.", metavar="NAME=VALUE")] = "",
    edit: Annotated[
        str, typer.Option("--edit", help="Put this JSON in the place of what the stage made.", metavar="STAGE=FILE")
    ] = "",
    model: Annotated[
        str, typer.Option("--model", help="Ask this model or group, from there on.", metavar="MODEL")
    ] = "",
    templates: Annotated[
        list[str] | None,
        typer.Option("--template", help="Tell a stage's model this, not its template.", metavar="STAGE=FILE"),
    ] = None,
    deadline: Deadline = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")] = False,
    as_json: AsJson = False,
) -> None:
    """A new workflow from a stage of this one; what did not change is taken over."""
    from gateway.cli import forks

    forks.fork(id_, stage, change, edit, dry_run, as_json, model=model, templates=templates or (), deadline_s=deadline)


@workflow.command()
def replay(
    id_: Id,
    stage: Annotated[str, typer.Option("--stage", help="Only this stage, with --local.", metavar="STAGE")] = "",
    local: Annotated[bool, typer.Option("--local", help="Do the stage's recorded work again, here.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Do all of it again; it must be the same.")] = False,
    ask: Annotated[bool, typer.Option("--ask", help="With --local: a model may be asked anew.")] = False,
    debug: Annotated[bool, typer.Option("--pdb", help="With --local: a debugger where it raises.")] = False,
    stop: Annotated[bool, typer.Option("--break", help="With --local: a debugger where it begins.")] = False,
    as_json: AsJson = False,
) -> None:
    """What happened when, from the event stream alone; or do the recorded work again and compare."""
    from gateway.cli import replay as command

    command.replay(id_, stage=stage, local=local, strict=strict, ask=ask, debug=debug, stop=stop, as_json=as_json)


@workflow.command()
def export(
    id_: Id, out: Annotated[str, typer.Option("--out", "-o", help="The file; - for standard output.")] = "-"
) -> None:
    """One file with events, drops, artifacts and ledger, for ql workflow open on any machine."""
    from gateway.cli import replay as command

    command.export(id_, out)


@workflow.command("open")
def open_file(
    path: Annotated[Path, typer.Argument(help="A file of ql workflow export.", exists=True, dir_okay=False)],
    timeline: Annotated[bool, typer.Option("--timeline", help="What happened when (this is the default).")] = False,
    files: Annotated[bool, typer.Option("--files", help="List the artifacts.")] = False,
    extract: Annotated[str, typer.Option("--extract", help="Print one: a stage or a sha256.", metavar="NAME")] = "",
    verify: Annotated[bool, typer.Option("--verify", help="Check every hash, and the capsule.")] = False,
    replay: Annotated[bool, typer.Option("--replay", help="Do all of it again; it must be the same.")] = False,
    as_json: AsJson = False,
) -> None:
    """Look into an exported workflow; needs no server."""
    from gateway.cli import replay as command

    if sum((timeline, files, bool(extract), verify, replay)) > 1:
        raise exits.CliError("one of --timeline, --files, --extract, --verify, --replay", exits.USAGE, "usage")
    if replay:
        command.replay_file(path)
    else:
        command.open_(path, files=files, extract=extract, verify=verify, as_json=as_json)


@capsule.command()
def pull(
    id_: Id, out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the archive.")] = Path("out")
) -> None:
    """Download a workflow's capsule, verify it, and print where it is."""
    from gateway.cli import capsules

    capsules.pull(id_, out)


@capsule.command()
def verify(
    paths: Annotated[list[Path], typer.Argument(help="Archives or unpacked folders.", exists=True, readable=True)],
    as_json: AsJson = False,
) -> None:
    """Check every byte of capsules against their manifests; needs no server."""
    from gateway.cli import capsules

    capsules.verify(paths, as_json)


@events.app.command()
def tail(id_: Id, timeout: Timeout = 900) -> None:
    """Print a workflow's events as JSON lines, until it ends."""
    from gateway.cli import workflows

    workflows.tail(id_, timeout)


@deadletter.command("list")
def list_letters(limit: Annotated[int, typer.Option(min=1, max=200)] = 20, as_json: AsJson = False) -> None:
    """The newest dead letters: what no stage can use."""
    from gateway.cli import deadletters

    deadletters.list_(limit, as_json)


@deadletter.command("show")
def show_letter(id_: LetterId, as_json: AsJson = False) -> None:
    """One dead letter with its message, its reason, and what to do."""
    from gateway.cli import deadletters

    deadletters.show(id_, as_json)


@deadletter.command()
def edit(
    id_: LetterId,
    body: Annotated[str, typer.Option("--body", help="File with the new body; - for standard input.", metavar="FILE")],
) -> None:
    """Put another body in the place of one that could not be read."""
    from gateway.cli import deadletters

    deadletters.edit(id_, body)


@deadletter.command()
def resend(
    id_: OneOrAll = "",
    every: Annotated[bool, typer.Option("--all", help="Every dead letter.")] = False,
    stage: Annotated[str, typer.Option("--stage", help="Every dead letter of this stage.")] = "",
) -> None:
    """Let the work go on: resume the failed workflow, or have the (edited) message read again."""
    from gateway.cli import deadletters

    deadletters.resend(id_, every, stage)


@deadletter.command()
def drop(
    id_: OneOrAll = "",
    every: Annotated[bool, typer.Option("--all", help="Every dead letter; asks for --yes.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Really all of them.")] = False,
    stage: Annotated[str, typer.Option("--stage", help="Every dead letter of this stage; asks for --yes.")] = "",
) -> None:
    """Forget dead letters; their workflows stay as they are."""
    from gateway.cli import deadletters

    deadletters.drop(id_, every, yes, stage)


@prompt.command("list")
def list_prompts(as_json: AsJson = False) -> None:
    """Every template and role, with version, size and hash."""
    from gateway.cli import prompts

    prompts.list_(as_json)


@prompt.command("show")
def show_prompt(
    id_: Annotated[str, typer.Argument(help="A template's or a role's id.", metavar="ID")], as_json: AsJson = False
) -> None:
    """One template or role as a model reads it, samples filled in."""
    from gateway.cli import prompts

    prompts.show(id_, as_json)


@prompt.command("diff")
def diff_prompts(
    other: Annotated[Path, typer.Argument(help="Folder of another tree of ours.")],
    id_: Annotated[str, typer.Argument(help="Only this template or role.", metavar="[ID]", show_default=False)] = "",
    as_json: AsJson = False,
) -> None:
    """What changed since another tree; a change without a new version is a failure."""
    from gateway.cli import prompts

    prompts.diff(other, id_, as_json)


@prompt.command("test")
def check_prompts(
    folder: Annotated[Path | None, typer.Argument(help="Another tree of ours.", exists=True, file_okay=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Render every template and role with samples, and say what is wrong with them."""
    from gateway.cli import prompts

    prompts.check(folder, as_json)


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Check what this machine has and what the factory says, with what to do about it."""
    from gateway.cli import doctor as command

    command.doctor(as_json)


def main() -> None:
    """Run, and turn every expected error into one sentence and an exit status."""
    signal.signal(signal.SIGINT, _interrupted)
    try:
        app()
    except exits.CliError as error:
        _fail(error)


def _interrupted(*_: object) -> NoReturn:
    raise exits.CliError("interrupted; a submitted workflow goes on", exits.INTERRUPTED, "interrupted")


def _fail(error: exits.CliError) -> NoReturn:
    if "--json" in sys.argv and not error.told:
        report = {"error": str(error), "code": error.code, "status": error.status}
        sys.stdout.write(json.dumps(report) + "\n")
    sys.stderr.write(f"ql: {output.plain(str(error))}\n")
    sys.exit(error.status)


if __name__ == "__main__":
    main()
