"""A host that says a little now and then, or takes it, or says nothing at all."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from rightful.errors import StorageUnavailable

PAUSE_S = 0.05
BUSY_S = 25.0
"""Nobody who was given a second needs so long, however busy the machine is; whoever has no limit of its own waits for longer."""
Behaviour = Callable[[socket.socket, threading.Event], None]


def drip(connection: socket.socket, ended: threading.Event, said: bytes) -> None:
    """Say something, a byte at a time, then `x` for ever."""
    connection.settimeout(0.01)
    while not ended.wait(PAUSE_S):
        connection.sendall(said[:1] or b"x")
        said = said[1:]


def drip_head(connection: socket.socket, ended: threading.Event) -> None:
    drip(connection, ended, b"HTTP/1.1 201 Created\r\nx-ms-request-id: ")


def drip_body(connection: socket.socket, ended: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    drip(connection, ended, b"")


def drip_chunks(connection: socket.socket, ended: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not ended.wait(PAUSE_S):
        connection.sendall(b"1\r\nx\r\n")


def continue_for_ever(connection: socket.socket, ended: threading.Event) -> None:
    while not ended.wait(PAUSE_S):
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")


def say_nothing(_connection: socket.socket, ended: threading.Event) -> None:
    ended.wait(60)


def sip(connection: socket.socket, ended: threading.Event) -> None:
    """Read a little now and then, so that sending goes on for ever."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    while not ended.wait(PAUSE_S):
        connection.recv(1024)


@contextmanager
def hostile(behave: Behaviour) -> Iterator[int]:
    """Accept connections on loopback and behave as a test wants; gives the port."""
    ended = threading.Event()
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        with connection:
            try:
                behave(connection, ended)
            except OSError:
                """The other side has hung up."""

    def accept() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=serve, args=(connection,), daemon=True))
            threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        try:
            yield listening.getsockname()[1]
        finally:
            ended.set()
            listening.shutdown(socket.SHUT_RDWR)
    accepting.join(10)
    for thread in threads:
        thread.join(10)


def took_s(call: Callable[[], object], match: str = ".") -> float:
    begun_s = time.monotonic()
    with pytest.raises(StorageUnavailable, match=match):
        call()
    return time.monotonic() - begun_s
