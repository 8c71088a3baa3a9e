"""Opens storage locations, each only once, for many operations at the same time."""

import ssl
import threading
from collections import OrderedDict
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote
from weakref import WeakSet

from rightful.clock import Clock
from rightful.errors import EntryConflict, InvalidRequest, Refusal, StorageError, StorageRefused
from rightful.pinned import PinnedHost, Resolve, resolve_host
from rightful.storage.azure_blob import AzureBlobStorage, open_container
from rightful.storage.interface import Storage
from rightful.storage.local import LocalStorage
from rightful.storage.location import AccountLocation, ContainerLocation, StoragePolicy, find_location
from rightful.storage.object_account import AccountAccess, bucket_of, is_object_url
from rightful.storage.sas import refuse

if TYPE_CHECKING:
    from rightful.storage.object_storage import ObjectStorage

_MOST_CONTAINERS = 256
_FOLDER_URL = "file:///"


class Storages:
    """The storages that are open. Safe to use from any thread.

    Two calls for one SAS URL, or for one local folder, return the same object: its connections, and its syncs, are shared. Containers
    that were not asked for lately are closed; what still uses one may go on, without keeping connections.
    """

    def __init__(self, *, clock: Clock | None = None, resolve: Resolve = resolve_host) -> None:
        self._clock = clock
        self._resolve = resolve
        self._tls: ssl.SSLContext | None = None
        self._lock = threading.Lock()
        self._containers: OrderedDict[tuple[str, bool], AzureBlobStorage] = OrderedDict()
        self._ever_opened: WeakSet[AzureBlobStorage] = WeakSet()
        self._folders: dict[Path, LocalStorage] = {}
        self._buckets: dict[tuple[str, AccountAccess], Storage] = {}

    def open(self, location_text: str, policy: StoragePolicy) -> Storage:
        """Open a location that `parse_location` accepted before, by its `text`. No request is made.

        Raises:
            StorageRefused: the operator no longer allows it, or no longer has this account.
        """
        try:
            location = find_location(location_text, policy)
        except InvalidRequest as error:
            raise StorageRefused(error.message, refusal=Refusal.MISSING, hint=error.hint) from None
        return self._open_account(location) if isinstance(location, AccountLocation) else self._open_container(location)

    def close(self) -> None:
        """Close all; what was not synced is dropped, what waits for a container waits no longer."""
        with self._lock:
            opened: list[Storage] = [*self._ever_opened, *self._folders.values(), *self._buckets.values()]
            self._containers.clear()
            self._folders.clear()
            self._buckets.clear()
        for storage in opened:
            storage.close()

    def _open_account(self, location: AccountLocation) -> Storage:
        if is_object_url(location.url):
            with self._lock:
                key = location.url, location.access
                bucket = self._buckets.get(key) or open_bucket(location, self._clock)
                self._buckets[key] = bucket
            return bucket
        root = account_folder(location)
        with self._lock:
            storage = self._folders.get(root)
            if storage is None or storage.is_broken:  # a broken one closes when the last one who uses it has met the failure
                storage = self._folders[root] = LocalStorage(root)
        return storage

    def _open_container(self, location: ContainerLocation) -> Storage:
        key = (location.text, location.is_host_named)
        dropped: list[AzureBlobStorage] = []
        with self._lock:
            storage = self._containers.pop(key, None) or self._new_container(location)
            self._containers[key] = storage
            while len(self._containers) > _MOST_CONTAINERS:
                dropped.append(self._containers.popitem(last=False)[1])
        for old in dropped:
            old.keep_no_connections()
        return storage

    def _new_container(self, location: ContainerLocation) -> AzureBlobStorage:
        sas = location.sas
        if self._tls is None and sas.scheme == "https":
            self._tls = ssl.create_default_context()  # once: it reads the system's certificates, some 20 ms
        host = PinnedHost(sas.scheme, sas.host, sas.port, may_be_private=location.is_host_named, resolve=self._resolve, tls=self._tls)
        storage = open_container(sas, host, clock=self._clock)
        self._ever_opened.add(storage)
        return storage


def open_bucket(location: AccountLocation, clock: Clock | None = None) -> "ObjectStorage":
    """Open an account that is a bucket.

    Raises:
        StorageRefused: the library for it is not installed, or it is not what its store takes.
    """
    try:
        from rightful.storage.object_storage import ObjectStorage  # noqa: PLC0415 - needs an optional library
    except ModuleNotFoundError as error:
        raise StorageRefused(
            f"the storage account {location.name} needs the library {error.name}, which is not installed",
            refusal=Refusal.MISSING,
            hint="install rightful[object-stores]",
        ) from error
    return ObjectStorage(bucket_of(location.url), location.access, clock=clock)


def account_folder(location: AccountLocation) -> Path:
    """Return the folder of a named account, `file:///absolute/path`.

    Raises:
        StorageRefused: its URL is of another kind.
    """
    if not location.url.startswith(_FOLDER_URL):
        raise StorageRefused(
            f"the storage account {location.name} is no local folder", refusal=Refusal.MISSING, hint="its url is file:///absolute/path"
        )
    return _folder(location.url)


@lru_cache(maxsize=256)
def _folder(url: str) -> Path:
    return Path("/", unquote(url.removeprefix(_FOLDER_URL)))


_CODES = {
    Refusal.SIGNATURE: "SharedAccessSignatureTokenInvalid",
    Refusal.PERMISSION: "StorageLocationNeedsWriteAddPermissions",
}


def probe_error(error: StorageError, policy: StoragePolicy) -> InvalidRequest:
    """Say what a failed first put means to the caller, in the codes of GRAPH's table of storage locations."""
    code = "StorageLocationInvalid"
    if isinstance(error, EntryConflict):
        code = "StorageLocationAlreadyUsed"
    elif isinstance(error, StorageRefused):
        code = _CODES.get(error.refusal, code)
        if error.refusal is Refusal.UNSUPPORTED and policy.checks == "strict":
            code = "StorageLocationShouldSupportAppendBlobs"
    return refuse(f"the storage location cannot be used: {error.message}", code=code, hint=error.hint)
