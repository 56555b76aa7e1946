"""The system call filter of the sandbox, assembled as BPF: no library, about 140 instructions.

It refuses what code under test never needs and what has broken out of namespaces before.
"""

from __future__ import annotations

import errno
import platform
import struct

import msgspec

# linux/bpf_common.h and linux/seccomp.h
_LOAD, _JEQ, _JGE, _JSET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER, _ARCH = 0, 4  # offsets in struct seccomp_data

_X32 = 0x40000000
_NEW_NAMESPACES = 0x7E020000  # CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET
_FAMILIES = (1, 2, 10)  # AF_UNIX, AF_INET, AF_INET6: AF_VSOCK would reach the hypervisor past the network namespace
_TERMINAL_INJECTION = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX

# shmget and memfd_create are here because their memory is in no process and in no sized tmpfs.
# Numbers that all architectures share, from linux 5.0 on.
_COMMON = {
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "open_tree": 428, "move_mount": 429,
    "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433, "pidfd_getfd": 438, "mount_setattr": 442,
    "quotactl_fd": 443, "memfd_secret": 447, "open_tree_attr": 467,
}  # fmt: skip
_X86_64 = {
    "shmget": 29, "ptrace": 101, "syslog": 103, "uselib": 134, "personality": 135, "modify_ldt": 154, "pivot_root": 155,
    "adjtimex": 159, "chroot": 161, "acct": 163, "settimeofday": 164, "mount": 165, "umount2": 166, "swapon": 167,
    "swapoff": 168, "reboot": 169, "sethostname": 170, "setdomainname": 171, "iopl": 172, "ioperm": 173,
    "init_module": 175, "delete_module": 176, "quotactl": 179, "lookup_dcookie": 212, "clock_settime": 227,
    "mbind": 237, "set_mempolicy": 238, "get_mempolicy": 239, "kexec_load": 246, "add_key": 248, "request_key": 249,
    "keyctl": 250, "migrate_pages": 256, "unshare": 272, "move_pages": 279, "perf_event_open": 298,
    "fanotify_init": 300, "name_to_handle_at": 303, "open_by_handle_at": 304, "clock_adjtime": 305, "setns": 308,
    "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312, "finit_module": 313, "kexec_file_load": 320,
    "memfd_create": 319, "bpf": 321, "userfaultfd": 323,
}  # fmt: skip
_AARCH64 = {
    "lookup_dcookie": 18, "umount2": 39, "mount": 40, "pivot_root": 41, "chroot": 51, "quotactl": 60, "acct": 89,
    "personality": 92, "unshare": 97, "kexec_load": 104, "init_module": 105, "delete_module": 106,
    "clock_settime": 112, "syslog": 116, "ptrace": 117, "reboot": 142, "sethostname": 161, "setdomainname": 162,
    "shmget": 194, "settimeofday": 170, "adjtimex": 171, "add_key": 217, "request_key": 218, "keyctl": 219,
    "swapon": 224, "swapoff": 225, "mbind": 235, "get_mempolicy": 236, "set_mempolicy": 237, "migrate_pages": 238,
    "move_pages": 239, "perf_event_open": 241, "fanotify_init": 262, "name_to_handle_at": 264, "open_by_handle_at": 265,
    "clock_adjtime": 266, "setns": 268, "process_vm_readv": 270, "process_vm_writev": 271, "kcmp": 272,
    "finit_module": 273, "memfd_create": 279, "bpf": 280, "userfaultfd": 282, "kexec_file_load": 294,
}  # fmt: skip


class Architecture(msgspec.Struct, frozen=True, kw_only=True):
    """One machine's numbers: the audit constant, the calls refused outright and the four that are looked into."""

    audit: int
    refused: dict[str, int]
    socket: int
    socketpair: int
    clone: int
    ioctl: int
    clone3: int = 435
    has_x32: bool = False


ARCHITECTURES = {
    "x86_64": Architecture(
        audit=0xC000003E, refused=_COMMON | _X86_64, socket=41, socketpair=53, clone=56, ioctl=16, has_x32=True
    ),
    "aarch64": Architecture(
        audit=0xC00000B7, refused=_COMMON | _AARCH64, socket=198, socketpair=199, clone=220, ioctl=29
    ),
}


def program(machine: str | None = None) -> bytes | None:
    """The filter for this machine (or the named one), as `struct sock_filter[]`; None where we have no numbers."""
    architecture = ARCHITECTURES.get(machine or platform.machine())
    return None if architecture is None else _assemble(architecture)


def _assemble(arch: Architecture) -> bytes:
    refuse, missing = _ERRNO | errno.EPERM, _ERRNO | errno.ENOSYS
    code = [_op(_LOAD, _ARCH), _op(_JEQ, arch.audit, 1, 0), _op(_RETURN, _KILL), _op(_LOAD, _NUMBER)]
    if arch.has_x32:
        code += [_op(_JGE, _X32, 0, 1), _op(_RETURN, missing)]
    # clone3 hides its flags behind a pointer; glibc falls back to clone.
    code += [_op(_JEQ, arch.clone3, 0, 1), _op(_RETURN, missing)]
    for number in sorted(arch.refused.values()):
        code += [_op(_JEQ, number, 0, 1), _op(_RETURN, refuse)]
    code += _flags_refused(arch.clone, argument=0, mask=_NEW_NAMESPACES, verdict=refuse)
    code += _values_refused(arch.ioctl, argument=1, values=_TERMINAL_INJECTION, verdict=refuse)
    for number in (arch.socket, arch.socketpair):
        code += _values_only(number, argument=0, values=_FAMILIES, verdict=refuse)
    return b"".join([*code, _op(_RETURN, _ALLOW)])


def _op(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, value)


def _low(argument: int) -> int:
    return 16 + 8 * argument


def _flags_refused(number: int, *, argument: int, mask: int, verdict: int) -> list[bytes]:
    body = [_op(_LOAD, _low(argument)), _op(_JSET, mask, 0, 1), _op(_RETURN, verdict), _op(_RETURN, _ALLOW)]
    return [_op(_JEQ, number, 0, len(body)), *body]


def _values_refused(number: int, *, argument: int, values: tuple[int, ...], verdict: int) -> list[bytes]:
    tests = [_op(_JEQ, value, len(values) - place, 0) for place, value in enumerate(values)]
    body = [_op(_LOAD, _low(argument)), *tests, _op(_RETURN, _ALLOW), _op(_RETURN, verdict)]
    return [_op(_JEQ, number, 0, len(body)), *body]


def _values_only(number: int, *, argument: int, values: tuple[int, ...], verdict: int) -> list[bytes]:
    tests = [_op(_JEQ, value, len(values) - place, 0) for place, value in enumerate(values)]
    body = [_op(_LOAD, _low(argument)), *tests, _op(_RETURN, verdict), _op(_RETURN, _ALLOW)]
    return [_op(_JEQ, number, 0, len(body)), *body]
