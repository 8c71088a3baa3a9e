"""What an error of an object store means.

obstore's errors hold addresses, so entries' names, which may be personal: they are translated here and never go further.
"""

import re

from obstore.exceptions import AlreadyExistsError, PermissionDeniedError, PreconditionError, UnauthenticatedError

from rightful.errors import EntryConflict, Refusal, StorageError, StorageRefused, StorageUnavailable

_STATUS = re.compile(r"status code: ([0-9]{3})|StatusCode\(([0-9]{3})\)")
_AGAIN = frozenset({0, 408, 409, 425, 429, 500, 502, 503, 504})
_REFUSALS = {
    401: (Refusal.SIGNATURE, "does not accept the credentials", "correct the account's access, or renew what has expired"),
    403: (
        Refusal.PERMISSION,
        "does not let us do this",
        "give the right to put, get, list and delete objects, or correct the account's access",
    ),
    404: (Refusal.MISSING, "has no such bucket", "make the bucket, or correct the account's url"),
}
ABSENT = (AlreadyExistsError, PreconditionError)
"""What a put that must not replace anything raises where something is there."""


def status_of(error: BaseException) -> int:
    """Return the HTTP status that an error tells of, 0 where there was no answer. obstore says it in the text alone."""
    if isinstance(error, UnauthenticatedError):
        return 401
    if isinstance(error, PermissionDeniedError):
        return 403
    if isinstance(error, FileNotFoundError):
        return 404
    found = _STATUS.search(str(error))
    return int(found[1] or found[2]) if found else 0


def translate(error: BaseException) -> StorageError:
    """Return what an error means. Whoever asked for the export reads it: neither the bucket nor an entry in it is named."""
    status = status_of(error)
    if status in _AGAIN:
        said = f"answers HTTP {status}" if status else "does not answer"
        return StorageUnavailable(
            f"the storage account {said}", hint="it is tried again; see that it is up, and reachable from here", may_have_arrived=True
        )
    refusal, what, hint = _REFUSALS.get(
        status,
        (Refusal.OTHER, f"answers HTTP {status}", "correct the account's url, endpoint and region, and look at the bucket's policies"),
    )
    return StorageRefused(f"the storage account {what}", refusal=refusal, hint=hint)


def conflict() -> EntryConflict:
    """Return the error of a path where something else lies."""
    return EntryConflict("something else lies at an entry's path in the storage account", hint="look who else writes there")
