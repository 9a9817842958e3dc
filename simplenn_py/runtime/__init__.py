"""The process and the computer: threads, environment, clock, free memory, units."""

from .clock import Shortest, busy, seconds
from .environment import describe, reduced
from .memory import free_bytes
from .threads import available, limit_threads
from .units import human_bytes, human_operations

__all__ = [
    "Shortest",
    "available",
    "busy",
    "describe",
    "free_bytes",
    "human_bytes",
    "human_operations",
    "limit_threads",
    "reduced",
    "seconds",
]
