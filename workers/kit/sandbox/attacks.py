"""What hostile code would try, tried for real: each attack is a program, and a verdict on how its run ended."""

from __future__ import annotations

import msgspec

from workers.kit.ports import Command, CommandResult, Limits, NotAvailable, Sandbox

from . import programs

_SMALL = Limits(
    cpu_s=10,
    memory_bytes=256 << 20,
    processes=64,
    file_bytes=16 << 20,
    workspace_bytes=64 << 20,
    output_bytes=64 << 10,
)


class Attack(msgspec.Struct, frozen=True, kw_only=True):
    """`ends` are the reasons that are right; where it ends by itself ('exited'), its own words decide."""

    name: str
    program: str
    ends: tuple[str, ...] = ("exited",)
    wall_s: float = 20


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the sandbox held against one attack, and what was seen."""

    attack: str
    held: bool
    seen: str


def attacks(*, host_port: int, host_secret: str, host_file: str) -> tuple[Attack, ...]:
    """`host_port` listens on the host's loopback, `host_secret` is in our environment, `host_file` holds anything."""
    quiet, limited = programs.refusals(host_port, host_secret, host_file), programs.LIMITED
    return (
        *(Attack(name=name, program=program) for name, program in quiet.items()),
        *(
            Attack(name=name, program=program, ends=ends, wall_s=wall)
            for name, (program, ends, wall) in limited.items()
        ),
    )


async def judge(sandbox: Sandbox, attack: Attack) -> Verdict:
    """Run it and judge it."""
    command = Command(argv=("python3", "attack.py"), wall_s=attack.wall_s)
    limits = msgspec.structs.replace(_SMALL, wall_s=attack.wall_s)
    files = [("attack.py", (programs.PRELUDE + attack.program).encode())]
    result = await sandbox.run(files, [command], limits=limits)
    if isinstance(result, NotAvailable):
        return Verdict(attack=attack.name, held=False, seen=f"no sandbox: {result.reason}")
    return _verdict(attack, result.commands[0])


def _verdict(attack: Attack, ended: CommandResult) -> Verdict:
    told = " ".join(f"{ended.stdout} {ended.stderr}".split())[-160:]
    if ended.reason not in attack.ends:
        return Verdict(attack=attack.name, held=False, seen=f"ended by {ended.reason}: {told}")
    if ended.reason != "exited":
        return Verdict(attack=attack.name, held=True, seen=f"stopped: {ended.reason}")
    words = ended.stdout.split()
    return Verdict(attack=attack.name, held="HELD" in words and "BROKE" not in words, seen=told)
