"""One connection to a server: messages out, messages in, each within the time that is left and of bounded size."""

import socket
import ssl
import time
from collections.abc import Generator, Iterator
from contextlib import suppress

from rightful.ldap import messages
from rightful.ldap.address import Address
from rightful.ldap.ber import SEQUENCE, Malformed, head
from rightful.ldap.messages import Done, Entry, Reference, Search

SUCCESS = 0
_LARGEST_MESSAGE = 16 << 20
_CHUNK = 64 << 10


class Broken(Exception):
    """The connection is of no use any more; says why, in words of ours."""


class Untrusted(Broken):
    """The server did not prove that it is the one that was meant."""


class NotDone(Exception):
    """The server says that it did not do what was asked; `code` says why (RFC 4511 4.1.9)."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Wire:
    """A connection that somebody has bound. Used by one thread at a time."""

    def __init__(self, address: Address, tls: ssl.SSLContext | None, dn: str, password: str, timeout_s: float) -> None:
        """Connect and bind; raises `Broken` or `NotDone`."""
        self._number = 0
        self._came = bytearray()
        self._deadline = time.monotonic() + timeout_s
        self.used_at = time.monotonic()
        try:
            self._socket: socket.socket = socket.create_connection((address.host, address.port), timeout_s)
        except OSError as error:
            raise Broken(f"cannot be connected to ({_reason(error)})") from None
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if address.start_tls:
                self._number += 1
                self._done(self._ask(messages.start_tls(self._number)))
            if tls is not None:
                self._encrypt(tls, address.host)
            self._number += 1
            self._done(self._ask(messages.bind(self._number, dn, password)))
        except BaseException:
            self._socket.close()
            raise

    def search(self, asked: Search, *, timeout_s: float, page: int, cookie: bytes) -> Generator[Entry | Reference | Done]:
        """Yield what a search finds, at last how it ended where that was well; must be read to its end, or the connection closed."""
        self._number += 1
        self._deadline = time.monotonic() + timeout_s
        message = messages.search(self._number, asked, limit_s=max(1, int(timeout_s)), page=page, cookie=cookie)
        for answer in self._ask(message):
            if isinstance(answer, Done) and answer.code != SUCCESS:
                raise NotDone(answer.code)
            yield answer

    def close(self) -> None:
        """Say farewell, as far as that is possible, and let go."""
        with suppress(OSError):
            self._socket.settimeout(1.0)
            self._socket.sendall(messages.unbind(self._number + 1))
        self._socket.close()

    def abort(self) -> None:
        """Wake whoever waits for it."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    # -- how ----------------------------------------------------------------------------------------------------------
    def _encrypt(self, tls: ssl.SSLContext, host: str) -> None:
        if self._came:  # what came before TLS began may be anybody's
            raise Broken("sent something between StartTLS and its beginning")
        try:
            self._socket.settimeout(self._left_s())
            self._socket = tls.wrap_socket(self._socket, server_hostname=host)
        except ssl.SSLCertVerificationError as error:
            raise Untrusted(f"has no certificate to be trusted ({error.verify_message})") from None
        except OSError as error:
            raise Broken(f"does not speak TLS as it should ({_reason(error)})") from None

    def _done(self, answers: Iterator[Entry | Reference | Done]) -> None:
        for answer in answers:
            if isinstance(answer, Done) and answer.code != SUCCESS:
                raise NotDone(answer.code)

    def _ask(self, message: bytes) -> Generator[Entry | Reference | Done]:
        """Send, and yield the answers up to the one that ends them."""
        try:
            self._socket.settimeout(self._left_s())
            self._socket.sendall(message)
        except OSError as error:
            raise Broken(f"took nothing any more ({_reason(error)})") from None
        while True:
            try:
                number, answer = messages.read(self._next())
            except Malformed:
                raise Broken("answered something that is not LDAP") from None
            if isinstance(answer, Done) and answer.is_notice:
                raise Broken("ended the connection")
            if number != self._number:
                raise Broken("answered what was not asked")
            if answer is not None:
                yield answer
            if isinstance(answer, Done):
                return

    def _next(self) -> bytes:
        """Return what is in the next message."""
        while (found := head(self._came)) is None:
            self._receive()
        tag, begin, size = found
        if tag != SEQUENCE:
            raise Malformed
        if size > _LARGEST_MESSAGE:
            raise Broken(f"sent a message of more than {_LARGEST_MESSAGE >> 20} MiB")
        while len(self._came) < begin + size:
            self._receive()
        content = bytes(self._came[begin : begin + size])
        del self._came[: begin + size]
        return content

    def _receive(self) -> None:
        try:
            self._socket.settimeout(self._left_s())
            came = self._socket.recv(_CHUNK)
        except OSError as error:
            raise Broken(f"was lost ({_reason(error)})") from None
        if not came:
            raise Broken("was lost (it ended)")
        self._came += came

    def _left_s(self) -> float:
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        return left_s


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "it took too long"
    if isinstance(error, socket.gaierror):
        return "its name is not known"
    return (error.reason if isinstance(error, ssl.SSLError) else error.strerror) or type(error).__name__
