"""The rules of a blob service with one account, in memory: what a SAS may do, and what becomes of a request."""

import base64
import secrets
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Self
from urllib.parse import urlencode
from xml.sax.saxutils import escape


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service answers."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    @classmethod
    def refusal(cls, status: int, error: str) -> Self:
        """Return an error, in header and body as the service says it."""
        body = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{error}</Code><Message>no</Message></Error>'
        return cls(status, (("x-ms-error-code", error),) if error else (), body.encode())


@dataclass(frozen=True, slots=True)
class Call:
    """A request, read whole."""

    method: str
    container: str
    path: str
    """Of the entry; empty for the container."""
    query: dict[str, str]
    headers: dict[str, str]
    """By lower-case name."""
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class _Grant:
    container: str
    permissions: str
    starts: str | None
    expires: str
    starts_at: datetime | None
    expires_at: datetime
    is_account: bool

    def covers(self, call: Call, now: datetime) -> bool:
        """Say whether the SAS was sent as it was made, and counts for this container now."""
        is_whole = (call.query.get("sp"), call.query.get("st"), call.query.get("se")) == (self.permissions, self.starts, self.expires)
        is_time = now < self.expires_at and (self.starts_at is None or now >= self.starts_at)
        return is_whole and is_time and (self.is_account or self.container == call.container)


@dataclass(slots=True)
class _Blob:
    content: bytes
    kind: str = "BlockBlob"


@dataclass(slots=True)
class _Container:
    blobs: dict[str, _Blob] = field(default_factory=dict)
    blocks: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """By path and block id; nobody sees them."""
    is_protected: bool = False
    """Whether an immutability policy keeps the blobs that are there as they are."""


class _Refused(Exception):
    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status = status
        self.error = error


class BlobAccount:
    """Containers, blobs, and the SAS that were given out. Safe to use from any thread."""

    def __init__(self, *, has_append_blobs: bool = True) -> None:
        self.page_size = 5000
        """Of listings."""
        self._has_append_blobs = has_append_blobs
        self._lock = threading.Lock()
        self._containers: dict[str, _Container] = {}
        self._grants: dict[str, _Grant] = {}

    def grant(self, container: str, permissions: str, *, expires_in_s: float, starts_in_s: float | None, kind: str) -> str:
        """Make a container where it is missing; return a SAS for it as a query string. `kind` is `service` or `account`."""
        now = datetime.now(UTC)
        starts_at = None if starts_in_s is None else now + timedelta(seconds=starts_in_s)
        expires_at = now + timedelta(seconds=expires_in_s)
        starts, expires = None if starts_at is None else _time(starts_at), _time(expires_at)
        signature = base64.b64encode(secrets.token_bytes(32)).decode()
        with self._lock:
            self._containers.setdefault(container, _Container())
            self._grants[signature] = _Grant(container, permissions, starts, expires, starts_at, expires_at, kind == "account")
        kind_fields = {"sr": "c"} if kind == "service" else {"ss": "b", "srt": "co"}
        start_fields = {"st": starts} if starts else {}
        return urlencode({"sv": "2021-12-02", "sp": permissions, **start_fields, "se": expires, **kind_fields, "sig": signature})

    def revoke(self) -> None:
        """Let every SAS given out so far be refused, as after a change of the account's key."""
        with self._lock:
            self._grants.clear()

    def blobs(self, container: str) -> dict[str, bytes]:
        """Return all committed blobs of a container."""
        with self._lock:
            return {path: blob.content for path, blob in self._containers[container].blobs.items()}

    def delete_container(self, container: str) -> None:
        """Delete a container."""
        with self._lock:
            del self._containers[container]

    def protect(self, container: str) -> None:
        """Give a container an immutability policy: blobs that are there cannot be changed, and no block can be put for them."""
        with self._lock:
            self._containers[container].is_protected = True

    def forget_blocks(self, container: str) -> None:
        """Drop all blocks that no blob names, as the service does with those that are a week old."""
        with self._lock:
            self._containers[container].blocks.clear()

    def carry_out(self, call: Call) -> Answer:
        """Do what a request asks for, if its SAS allows it."""
        with self._lock:
            try:
                permissions = self._permissions(call)
                held = self._containers.get(call.container)
                return Answer.refusal(404, "ContainerNotFound") if held is None else self._operate(call, held, permissions)
            except _Refused as refused:
                return Answer.refusal(refused.status, refused.error)

    def _permissions(self, call: Call) -> frozenset[str]:
        grant = self._grants.get(call.query.get("sig", ""))
        if grant is None or not grant.covers(call, datetime.now(UTC)):
            raise _Refused(403, "AuthenticationFailed")
        return frozenset(grant.permissions)

    def _operate(self, call: Call, held: _Container, permissions: frozenset[str]) -> Answer:
        operations = {
            ("PUT", ""): self._put_blob,
            ("PUT", "block"): _put_block,
            ("PUT", "blocklist"): _put_block_list,
            ("PUT", "appendblock"): _append,
            ("GET", ""): _get,
            ("DELETE", ""): _delete,
            ("GET", "list"): self._list,
        }
        operation = operations.get((call.method, call.query.get("comp", "")))
        if held.is_protected and call.method in {"PUT", "DELETE"} and call.path in held.blobs:
            raise _Refused(409, "BlobImmutableDueToPolicy")
        return operation(call, held, permissions) if operation else Answer.refusal(400, "InvalidQueryParameterValue")

    def _put_blob(self, call: Call, held: _Container, permissions: frozenset[str]) -> Answer:
        kind = call.headers.get("x-ms-blob-type", "")
        if kind == "AppendBlob" and not self._has_append_blobs:
            raise _Refused(400, "BlobTypeNotSupported")
        _demand(permissions, "cw")
        _demand_new(call, held, permissions)
        held.blobs[call.path] = _Blob(call.body, kind)
        return Answer(201)

    def _list(self, call: Call, held: _Container, permissions: frozenset[str]) -> Answer:
        _demand(permissions, "l")
        prefix, marker = call.query.get("prefix", ""), call.query.get("marker", "")
        paths = [path for path in sorted(held.blobs) if path.startswith(prefix) and path >= marker]
        entries = "".join(
            f"<Blob><Name>{escape(path)}</Name><Properties><Content-Length>{len(held.blobs[path].content)}</Content-Length></Properties></Blob>"
            for path in paths[: self.page_size]
        )
        following = escape(paths[self.page_size]) if len(paths) > self.page_size else ""
        text = f"<EnumerationResults><Blobs>{entries}</Blobs><NextMarker>{following}</NextMarker></EnumerationResults>"
        return Answer(200, body=b'\xef\xbb\xbf<?xml version="1.0" encoding="utf-8"?>' + text.encode())


def _put_block(call: Call, held: _Container, permissions: frozenset[str]) -> Answer:
    _demand(permissions, "w")
    if not call.body:
        raise _Refused(400, "InvalidHeaderValue")  # Azure refuses an empty block
    if call.path in held.blobs and held.blobs[call.path].kind != "BlockBlob":
        raise _Refused(409, "InvalidBlobType")
    held.blocks.setdefault(call.path, {})[call.query["blockid"]] = call.body
    return Answer(201)


def _get(call: Call, held: _Container, permissions: frozenset[str]) -> Answer:
    _demand(permissions, "r")
    blob = held.blobs.get(call.path)
    if blob is None:
        raise _Refused(404, "BlobNotFound")
    first, _, last = call.headers.get("x-ms-range", "").removeprefix("bytes=").partition("-")
    if not first:
        return Answer(200, body=blob.content)
    if int(first) >= len(blob.content):
        raise _Refused(416, "InvalidRange")
    return Answer(206, body=blob.content[int(first) : int(last) + 1])


def _delete(call: Call, held: _Container, permissions: frozenset[str]) -> Answer:
    _demand(permissions, "d")
    return Answer.refusal(404, "BlobNotFound") if held.blobs.pop(call.path, None) is None else Answer(202)


def _put_block_list(call: Call, held: _Container, permissions: frozenset[str]) -> Answer:
    _demand(permissions, "w")
    _demand_new(call, held, permissions)
    names = [part.partition("<")[0] for part in call.body.decode().split("<Latest>")[1:]]
    blocks = held.blocks.get(call.path, {})
    if any(name not in blocks for name in names):
        raise _Refused(400, "InvalidBlockList")
    held.blobs[call.path] = _Blob(b"".join(blocks[name] for name in names))
    held.blocks.pop(call.path, None)
    return Answer(201)


def _append(call: Call, held: _Container, permissions: frozenset[str]) -> Answer:
    _demand(permissions, "aw")
    blob = held.blobs.get(call.path)
    if blob is None:
        raise _Refused(404, "BlobNotFound")
    if blob.kind != "AppendBlob":
        raise _Refused(409, "InvalidBlobType")
    length = str(len(blob.content))
    if call.headers.get("x-ms-blob-condition-appendpos", length) != length:
        raise _Refused(412, "AppendPositionConditionNotMet")
    blob.content += call.body
    return Answer(201)


def _demand(permissions: frozenset[str], any_of: str) -> None:
    if permissions.isdisjoint(any_of):
        raise _Refused(403, "AuthorizationPermissionMismatch")


def _demand_new(call: Call, held: _Container, permissions: frozenset[str]) -> None:
    if call.path not in held.blobs:
        return
    if "w" not in permissions:
        raise _Refused(403, "UnauthorizedBlobOverwrite")
    if call.headers.get("if-none-match") == "*":
        raise _Refused(409, "BlobAlreadyExists")


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
