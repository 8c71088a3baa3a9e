"""`$batch`: up to 20 requests in one (GRAPH-50, GRAPH-51).

The batch is read whole before anything is done: where it is malformed, nothing was. Each of its requests is then carried out as if it had
come alone: the same routes, handlers, limits, error envelope and headers, with the caller of the batch. Requests that depend on no other
run side by side; one whose dependency failed is not carried out (424).

As Graph does: ids count without regard to case; a request's own `Authorization` is passed over (SDKs take care to send none), the batch's
counts; bodies that are not JSON are base64url. The batch's `client-request-id` is also that of requests that bring none, so that a batch
that is sent again finds the operations of the first (GRAPH-15).
"""

import asyncio
import base64
import binascii
import graphlib
import json
import re
import string
from collections.abc import Iterable
from urllib.parse import quote, urlsplit

import msgspec

from rightful.errors import InvalidRequest, RequestError
from rightful.graph import bodies, errors, escapes, headers, reply, routes
from rightful.graph.reply import Answer, Reply
from rightful.graph.request import Message, Receive, Request, Scope
from rightful.identity import strict_json

MAX_REQUESTS = 20
MAX_BYTES = 256 * 1024
"""Of the whole batch: 20 honest requests are a tenth of it. Each body in it may be as large as one that comes alone."""

_LONGEST_ID = 256
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")
_OF_THE_CONNECTION = frozenset({"authorization", "connection", "content-length", "host", "transfer-encoding"})
_INHERITED = (b"host", b"user-agent", b"client-request-id")

# Clients look for these in a plain object, so their case counts. What belongs to the connection stands on the batch's own answer.
_SHOWN = {
    b"allow": "Allow",
    b"cache-control": "Cache-Control",
    b"client-request-id": "client-request-id",
    b"content-type": "Content-Type",
    b"location": "Location",
    b"odata-version": "OData-Version",
    b"operation-location": "Operation-Location",
    b"request-id": "request-id",
    b"retry-after": "Retry-After",
}


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One request of a batch."""

    name: str
    """Its id, as it came."""
    method: str
    target: bytes
    """Path and query, as they would stand in the first line of a request."""
    headers: tuple[headers.Header, ...]
    body: bytes
    depends_on: frozenset[str]
    """Ids in lower case."""

    def __repr__(self) -> str:
        """Show nothing: it may hold a signature."""
        return "Part()"

    @property
    def key(self) -> str:
        """What other requests of the batch know it by."""
        return self.name.lower()


def _malformed(message: str, name: str = "", hint: str = "") -> InvalidRequest:
    where = f"The request with id '{escapes.shown(name, 64)}': " if name else ""
    return InvalidRequest(f"{where}{message}", hint=hint, target="requests")


def parse(raw: bytes, *, version: str, hosts: Iterable[str], base_path: str = "") -> tuple[Part, ...]:
    """Read a batch; raises `InvalidRequest` where any of it is malformed.

    Args:
        raw: The body.
        version: What was called; urls that name none are below it.
        hosts: What this service is called in absolute urls, in lower case.
        base_path: What absolute urls have before the version, where the service is published below a path.
    """
    try:
        members = strict_json.parse_object(raw)
    except ValueError as error:
        raise InvalidRequest(f"The body is not a JSON object: {error}") from None
    found = members.get("requests")
    if not isinstance(found, list) or not found:
        raise _malformed("The batch has no requests", hint='send {"requests": [{"id", "method", "url"}]}')
    if len(found) > MAX_REQUESTS:
        raise _malformed(f"The number of requests in the batch exceeds the maximum of {MAX_REQUESTS}")
    parts = tuple(_part(each, version, frozenset(hosts), base_path) for each in found)
    _check_ids(parts)
    return parts


def _check_ids(parts: tuple[Part, ...]) -> None:
    keys = {part.key for part in parts}
    if len(keys) != len(parts):
        raise _malformed("Two requests have the same id")
    for part in parts:
        if not part.depends_on <= keys:
            raise _malformed("it depends on one that is not in the batch", part.name)
    try:
        graphlib.TopologicalSorter({part.key: part.depends_on for part in parts}).prepare()
    except graphlib.CycleError:
        raise _malformed("Requests depend on each other in a circle") from None


def _part(found: object, version: str, hosts: frozenset[str], base_path: str) -> Part:
    if not isinstance(found, dict):
        raise _malformed("A request in the batch is no JSON object")
    name, method, url = (found.get(member) for member in ("id", "method", "url"))
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_ID or bodies.has_lone_surrogates(name):
        raise _malformed(f"A request in the batch has no id, or one that is no text of at most {_LONGEST_ID} characters")
    if not isinstance(method, str) or not method.isascii() or not method.isalpha():
        raise _malformed("it has no method", name)
    if not isinstance(url, str) or not url:
        raise _malformed("it has no url", name)
    if "atomicityGroup" in found:
        raise _malformed("atomicityGroup is not supported", name, "use dependsOn")
    sent = _headers(found.get("headers"), name)
    return Part(
        name=name,
        method=method.upper(),
        target=_target(url, name, version, hosts, base_path),
        headers=sent,
        body=_body(found.get("body"), headers.values(sent, b"content-type"), name),
        # Python's SDK writes depends_on, always (GRAPH-51).
        depends_on=_names(found.get("dependsOn"), name) | _names(found.get("depends_on"), name),
    )


def _names(found: object, name: str) -> frozenset[str]:
    if found is None:
        return frozenset()
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise _malformed("dependsOn is no list of ids", name)
    return frozenset(each.lower() for each in found)


def _headers(found: object, name: str) -> tuple[headers.Header, ...]:
    if found is None:
        return ()
    if not isinstance(found, dict):
        raise _malformed("headers is no JSON object", name)
    sent: list[headers.Header] = []
    for key, value in found.items():
        if not _HEADER_NAME.fullmatch(key) or not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value):
            raise _malformed("a header is no text of visible ASCII characters", name)
        if key.lower() not in _OF_THE_CONNECTION:
            sent.append((key.lower().encode(), value.encode()))
    return tuple(sent)


def _body(found: object, content_type: list[str], name: str) -> bytes:
    if found is None:
        return b""
    # A text without a Content-Type is base64 too: so Microsoft's generated SDK for JavaScript writes every body, JSON or not.
    if not isinstance(found, str) or (content_type and bodies.is_json(content_type[0])):
        return json.dumps(found).encode()
    try:
        return base64.b64decode(found.replace("-", "+").replace("_", "/") + "=" * (-len(found) % 4), validate=True)
    except (ValueError, binascii.Error):
        raise _malformed("its body is neither JSON nor base64", name) from None


def _target(url: str, name: str, version: str, hosts: frozenset[str], base_path: str) -> bytes:
    """Return path and query of a url in any of the forms of GRAPH-51."""
    try:
        if url.lower().startswith(("https://", "http://")):
            netloc = urlsplit(url).netloc
            if netloc.lower() not in hosts:
                raise _malformed("its url names another host", name, "write it relative, for instance /users/{id}/exportPersonalData")
            url = url[url.index(netloc) + len(netloc) :].removeprefix(base_path)
        raw = quote(url, safe=string.printable).encode()
    except ValueError:
        raise _malformed("its url is none", name) from None
    path = b"/" + raw.removeprefix(b"/")
    first = re.split(rb"[/?]", path[1:], maxsplit=1)[0].decode().lower()
    return path if first in routes.VERSIONS else b"/" + version.encode() + path


def _scope(part: Part, outer: Scope) -> Scope:
    own = {key for key, _ in part.headers}
    inherited = [(key, value) for key, value in outer["headers"] if key in _INHERITED and key not in own]
    path, _, query = part.target.partition(b"?")
    return {
        **outer,
        "method": part.method,
        "path": path.decode(),
        "raw_path": path,
        "query_string": query,
        "headers": [*inherited, *part.headers],
    }


def _receive(part: Part) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": part.body, "more_body": False}

    return receive


def _shown(part: Part, answer: Answer) -> dict[str, object]:
    shown: dict[str, object] = {
        "id": part.name,
        "status": answer.status,
        "headers": {_SHOWN[name]: value.decode("latin-1") for name, value in answer.headers if name in _SHOWN},
    }
    if answer.body:
        is_json = bodies.is_json("".join(headers.values(answer.headers, b"content-type")))
        shown["body"] = msgspec.Raw(answer.body) if is_json else base64.b64encode(answer.body).decode()
    return shown


async def carry_out(request: Request) -> Reply:
    """Carry out a batch and return its answer."""
    answer_alone = request.carry_out
    if answer_alone is None:
        raise InvalidRequest("A batch cannot hold a batch", hint="send the requests of the inner one in the outer one")
    address = urlsplit(request.root)
    hosts = {address.netloc.lower(), *(host.lower() for host in headers.values(request.headers, b"host"))}
    base_path = address.path.removesuffix(f"/{request.route.version}")
    parts = parse(await request.body(most_bytes=MAX_BYTES), version=request.route.version, hosts=hosts, base_path=base_path)
    tasks: dict[str, asyncio.Task[Answer]] = {}

    async def answer(part: Part) -> Answer:
        refused: RequestError | None = None
        try:
            if any([(await tasks[key]).status >= 400 for key in part.depends_on]):  # noqa: PLR2004 - RFC 9110 15
                refused = errors.FailedDependency()
        except asyncio.CancelledError:
            refused = errors.stopping()
        return await answer_alone(_scope(part, request.scope), _receive(part), refused)

    try:
        async with asyncio.TaskGroup() as group:
            for part in parts:
                tasks[part.key] = group.create_task(answer(part))
    except asyncio.CancelledError:  # a stop: each is told what became of it
        if any(task.cancelled() for task in tasks.values()):
            raise
    return reply.json(bodies.encode({"responses": [_shown(part, tasks[part.key].result()) for part in parts]}))
