"""A connection to an IMAP server: Python's `imaplib`, with bounds of ours around what it reads.

`imaplib` lets its reading be replaced, and leaves it without bounds: here each command has a time in which its answer must be whole, and
an amount that it may have. TLS comes first: nothing but STARTTLS is said before it, and what a server sent too early is not believed.
"""

import imaplib
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from typing import cast

_CONNECT_S = 10.0
_RECEIVED = 256 << 10
_SAID = 256 << 10
"""What the answer to a command may have that brings no messages."""


class TooMuch(ValueError):
    """The server answers more than what was asked for can have."""


class NotSafe(ValueError):
    """The connection cannot be made one that nobody listens in to; the text says why."""


class Wire(imaplib.IMAP4):
    """One connection, of one thread; raises what `imaplib`, sockets and TLS do, `TooMuch`, and `NotSafe`."""

    sock: socket.socket

    def __init__(
        self,
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None,
        starttls: bool,
        timeout_s: float,
        opening: Callable[[socket.socket], None],
    ) -> None:
        """Connect.

        Args:
            host: name or address.
            port: of it.
            tls: None where nothing is encrypted.
            starttls: whether TLS begins after a command.
            timeout_s: in which each answer must be whole.
            opening: gets the socket before it is connected, to close it from another thread.
        """
        self._tls, self._starttls = tls, starttls
        self._timeout_s = timeout_s
        self._opening = opening
        self._received = bytearray()
        self.allow(_SAID)
        super().__init__(host, port)
        try:
            self._make_safe(tls if starttls else None)
        except BaseException:
            self.shutdown()
            raise

    def allow(self, size: int) -> None:
        """Begin the time of the next command, and let its answer have this many bytes besides what it always has."""
        self._left = _SAID + size
        self._ends_at = time.monotonic() + self._timeout_s

    # -- what imaplib calls ---------------------------------------------------------------------------------------------
    def open(self, host: str = "", port: int = 143, timeout: float | None = None) -> None:
        """Connect to the first of the host's addresses that answers."""
        del timeout
        self.host, self.port = host, port
        last: OSError | None = None
        for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            opened = socket.socket(family, kind, protocol)
            try:
                opened.settimeout(min(_CONNECT_S, self._timeout_s))
                self._opening(opened)
                opened.connect(address)
                opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                if self._tls is not None and not self._starttls:
                    opened = self._encrypted(opened, self._tls)
            except ssl.SSLCertVerificationError:
                opened.close()
                raise
            except OSError as error:
                opened.close()
                last = error
            except BaseException:
                opened.close()
                raise
            else:
                self.sock = opened
                return
        raise last or OSError("no address")

    def send(self, data: bytes) -> None:  # type: ignore[override]  # typeshed names collections.abc.Buffer, of 3.12
        """Send a command."""
        self.sock.settimeout(self._timeout_s)
        self.sock.sendall(data)

    def read(self, size: int) -> bytes:
        """Return a literal."""
        self._count(size)
        while len(self._received) < size:
            self._receive()
        return self._take(size)

    def readline(self) -> bytes:
        """Return a line."""
        looked_at = 0
        while (end := self._received.find(b"\n", looked_at)) < 0:
            looked_at = len(self._received)
            if looked_at > self._left:
                raise TooMuch
            self._receive()
        self._count(end + 1)
        return self._take(end + 1)

    def shutdown(self) -> None:
        """Let go of the connection, whatever state it is in."""
        with suppress(OSError, AttributeError):
            self.sock.shutdown(socket.SHUT_RDWR)
        with suppress(OSError, AttributeError):
            self.sock.close()

    # -- how ------------------------------------------------------------------------------------------------------------
    def _make_safe(self, tls: ssl.SSLContext | None) -> None:
        if self.state != "NONAUTH":
            raise NotSafe("it lets everybody in without asking who they are")
        if tls is None:
            return
        if "STARTTLS" not in self.capabilities:
            raise NotSafe("it offers no STARTTLS")
        self.allow(0)
        self.starttls(cast("ssl.SSLContext", _Upgrade(self, tls)))  # imaplib calls wrap_socket alone

    def upgrade(self, tls: ssl.SSLContext, plain: socket.socket) -> ssl.SSLSocket:
        """Wrap the socket; what came too early was not encrypted, and would be taken for what is (CVE-2011-0411 and its like)."""
        if self._received:
            raise NotSafe("it sends more before TLS begins")
        return self._encrypted(plain, tls)

    def _encrypted(self, plain: socket.socket, tls: ssl.SSLContext) -> ssl.SSLSocket:
        secure = tls.wrap_socket(plain, server_hostname=self.host, do_handshake_on_connect=False)
        try:
            self._opening(secure)
            secure.do_handshake()
        except BaseException:
            secure.close()
            raise
        return secure

    def _count(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise TooMuch

    def _receive(self) -> None:
        left_s = self._ends_at - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self.sock.settimeout(left_s)
        received = self.sock.recv(_RECEIVED)
        if not received:
            raise ConnectionResetError
        self._received += received

    def _take(self, size: int) -> bytes:
        with memoryview(self._received) as view:
            taken = bytes(view[:size])
        del self._received[:size]
        return taken


class _Upgrade:
    """Stands for the TLS context that `imaplib.IMAP4.starttls` wants."""

    def __init__(self, wire: Wire, tls: ssl.SSLContext) -> None:
        self._wire = wire
        self._tls = tls

    def wrap_socket(self, sock: socket.socket, server_hostname: str) -> ssl.SSLSocket:
        """Begin TLS."""
        del server_hostname
        return self._wire.upgrade(self._tls, sock)
