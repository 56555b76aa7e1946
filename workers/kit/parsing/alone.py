"""One thread at a time makes Python syntax trees.

CPython 3.11 counts how deep a tree is for all threads together: when a finalizer lets another thread in while one is
made, `ast.parse` raises SystemError. Whatever parses in a thread (bandit, radon) holds this lock.
"""

from __future__ import annotations

import threading

SYNTAX_TREES = threading.Lock()
