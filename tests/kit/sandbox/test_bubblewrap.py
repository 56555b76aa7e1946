"""What a run gives back, what it may not do to us, and that nothing stays behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from contracts.paths import UnsafePath
from tests.kit.sandbox.conftest import OWN_UID
from workers.kit.ports import Command, Limits, NotAvailable, SandboxResult
from workers.kit.registry import Wheels
from workers.kit.sandbox import Bubblewrap, profile, runtime
from workers.kit.stage import Permanent


def python(program: str, *, required: bool = True, wall_s: float = 20) -> Command:
    return Command(argv=("python3", "-c", program), required=required, wall_s=wall_s)


async def result(sandbox: Bubblewrap, *commands: Command, **options: object) -> SandboxResult:
    made = await sandbox.run(options.pop("files", ()), commands, **options)  # type: ignore[arg-type]
    assert isinstance(made, SandboxResult), made
    return made


def strangers() -> list[str]:
    """Host processes under a sandbox uid of this folder's; where we are not root, those that run a driver."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            told = (entry / "cmdline").read_bytes()
            uid = entry.stat().st_uid
        except OSError:
            continue
        if OWN_UID <= uid < OWN_UID + 64 or (os.geteuid() != 0 and b"Runs inside the sandbox" in told):
            found.append(entry.name)
    return found


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 - /proc has no event to wait for
            await asyncio.sleep(0.05)


HOSTILE_DRIVER = """
import json, os, sys
def send(body=None, **header):
    head = json.dumps({**header, "sizes": [] if body is None else [len(body)]}).encode()
    os.write(int(sys.argv[1]), len(head).to_bytes(4, "big") + head + (body or b""))
send(kind="ready")
for name, body in (("asked.txt", b"1"), (*LAST, b"2")):
    send(body, kind="file", name=name)
send(b"3", kind="file", name="late.txt")
send(kind="end")
"""


@pytest.mark.parametrize("last", ["../../etc/passwd", "/abs", "asked.txt", ""])
async def test_only_what_was_asked_for_is_collected_and_only_once(
    sandbox: Bubblewrap, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    """The driver runs beside hostile code: it may be no longer ours."""
    monkeypatch.setattr(profile, "_driver", lambda: HOSTILE_DRIVER.replace("*LAST", repr(last)))
    made = await result(sandbox, collect=["asked.txt", "late.txt"])
    assert made.collected == {"asked.txt": b"1"}


async def test_commands_share_a_workspace_and_run_in_order(sandbox: Bubblewrap) -> None:
    made = await result(
        sandbox,
        python("print(open('pkg/in.txt').read()); open('out.txt', 'w').write('made')"),
        Command(argv=("cat", "out.txt")),
        files=[("pkg/in.txt", "größer".encode())],
    )
    assert [(run.exit, run.reason, run.stdout, run.stderr) for run in made.commands] == [
        (0, "exited", "größer\n", ""),
        (0, "exited", "made", ""),
    ]


async def test_a_required_command_that_fails_is_the_last(sandbox: Bubblewrap) -> None:
    made = await result(sandbox, python("raise SystemExit(3)"), python("print('never')"))
    assert [run.exit for run in made.commands] == [3]


async def test_after_another_failure_the_next_one_runs(sandbox: Bubblewrap) -> None:
    made = await result(sandbox, python("raise SystemExit(3)", required=False), python("print('yes')"))
    assert [(run.exit, run.stdout) for run in made.commands] == [(3, ""), (0, "yes\n")]


async def test_a_missing_program_is_an_ordinary_failure(sandbox: Bubblewrap) -> None:
    made = await result(sandbox, Command(argv=("no-such-program",)))
    assert (made.commands[0].exit, made.commands[0].stderr) == (127, "no-such-program: No such file or directory")


async def test_only_honest_small_files_are_collected(sandbox: Bubblewrap) -> None:
    program = """
import os
open('good.txt', 'wb').write(bytes(range(256)))
os.symlink('/etc/passwd', 'link'); os.mkfifo('pipe'); os.mkdir('folder')
open('large', 'wb').truncate((16 << 20) + 1)
"""
    wanted = ("good.txt", "link", "pipe", "folder", "large", "absent")
    made = await result(sandbox, python(program), collect=wanted)
    assert made.commands[0].exit == 0, made.commands[0].stderr
    assert made.collected == {"good.txt": bytes(range(256))}


async def test_files_are_collected_also_after_a_failure(sandbox: Bubblewrap) -> None:
    made = await result(sandbox, python("open('report', 'w').write('x'); raise SystemExit(1)"), collect=("report",))
    assert made.collected == {"report": b"x"}


async def test_the_environment_is_made_up_and_complete(sandbox: Bubblewrap) -> None:
    made = await result(sandbox, Command(argv=("env", "-0")))
    told = dict(line.split("=", 1) for line in made.commands[0].stdout.split("\ufffd") if line)
    assert told == profile.ENVIRONMENT


async def test_output_is_text_that_a_database_takes(sandbox: Bubblewrap) -> None:
    made = await result(sandbox, python(r"import os; os.write(1, b'a\0b\xff'); os.write(2, 'é'.encode())"))
    assert (made.commands[0].stdout, made.commands[0].stderr) == ("a\ufffdb\ufffd", "é")


async def test_output_is_cut_at_its_limit(sandbox: Bubblewrap) -> None:
    made = await result(sandbox, python("print('x' * 5000)"), limits=Limits(output_bytes=1000))
    assert (made.commands[0].exit, made.commands[0].reason, made.commands[0].stdout) == (None, "output", "x" * 1000)


async def test_the_wall_limit_of_the_run_holds_over_all_commands(sandbox: Bubblewrap) -> None:
    naps = [python(f"import time; time.sleep({seconds})") for seconds in (0.3, 0.3, 2.8)]
    made = await result(sandbox, *naps, limits=Limits(wall_s=3))
    assert [run.reason for run in made.commands] == ["exited", "exited", "wall time"]


async def test_real_work_is_possible(sandbox: Bubblewrap) -> None:
    program = """
import http.server, sqlite3, subprocess, sys, threading, urllib.request, multiprocessing, tempfile, ssl
server = http.server.HTTPServer(('localhost', 0), http.server.SimpleHTTPRequestHandler)
threading.Thread(target=server.serve_forever, daemon=True).start()
body = urllib.request.urlopen(f'http://localhost:{server.server_port}/here.txt').read()
assert body == b'served', body
assert sqlite3.connect('x.db').execute('select 1 + 1').fetchone() == (2,)
assert subprocess.check_output([sys.executable, '-c', 'print(6 * 7)'], env={}) == b'42\\n'
with multiprocessing.Pool(2) as pool: assert pool.map(abs, [-1, -2]) == [1, 2]
with tempfile.TemporaryDirectory(): pass
"""
    made = await result(sandbox, python(program), files=[("here.txt", b"served")])
    assert made.commands[0].exit == 0, made.commands[0].stderr


@pytest.mark.parametrize("name", ["../x", "/etc/cron.d/x", "a/../../x", "x\0y", "n" * 300])
async def test_an_unsafe_name_starts_nothing(sandbox: Bubblewrap, name: str) -> None:
    with pytest.raises(UnsafePath):
        await sandbox.run([(name, b"")], [python("")])
    with pytest.raises(UnsafePath):
        await sandbox.run([], [python("")], collect=[name])


async def test_files_larger_than_the_workspace_are_refused(sandbox: Bubblewrap) -> None:
    with pytest.raises(Permanent):
        await sandbox.run([("a", bytes(2048))], [python("")], limits=Limits(workspace_bytes=1024))


async def test_sandboxes_at_once_do_not_share_a_uid(data: Path) -> None:
    sandbox = Bubblewrap(data, Wheels(data / "wheelhouse"), slots=2, first_uid=OWN_UID)
    holds = [asyncio.create_task(result(sandbox, python("import time; time.sleep(1)"))) for _ in range(3)]
    uids: set[int] = set()
    most = 0
    while not all(task.done() for task in holds):
        running = {(Path("/proc") / pid).stat().st_uid for pid in strangers() if Path("/proc", pid).exists()}
        uids |= running
        most = max(most, len(running))
        await asyncio.sleep(0.05)
    assert [(await task).commands[0].exit for task in holds] == [0, 0, 0]
    if os.geteuid() == 0:
        assert most == 2
        assert uids == {OWN_UID, OWN_UID + 1}
    assert 0 not in uids


async def test_a_cancelled_run_leaves_no_process(sandbox: Bubblewrap) -> None:
    task = asyncio.create_task(result(sandbox, python("import time; time.sleep(60)")))
    await until(lambda: len(strangers()) >= 3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: strangers() == [])  # the kernel takes a moment to reap a killed namespace


async def test_a_killed_worker_leaves_no_process(sandbox: Bubblewrap, data: Path) -> None:
    program = (
        "import asyncio, sys; from pathlib import Path\n"
        "from workers.kit.ports import Command; from workers.kit.registry import Wheels\n"
        "from workers.kit.sandbox import Bubblewrap\n"
        "data = Path(sys.argv[1])\n"
        f"box = Bubblewrap(data, Wheels(data), first_uid={OWN_UID})\n"
        "asyncio.run(box.run([], [Command(argv=('sleep', '60'))]))\n"
    )
    worker = await asyncio.create_subprocess_exec(sys.executable, "-c", program, str(data))
    await until(lambda: len(strangers()) >= 3)
    worker.send_signal(signal.SIGKILL)
    await worker.wait()
    await until(lambda: strangers() == [])


def test_bubblewrap_is_never_started_as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    found = profile.tools()
    assert not isinstance(found, NotAvailable)
    made = runtime.Runtime(tools=Path("/t"), python=None, prefix=Path("/usr"))
    with pytest.raises(ValueError, match="not root"):
        profile.launch(found, made, Limits(), uid=0, wheels=None, channel=0)
    started = profile.launch(found, made, Limits(), uid=61_000, wheels=None, channel=0)
    assert started.argv[:5] == (found.setpriv, "--reuid=61000", "--regid=61000", "--clear-groups", "--no-new-privs")


def test_a_host_without_bubblewrap_is_told_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(profile, "_SEARCH", str(tmp_path))
    missing = profile.tools()
    assert isinstance(missing, NotAvailable)
    assert "bubblewrap is not installed" in missing.reason


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the sandbox as somebody else")
async def test_a_data_folder_that_others_cannot_enter_is_named(tmp_path: Path, sandbox: Bubblewrap) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    missing = await Bubblewrap(private, Wheels(private)).probe()
    assert isinstance(missing, NotAvailable)
    assert any(f"can't enter {folder}:" in missing.reason for folder in (private, *private.parents))
    assert private.stat().st_mode & 0o777 == 0o700


async def test_a_lock_of_another_machine_is_not_run_without_its_wheels(sandbox: Bubblewrap) -> None:
    missing = await sandbox.run([], [python("")], wheels="0" * 64)
    assert isinstance(missing, NotAvailable)
    assert "wheels" in missing.reason


async def test_the_interpreter_is_copied_once(tmp_path: Path) -> None:
    made = await asyncio.gather(*(asyncio.to_thread(runtime.prepare, tmp_path) for _ in range(3)))
    assert made[0] == made[1] == made[2]
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".new-")] == []
    if made[0].python is not None:
        assert list((made[0].python / "lib" / runtime.PYTHON / "site-packages").iterdir()) == []
