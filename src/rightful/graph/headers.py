"""Headers of requests and answers that are the same for every route."""

import random
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from email.utils import formatdate
from functools import lru_cache

from rightful.errors import InvalidRequest

Header = tuple[bytes, bytes]

# GRAPH-32
JSON_TYPE = b"application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
ERROR_TYPE = b"application/json"
TEXT_TYPE = b"text/plain"
ODATA_VERSION: Header = (b"odata-version", b"4.0")

_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?")
_CLIENT_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
_STRICT_TRANSPORT: Header = (b"strict-transport-security", b"max-age=31536000")
NOTHING_POLICY = b"default-src 'none'; frame-ancestors 'none'"
"""The Content-Security-Policy of what no browser should show: should one do so all the same, nothing is loaded, run or framed."""
_GUARDED: tuple[Header, ...] = (
    (b"cache-control", b"no-store"),  # it is about people
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),  # paths name people
)


def values(headers: Iterable[Header], name: bytes) -> list[str]:
    """Return every value of a header (the name in lower case, as ASGI has it), stripped."""
    return [value.decode("latin-1").strip() for key, value in headers if key == name]


def value(headers: Iterable[Header], name: bytes) -> str:
    """Return a header's only value, "" where it is missing; raises `InvalidRequest` where it is given twice."""
    found = values(headers, name)
    if len(found) > 1:
        raise InvalidRequest(f"The header {name.decode()} is given more than once")
    return found[0] if found else ""


def client_request_id(headers: Iterable[Header]) -> str:
    """Return the id that the client gave its request, "" where it gave none that can be echoed (GRAPH-18)."""
    found = values(headers, b"client-request-id")
    return found[0] if len(found) == 1 and _CLIENT_REQUEST_ID.fullmatch(found[0]) else ""


def new_request_id() -> str:
    """Make an id (a GUID) for a request that has none of its own. It is no secret, so it costs no call of the system's generator."""
    digits = f"{random.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"  # RFC 9562 5.4


def service_address(
    headers: Iterable[Header], *, scheme: str, version: str, listening: tuple[str, int | None] | None, base_url: str
) -> str:
    """Return scheme and host as the client used them (GRAPH-12), or what the operator says they are.

    Raises `InvalidRequest` where the Host header is no host: it ends up in links (RFC 9112 3.2 asks for the 400).
    """
    if base_url:
        return base_url.rstrip("/")
    found = values(headers, b"host")
    if not found and version == "1.0" and listening is not None:
        host, port = listening
        found = [f"[{host}]:{port}" if ":" in host else f"{host}:{port}"]
    if len(found) != 1 or not _HOST.fullmatch(found[0]):
        raise InvalidRequest("The header Host is missing, given twice or no host", hint="send the address of this service")
    return f"{scheme}://{found[0]}"


def common(*, request_id: str, client_request_id: str, now: datetime, is_tls: bool, policy: bytes = NOTHING_POLICY) -> list[Header]:
    """Return what every answer has (GRAPH-41), with what keeps caches and browsers from doing more with it than they should."""
    found = [
        (b"request-id", request_id.encode()),
        (b"client-request-id", client_request_id.encode()),
        (b"date", _date(int(now.timestamp()))),
        (b"content-security-policy", policy),
        *_GUARDED,
    ]
    return [*found, _STRICT_TRANSPORT] if is_tls else found


@lru_cache(maxsize=4)
def _date(second: int) -> bytes:
    """Return a second as HTTP writes it (RFC 9110 5.6.7): many answers leave within one."""
    return formatdate(second, usegmt=True).encode()


def challenge(authorization_uri: str) -> Header:
    """Return the header of a 401 (GRAPH's error table); without `claims=`, which would make SDKs ask for another token (GRAPH-17)."""
    return (b"www-authenticate", f'Bearer realm="", authorization_uri="{authorization_uri}"'.encode())


def allow(methods: Sequence[str]) -> Header:
    """Return the Allow header of a 405."""
    return (b"allow", ", ".join(methods).encode())


def retry_after(seconds: int) -> Header:
    """Return Retry-After, 1 to 60 whole seconds (GRAPH-35: SDKs give up on 180 and more)."""
    return (b"retry-after", str(min(60, max(1, seconds))).encode())
