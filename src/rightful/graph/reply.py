"""An answer on its way out, before the headers that every answer has."""

import msgspec

from rightful.graph.headers import JSON_TYPE, NOTHING_POLICY, ODATA_VERSION, TEXT_TYPE, Header


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """Status, body and the headers that are this answer's own."""

    status: int = 200
    body: bytes = b""
    headers: tuple[Header, ...] = ()
    request_id: str = ""
    """Takes the place of the request's own id: on a 202 it is the operation's (GRAPH-12)."""
    policy: bytes = NOTHING_POLICY
    """The Content-Security-Policy; a page for browsers brings its own."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A reply with every header, as it leaves."""

    status: int
    headers: list[Header]
    body: bytes


def complete(answer: Reply, common: list[Header], *, is_head: bool) -> Answer:
    """Return a reply with the headers that every answer has; to HEAD it is the same without a body (RFC 9110 9.3.2)."""
    length: list[Header] = [] if answer.status == 204 else [(b"content-length", str(len(answer.body)).encode())]  # noqa: PLR2004 - RFC 9110 8.6
    return Answer(status=answer.status, headers=[*answer.headers, *length, *common], body=b"" if is_head else answer.body)


def json(body: bytes, *, status: int = 200, headers: tuple[Header, ...] = (), request_id: str = "") -> Reply:
    """Return a success in JSON (GRAPH-32)."""
    return Reply(status=status, body=body, headers=((b"content-type", JSON_TYPE), ODATA_VERSION, *headers), request_id=request_id)


def text(body: str) -> Reply:
    """Return a success in plain text."""
    return Reply(body=body.encode(), headers=((b"content-type", TEXT_TYPE), ODATA_VERSION))


def empty(status: int, headers: tuple[Header, ...] = (), *, request_id: str = "") -> Reply:
    """Return a success without a body."""
    return Reply(status=status, headers=headers, request_id=request_id)
