"""Accepts connections, no more than so many at once, whether they speak TLS yet or not.

Where there is no room, who has kept the service waiting longest makes room. Where all connections are at work, a few more are told so
(503); the rest are closed.
"""

import asyncio
import heapq
import socket
import ssl
from asyncio import Task
from collections.abc import Callable, Collection
from operator import itemgetter

import structlog

from rightful.graph.http_protocol import LimitedHttpProtocol

_TLS_END_S = 5.0
_PATIENCE_S = 0.5
"""Nobody has to make room who has not kept the service waiting for so long."""
_PAUSE_S = 0.1
_AT_ONCE = 64
"""When room is made, one in so many may have to go: to look for who has waited longest takes as long as there are connections."""

_log = structlog.get_logger(__name__)


class Accepting:
    """Takes connections from a listening socket until it is closed."""

    def __init__(
        self,
        listening: socket.socket,
        *,
        make_protocol: Callable[[], LimitedHttpProtocol],
        connections: Collection[LimitedHttpProtocol],
        context: ssl.SSLContext | None,
        most: int,
    ) -> None:
        self._listening = listening
        self._make_protocol = make_protocol
        self._connections = connections
        """Those that speak HTTP."""
        self._context = context
        self._most = most
        self._next_look_s = 0.0
        """Nobody will have waited long enough to make room before then."""
        self._beginning: dict[Task[None], tuple[LimitedHttpProtocol, float]] = {}
        """Those that are not as far (or only just), oldest first, and when they came."""
        self._task = asyncio.create_task(self._accept())

    def close(self) -> None:
        """Accept no more."""
        self._task.cancel()
        for task in self._beginning:
            task.cancel()

    async def wait_closed(self) -> None:
        """Wait until nothing more begins."""
        await asyncio.gather(self._task, *self._beginning, return_exceptions=True)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(self._listening)
            except OSError as error:  # out of files, most likely; the others go on
                _log.error("no connection can be accepted", error=type(error).__name__, number=error.errno)
                await asyncio.sleep(_PAUSE_S)
                continue
            over = self._count() + 1 - self._most
            if over > 0:
                over -= self._make_room(over, loop.time())
            if over > self._most // 8 + 1:
                connection.close()
                continue
            protocol = self._make_protocol()
            protocol.has_no_room = over > 0
            task = asyncio.create_task(self._begin(connection, protocol))
            self._beginning[task] = (protocol, loop.time())
            task.add_done_callback(self._beginning.pop)

    def _count(self) -> int:
        return len(self._connections) + sum(protocol not in self._connections for protocol, _ in self._beginning.values())

    def _make_room(self, wanted: int, now_s: float) -> int:
        """End those who have kept the service waiting longest, so many where there are, and some more; returns how many."""
        if now_s < self._next_look_s:
            return 0
        waiting: list[tuple[float, Callable[[], object]]] = [
            (each.waiting_since_s, each.drop) for each in self._connections if each.waiting_since_s is not None
        ]
        waiting += [(since_s, task.cancel) for task, (protocol, since_s) in self._beginning.items() if protocol not in self._connections]
        longest = heapq.nsmallest(wanted + self._most // _AT_ONCE, waiting, key=itemgetter(0))
        ended = [end() for since_s, end in longest if now_s - since_s >= _PATIENCE_S]
        if not ended:
            self._next_look_s = min(longest[0][0] if longest else now_s, now_s) + _PATIENCE_S
        return len(ended)

    async def _begin(self, connection: socket.socket, protocol: LimitedHttpProtocol) -> None:
        loop = asyncio.get_running_loop()
        timeouts = {"ssl_handshake_timeout": protocol.handshake_timeout_s, "ssl_shutdown_timeout": _TLS_END_S} if self._context else {}
        try:
            await loop.connect_accepted_socket(lambda: protocol, connection, ssl=self._context, **timeouts)
        except OSError:  # of TLS too: who came speaks no TLS, or has gone
            connection.close()
        except asyncio.CancelledError:
            connection.close()
            raise
