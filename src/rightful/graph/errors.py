"""Errors on the wire: Graph's envelope (GRAPH-40) and the status that goes with each."""

import asyncio
from datetime import datetime

from rightful.directory.interface import AMBIGUOUS_CODE
from rightful.errors import (
    Conflict,
    InvalidRequest,
    IssuerUnavailable,
    RequestError,
    ServiceUnavailable,
    SourceError,
    SourceUnavailable,
    Throttled,
)
from rightful.graph import bodies, headers
from rightful.graph.reply import Reply

BUSY_RETRY_S = 5


class MethodNotAllowed(RequestError):
    """The path is known and does not take this method."""

    default_code = "Request_BadRequest"
    http_status = 405

    def __init__(self, methods: tuple[str, ...]) -> None:
        super().__init__("Specified HTTP method is not allowed for the request target", hint=f"use {' or '.join(methods)}")
        self.methods = methods


class TooSlow(RequestError):
    """The body did not come in time."""

    default_code = "RequestTimeout"
    http_status = 408


class HeadTooLarge(RequestError):
    """The request's line and headers are larger than any honest ones."""

    default_code = "RequestHeaderFieldsTooLarge"
    http_status = 431

    def __init__(self) -> None:
        super().__init__("The request's line and headers are too large", hint="send fewer or shorter headers")


class FailedDependency(RequestError):
    """A request of a batch depends on one that failed (GRAPH-50), and was not carried out."""

    default_code = "FailedDependency"
    http_status = 424

    def __init__(self) -> None:
        super().__init__("A request that this one depends on failed", hint="see that one's answer; this one was not carried out")


class CutOff(RequestError):
    """The service ended while the request was worked on: nobody can say what became of it."""

    default_code = "InternalServerError"
    http_status = 500

    def __init__(self) -> None:
        super().__init__(
            "The service stopped before it could say what became of the request", hint="look whether it was done before sending it again"
        )


def stopping() -> ServiceUnavailable:
    """Say that the service ends before the request was begun."""
    return ServiceUnavailable("The service is stopping", hint="send it again later")


def translate(error: SourceError) -> RequestError:
    """Return what a directory's failure, met before anything was committed, is on the wire."""
    if isinstance(error, SourceUnavailable):
        return ServiceUnavailable("The directory does not answer", hint="try again later")
    if error.code == AMBIGUOUS_CODE:
        return Conflict(
            "Several people of the directory answer to this id or user principal name",
            hint="the operator must make them differ, letter case apart",
        )
    return ServiceUnavailable("The directory cannot be read", hint="ask the operator of this service to run `rightful doctor`")


def _extra_headers(error: RequestError, authorization_uri: str) -> list[headers.Header]:
    match error:
        case MethodNotAllowed():
            return [headers.allow(error.methods)]
        case Throttled() | IssuerUnavailable():
            return [headers.retry_after(error.retry_after_s)]
        case ServiceUnavailable():
            return [headers.retry_after(BUSY_RETRY_S)]
        case bodies.TooLarge() | TooSlow():
            return [(b"connection", b"close")]  # what is left of the body is not waited for
        case _ if error.http_status == 401:  # noqa: PLR2004 - RFC 9110 15.5.2
            return [headers.challenge(authorization_uri)]
        case _:
            return []


def envelope(error: RequestError, *, request_id: str, client_request_id: str, now: datetime) -> bytes:
    """Write an error as Graph does."""
    members: dict[str, object] = {"code": error.code, "message": f"{error.message}; {error.hint}" if error.hint else error.message}
    if isinstance(error, InvalidRequest) and error.target:
        members["target"] = error.target
    members["innerError"] = {
        "date": now.strftime("%Y-%m-%dT%H:%M:%S"),
        "request-id": request_id,
        "client-request-id": client_request_id,
    }
    return bodies.encode({"error": members})


def reply(error: RequestError, *, request_id: str, client_request_id: str, now: datetime, authorization_uri: str) -> Reply:
    """Return the answer to a request that failed."""
    return Reply(
        status=error.http_status,
        body=envelope(error, request_id=request_id, client_request_id=client_request_id, now=now),
        headers=((b"content-type", headers.ERROR_TYPE), *_extra_headers(error, authorization_uri)),
    )


class Unexpected(RequestError):
    """A fault of ours; the log has it under the request's id."""

    default_code = "InternalServerError"
    http_status = 500

    def __init__(self) -> None:
        super().__init__("The service failed", hint="tell its operator the request-id")


def told(error: Exception | asyncio.CancelledError) -> RequestError:
    """Return what is answered for an error, whatever it is."""
    match error:
        case asyncio.CancelledError():
            return CutOff()
        case RequestError():
            return error
        case SourceError():
            return translate(error)
        case _:
            return Unexpected()
