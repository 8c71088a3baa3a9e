"""One connection to a host: what it has to say, and how long it may take."""

import io
import select
import socket
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import IO


class _Early(io.RawIOBase):
    """Reads what was taken from a socket too early, then the socket."""

    def __init__(self, early: bytes, connection: socket.socket) -> None:
        super().__init__()
        self._early = early
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]  # typeshed names collections.abc.Buffer, of 3.12
        if self._early:
            buffer[: len(self._early)], count = self._early, len(self._early)
            self._early = b""
            return count
        return self._connection.recv_into(buffer)


@dataclass(slots=True, eq=False)
class Connection:
    """A connection, in the form that `http.client.HTTPResponse` reads."""

    socket: socket.socket
    timeout_s: float
    poll: "select.poll"
    early: bytes = b""
    idle_since: float = 0.0

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

    def makefile(self, mode: str) -> IO[bytes]:
        """Return a reader of the answer; `HTTPResponse` closes it and leaves the socket open."""
        if not self.early:
            return self.socket.makefile(mode)  # type: ignore[call-overload,no-any-return]  # mode is always "rb"
        early, self.early = self.early, b""
        return io.BufferedReader(_Early(early, self.socket))

    def abort(self) -> None:
        """Wake whoever waits for it; they close it."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of it, whatever state it is in."""
        with suppress(OSError):
            self.socket.close()


class Limit:
    """Ends what a connection is waiting for when the time is up."""

    def __init__(self, connection: Connection, seconds: float | None) -> None:
        self.seconds = seconds
        self.is_over = False
        self._connection = connection
        self._timer = threading.Timer(seconds, self._end) if seconds is not None else None

    def start(self) -> None:
        """Begin to count."""
        if self._timer is not None:
            self._timer.daemon = True
            self._timer.start()

    def stop(self) -> None:
        """Make sure that it ends nothing from now on: the connection may be somebody else's next."""
        if self._timer is not None and self._timer.is_alive():
            self._timer.cancel()
            self._timer.join()

    def _end(self) -> None:
        self.is_over = True
        self._connection.abort()
