"""The attacks' programs, as they run inside the sandbox. They print HELD or BROKE, and on what they saw."""

from __future__ import annotations

PRELUDE = """
import ctypes, fcntl, os, signal, socket, subprocess, sys, time
libc = ctypes.CDLL(None, use_errno=True)
arm = os.uname().machine == "aarch64"

def refused(action):
    try:
        got = action()
    except OSError as error:
        print("HELD", error.strerror or error)
    else:
        print("BROKE", got)

def call(number, *args):
    if libc.syscall(number, *args) == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return "allowed"

def fill(folder, limit):
    written = 0
    try:
        for number in range(1000):
            with open(f"{folder}/fill{number}", "wb", buffering=0) as file:
                for _ in range(8):
                    written += file.write(bytes(1 << 20))
                if written > limit:
                    return "BROKE", folder, written
    except OSError as error:
        return "HELD", folder, written >> 20, "MB", error.strerror

def stubborn():
    for number in range(1, 65):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
"""


def refusals(host_port: int, host_secret: str, host_file: str) -> dict[str, str]:
    """Each is refused by the kernel, or finds nothing."""
    return {
        "reach the host's loopback": f'refused(lambda: socket.create_connection(("127.0.0.1", {host_port}), 2))',
        "reach the outside": 'refused(lambda: socket.create_connection(("192.0.2.1", 80), 2))',
        "send a datagram out": 'refused(lambda: socket.socket(2, 2).sendto(b"x", ("192.0.2.1", 53)))',
        "resolve a name": 'refused(lambda: socket.getaddrinfo("example.org", 80))',
        "read /etc/shadow": 'refused(lambda: open("/etc/shadow").read())',
        "read a file of the host": f"refused(lambda: open({host_file!r}).read())",
        # The needle is turned round, so that it is not found in this program itself.
        "find the host's environment": _ENVIRONMENTS.replace("NEEDLE", repr(host_secret[::-1])),
        "see the host's processes": _PROCESSES,
        "write outside its folders": _WRITE_OUTSIDE,
        "change the kernel's settings": 'refused(lambda: open("/proc/sys/kernel/core_pattern", "w"))',
        "hold a capability": _CAPABILITIES,
        "make a user namespace": "refused(lambda: call(97 if arm else 272, 0x10000000))",
        "clone into a namespace": "refused(lambda: call(220 if arm else 56, 0x10000011, 0, 0, 0, 0))",
        "clone3 into a namespace": "refused(lambda: call(435, ctypes.create_string_buffer(88), 88))",
        "mount a file system": 'refused(lambda: call(40 if arm else 165, b"t", b"/tmp", b"tmpfs", 0, 0))',
        "trace the first process": "refused(lambda: call(117 if arm else 101, 16, 1, 0, 0))",
        "write the driver's memory": 'refused(lambda: open(f"/proc/{os.getppid()}/mem", "r+b"))',
        "take the driver's socket": 'refused(lambda: os.listdir(f"/proc/{os.getppid()}/fd"))',
        "a socket to the hypervisor": "refused(lambda: socket.socket(40, 1))",
        "a netlink socket": "refused(lambda: socket.socket(16, 3, 0))",
        "a packet socket": "refused(lambda: socket.socket(17, 3, 0))",
        "use io_uring": "refused(lambda: call(425, 1, ctypes.create_string_buffer(256)))",
        "use the kernel's keyring": "refused(lambda: call(219 if arm else 250, 0, -3, 1, 0, 0))",
        "load a BPF program": "refused(lambda: call(280 if arm else 321, 0, ctypes.create_string_buffer(128), 128))",
        "change its personality": "refused(lambda: call(92 if arm else 135, 0x0040000))",
        "type into the terminal": 'refused(lambda: fcntl.ioctl(0, 0x5412, b"x"))',
        "fork without end": _FORK_BOMB,
        "fill its folders": 'for folder in ("/w", "/tmp", "/dev/shm"): print(*fill(folder, 200 << 20))',
        "fill the other folders": 'for folder in ("/", "/dev", "/run", "/etc"): print(*fill(folder, 0))',
        "write one huge file": _HUGE_FILE,
        "hold memory in files without a name": 'refused(lambda: os.memfd_create("x"))',
    }


LIMITED: dict[str, tuple[str, tuple[str, ...], float]] = {
    "take all memory, in one process": (
        "stubborn()\nkept = []\nwhile True: kept.append(b'x' * (8 << 20))",
        ("memory",),
        20,
    ),
    "take all memory, in many processes": (
        "for _ in range(20):\n    if not os.fork():\n        "
        "kept = b'x' * (30 << 20)\n        time.sleep(30)\ntime.sleep(30)",
        ("memory",),
        20,
    ),
    "make a million empty files": (
        "for folder in range(100):\n    os.mkdir(f'/tmp/{folder}')\n"
        "    for file in range(10_000): open(f'/tmp/{folder}/{file}', 'w').close()\nprint('BROKE')",
        ("disk",),
        30,
    ),
    "flood the output": ("stubborn()\nwhile True: os.write(1, b'x' * 65536)", ("output",), 20),
    "burn the processor": (
        "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (1, resource.getrlimit(resource.RLIMIT_CPU)[1]))\n"
        "while True: pass",
        ("cpu time",),
        20,
    ),
    "ignore every signal and stay": ("stubborn()\nwhile True: time.sleep(1)", ("wall time",), 1),
    "leave a process that holds the output": (
        "print('HELD', flush=True)\nif os.fork():\n    os._exit(0)\nstubborn()\nos.setsid()\nwhile True: time.sleep(1)",
        ("exited",),
        20,
    ),
    "kill the driver": ("os.kill(os.getppid(), 9)\ntime.sleep(20)", ("signal",), 20),
    "stop the driver and stay": ("os.kill(os.getppid(), signal.SIGSTOP)\ntime.sleep(600)", ("wall time",), 1),
}

_ENVIRONMENTS = """
needle = NEEDLE[::-1].encode()
found = [os.fsencode(str(os.environ))]
for pid in filter(str.isdigit, os.listdir("/proc")):
    for name in ("environ", "cmdline"):
        try:
            found.append(open(f"/proc/{pid}/{name}", "rb").read())
        except OSError:
            pass
print("BROKE" if any(needle in text for text in found) else "HELD", len(found), "places searched")
"""
_PROCESSES = """
pids = list(filter(str.isdigit, os.listdir("/proc")))
print("HELD" if len(pids) <= 4 else "BROKE", len(pids), "processes seen")
"""
_WRITE_OUTSIDE = """
wrote = []
for folder in ("/", "/usr", "/usr/bin", "/etc", "/dev", "/python", "/python/lib", "/tools",
               "/wheels", "/bin", "/run", "/home"):
    try:
        open(f"{folder}/planted", "w").close()
    except OSError:
        continue
    wrote.append(folder)
print("BROKE" if wrote else "HELD", *wrote)
"""
_CAPABILITIES = """
lines = [line.split() for line in open("/proc/self/status") if line.startswith(("Cap", "NoNewPrivs", "Seccomp:"))]
held = all(int(value, 16) == 0 for name, value in lines if name.startswith("Cap")) and ["Seccomp:", "2"] in lines
print("HELD" if held and os.getuid() != 0 and ["NoNewPrivs:", "1"] in lines else "BROKE", lines)
"""
_FORK_BOMB = """
made = 0
try:
    while made < 500:
        if not os.fork():
            time.sleep(60)
            os._exit(0)
        made += 1
except OSError as error:
    print("HELD after", made, error.strerror, flush=True)
else:
    print("BROKE", made)
os._exit(0)
"""
_HUGE_FILE = """
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
def write():
    with open("/w/huge", "wb", buffering=0) as file:
        for _ in range(40): file.write(bytes(1 << 20))
refused(write)
"""
