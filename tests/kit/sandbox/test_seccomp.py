"""The filter, run instruction by instruction, for both architectures: one of them is not this machine's."""

from __future__ import annotations

import errno
import struct

import pytest

from workers.kit.sandbox import seccomp
from workers.kit.sandbox.seccomp import ARCHITECTURES

ALLOW, KILL = 0x7FFF0000, 0x80000000
EPERM, ENOSYS = 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS
BOTH = pytest.mark.parametrize("machine", sorted(ARCHITECTURES))


def verdict(machine: str, number: int, *arguments: int, audit: int | None = None) -> int:
    program = seccomp.program(machine)
    assert program is not None
    arch = ARCHITECTURES[machine].audit if audit is None else audit
    data = struct.pack("<IIQ6Q", number, arch, 0, *arguments, *[0] * (6 - len(arguments)))
    code = list(struct.iter_unpack("<HBBI", program))
    at, loaded = 0, 0
    while True:
        operation, if_true, if_false, value = code[at]
        at += 1
        match operation:
            case 0x20:
                loaded = struct.unpack_from("<I", data, value)[0]
            case 0x15:
                at += if_true if loaded == value else if_false
            case 0x35:
                at += if_true if loaded >= value else if_false
            case 0x45:
                at += if_true if loaded & value else if_false
            case 0x06:
                return int(value)
            case _:
                raise AssertionError(f"unknown operation {operation:#x}")


@BOTH
def test_every_call_of_the_list_is_refused(machine: str) -> None:
    for name, number in ARCHITECTURES[machine].refused.items():
        assert verdict(machine, number) == EPERM, name


@BOTH
def test_ordinary_calls_pass(machine: str) -> None:
    refused = set(ARCHITECTURES[machine].refused.values()) | {ARCHITECTURES[machine].clone3}
    sockets = {ARCHITECTURES[machine].socket, ARCHITECTURES[machine].socketpair}
    passed = [number for number in range(600) if verdict(machine, number, 0) == ALLOW]
    assert set(passed) == set(range(600)) - refused - sockets


@BOTH
def test_only_three_families_of_sockets(machine: str) -> None:
    for number in (ARCHITECTURES[machine].socket, ARCHITECTURES[machine].socketpair):
        allowed = [family for family in range(64) if verdict(machine, number, family) == ALLOW]
        assert allowed == [1, 2, 10]


@BOTH
@pytest.mark.parametrize("flag", [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000])
def test_no_clone_into_a_new_namespace(machine: str, flag: int) -> None:
    clone = ARCHITECTURES[machine].clone
    assert verdict(machine, clone, flag | 17) == EPERM
    assert verdict(machine, clone, 0x003D0F00) == ALLOW  # a thread, as glibc makes it


@BOTH
def test_terminal_injection_is_refused_and_other_controls_pass(machine: str) -> None:
    ioctl = ARCHITECTURES[machine].ioctl
    assert verdict(machine, ioctl, 0, 0x5412) == verdict(machine, ioctl, 0, 0x541C) == EPERM
    assert verdict(machine, ioctl, 0, 0x5413) == ALLOW
    assert verdict(machine, ioctl, 0, 0x1_0000_5412) == EPERM  # the kernel looks at the lower half only


@BOTH
def test_clone3_is_as_if_it_did_not_exist(machine: str) -> None:
    assert verdict(machine, 435) == ENOSYS


@BOTH
def test_another_architecture_is_killed(machine: str) -> None:
    assert verdict(machine, 0, audit=0x40000003) == KILL


def test_the_x32_calls_do_not_exist() -> None:
    assert verdict("x86_64", 0x40000000 | 101) == ENOSYS


def test_a_machine_without_numbers_has_no_filter() -> None:
    assert seccomp.program("riscv64") is None
