"""Every error this package raises.

    ExportError                     has .code (stable, documented) and .hint (what to do)
    |- ConfigurationError           the operator must change settings; never retried
    |  |- ConfigurationProblems     config.problem: all that is wrong with the file, at once
    |- RequestError                 the caller's fault; has .http_status
    |  |- InvalidRequest (400)  Unauthenticated (401)  Forbidden (403)  NotFound (404)
    |  |- Conflict (409)  Throttled (429, .retry_after_s)  IssuerUnavailable (503, .retry_after_s)  ServiceUnavailable (503)
    |  |- of the wire alone         graph.errors, graph.bodies: MethodNotAllowed (405)  TooSlow (408)  TooLarge (413)
    |  |                            UnsupportedMedia (415)  FailedDependency (424)  HeadTooLarge (431)  Unexpected (500)
    |  |                            CutOff (500)
    |- SourceError(source_name)
    |  |- SourceUnavailable         try again later
    |  |- SourceRefused             stop this source: credentials, a missing table or folder, a failed check
    |- StorageError
    |  |- StorageUnavailable        try again later
    |  |- StorageRefused(.refusal)  the location does not let us write; some refusals are curable
    |  |- EntryConflict             another content lies at this path already
    |- PackageError                 a package or one of its paths is not what it must be
    |- OperationError               the operation cannot go on here
    |- Stopping                     export.stopping: the service stops; what was being done is given back
    |- ServiceUnreachable  ServiceRefused    cli.client: the service that a command talks to

Two are kinds of OSError: StoreFault (store.interface: the store cannot be read or written now) and ItemChanged (connectors.interface: a
file is no longer what its item says).

Messages say what failed, on which thing and what to do next. They never hold personal data, tokens, signatures or content.
"""

import enum
from typing import ClassVar

LEAK_FOUND_CODE = "LeakFound"
"""The code of the `SourceRefused` that says that records name others where nobody said so."""


class ExportError(Exception):
    """Base of all errors; `code` is stable and documented, `hint` says what to do."""

    default_code: ClassVar[str] = "InternalError"

    def __init__(self, message: str, *, code: str | None = None, hint: str = "") -> None:
        super().__init__(message)
        self.code = code or self.default_code
        self.hint = hint

    @property
    def message(self) -> str:
        """What failed, without the hint."""
        return str(self.args[0])


class ConfigurationError(ExportError):
    """The operator must change settings; never retried."""

    default_code = "ConfigurationInvalid"


class RequestError(ExportError):
    """The caller's fault; `http_status` is what a web caller gets."""

    http_status: ClassVar[int] = 400


class InvalidRequest(RequestError):
    """The request itself is wrong; `target` names the part, where there is one."""

    default_code = "BadRequest"
    http_status = 400

    def __init__(self, message: str, *, code: str | None = None, hint: str = "", target: str = "") -> None:
        super().__init__(message, code=code, hint=hint)
        self.target = target


class Unauthenticated(RequestError):
    """No token, or one that proves nothing here."""

    default_code = "InvalidAuthenticationToken"
    http_status = 401

    def __init__(self, message: str, *, hint: str = "", reason: str = "malformed") -> None:
        super().__init__(message, hint=hint)
        self.reason = reason
        """The class of reasons, for counting."""


class Forbidden(RequestError):
    """The caller is known and may not do this."""

    default_code = "Authorization_RequestDenied"
    http_status = 403


class NotFound(RequestError):
    """There is no such thing, or none that this caller may know of."""

    default_code = "Request_ResourceNotFound"
    http_status = 404


class Conflict(RequestError):
    """The thing is in a state that does not allow this."""

    default_code = "Request_Conflict"
    http_status = 409


class Throttled(RequestError):
    """Too many requests; try again after `retry_after_s` seconds."""

    default_code = "TooManyRequests"
    http_status = 429

    def __init__(self, message: str, *, retry_after_s: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class IssuerUnavailable(RequestError):
    """Nobody can say what a token proves: its issuer has told no keys yet. `retry_after_s` seconds later it may have."""

    default_code = "ServiceUnavailable"
    http_status = 503

    def __init__(self, *, retry_after_s: int) -> None:
        super().__init__("The keys of this token's issuer could not be fetched yet", hint="try again later, with the same token")
        self.retry_after_s = retry_after_s


class ServiceUnavailable(RequestError):
    """The service cannot take this request now, and has done nothing about it."""

    default_code = "ServiceUnavailable"
    http_status = 503


def no_thread() -> ServiceUnavailable:
    """Say that the system gives no thread to do in what was asked."""
    return ServiceUnavailable("The system gives the service no thread to work in", hint="try again later")


class SourceError(ExportError):
    """A source could not be read; `source_name` is its name in the configuration."""

    def __init__(
        self, message: str, *, source_name: str, code: str | None = None, hint: str = "", concerns_everybody: bool = False
    ) -> None:
        super().__init__(message, code=code, hint=hint)
        self.source_name = source_name
        self.concerns_everybody = concerns_everybody
        """Whether it is sure to befall every subject: then none is tried alone."""


class SourceUnavailable(SourceError):
    """The source does not answer now; worth another try."""

    default_code = "SourceUnavailable"


class SourceRefused(SourceError):
    """The source will not be readable until somebody changes something."""

    default_code = "SourceRefused"


class StorageError(ExportError):
    """The storage location could not be written."""


class StorageUnavailable(StorageError):
    """The storage location does not answer now; worth another try, not before `retry_after_s` where it said so."""

    default_code = "StorageUnavailable"

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        retry_after_s: float | None = None,
        may_have_arrived: bool = True,
        was_asked: bool = True,
    ) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s
        self.was_asked = was_asked
        """Whether it was tried at all: else it is this service that lacks something."""
        self.may_have_arrived = may_have_arrived
        """Whether what was asked may have been carried out all the same."""


class Refusal(enum.StrEnum):
    """Why a storage location does not let us write."""

    SIGNATURE = "signature"
    """The signature is wrong or the SAS has expired: Azure does not always tell which."""
    EXPIRED = "expired"
    """The SAS is past its expiry (or before its start)."""
    PERMISSION = "permission"
    """The SAS is valid and lacks the right to do this."""
    MISSING = "missing"
    """There is no such container, account or folder."""
    UNSUPPORTED = "unsupported"
    """The account cannot do this (append blobs, for instance)."""
    FULL = "full"
    """There is no room left."""
    OTHER = "other"
    """Anything else that another try would not change."""


class StorageRefused(StorageError):
    """The storage location refuses; trying again without a change is useless."""

    default_code = "StorageRefused"

    def __init__(self, message: str, *, refusal: Refusal, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.refusal = refusal

    @property
    def is_curable(self) -> bool:
        """Whether somebody can give the right back while the operation waits (DESIGN rule 8)."""
        return self.refusal in {Refusal.SIGNATURE, Refusal.EXPIRED, Refusal.PERMISSION, Refusal.MISSING}


class EntryConflict(StorageError):
    """Something else lies at this path already; nothing was overwritten."""

    default_code = "EntryConflict"


class PackageError(ExportError):
    """A package, or a path in it, is not what it must be."""

    default_code = "PackageInvalid"


class OperationError(ExportError):
    """The operation cannot go on here."""
