"""Asks one API for one page at a time: paced, tried again, bounded in time and size, and of its own host alone."""

import base64
import math
import re
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.client import HTTPMessage
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from rightful import traces
from rightful.errors import SourceRefused, SourceUnavailable, StorageRefused, StorageUnavailable
from rightful.pinned import DEFAULT_PORTS, Answer, PinnedHost
from rightful.webapi.access import Access
from rightful.webapi.oauth import Tokens

_TRIES = 5
_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 30.0
_WORTH_ANOTHER_TRY = frozenset({408, 425, 429, 500, 502, 503, 504})
_HINTS: Mapping[int, str] = {
    401: "check token, user and password, oauth2 or headers",
    403: "give the account the right to read this",
    404: "check url and path: an API that answers 404 where somebody has nothing cannot be told from a wrong path",
}
_LARGEST_TARGET = 16 << 10
_TARGET = re.compile(r"/(?!/)[\x21-\x7e]*")
_ADDRESS = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?(?=[/?])", re.ASCII | re.IGNORECASE
)
_REDIRECTS = 2
_REDIRECTED = frozenset({301, 302, 303, 307, 308})
_FINAL = _REDIRECTED | {403, 404, 410}
"""What an answer to a question for a file's content says of that file alone."""
_SLOWEST_BYTES_S = 64 << 10
"""A file that comes more slowly is given up."""
_FOR_OTHERS = (("Accept-Encoding", "identity"), ("User-Agent", "rightful"))

T = TypeVar("T")


class Page(msgspec.Struct, frozen=True):
    """An answer with status 200."""

    content: bytes
    headers: HTTPMessage


class Late(Exception):
    """There is no time left to ask, or to wait as long as the API wants; for who set the time by `Asking.until`."""


class Asking:
    """One API. Safe to use from any thread; `SourceUnavailable` and `SourceRefused` are all that it raises."""

    def __init__(self, source_name: str, access: Access) -> None:
        self._source_name = source_name
        self._access = access
        parts = urlsplit(access.url)
        self._scheme, self._host = parts.scheme, parts.hostname or ""
        self._port = parts.port or DEFAULT_PORTS[parts.scheme]
        self._pinned = _pinned(access.url, access.timeout_s)
        self._headers = tuple(_headers(access).items())
        hosts = [_pinned(url, access.timeout_s) for url in access.content_hosts]
        self._content_hosts = {host.origin: host for host in hosts}
        self._tokens = Tokens(source_name, access.oauth2, timeout_s=access.timeout_s) if access.oauth2.token_url else None
        self._lock = threading.Lock()
        self._free_at = 0.0
        self._ended = threading.Event()
        self._limit = threading.local()

    @contextmanager
    def until(self, moment_s: float) -> Iterator[None]:
        """Give this thread's questions no more time than to a moment of `time.monotonic`; what cannot be answered by then raises `Late`."""
        self._limit.until_s = moment_s
        try:
            yield
        finally:
            self._limit.until_s = math.inf

    def ask(self, target: str) -> Page:
        """Return the answer to a GET, status 200; what may pass is tried again."""
        return self._tried(self._pinned, target, self._page, within_s=self._access.timeout_s)

    def look(self, target: str, final: frozenset[int], *, body: bytes = b"") -> Page | Answer:
        """Return a page, or the answer where its status is one of those that say something here; with a body it is a POST that reads."""
        return self._tried(
            self._pinned,
            target,
            lambda answer, chunks: self._page(answer, chunks) if answer.status == HTTPStatus.OK else answer,
            within_s=self._access.timeout_s,
            final=final,
            body=body,
        )

    def content(self, link: str, size_bytes: int) -> tuple[int, Generator[bytes] | None]:
        """Return the status and, of a 200, what is in a file, in chunks of at most 1 MiB; other statuses are the file's own trouble.

        The access goes to the API alone. Another host is asked where the settings name it, also after a redirect, and gets none.
        """
        within_s = self._access.timeout_s + size_bytes / _SLOWEST_BYTES_S
        host, target = self._place_of(link, may_be_ours=True)
        for _ in range(_REDIRECTS + 1):
            answer, chunks = self._tried(host, target, _as_it_is, within_s=within_s, final=_FINAL, is_page=False)
            if answer.status == HTTPStatus.OK:
                return answer.status, self._pieces(answer, chunks)
            if answer.status not in _REDIRECTED:
                return answer.status, None
            host, target = self._place_of(answer.headers.get("Location", ""), may_be_ours=False)
        raise self.refused("a file's content is redirected again and again", "ask whoever runs the API")

    def _place_of(self, link: str, *, may_be_ours: bool) -> tuple[PinnedHost, str]:
        if (parts := _ADDRESS.match(link)) is not None:
            scheme = parts["scheme"].lower()
            port = int(parts["port"] or DEFAULT_PORTS[scheme])
            host = self._content_hosts.get(f"{scheme}://{parts['host'].lower()}:{port}")
            if host is not None:
                target = link[parts.end() :].partition("#")[0]
                if not _TARGET.fullmatch(target) or len(target) > _LARGEST_TARGET:
                    raise self.refused("a file's address is no URL", "ask whoever runs the API")
                return host, target
        if may_be_ours:
            return self._pinned, self.target_of(link, "", what="the address of a file's content")
        raise self.refused(
            "a file's content is redirected to a host that is not named; that was not followed",
            "name its address in `content.hosts`, if it is to be trusted: it gets no access",
        )

    def _pieces(self, answer: Answer, chunks: Generator[bytes]) -> Generator[bytes]:
        try:
            for chunk in chunks:
                if answer.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
                    raise self.refused("a file's content comes compressed though it was not asked for", "have the API heed Accept-Encoding")
                yield chunk
        except StorageUnavailable as error:
            raise self.unavailable(error.message, error.hint) from None
        finally:
            chunks.close()

    def _tried(
        self,
        host: PinnedHost,
        target: str,
        take: Callable[[Answer, Generator[bytes]], T],
        *,
        within_s: float,
        final: frozenset[int] = frozenset(),
        is_page: bool = True,
        body: bytes = b"",
    ) -> T:
        """Ask until there is an answer with status 200, or one of those that are final, and take it."""
        said = ""
        is_ours, is_renewed = host is self._pinned, False
        for number in range(_TRIES):
            self._take_turn()
            wait_s = _FIRST_WAIT_S * 2**number
            try:
                token = self._tokens.token() if self._tokens and is_ours else ""
                headers = self._headers_for(token, is_ours=is_ours, is_page=is_page)
                answer, chunks = host.stream(target, headers, body=body, within_s=min(within_s, self._left_s()))
                if answer.status == HTTPStatus.OK or answer.status in final:
                    return take(answer, chunks)
            except StorageUnavailable as error:
                said = error.message
                wait_s = max(wait_s, error.retry_after_s or 0.0)
            except StorageRefused as error:
                raise self.refused(error.message, error.hint) from None
            else:
                said = f"{host.origin} answered {answer.status}"
                if answer.status == HTTPStatus.UNAUTHORIZED and token and self._tokens and not is_renewed:
                    is_renewed = True  # once: it may have been revoked, or ended by the API's own clock
                    self._tokens.forget(token)
                    continue
                if answer.status not in _WORTH_ANOTHER_TRY:
                    raise self.refused(said, self._hint(answer.status))
                wait_s = _asked_wait_s(answer.headers, wait_s)
            if wait_s > _LONGEST_WAIT_S:
                break
            if number < _TRIES - 1:
                self._wait(wait_s)
        raise self._unanswered(said)

    def _unanswered(self, said: str) -> SourceUnavailable | Late:
        """Say why there is no answer: the API is at fault only where it was not for want of time."""
        return Late() if self._left_s() <= 0 else self.unavailable(said, "it is tried again; see that the API is up, or ask it less often")

    def _headers_for(self, token: str, *, is_ours: bool, is_page: bool) -> tuple[tuple[str, str], ...]:
        if not is_ours:
            return _FOR_OTHERS
        given = {name.lower() for name in self._access.headers}
        own = self._headers if is_page or "accept" in given else tuple((name, value) for name, value in self._headers if name != "Accept")
        if self._access.has_traceparent and "traceparent" not in given and (said := traces.traceparent()):
            own = (*own, ("traceparent", said))
        return (*own, ("Authorization", f"Bearer {token}")) if token else own

    def target_of(self, link: str, page_target: str, *, what: str = "a page's link to the next one") -> str:
        """Return the path and query string of a link found in a page; refuses one that leads to another host, port or scheme."""
        # No urljoin: it drops what it takes for needless, and one reading of a link is safer than two.
        if link.startswith("?"):
            link = page_target.partition("?")[0] + link
        try:
            parts = urlsplit(link)
            port = parts.port or DEFAULT_PORTS.get(parts.scheme)
        except ValueError:
            raise self.refused(f"{what} is no URL", "check the settings that point to it") from None
        is_absolute = (parts.scheme, (parts.hostname or "").lower(), port) == (
            self._scheme,
            self._host,
            self._port,
        ) and parts.username is None
        is_path = not parts.scheme and not parts.netloc
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if not (is_absolute or is_path):
            raise self.refused(
                f"{what} leads to another host; it was not followed",
                "the API's own address belongs in url, that of files in `content.hosts`",
            )
        if not _TARGET.fullmatch(target) or len(target) > _LARGEST_TARGET:
            raise self.refused(f"{what} is neither a URL nor a path from the root", "check the settings that point to it")
        return target

    def refused(self, message: str, hint: str = "") -> SourceRefused:
        """Say that another try would change nothing."""
        return SourceRefused(f"source {self._source_name!r}: {message}", source_name=self._source_name, hint=hint)

    def close(self) -> None:
        """End what is under way, waits too, with `SourceUnavailable`; nothing is asked afterwards."""
        self._ended.set()
        for host in (self._pinned, *self._content_hosts.values()):
            host.close()
        if self._tokens:
            self._tokens.close()

    def unavailable(self, message: str, hint: str) -> SourceUnavailable:
        """Say that another try may succeed."""
        return SourceUnavailable(f"source {self._source_name!r}: {message}", source_name=self._source_name, hint=hint)

    def _page(self, answer: Answer, chunks: Generator[bytes]) -> Page:
        limit = self._access.answer_mib << 20
        content = bytearray()
        try:
            for chunk in chunks:
                content += chunk
                if len(content) > limit:
                    raise self.refused(
                        f"an answer is larger than {self._access.answer_mib} MiB", "ask for smaller pages, or raise answer_mib"
                    )
        finally:
            chunks.close()
        if answer.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
            raise self.refused("the API compresses its answers though it was asked not to", "have it heed Accept-Encoding: identity")
        return Page(bytes(content), answer.headers)

    def _take_turn(self) -> None:
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._free_at)
            if turn - now > self._left_s():  # before it is taken: who has no time for it must not keep others from it
                raise Late
            self._free_at = turn + 1 / self._access.requests_per_second
        self._wait(turn - now)

    def _left_s(self) -> float:
        return float(getattr(self._limit, "until_s", math.inf)) - time.monotonic()

    def _wait(self, seconds: float) -> None:
        if seconds > self._left_s():
            raise Late
        if self._ended.wait(seconds):
            raise self.unavailable("it is asked no more: the connector was closed", "it is tried again when the service runs")

    @staticmethod
    def _hint(status: int) -> str:
        if 300 <= status < 400:  # noqa: PLR2004 - RFC 9110 15.4
            return "redirects are not followed: name the address that it leads to in url and path, if it is to be trusted"
        return _HINTS.get(status, "ask whoever runs the API")


def _pinned(url: str, timeout_s: float) -> PinnedHost:
    """Return a host that the operator named for the service to read: it may lie in a private network."""
    parts = urlsplit(url)
    port = parts.port or DEFAULT_PORTS[parts.scheme]
    return PinnedHost(parts.scheme, parts.hostname or "", port, may_be_private=True, answer_timeout_s=min(60.0, timeout_s), kept=4)


def _as_it_is(answer: Answer, chunks: Generator[bytes]) -> tuple[Answer, Generator[bytes]]:
    return answer, chunks


def _headers(access: Access) -> dict[str, str]:
    said = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "rightful"}
    if access.token:
        said["Authorization"] = f"Bearer {access.token}"
    elif access.user:
        said["Authorization"] = f"Basic {base64.b64encode(f'{access.user}:{access.password}'.encode()).decode()}"
    given = {name.lower() for name in access.headers}
    return {name: value for name, value in said.items() if name.lower() not in given} | access.headers


def _asked_wait_s(headers: HTTPMessage, otherwise_s: float) -> float:
    """Return how long the API asks to wait (RFC 9110 10.2.3), at least as long as we would by ourselves."""
    value = (headers.get("Retry-After") or "").strip()
    if re.fullmatch(r"[0-9]{1,9}", value):
        return max(otherwise_s, float(value))
    try:
        moment = parsedate_to_datetime(value)
        return max(otherwise_s, (moment - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return otherwise_s
