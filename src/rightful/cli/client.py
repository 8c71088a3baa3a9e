"""A small HTTP client for our own service: one connection, no redirects, retries only what the service asks to be retried.

Every call may be sent again: reading changes nothing, a submit carries a `client-request-id` that makes its repetition the same request
(GRAPH-15), cancel and resume answer 409 where they were done already.
"""

import http.client
import socket
import ssl
import threading
import uuid
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from rightful.cli.wire import ErrorBody, ErrorEnvelope, Operation, Page, PreviewOf
from rightful.clock import Clock, SystemClock
from rightful.config.model import is_loopback_host
from rightful.errors import ConfigurationError, ExportError

T = TypeVar("T")

Renew = Callable[[], str]
"""Returns the token to use from now on."""

TIMEOUT_S = 60.0
SILENT_S = 2.0
"""How long a call may take before the person is told what is waited for."""
_ATTEMPTS = 5
_LONGEST_WAIT_S = 60
_LARGEST_ANSWER_BYTES = 16 << 20
_BUSY = frozenset({429, 503, 504})
_HINTS = {
    401: "use a token of an issuer that this tenant's configuration names: `rightful token`, --token-file or RIGHTFUL_TOKEN",
    403: "use a token with the permission that this needs (User.Export.All), and as a person the role too",
    404: "check the id; an operation is shown to its own tenant only",
    409: "`rightful requests show ID` says where it stands",
}


class ServiceUnreachable(ExportError):
    """The service does not answer at all; it may be starting."""

    default_code = "ServiceUnreachable"


class ServiceRefused(ExportError):
    """The service answered with an error; `status` is HTTP's."""

    default_code = "ServiceRefused"

    def __init__(self, message: str, *, status: int, code: str | None = None, hint: str = "") -> None:
        super().__init__(message, code=code, hint=hint)
        self.status = status


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the service answered."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes

    def retry_after_s(self) -> int:
        """Return how long to wait, 1 s where it does not say."""
        text = self.headers.get("retry-after", "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 1  # noqa: PLR2004 - more than a day is no wait


def trust(certificates: Path | None) -> ssl.SSLContext:
    """Return a TLS context that trusts the machine's authorities, those of SSL_CERT_FILE, and these certificates."""
    context = ssl.create_default_context()
    if certificates is not None:
        context.load_verify_locations(certificates)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a server's own certificate, without its authority, is trust enough
    return context


class Client:
    """Talks to one service, with one token at a time. Not for several threads at once."""

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        renew: Renew | None = None,
        certificates: Path | None = None,
        clock: Clock | None = None,
        on_wait: Callable[[str], None] | None = None,
    ) -> None:
        """Take the token, what gives the next one once the service refuses it (401), and what is told when a call takes a while."""
        try:
            parts = urlsplit(base_url)
            host, port = parts.hostname or "", parts.port
        except ValueError as error:  # [::1 without its bracket, a port that is none
            raise ConfigurationError("the service's address is no URL", code="ServerInvalid", hint="give --server") from error
        if parts.scheme not in {"http", "https"} or not host or parts.query or parts.fragment:
            raise ConfigurationError("the service's address is not http(s)://HOST[:PORT]", code="ServerInvalid", hint="give --server")
        if parts.scheme == "http" and not is_loopback_host(host):
            hint = "use https, or run the command on the service's machine"
            raise ConfigurationError("the token would be sent in the clear to another machine", code="ServerInvalid", hint=hint)
        self._path = parts.path.rstrip("/")
        self._where = f"{parts.scheme}://{parts.netloc}"
        self._token = _checked(token)
        self._renew = renew
        self._on_wait = on_wait or (lambda _: None)
        self._has_told = False
        self._clock = clock or SystemClock()
        port = port or (443 if parts.scheme == "https" else 80)
        self._connection = (
            http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=trust(certificates))
            if parts.scheme == "https"
            else http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
        )

    def __repr__(self) -> str:
        return f"Client({self._where})"

    def close(self) -> None:
        """Close the connection; a later call opens another."""
        self._connection.close()

    # -- what the service can do ----------------------------------------------------------------------------------------
    def submit(self, subject: str, location: str, *, inbound: bool = False, **wishes: str | None) -> str:
        """Ask for an export; returns the operation's id. `wishes` are further properties of the request, left out where they are None."""
        body = {"storageLocation": location} | {name: value for name, value in wishes.items() if value is not None}
        try:
            answer = self.call("POST", f"{_path_of(subject, inbound=inbound)}/exportPersonalData", body)
        except ServiceRefused as error:
            raise _unknown_subject(error, inbound=inbound) from error
        return answer.headers.get("location", "").rstrip("/").rpartition("/")[2]  # GRAPH-12

    def preview(self, subject: str, *, inbound: bool = False) -> PreviewOf:
        """Ask what an export would find."""
        try:
            answer = self.call("GET", f"{_path_of(subject, inbound=inbound)}/exportPersonalData/preview")
        except ServiceRefused as error:
            raise _unknown_subject(error, inbound=inbound) from error
        return _parse(answer.body, PreviewOf)

    def operation(self, operation_id: str) -> tuple[Operation, int]:
        """Return an operation and how many seconds its end is away, as far as the service knows."""
        answer = self.call("GET", f"/v1.0/dataPolicyOperations/{quote(operation_id, safe='')}")
        return _parse(answer.body, Operation), answer.retry_after_s()

    def operations(self, *, status: str = "", subject_id: str = "", top: int = 100) -> list[Operation]:
        """Return the newest operations, at most `top`."""
        conditions = [
            f"{name} eq '{value.replace(chr(39), chr(39) * 2)}'" for name, value in (("status", status), ("userId", subject_id)) if value
        ]
        options = {"$orderby": "submittedDateTime desc", "$top": str(min(top, 100))}
        if conditions:
            options["$filter"] = " and ".join(conditions)
        target = f"/v1.0/dataPolicyOperations?{urlencode(options, quote_via=quote)}"
        found: list[Operation] = []
        while target and len(found) < top:
            page = _parse(self.call("GET", target).body, Page)
            found += page.value
            # Only the path: the link's host is what the service believes to be called.
            parts = urlsplit(page.next_link)
            target = f"{parts.path.removeprefix(self._path)}?{parts.query}" if page.next_link else ""
        return found[:top]

    def cancel(self, operation_id: str) -> None:
        """End an operation (GRAPH-33)."""
        self.call("DELETE", f"/v1.0/dataPolicyOperations/{quote(operation_id, safe='')}")

    def decide(self, operation_id: str, *, is_approved: bool) -> None:
        """Approve or reject an operation that waits for it."""
        self.call("POST", f"/v1.0/dataPolicyOperations/{quote(operation_id, safe='')}/{'approve' if is_approved else 'reject'}")

    def extend(self, operation_id: str, reason: str) -> None:
        """Extend the time to answer a request."""
        self.call("POST", f"/v1.0/dataPolicyOperations/{quote(operation_id, safe='')}/extend", {"reason": reason})

    def forget(self, operation_id: str) -> None:
        """Erase what is kept of an export to compare later ones with."""
        self.call("POST", f"/v1.0/dataPolicyOperations/{quote(operation_id, safe='')}/forget")

    def resume(self, operation_id: str, location: str | None) -> None:
        """Lead a failed or waiting operation back to running."""
        body = {} if location is None else {"storageLocation": location}
        self.call("POST", f"/v1.0/dataPolicyOperations/{quote(operation_id, safe='')}/resume", body)

    # -- how it is asked ------------------------------------------------------------------------------------------------
    def call(self, method: str, target: str, body: Mapping[str, Any] | None = None) -> Answer:
        """Send a request; returns an answer of 2xx, raises `ExportError` for any other."""
        headers = {"Accept": "application/json", "client-request-id": str(uuid.uuid4())}
        content = None
        if body is not None:
            content = msgspec.json.encode(body)
            headers["Content-Type"] = "application/json"
        waited_s = 0
        for attempt in range(1, _ATTEMPTS + 1):
            answer = self._authorized(method, self._path + target, content, headers)
            wait_s = answer.retry_after_s()
            if answer.status not in _BUSY or attempt == _ATTEMPTS or wait_s > _LONGEST_WAIT_S:
                break
            if waited_s < SILENT_S <= waited_s + wait_s:
                self._on_wait(f"waiting: {_said_by(answer)}; asking again, at most {_ATTEMPTS - attempt} times")
            waited_s += wait_s
            self._clock.sleep(wait_s)
            headers["Retry-Attempt"] = str(attempt)
        if 200 <= answer.status < 300:  # noqa: PLR2004 - RFC 9110 15.3
            return answer
        raise _refusal(answer)

    def _authorized(self, method: str, target: str, content: bytes | None, headers: Mapping[str, str]) -> Answer:
        """Send with the token; where it is refused and there is another one now, with that."""
        answer = self._exchange(method, target, content, {**headers, "Authorization": f"Bearer {self._token}"})
        if answer.status != HTTPStatus.UNAUTHORIZED or self._renew is None:
            return answer
        refused, self._token = self._token, _checked(self._renew())
        if self._token == refused:
            return answer
        return self._exchange(method, target, content, {**headers, "Authorization": f"Bearer {self._token}"})

    def _exchange(self, method: str, target: str, content: bytes | None, headers: Mapping[str, str]) -> Answer:
        try:
            return self._once(method, target, content, headers)
        except (ConnectionResetError, BrokenPipeError, http.client.RemoteDisconnected, http.client.BadStatusLine):
            self._connection.close()  # a kept-alive connection that the service has closed meanwhile
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error
        try:
            return self._once(method, target, content, headers)
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error

    def _once(self, method: str, target: str, content: bytes | None, headers: Mapping[str, str]) -> Answer:
        timer = threading.Timer(SILENT_S, self._tell_of_silence)
        timer.daemon = True
        timer.start()
        try:
            self._connection.request(method, target, content, dict(headers))
            response = self._connection.getresponse()
            body = response.read(_LARGEST_ANSWER_BYTES + 1)
        finally:
            timer.cancel()
        if len(body) > _LARGEST_ANSWER_BYTES:
            self._connection.close()
            raise ExportError("the service's answer is larger than any of ours", code="AnswerInvalid", hint="check --server")
        return Answer(status=response.status, headers={name.lower(): value for name, value in response.getheaders()}, body=body)

    def _tell_of_silence(self) -> None:
        if not self._has_told:  # once: a service that is slow all day is not told of at each look
            self._has_told = True
            self._on_wait(f"waiting for an answer of {self._where}")

    def _unreachable(self, error: Exception) -> ExportError:
        self._connection.close()
        if isinstance(error, ssl.SSLCertVerificationError):
            hint = "trust its authority by SSL_CERT_FILE, and name the host in --server as the certificate does"
            return ExportError(
                f"{self._where} shows a certificate that is not trusted: {error.verify_message}", code="CertificateRefused", hint=hint
            )
        if isinstance(error, ssl.SSLError):
            return ServiceUnreachable(f"{self._where} does not speak TLS as expected", hint="check http or https in --server")
        reason = "it did not answer in time" if isinstance(error, TimeoutError) else _reason(error)
        return ServiceUnreachable(f"{self._where} does not answer: {reason}", hint="start it with `rightful serve`, or give --server")


def _path_of(subject: str, *, inbound: bool) -> str:
    key = quote(subject, safe="@")
    return f"/beta/directory/inboundSharedUserProfiles/{key}" if inbound else f"/v1.0/users/{key}"


def _unknown_subject(error: ServiceRefused, *, inbound: bool) -> ExportError:
    """Say better what a 404 means to who named a person; any other error as it is."""
    if error.status != HTTPStatus.NOT_FOUND:
        return error
    where = "no inbound shared user profile has this id" if inbound else "the tenant's directory knows nobody by this name or id"
    known_by = "the profile's user id" if inbound else "the user principal name or the object id"
    return ExportError(where, code=error.code, hint=f"give {known_by} as the directory has it")


def _checked(token: str) -> str:
    if not token.isascii() or not token.isprintable() or not token:
        raise ConfigurationError("the token is empty or holds characters that no token has", code="TokenInvalid", hint="make a new one")
    return token


def _reason(error: Exception) -> str:
    if isinstance(error, socket.gaierror):
        return "its name is not known"
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__


def _parse(body: bytes, type_: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=type_)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ExportError("the answer is not one of Rightful's", code="AnswerInvalid", hint="check --server") from error


def _error_of(answer: Answer) -> ErrorBody | None:
    try:
        return msgspec.json.decode(answer.body, type=ErrorEnvelope).error
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _said_by(answer: Answer) -> str:
    """Return what the service says about itself, for somebody who waits."""
    error = _error_of(answer)
    return f"{error.message if error else 'the service is busy'} (HTTP {answer.status})"


def _refusal(answer: Answer) -> ServiceRefused:
    hint = _HINTS.get(answer.status, "")
    error = _error_of(answer)
    if error is None:
        return ServiceRefused(f"the service answered {answer.status}", status=answer.status, hint=hint or "check --server")
    message = f"{error.message} (HTTP {answer.status}, request {answer.headers.get('request-id', '')})"
    return ServiceRefused(message, status=answer.status, code=error.code or None, hint=hint)
