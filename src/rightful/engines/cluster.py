"""The seam between the engine and what connects it with workers: who is there, and something to be done there.

Who does what is decided by the engine: a task is for one worker, it is tried once, and it never moves to another. So a task that may still
run somewhere is never begun a second time with the same claim.
"""

from collections.abc import Callable
from typing import Protocol

import msgspec

from rightful.age.keys import Recipient


class Member(msgspec.Struct, frozen=True):
    """A worker that takes tasks."""

    address: str
    """Where the cluster knows it."""
    recipient: Recipient
    """What it is sent is sealed to this."""
    threads: int
    version: str


class Sent(Protocol):
    """A task on its way."""

    def drop(self) -> None:
        """Want nothing of it any more; where it runs already it runs on. Never raises, returns at once."""
        ...


class Cluster(Protocol):
    """Workers, wherever they are. Safe to use from any thread; what is said to raise does, and nothing else."""

    def start(self, on_change: Callable[[], None]) -> None:
        """Begin to look for workers, from now on; `on_change` is called when others are there, or none any more."""
        ...

    def members(self) -> tuple[Member, ...] | None:
        """Return who is there; None where nobody can say."""
        ...

    def send(self, sealed: bytes, to: Member, on_end: Callable[[bytes | None], None]) -> Sent:
        """Have a worker do something. `on_end` gets what it says, or None where that is not known; also before this returns."""
        ...

    def differences(self) -> list[str]:
        """Say what in between is another version than here; raises `OSError` where nobody can be asked."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...
