"""Many requests over some kept-alive connections, as fast as they are answered; costs some 20 µs of CPU each, on the same machine."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import cast

import uvloop

_LOCATION = re.compile(rb"\r\nlocation: *\S*/([0-9a-f-]{36})", re.IGNORECASE)
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)\r\n", re.IGNORECASE)


@dataclass(slots=True)
class Load:
    """What came of the requests."""

    seconds: float = 0.0
    answers: Counter[int] = field(default_factory=Counter)
    """Answers by status."""
    latencies_ms: list[float] = field(default_factory=list)
    locations: list[str] = field(default_factory=list)
    """What accepted requests became: the ids of their operations."""

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
        if (location := _LOCATION.search(head)) is not None:
            self._load.locations.append(location[1].decode("ascii"))
        self._received = b""
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if not self.ended.done():
            self.ended.set_result(None)


async def _run(address: str, requests: Iterator[bytes], connections: int, load: Load) -> Load:
    host, _, port = address.removeprefix("http://").rpartition(":")
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    clients = [(await loop.create_connection(lambda: _Client(requests, load), host, int(port)))[1] for _ in range(connections)]
    await asyncio.gather(*(client.ended for client in clients))
    load.seconds = time.perf_counter() - began
    return load


class _Poller(_Client):
    """Sends once a second, at its own moment of it, for so long; a latency counts from when it should have been sent."""

    def __init__(self, requests: Iterator[bytes], load: Load, *, at_s: float, until_s: float) -> None:
        super().__init__(requests, load)
        self._loop = asyncio.get_running_loop()
        self._due_s = at_s
        self._until_s = until_s

    def _send(self) -> None:
        if self._due_s >= self._until_s:
            self._transport.close()
            return
        self._loop.call_at(max(self._due_s, self._loop.time()), self._send_now, self._due_s)
        self._due_s += 1.0

    def _send_now(self, due_s: float) -> None:
        self._sent_at = time.perf_counter() - (self._loop.time() - due_s)
        if not self._transport.is_closing():
            self._transport.write(next(self._requests))


async def _poll(address: str, requests: Iterator[bytes], pollers: int, seconds: float) -> Load:
    host, _, port = address.removeprefix("http://").rpartition(":")
    load, loop = Load(seconds=seconds), asyncio.get_running_loop()
    clients: list[_Poller] = []
    first_s = loop.time() + 1.0 + pollers / 1000
    for number in range(pollers):
        at_s = first_s + number / pollers
        _, client = await loop.create_connection(partial(_Poller, requests, load, at_s=at_s, until_s=first_s + seconds), host, int(port))
        clients.append(client)
    await asyncio.gather(*(client.ended for client in clients))
    return load


def poll(address: str, requests: Iterator[bytes], *, pollers: int, seconds: float) -> Load:
    """Have pollers ask once a second each, over a connection of their own, for so long; the requests must never end."""
    return uvloop.run(_poll(address, requests, pollers, seconds))


def run(address: str, requests: Iterable[bytes], *, connections: int = 64, load: Load | None = None) -> Load:
    """Send requests, each connection one after the other; returns when the last one is answered, or everybody was hung up on.

    `load` is filled on the way, for who watches.
    """
    return uvloop.run(_run(address, iter(requests), connections, Load() if load is None else load))


def request(method: str, path: str, *, token: str, body: bytes = b"", key: str = "") -> bytes:
    """Return a request's bytes; with a key it is carried out once, however often it is sent."""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
    if key:
        head += f"Idempotency-Key: {key}\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body
