"""Object stores by obstore: how one is opened, and what its errors mean.

It follows redirects on reading and cannot be told not to. It leaves its signature out there, but tells where it came from (`Referer`),
query and all: that is why no shared access signature is taken, which would stand in it.

Its errors hold addresses, so objects' names, which are personal: they are translated here and never go further.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from obstore.exceptions import BaseError, InvalidPathError
from obstore.store import AzureStore, ObjectStore, S3Store

from rightful.connectors.tree_place import RemoteRoot
from rightful.errors import ConfigurationError, SourceError, SourceRefused, SourceUnavailable

if TYPE_CHECKING:  # it exists for type checkers alone
    from obstore import ObjectMeta

DEFAULT_REGION = "us-east-1"

_STATUS = re.compile(r"status code: ([0-9]{3})|StatusCode\(([0-9]{3})\)")
_REFUSALS = {
    401: ("does not accept the credentials", "correct access, or renew what has expired"),
    403: ("does not let us list", "give the right to list and to read, or correct access"),
    404: ("has no such container or bucket", "correct url"),
}


def azure_store(root: RemoteRoot) -> tuple[ObjectStore, tuple[str, ...]]:
    """Return a container of Azure Blob Storage, and the rest of the address."""
    access, (container, *prefix) = root.access, root.segments
    options = _options(root, account_key=access.account_key, endpoint=azure_endpoint(root))
    with _said_plainly():
        return AzureStore(container, account_name=root.host, **options), tuple(prefix)


def azure_endpoint(root: RemoteRoot) -> str:
    """Return an emulator's address with the account, as the account's own host has it; a cloud's stays as it is."""
    endpoint = root.access.endpoint
    return f"{endpoint.rstrip('/')}/{root.host}" if endpoint.startswith("http://") else endpoint


def s3_store(root: RemoteRoot) -> tuple[ObjectStore, tuple[str, ...]]:
    """Return a bucket of S3, or of what speaks like it, and the rest of the address."""
    access = root.access
    options = _options(
        root,
        access_key_id=access.access_key_id,
        secret_access_key=access.secret_access_key,
        session_token=access.session_token,
        endpoint=access.endpoint,
    )
    with _said_plainly():
        return S3Store(root.host, region=access.region or DEFAULT_REGION, **options), root.segments


@contextmanager
def _said_plainly() -> Iterator[None]:
    """Turn what obstore says of an address or a key, value and all, into what may be said."""
    try:
        yield
    except (BaseError, ValueError):
        raise ConfigurationError(
            "url or access is not what the store takes", hint="look whether the key, the certificates and the endpoint are whole"
        ) from None


def _options(root: RemoteRoot, **given: str) -> dict[str, Any]:
    """Return what is given, and what each client is told: no tries of its own, a limit for silence and none for a file's whole transfer."""
    client: dict[str, object] = {
        "connect_timeout": timedelta(seconds=10),
        "read_timeout": timedelta(seconds=60),
        "timeout": timedelta(days=2),
        "allow_http": root.access.endpoint.startswith("http://"),
    }
    if root.access.ca:
        client["root_certificate"] = root.access.ca.encode()
    stated = {key: value for key, value in given.items() if value}
    return {"client_options": client, "retry_config": {"max_retries": 0}, **stated}


def etag_of(meta: "ObjectMeta") -> str:
    """Return an object's ETag without its quotes, which Azure's listing leaves out."""
    return (meta["e_tag"] or "").strip('"')


def listing_error(error: Exception, source_name: str) -> SourceError:
    """Say what it means that a store does not list."""
    if isinstance(error, InvalidPathError):
        return SourceRefused(
            "an object's name has an empty segment, . or .., and hides what is listed with it",
            source_name=source_name,
            hint="rename it, or let url begin below it",
        )
    status = status_of(error)
    if status in _REFUSALS:
        what, hint = _REFUSALS[status]
        return SourceRefused(f"the store {what}", source_name=source_name, hint=hint)
    return unavailable(status, source_name)


def unavailable(status: int, source_name: str) -> SourceUnavailable:
    """Say that a store does not answer as it should: with an HTTP status, 0 where there is none."""
    what = f"answers HTTP {status}" if status else "does not answer"
    return SourceUnavailable(f"the store {what}", source_name=source_name, hint="see that it is up, and reachable from here")


def status_of(error: Exception) -> int:
    """Return the HTTP status that an error tells of, 0 where there was no answer. obstore says it in the text alone."""
    found = _STATUS.search(str(error))
    return int(found[1] or found[2]) if found else 0
