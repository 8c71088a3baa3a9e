"""One connection to a host: what it has to say, and how long it may take."""

import http.client
import io
import math
import re
import select
import socket
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

_HEARD_BYTES = 4 << 10
"""An answer without a body is smaller."""
_BARE = re.compile(rb"HTTP/1\.1 (2[0-9][0-9]) [^\r\n]*\r\n((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n\0]*\r\n)+)\r\n")


class _Incoming(io.RawIOBase):
    """Reads what a connection has to say, as long as it may take."""

    def __init__(self, connection: "Connection") -> None:
        super().__init__()
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]  # typeshed names collections.abc.Buffer, of 3.12
        return self._connection.receive(buffer)


@dataclass(slots=True, eq=False)
class Connection:
    """A connection, in the form that `http.client.HTTPResponse` reads."""

    socket: socket.socket
    timeout_s: float
    """How long it may say nothing, or take no more."""
    poll: "select.poll"
    early: bytes = b""
    """What was taken from the socket too early."""
    idle_since: float = 0.0
    deadline_s: float = math.inf
    """When all of an exchange must be over, by `time.monotonic`, however steadily it goes on."""
    within_s: float = math.inf
    """How long it may take in all."""

    @property
    def is_late(self) -> bool:
        """Say whether the exchange has taken too long."""
        return time.monotonic() >= self.deadline_s

    def end_by(self, deadline_s: float, within_s: float) -> None:
        """Say when what is under way must be over: so many seconds after it began."""
        self.deadline_s, self.within_s = deadline_s, within_s

    def send(self, data: bytes | memoryview) -> None:
        """Send all of it; raises `TimeoutError` where that takes too long."""
        self._allow()
        self.socket.sendall(data)

    def receive(self, buffer: bytearray | memoryview) -> int:
        """Read what is there; raises `TimeoutError` where that takes too long."""
        if self.early:
            count = min(len(buffer), len(self.early))
            buffer[:count], self.early = self.early[:count], self.early[count:]
            return count
        self._allow()
        return self.socket.recv_into(buffer)

    def _allow(self) -> None:
        left_s = self.deadline_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self.socket.settimeout(min(self.timeout_s, left_s))

    def has_answer(self) -> bool:
        """Say whether an answer or its end came in. What TLS sends for itself (session tickets) is no answer."""
        if not self.poll.poll(0):
            return False
        if not isinstance(self.socket, ssl.SSLSocket):
            return True
        self.socket.settimeout(0)
        try:
            self.early += self.socket.recv(1)
        except ssl.SSLWantReadError:
            return False
        except OSError:
            return True
        finally:
            self.socket.settimeout(self.timeout_s)
        return True

    def hear(self) -> bytes:
        """Return the beginning of an answer once some of it has come; it is there still for `makefile`. Empty where there is an end.

        Raises `TimeoutError` where that takes too long.
        """
        self._allow()
        self.early += self.socket.recv(_HEARD_BYTES)
        return self.early

    def makefile(self, _mode: str) -> IO[bytes]:
        """Return a reader of the answer; `HTTPResponse` closes it and leaves the socket open."""
        return io.BufferedReader(_Incoming(self))

    def abort(self) -> None:
        """Wake whoever waits for it; they close it."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of it, whatever state it is in."""
        with suppress(OSError):
            self.socket.close()


def parse_bare(heard: bytes) -> tuple[int, http.client.HTTPMessage] | None:
    """Return status and header fields of a success without a body, where that, whole, is all there is; None where `http.client` must see.

    So most puts are answered, and `http.client`, which parses as for mail, takes longer for it than the kernel for all the rest.
    """
    found = _BARE.fullmatch(heard)
    if found is None:
        return None
    fields = http.client.HTTPMessage()
    for line in found[2].split(b"\r\n")[:-1]:
        name, _, value = line.decode("iso-8859-1").partition(":")
        fields[name] = value.lstrip(" \t")
    if fields.get_all("Content-Length") != ["0"] or "Transfer-Encoding" in fields or "Connection" in fields:
        return None
    return int(found[1]), fields
