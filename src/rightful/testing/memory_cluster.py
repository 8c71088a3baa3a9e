"""A cluster in this process: workers are threads, come and go as a test says, and have all that was sent to them kept."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from rightful import __version__
from rightful.age import message
from rightful.age.keys import Recipient
from rightful.engines.cluster import Member, Sent

Deal = Callable[[bytes], bytes]


class MemoryCluster:
    """See `engines.cluster.Cluster`."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes]] = []
        """To whom, and what, in order."""
        self.dropped = 0
        self._guard = threading.Lock()
        self._workers: dict[Member, tuple[Deal, ThreadPoolExecutor]] = {}
        self._is_there = True
        self._on_change: Callable[[], None] = lambda: None

    def join(self, deal: Deal, *, recipient: Recipient | None = None, threads: int = 2, version: str = __version__) -> Member:
        """Have a worker come that does what it is sent by `deal`."""
        with self._guard:
            address = f"memory://{len(self._workers)}"
            member = Member(address=address, recipient=recipient or message.new_identity().recipient, threads=threads, version=version)
            self._workers[member] = (deal, ThreadPoolExecutor(threads))
        self._on_change()
        return member

    def leave(self, member: Member) -> None:
        """Have a worker go; what it does goes on, and nobody is told what comes of it."""
        with self._guard:
            del self._workers[member]
        self._on_change()

    def lose(self, *, is_there: bool = False) -> None:
        """Lose the scheduler, or have it again."""
        self._is_there = is_there
        self._on_change()

    def start(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change

    def members(self) -> tuple[Member, ...] | None:
        with self._guard:
            return tuple(self._workers) if self._is_there else None

    def send(self, sealed: bytes, to: Member, on_end: Callable[[bytes | None], None]) -> Sent:
        with self._guard:
            self.sent.append((to.address, sealed))
            deal, pool = self._workers.get(to, (None, None))
        if deal is None or pool is None or not self._is_there:
            on_end(None)
        else:
            pool.submit(self._do, deal, sealed, to, on_end)
        return _Sent(self)

    def _do(self, deal: Deal, sealed: bytes, to: Member, on_end: Callable[[bytes | None], None]) -> None:
        answer = deal(sealed)
        if to in self._workers:
            on_end(answer)

    def differences(self) -> list[str]:
        return []

    def close(self) -> None:
        with self._guard:
            workers, self._workers = self._workers, {}
        for _, pool in workers.values():
            pool.shutdown(wait=False)


class _Sent:
    def __init__(self, cluster: MemoryCluster) -> None:
        self._cluster = cluster

    def drop(self) -> None:
        self._cluster.dropped += 1
