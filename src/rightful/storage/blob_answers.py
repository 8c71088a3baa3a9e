"""What the blob service's answers to a write mean, as data."""

from datetime import datetime
from typing import Final

from rightful.errors import Refusal, StorageError, StorageRefused, StorageUnavailable
from rightful.operation.model import SUBMIT_AGAIN
from rightful.storage.interface import Put

PROTECTED: Final = "BlobImmutableDueToPolicy"
"""The code of a blob that a policy keeps as it is: there alone no block can be put for what may be our own blob."""

_ALREADY_THERE: Final = frozenset(
    {
        (409, "BlobAlreadyExists"),
        (409, "BlobArchived"),
        (409, "BlobBeingRehydrated"),
        (409, PROTECTED),
        (409, "InvalidBlobType"),  # a blob of another type lies there
        (409, "PathAlreadyExists"),  # accounts with a hierarchical namespace
        (409, "ResourceTypeMismatch"),  # a directory lies there
        (403, "UnauthorizedBlobOverwrite"),  # the SAS may create only, and the blob is there
        (403, PROTECTED),
    }
)

_REFUSALS: Final = {
    "AuthenticationFailed": Refusal.SIGNATURE,
    "AuthorizationFailure": Refusal.SIGNATURE,  # Azurite's word for a wrong signature and an expired SAS; Azure's also for its firewall
    "NoAuthenticationInformation": Refusal.SIGNATURE,
    "InvalidAuthenticationInfo": Refusal.SIGNATURE,
    "AuthorizationPermissionMismatch": Refusal.PERMISSION,
    "AuthorizationResourceTypeMismatch": Refusal.PERMISSION,
    "AuthorizationServiceMismatch": Refusal.PERMISSION,
    "AuthorizationProtocolMismatch": Refusal.PERMISSION,
    "AuthorizationSourceIPMismatch": Refusal.PERMISSION,
    "InsufficientAccountPermissions": Refusal.PERMISSION,
    "KeyBasedAuthenticationNotPermitted": Refusal.PERMISSION,
    "AccountIsDisabled": Refusal.MISSING,
    "ContainerBeingDeleted": Refusal.MISSING,
    "ContainerDisabled": Refusal.MISSING,
    "BlobTypeNotSupported": Refusal.UNSUPPORTED,
    "FeatureNotSupportedByAccount": Refusal.UNSUPPORTED,
    "UnsupportedHeader": Refusal.UNSUPPORTED,
    "RequestBodyTooLarge": Refusal.UNSUPPORTED,
    "InsufficientStorage": Refusal.FULL,
}

_BY_STATUS: Final = {401: Refusal.SIGNATURE, 403: Refusal.PERMISSION, 404: Refusal.MISSING, 501: Refusal.UNSUPPORTED, 507: Refusal.FULL}

_HINTS: Final = {
    Refusal.SIGNATURE: "give a SAS whose signature is whole, made with a key that still counts, and that the account's firewall lets in",
    Refusal.EXPIRED: "give a SAS that is valid for longer",
    Refusal.PERMISSION: "give a SAS with the right to create or write blobs in this container, from this address",
    Refusal.MISSING: "make the container, or name one that exists",
    Refusal.UNSUPPORTED: "use a storage account of general purpose v2",
    Refusal.FULL: "make room in the storage account",
    Refusal.OTHER: "see the blob service's documentation of this code",
}

_FORGOTTEN: Final = "InvalidBlockList"
"""A block that is to be named is not there: blocks that no blob names are kept for a week after the last one came (Put Block)."""

_LONGEST_WAIT_S = 86_400.0
_AGAIN: Final = frozenset({408, 429, 500, 502, 503, 504})


def find_outcome(status: int, code: str) -> Put | None:
    """Return what a write found, None where it failed."""
    if status == 201:  # noqa: PLR2004 - Created: the only answer that means success
        return Put.WRITTEN
    # With If-None-Match: * a failed condition says that something is there, leased or not.
    return Put.ALREADY_THERE if status == 412 or (status, code) in _ALREADY_THERE else None  # noqa: PLR2004 - Precondition Failed


def find_error(where: str, status: int, code: str, *, retry_after: str = "", request_id: str = "", expired: bool = False) -> StorageError:
    """Return the error of an answer that is no success.

    Args:
        where: the location without its query string.
        status: of the answer.
        code: its `x-ms-error-code`, or empty.
        retry_after: its header.
        request_id: its `x-ms-request-id`, for the account's operator.
        expired: whether the SAS is past its expiry by our clock: services say only that it does not count.
    """
    said = " ".join(filter(None, (str(status), _plain(code), f"(request {_plain(request_id)})" if request_id else "")))
    if status in _AGAIN or (status, code) == (409, ""):  # a conflict of which nothing is said: no answer of the blob service's
        return StorageUnavailable(
            f"{where} answered {said}",
            hint="it is tried again",
            retry_after_s=_seconds(retry_after),
            may_have_arrived=status != 429 and code != "ServerBusy",  # noqa: PLR2004 - Too Many Requests
        )
    if 300 <= status < 400:  # noqa: PLR2004 - redirects
        return StorageRefused(
            f"{where} answered {said}: a redirect, which is never followed", refusal=Refusal.OTHER, hint="give the final URL"
        )
    if code == _FORGOTTEN:
        return StorageRefused(
            f"{where} answered {said}: it has forgotten what was put for the package, as it does after a week",
            refusal=Refusal.OTHER,
            hint=SUBMIT_AGAIN,
        )
    refusal = _REFUSALS.get(code) or _BY_STATUS.get(status, Refusal.OTHER)
    if refusal is Refusal.SIGNATURE and expired:
        refusal = Refusal.EXPIRED
    return StorageRefused(f"{where} answered {said}", refusal=refusal, hint=_HINTS[refusal])


def is_past(moment: datetime | None, now: datetime) -> bool:
    """Say whether a SAS's expiry, where known, has passed."""
    return moment is not None and moment <= now


def _plain(word: str) -> str:
    """Return a word of the answer if it is only a word: an answer could echo anything."""
    return word if len(word) <= 64 and word.replace("-", "").isalnum() and word.isascii() else "?"  # noqa: PLR2004 - longest code is shorter


def _seconds(retry_after: str) -> float | None:
    """Read a Retry-After in seconds; a date is not used by the blob service."""
    return min(float(retry_after), _LONGEST_WAIT_S) if retry_after.isascii() and retry_after.isdigit() else None
