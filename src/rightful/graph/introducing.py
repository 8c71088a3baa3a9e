"""For whom a request is passed on: said in a header that services of one store believe each other, and nobody else."""

import base64
import hashlib
import hmac
from contextlib import suppress

import msgspec

from rightful.clock import Clock
from rightful.graph import headers
from rightful.graph.request import Scope

NAME = b"rightful-passed-on"
_VALID_S = 60.0
"""Clocks of two machines differ."""


class _Said(msgspec.Struct, frozen=True, kw_only=True):
    at_s: float
    client: str
    scheme: str
    hosts: list[str]


class Introductions:
    """Writes and reads the header. Its key is derived from one that the services of a store share."""

    def __init__(self, key: bytes, clock: Clock) -> None:
        self._key = hmac.digest(key, b"rightful passed on", hashlib.sha256)
        self._clock = clock

    def write(self, scope: Scope) -> str:
        """Say whose request it is, and how they addressed it."""
        client = scope.get("client")
        said = _Said(
            at_s=self._clock.now().timestamp(),
            client=str(client[0]) if client else "",
            scheme=scope.get("scheme", "http"),
            hosts=headers.values(scope["headers"], b"host"),
        )
        text = base64.urlsafe_b64encode(msgspec.json.encode(said))
        return f"{text.decode()}.{self._mark(text)}"

    def read(self, scope: Scope) -> Scope:
        """Return a request as its client sent it, where another service passed it on; any other as it is, without the header."""
        found = headers.values(scope["headers"], NAME)
        if not found:
            return scope
        others = [(name, value) for name, value in scope["headers"] if name != NAME]
        said = self._believed(found[0]) if len(found) == 1 else None
        if said is None:
            return {**scope, "headers": others}
        hosts = [(b"host", host.encode("latin-1")) for host in said.hosts]
        others = [*hosts, *((name, value) for name, value in others if name != b"host")]
        return {**scope, "headers": others, "client": (said.client, 0) if said.client else None, "scheme": said.scheme}

    def _believed(self, text: str) -> _Said | None:
        said, _, mark = text.partition(".")
        if not hmac.compare_digest(mark.encode("latin-1"), self._mark(said.encode("latin-1")).encode()):
            return None
        with suppress(ValueError, msgspec.MsgspecError):
            found = msgspec.json.decode(base64.urlsafe_b64decode(said), type=_Said)
            if abs(self._clock.now().timestamp() - found.at_s) <= _VALID_S:
                return found
        return None

    def _mark(self, text: bytes) -> str:
        return hmac.digest(self._key, text, hashlib.sha256).hex()
