"""Many requests over some kept-alive connections, as fast as they are answered; costs some 20 µs of CPU each, on the same machine."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import cast

import uvloop

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)\r\n", re.IGNORECASE)


@dataclass(slots=True)
class Load:
    """What came of the requests."""

    seconds: float = 0.0
    answers: Counter[int] = field(default_factory=Counter)
    """Answers by status."""
    latencies_ms: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return sum(self.answers.values()) / self.seconds

    @property
    def p99_ms(self) -> float:
        """The latency that one answer of a hundred exceeds."""
        ordered = sorted(self.latencies_ms)
        return ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]


class _Client(asyncio.Protocol):
    def __init__(self, requests: Iterator[bytes], load: Load) -> None:
        self._requests = requests
        self._load = load
        self._received = b""
        self._sent_at = 0.0
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._send()

    def _send(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self._transport.close()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        length = _LENGTH.search(head + b"\r\n")
        if len(body) < (int(length[1]) if length else 0):
            return
        self._load.latencies_ms.append(1000 * (time.perf_counter() - self._sent_at))
        self._load.answers[int(head[9:12])] += 1
        self._received = b""
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if not self.ended.done():
            self.ended.set_result(None)


async def _run(address: str, requests: Iterator[bytes], connections: int) -> Load:
    host, _, port = address.removeprefix("http://").rpartition(":")
    load, loop = Load(), asyncio.get_running_loop()
    began = time.perf_counter()
    clients = [(await loop.create_connection(lambda: _Client(requests, load), host, int(port)))[1] for _ in range(connections)]
    await asyncio.gather(*(client.ended for client in clients))
    load.seconds = time.perf_counter() - began
    return load


def run(address: str, requests: Iterable[bytes], *, connections: int = 64) -> Load:
    """Send requests, each connection one after the other; returns when the last one is answered."""
    return uvloop.run(_run(address, iter(requests), connections))


def request(method: str, path: str, *, token: str, body: bytes = b"") -> bytes:
    """Return a request's bytes."""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body
