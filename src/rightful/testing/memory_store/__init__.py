"""A store in memory, which passes the suite of all stores: for tests and simulations of what stands above stores.

It outlives whoever works on it, as a database outlives a process; nothing outlives the process that it is in.
"""

from rightful.testing.memory_store.claiming import Claiming
from rightful.testing.memory_store.delivering import Delivering


class MemoryStore(Claiming, Delivering):
    """Keeps operations in dictionaries; see `store.interface.Store` for what each method promises. Safe to use from any thread."""


__all__ = ["MemoryStore"]
