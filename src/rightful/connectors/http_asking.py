"""Asks one API for one page at a time: paced, tried again, bounded in time and size, and of its own host alone."""

import base64
import re
import threading
import time
from collections.abc import Generator, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.client import HTTPMessage
from typing import cast
from urllib.parse import urlsplit

import msgspec

from rightful.connectors.http_oauth import Tokens
from rightful.connectors.http_settings import HttpSettings
from rightful.errors import SourceRefused, SourceUnavailable, StorageRefused, StorageUnavailable
from rightful.pinned import Answer, PinnedHost

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


class Page(msgspec.Struct, frozen=True):
    """An answer with status 200."""

    content: bytes
    headers: HTTPMessage


class Asking:
    """One API. Safe to use from any thread; `SourceUnavailable` and `SourceRefused` are all that it raises."""

    def __init__(self, source_name: str, settings: HttpSettings) -> None:
        self._source_name = source_name
        self._settings = settings
        parts = urlsplit(settings.url)
        self._scheme, self._host = parts.scheme, parts.hostname or ""
        self._port = parts.port or {"https": 443, "http": 80}[parts.scheme]
        # The operator named this host for the service to read: it may lie in a private network.
        self._pinned = PinnedHost(
            self._scheme, self._host, self._port, may_be_private=True, answer_timeout_s=min(60.0, settings.timeout_s), kept=4
        )
        self._headers = tuple(_headers(settings).items())
        self._tokens = Tokens(source_name, settings.oauth2, timeout_s=settings.timeout_s) if settings.oauth2.token_url else None
        self._lock = threading.Lock()
        self._free_at = 0.0
        self._ended = threading.Event()

    def ask(self, target: str) -> Page:
        """Return the answer to a GET, status 200; what may pass is tried again."""
        said = ""
        is_renewed = False
        for number in range(_TRIES):
            self._take_turn()
            wait_s = _FIRST_WAIT_S * 2**number
            try:
                token = self._tokens.token() if self._tokens else ""
                headers = (*self._headers, ("Authorization", f"Bearer {token}")) if token else self._headers
                answer, chunks = self._pinned.stream(target, headers, within_s=self._settings.timeout_s)
                if answer.status == HTTPStatus.OK:
                    return self._page(answer, chunks)
            except StorageUnavailable as error:
                said = error.message
                wait_s = max(wait_s, error.retry_after_s or 0.0)
            except StorageRefused as error:
                raise self.refused(error.message, error.hint) from None
            else:
                said = f"{self._pinned.origin} answered {answer.status}"
                if answer.status == HTTPStatus.UNAUTHORIZED and self._tokens and not is_renewed:
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
        raise self._unavailable(said, "it is tried again; see that the API is up, or ask it less often")

    def target_of(self, link: str, page_target: str) -> str:
        """Return the path and query string of a link found in a page; refuses one that leads to another host, port or scheme."""
        # No urljoin: it drops what it takes for needless, and one reading of a link is safer than two.
        if link.startswith("?"):
            link = page_target.partition("?")[0] + link
        try:
            parts = urlsplit(link)
            port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
        except ValueError:
            raise self.refused("a page's link to the next one is no URL", "check `next`") from None
        is_absolute = (parts.scheme, (parts.hostname or "").lower(), port) == (
            self._scheme,
            self._host,
            self._port,
        ) and parts.username is None
        is_path = not parts.scheme and not parts.netloc
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if not (is_absolute or is_path):
            raise self.refused(
                "a page's link to the next one leads to another host; it was not followed", "the API's own address belongs in url"
            )
        if not re.fullmatch(r"/(?!/)[\x21-\x7e]*", target) or len(target) > _LARGEST_TARGET:
            raise self.refused("a page's link to the next one is neither a URL nor a path from the root", "check `next`")
        return target

    def refused(self, message: str, hint: str = "") -> SourceRefused:
        """Say that another try would change nothing."""
        return SourceRefused(f"source {self._source_name!r}: {message}", source_name=self._source_name, hint=hint)

    def close(self) -> None:
        """End what is under way, waits too, with `SourceUnavailable`; nothing is asked afterwards."""
        self._ended.set()
        self._pinned.close()
        if self._tokens:
            self._tokens.close()

    def _unavailable(self, message: str, hint: str) -> SourceUnavailable:
        return SourceUnavailable(f"source {self._source_name!r}: {message}", source_name=self._source_name, hint=hint)

    def _page(self, answer: Answer, chunks: Iterator[bytes]) -> Page:
        limit = self._settings.answer_mib << 20
        content = bytearray()
        try:
            for chunk in chunks:
                content += chunk
                if len(content) > limit:
                    raise self.refused(
                        f"an answer is larger than {self._settings.answer_mib} MiB", "ask for smaller pages, or raise answer_mib"
                    )
        finally:
            cast("Generator[bytes]", chunks).close()
        if answer.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
            raise self.refused("the API compresses its answers though it was asked not to", "have it heed Accept-Encoding: identity")
        return Page(bytes(content), answer.headers)

    def _take_turn(self) -> None:
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._free_at)
            self._free_at = turn + 1 / self._settings.requests_per_second
        self._wait(turn - now)

    def _wait(self, seconds: float) -> None:
        if self._ended.wait(seconds):
            raise self._unavailable("it is asked no more: the connector was closed", "it is tried again when the service runs")

    @staticmethod
    def _hint(status: int) -> str:
        if 300 <= status < 400:  # noqa: PLR2004 - RFC 9110 15.4
            return "redirects are not followed: name the address that it leads to in url and path, if it is to be trusted"
        return _HINTS.get(status, "ask whoever runs the API")


def _headers(settings: HttpSettings) -> dict[str, str]:
    said = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "rightful"}
    if settings.token:
        said["Authorization"] = f"Bearer {settings.token}"
    elif settings.user:
        said["Authorization"] = f"Basic {base64.b64encode(f'{settings.user}:{settings.password}'.encode()).decode()}"
    given = {name.lower() for name in settings.headers}
    return {name: value for name, value in said.items() if name.lower() not in given} | settings.headers


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
