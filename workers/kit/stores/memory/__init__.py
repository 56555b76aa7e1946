"""Twins of the stores in memory, for unit tests: the same decisions, one shared state, no durability.

Nothing here awaits between reading and writing, so each method is atomic.
"""

from .artifacts import MemoryArtifacts
from .drops import MemoryDrops
from .reads import MemoryReads
from .state import Memory, Workflow

__all__ = ["Memory", "MemoryArtifacts", "MemoryDrops", "MemoryReads", "Workflow"]
