"""HTTP to one host whose address was checked, and to no other.

Rules:
* A name is resolved, each of its addresses is judged, and connections go to an address that passed: nothing resolves the name again
  between the check and the connection. TLS and the Host header keep the name. It is resolved anew only when a connection fails.
* No redirect is followed, no proxy of the environment is used, no answer is decompressed.
* Connections are kept alive and shared by threads; one with an unfinished exchange is closed, never given back.
* An answer that comes while the body is still being sent ends the sending: a refusal is learnt without sending gigabytes.
* Errors name scheme, host and port, never a path or a query string. `StorageUnavailable` and `StorageRefused` are all that is raised,
  besides what the body's own iterator raises, which passes unchanged; who reads from a host translates them.
"""

import http.client
import math
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from rightful.addresses import is_reachable
from rightful.connection import Connection, parse_bare
from rightful.errors import Refusal, StorageRefused, StorageUnavailable
from rightful.leash import NO_LEASH, Leash

Resolve = Callable[[str, int], Sequence[str]]
"""Returns the addresses of a host; raises `OSError` where it has none."""
Connect = Callable[[str, int, float], socket.socket]
"""Connects to a numeric address within so many seconds; raises `OSError` where it can't."""

DEFAULT_PORTS = {"https": 443, "http": 80}

_CONNECT_TIMEOUT_S = 10.0
_ANSWER_TIMEOUT_S = 60.0
_IDLE_S = 30.0
"""Azure ends idle connections after some minutes, load balancers before it sooner."""
_LARGEST_ANSWER = 64 << 20
"""A page of a listing has some megabytes; everything else is far smaller."""
_READ_BYTES = 1 << 20
_WITH_HEAD_BYTES = 64 << 10
"""A body up to this size leaves in one system call with its head."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the host answered."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


def resolve_host(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a host, in the system's order."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def connect_to(address: str, port: int, timeout_s: float) -> socket.socket:
    """Connect to a numeric address: no name server is asked."""
    return socket.create_connection((address, port), timeout=timeout_s)


class PinnedHost:
    """A keep-alive connection pool to one scheme, host and port. Safe to use from any thread."""

    def __init__(
        self,
        scheme: str,
        host: str,
        port: int,
        *,
        may_be_private: bool,
        resolve: Resolve = resolve_host,
        connect: Connect = connect_to,
        tls: ssl.SSLContext | None = None,
        answer_timeout_s: float = _ANSWER_TIMEOUT_S,
        kept: int = 16,
    ) -> None:
        self._host, self._port = host, port
        written = f"[{host}]" if ":" in host else host
        self.origin = f"{scheme}://{written}:{port}"
        default = DEFAULT_PORTS[scheme]
        self._host_header = written if port == default else f"{written}:{port}"
        self._tls = (tls or ssl.create_default_context()) if scheme == "https" else None
        self._may_be_private = may_be_private
        self._resolve = resolve
        self._connect_to = connect
        self._answer_timeout_s = answer_timeout_s
        self._kept = kept
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._busy: set[Connection] = set()
        self._is_closed = False
        self._addresses: Sequence[str] = ()

    def __repr__(self) -> str:
        return f"PinnedHost({self.origin})"

    def exchange(
        self,
        method: str,
        target: str,
        headers: Sequence[tuple[str, str]] = (),
        body: Iterable[bytes | memoryview] = (),
        size_bytes: int = 0,
        *,
        within_s: float = math.inf,
        leash: Leash = NO_LEASH,
    ) -> Answer:
        """Send a request whose body's pieces have `size_bytes` together; return the whole answer, of whatever status.

        With `within_s` all of it is over by then, connecting too; the answer has the usual time in any case, however steadily it comes.
        Once the leash is pulled, it ends with `StorageRefused`.
        """
        if leash.is_pulled:
            raise self._cancelled()
        connection = self._take(within_s)
        is_reusable = False
        try:
            with leash.holding(connection):
                answer, is_reusable = self._converse(connection, method, self._head(method, target, headers, size_bytes), body)
        except StorageUnavailable as error:
            if leash.is_pulled:
                raise self._cancelled() from error
            raise
        else:
            is_reusable &= not leash.is_pulled
            return answer
        finally:
            self._give_back(connection, is_reusable=is_reusable)

    def _cancelled(self) -> StorageRefused:
        return StorageRefused(f"what is sent to {self.origin} was cancelled", refusal=Refusal.OTHER)

    def _converse(self, connection: Connection, method: str, head: bytes, body: Iterable[bytes | memoryview]) -> tuple[Answer, bool]:
        """Send a request and return its answer, and whether the connection can be used again."""
        was_sent = self._send(connection, head, body)
        answered_by_s = time.monotonic() + self._answer_timeout_s
        if answered_by_s < connection.deadline_s:
            connection.end_by(answered_by_s, self._answer_timeout_s)
        bare = self._bare(connection) if was_sent else None
        if bare is not None:
            return bare, True
        response = self._begin(connection, method, was_sent=was_sent)
        answer = Answer(response.status, response.headers, self._read_all(connection, response))
        if not was_sent and answer.status < 300:  # noqa: PLR2004 - success
            raise StorageUnavailable(f"{self.origin} answered {answer.status} before it had the whole body", hint="it is tried again")
        return answer, was_sent and not response.will_close

    def stream(
        self,
        target: str,
        headers: Sequence[tuple[str, str]] = (),
        *,
        method: str = "",
        body: bytes = b"",
        within_s: float = math.inf,
        chunk_bytes: int = _READ_BYTES,
    ) -> tuple[Answer, Generator[bytes]]:
        """Ask for what may be large: return the answer and, of a 200, 206 or 207, a generator of its body in chunks.

        Of any other the answer has the body.

        Args:
            target: path and query string.
            headers: besides Host and, where there is a body, Content-Length.
            method: GET, or with a body POST, where it is not given.
            body: what is sent along.
            within_s: when the whole answer must be there, however steadily it comes; else each piece of it has the usual time.
            chunk_bytes: how large the chunks are at most; who wants all of a part at once is spared a copy.
        """
        connection = self._take(within_s)
        try:
            method = method or ("POST" if body else "GET")
            self._send(connection, self._head(method, target, headers, len(body)), (body,) if body else ())
            response = self._begin(connection, method, was_sent=True)
            if response.status in {http.client.OK, http.client.PARTIAL_CONTENT, http.client.MULTI_STATUS}:
                chunks = self._chunks(connection, response, chunk_bytes)
                next(chunks)  # a generator that was not begun would not give the connection back when it is closed
                return Answer(response.status, response.headers, b""), chunks
            answer = Answer(response.status, response.headers, self._read_all(connection, response))
        except BaseException:
            self._give_back(connection, is_reusable=False)
            raise
        self._give_back(connection, is_reusable=not response.will_close)
        return answer, _nothing()

    def keep_none(self) -> None:
        """Close the connections that are idle and keep none from now on; those in use end by themselves."""
        with self._lock:
            idle, self._idle, self._kept = self._idle, [], 0
        for connection in idle:
            connection.close()

    def close(self) -> None:
        """End all exchanges, those that are under way with `StorageUnavailable`; there are no others afterwards."""
        self.keep_none()
        with self._lock:
            self._is_closed = True
            for connection in self._busy:
                connection.abort()

    # -- connections --------------------------------------------------------------------------------------------------
    def _take(self, within_s: float) -> Connection:
        deadline_s = time.monotonic() + within_s
        connection = self._find_or_connect(deadline_s)
        connection.end_by(deadline_s, within_s)
        with self._lock:
            self._busy.add(connection)
            if self._is_closed:
                connection.abort()
        return connection

    def _find_or_connect(self, deadline_s: float) -> Connection:
        oldest = time.monotonic() - _IDLE_S
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                return self._connect(deadline_s)
            if connection.idle_since >= oldest and not connection.has_answer():
                return connection
            connection.close()  # ended by the other side, or about to be

    def _give_back(self, connection: Connection, *, is_reusable: bool) -> None:
        with self._lock:
            self._busy.discard(connection)
            if is_reusable and len(self._idle) < self._kept:
                connection.idle_since = time.monotonic()
                self._idle.append(connection)
                return
        connection.close()

    def _connect(self, deadline_s: float) -> Connection:
        last: OSError | None = None
        for address in self._checked_addresses(deadline_s):
            try:
                return self._open(address, deadline_s)
            except ssl.SSLCertVerificationError as error:
                raise StorageRefused(
                    f"{self.origin} shows a certificate that is not valid for it: {error.verify_message}",
                    refusal=Refusal.OTHER,
                    hint="check the host name; where a proxy re-signs TLS, add its certificate to the system's",
                ) from error
            except OSError as error:
                last = error
        with self._lock:
            self._addresses = ()
        raise StorageUnavailable(
            f"{self.origin} cannot be connected: {_reason(last)}", hint="check network, firewall and host name", may_have_arrived=False
        ) from last

    def _checked_addresses(self, deadline_s: float) -> Sequence[str]:
        with self._lock:
            if self._addresses:
                return self._addresses
        try:
            found = self._resolve_by(deadline_s)
        except (OSError, UnicodeError) as error:
            raise StorageUnavailable(
                f"{self.origin} is not found: {_reason(error)}", hint="check the host name and the name server", may_have_arrived=False
            ) from error
        usable = found if self._may_be_private else [address for address in found if is_reachable(address)]
        if not usable:
            raise StorageRefused(
                f"{self.origin} leads to an address that is not public",
                refusal=Refusal.OTHER,
                hint="where that is meant (a private endpoint, an emulator), the operator names host:port under storage.allow",
            )
        with self._lock:
            self._addresses = usable
        return usable

    def _resolve_by(self, deadline_s: float) -> Sequence[str]:
        """Ask the name server, as long as there is time: the system's own patience has no limit that could be set."""
        if deadline_s == math.inf:
            return self._resolve(self._host, self._port)
        left_s = _connect_timeout(deadline_s)
        found: Future[Sequence[str]] = Future()

        def ask() -> None:
            try:
                found.set_result(self._resolve(self._host, self._port))
            except BaseException as error:  # noqa: BLE001 - raised again by whoever waits
                found.set_exception(error)

        try:
            threading.Thread(target=ask, name="resolve", daemon=True).start()
        except RuntimeError as error:
            raise StorageUnavailable(
                f"{self.origin} is not looked up: the system gives no thread to do it in",
                hint="it is tried again",
                may_have_arrived=False,
                was_asked=False,
            ) from error
        return found.result(left_s)

    def _open(self, address: str, deadline_s: float) -> Connection:
        raw = self._connect_to(address, self._port, _connect_timeout(deadline_s))
        try:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                raw.settimeout(_connect_timeout(deadline_s))
                raw = self._tls.wrap_socket(raw, server_hostname=self._host)
        except BaseException:
            raw.close()
            raise
        poll = select.poll()
        poll.register(raw, select.POLLIN)
        return Connection(raw, self._answer_timeout_s, poll)

    # -- one exchange -------------------------------------------------------------------------------------------------
    def _head(self, method: str, target: str, headers: Sequence[tuple[str, str]], size_bytes: int) -> bytes:
        length = f"Content-Length: {size_bytes}\r\n" if method in {"PUT", "POST"} or size_bytes else ""
        more = "".join(f"{name}: {value}\r\n" for name, value in headers)
        return f"{method} {target} HTTP/1.1\r\nHost: {self._host_header}\r\n{length}{more}\r\n".encode("ascii")

    def _send(self, connection: Connection, head: bytes, body: Iterable[bytes | memoryview]) -> bool:
        """Send head and body; return False where the host answered or hung up before all was sent."""
        pending: bytes | memoryview = head
        for piece in body:
            if pending and len(pending) + len(piece) <= _WITH_HEAD_BYTES:
                pending = b"".join((pending, piece))
                continue
            if not self._send_one(connection, pending) or connection.has_answer():
                return False
            pending = piece
        return self._send_one(connection, pending)

    def _send_one(self, connection: Connection, data: bytes | memoryview) -> bool:
        try:
            connection.send(data)
        except TimeoutError as error:
            raise self._ended(connection, "takes no more data") from error
        except OSError:
            return False  # perhaps with an answer that says why
        return True

    def _bare(self, connection: Connection) -> Answer | None:
        """Return the answer where it is a bare success, whole at once, as to most puts; else None, and nothing of it is lost."""
        try:
            found = parse_bare(connection.hear())
        except OSError as error:
            raise self._ended(connection, f"ended the exchange before answering: {_reason(error)}") from None
        if found is None:
            return None
        connection.early = b""
        status, headers = found
        return Answer(status, headers, b"")

    def _begin(self, connection: Connection, method: str, *, was_sent: bool) -> http.client.HTTPResponse:
        response = http.client.HTTPResponse(connection, method=method)  # type: ignore[arg-type]  # it only calls makefile
        try:
            response.begin()
        except (OSError, http.client.HTTPException) as error:
            response.close()
            when = "before answering" if was_sent else "while the body was sent"
            raise self._ended(connection, f"ended the exchange {when}: {_reason(error)}") from None
        if response.length is None and not response.chunked:  # http.client takes a head that broke off for a whole one
            response.close()
            raise StorageUnavailable(f"{self.origin} gave an answer whose end cannot be known", hint="it is tried again")
        return response

    def _read_all(self, connection: Connection, response: http.client.HTTPResponse) -> bytes:
        try:
            body = response.read(_LARGEST_ANSWER + 1)
        except (OSError, http.client.HTTPException) as error:
            raise self._ended(connection, f"broke off its answer: {_reason(error)}") from None
        finally:
            response.close()
        if len(body) > _LARGEST_ANSWER:
            raise StorageRefused(f"{self.origin} answers without end", refusal=Refusal.OTHER)
        return body

    def _chunks(self, connection: Connection, response: http.client.HTTPResponse, chunk_bytes: int) -> Generator[bytes]:
        """Yield nothing, empty, then the body."""
        is_whole = False
        try:
            yield b""
            while chunk := self._read_some(connection, response, chunk_bytes):
                yield chunk
            is_whole = True
        finally:
            response.close()
            self._give_back(connection, is_reusable=is_whole and not response.will_close)

    def _read_some(self, connection: Connection, response: http.client.HTTPResponse, chunk_bytes: int) -> bytes:
        try:
            chunk = response.read(chunk_bytes)
        except (OSError, http.client.HTTPException) as error:
            raise self._ended(connection, f"broke off its answer: {_reason(error)}") from None
        if not chunk and response.length:  # http.client ends short bodies silently
            raise StorageUnavailable(f"{self.origin} broke off its answer", hint="it is tried again")
        return chunk

    def _ended(self, connection: Connection, how: str) -> StorageUnavailable:
        how = f"takes longer than {max(0.0, round(connection.within_s, 1)):g} s for an answer" if connection.is_late else how
        return StorageUnavailable(f"{self.origin} {how}", hint="it is tried again")


def _nothing() -> Generator[bytes]:
    yield from ()


def _connect_timeout(deadline_s: float) -> float:
    left_s = deadline_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return min(_CONNECT_TIMEOUT_S, left_s)


def _reason(error: BaseException | None) -> str:
    """Say what happened without the arguments of foreign errors, which may hold a request's target."""
    if isinstance(error, TimeoutError):
        return "time-out"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__ if error is not None else "no address"
