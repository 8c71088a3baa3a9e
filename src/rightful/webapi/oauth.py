"""Fetches the access token that an API is asked with: OAuth 2.0 client credentials (RFC 6749 4.4).

A token is held in memory alone, and its secret goes to the configured endpoint alone: no redirect, no proxy of the environment.
"""

import base64
import math
import re
import threading
import time
from collections.abc import Generator, Mapping
from urllib.parse import quote_plus, urlencode, urlsplit

import msgspec

from rightful.errors import SourceRefused, StorageRefused, StorageUnavailable
from rightful.pinned import DEFAULT_PORTS, PinnedHost
from rightful.webapi import assertion
from rightful.webapi.access import OAuthSettings

_LARGEST_ANSWER = 256 << 10
_BEFORE_END_S = 60.0
"""How long before its end a token is used no more: the API's clock and the way there."""
_LIFE_S = 300.0
"""Where the endpoint does not say how long a token lives; RFC 6749 5.1 only recommends that it does."""
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750 2.1
_WORTH_ANOTHER_TRY = frozenset({408, 425, 429, 500, 502, 503, 504})
# RFC 6749 5.2; what else an endpoint writes is not shown.
_ERRORS: Mapping[str, str] = {
    "invalid_client": "check the client's id, and its secret, or its key and certificate: perhaps it has ended, or is not registered there",
    "invalid_request": "check oauth2.parameters and oauth2.client_auth",
    "invalid_grant": "check the client's settings where it is registered",
    "unauthorized_client": "allow the client the grant client_credentials where it is registered",
    "unsupported_grant_type": "the endpoint knows no client credentials: ask whoever runs it",
    "invalid_scope": "check oauth2.scope",
}


class _Granted(msgspec.Struct, frozen=True):
    access_token: str
    token_type: str
    expires_in: float | str | None = None


class _Refused(msgspec.Struct, frozen=True):
    error: str = ""


class Tokens:
    """The tokens of one source. Safe to use from any thread."""

    def __init__(self, source_name: str, settings: OAuthSettings, *, timeout_s: float) -> None:
        self._source_name = source_name
        self._settings = settings
        self._timeout_s = timeout_s
        parts = urlsplit(settings.token_url)
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        port = parts.port or DEFAULT_PORTS[parts.scheme]
        # The operator named this host: it may lie in a private network.
        self._pinned = PinnedHost(
            parts.scheme, parts.hostname or "", port, may_be_private=True, answer_timeout_s=min(60.0, timeout_s), kept=0
        )
        said = settings.assertion
        self._signer = assertion.Signer(said, client_id=settings.client_id, token_url=settings.token_url) if said.private_key else None
        self._lock = threading.Lock()
        self._token = ""
        self._ends_at = 0.0

    def token(self) -> str:
        """Return a token that is not about to end.

        Raises:
            StorageUnavailable: the endpoint may grant one later.
            SourceRefused: it will not.
        """
        with self._lock:
            if not self._token or time.monotonic() >= self._ends_at:
                self._token, self._ends_at = self._fetch()
            return self._token

    def forget(self, token: str) -> None:
        """Use a token no more that the API did not accept; another one, that somebody fetched meanwhile, stays."""
        with self._lock:
            if self._token == token:
                self._token = ""

    def close(self) -> None:
        """End what is under way."""
        self._pinned.close()

    def _fetch(self) -> tuple[str, float]:
        asked_at = time.monotonic()
        body, headers = self._request()
        try:
            answer, chunks = self._pinned.stream(self._target, headers, body=body, within_s=self._timeout_s)
            content = answer.body or self._whole(chunks)
        except StorageRefused as error:
            raise self._refused(error.message, error.hint) from None
        if answer.status in _WORTH_ANOTHER_TRY:
            wait = (answer.headers.get("Retry-After") or "").strip()
            wait_s = float(wait) if re.fullmatch(r"[0-9]{1,9}", wait) else None
            raise StorageUnavailable(f"{self._pinned.origin} answered {answer.status} instead of a token", retry_after_s=wait_s)
        if answer.status != 200:  # noqa: PLR2004 - RFC 6749 5.1
            raise self._not_granted(answer.status, content)
        try:
            granted = msgspec.json.decode(content, type=_Granted)
            life_s = float(_LIFE_S if granted.expires_in is None else granted.expires_in)
        except (ValueError, RecursionError):
            raise self._refused(f"what {self._pinned.origin} answered is no token", "check oauth2.token_url") from None
        if granted.token_type.lower() != "bearer" or not _TOKEN.fullmatch(granted.access_token) or not 0 < life_s < math.inf:
            raise self._refused(f"what {self._pinned.origin} granted is no bearer token that can be sent", "check oauth2.token_url")
        return granted.access_token, asked_at + life_s - min(_BEFORE_END_S, life_s / 2)

    def _request(self) -> tuple[bytes, list[tuple[str, str]]]:
        said = self._settings
        form = {"grant_type": "client_credentials", **({"scope": said.scope} if said.scope else {}), **said.parameters}
        headers = [
            ("Accept", "application/json"),
            ("Accept-Encoding", "identity"),
            ("User-Agent", "rightful"),
            ("Content-Type", "application/x-www-form-urlencoded"),
        ]
        if self._signer is not None:
            form |= {"client_id": said.client_id, "client_assertion_type": assertion.TYPE, "client_assertion": self._signer.sign()}
        elif said.client_auth == "header":  # RFC 6749 2.3.1: encoded as a form before they are joined
            joined = f"{quote_plus(said.client_id)}:{quote_plus(said.client_secret)}"
            headers.append(("Authorization", f"Basic {base64.b64encode(joined.encode()).decode()}"))
        else:
            form |= {"client_id": said.client_id, "client_secret": said.client_secret}
        return urlencode(form).encode(), headers

    def _whole(self, chunks: Generator[bytes]) -> bytes:
        content = bytearray()
        try:
            for chunk in chunks:
                content += chunk
                if len(content) > _LARGEST_ANSWER:
                    raise self._refused(f"what {self._pinned.origin} answered is too large for a token", "check oauth2.token_url")
        finally:
            chunks.close()
        return bytes(content)

    def _not_granted(self, status: int, content: bytes) -> SourceRefused:
        try:
            code = msgspec.json.decode(content, type=_Refused).error
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            code = ""
        known = f" ({code})" if code in _ERRORS else ""
        return self._refused(
            f"{self._pinned.origin} answered {status}{known} instead of a token",
            _ERRORS.get(code, "check oauth2.token_url and the client's settings"),
        )

    def _refused(self, message: str, hint: str) -> SourceRefused:
        return SourceRefused(f"source {self._source_name!r}: {message}", source_name=self._source_name, hint=hint)
