"""Threads that parse while finalizers run. Without the lock a few trees in ten thousand are refused (seen by hand)."""

from __future__ import annotations

import ast
import threading
import time

from workers.kit.parsing.alone import SYNTAX_TREES

SOURCE = "\n".join(f"def f{n}(a, b=(1, [2, {{3: 4}}])):\n    return [x for x in a if x > b[{n}]]" for n in range(400))


class Lets:
    """A finalizer that lets other threads in, in a cycle that the collector finds some time."""

    def __init__(self) -> None:
        self.me = self

    def __del__(self) -> None:
        time.sleep(0)


def failures(lock: threading.Lock, seconds: float) -> list[str]:
    found: list[str] = []
    until = time.monotonic() + seconds

    def parse() -> None:
        while time.monotonic() < until:
            made = [Lets() for _ in range(20)]
            try:
                with lock:
                    ast.parse(SOURCE)
            except SystemError as error:
                found.append(str(error))
            made.clear()

    threads = [threading.Thread(target=parse) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_with_the_lock_every_tree_is_made() -> None:
    assert failures(SYNTAX_TREES, 2) == []
