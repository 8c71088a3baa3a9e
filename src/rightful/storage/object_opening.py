"""Opens a bucket of S3 or Google Cloud Storage, as the configuration says how."""

import os
from datetime import timedelta
from typing import Any

from obstore.exceptions import BaseError
from obstore.store import GCSStore, S3Store

from rightful.errors import Refusal, StorageRefused
from rightful.storage.object_account import AccountAccess, Bucket

_DEFAULT_REGION = "us-east-1"
_REGIONS = frozenset({"AWS_REGION", "AWS_DEFAULT_REGION"})


def open_store(bucket: Bucket, access: AccountAccess, timeout_s: float) -> S3Store | GCSStore:
    """Open a bucket: no tries of its own, a limit for silence, and none for an entry's whole transfer unless somebody waits."""
    client: dict[str, object] = {
        "connect_timeout": timedelta(seconds=min(10.0, timeout_s or 10.0)),
        "read_timeout": timedelta(seconds=60),
        "timeout": timedelta(seconds=timeout_s) if timeout_s else timedelta(days=2),
    }
    if access.endpoint.startswith("http://"):
        client["allow_http"] = True
    if access.ca:
        client["root_certificate"] = access.ca.encode()
    given: dict[str, Any] = {"client_options": client, "retry_config": {"max_retries": 0}}
    try:
        if bucket.scheme == "gs":
            anybody = "anybody" if access.endpoint.startswith("http://") else ""  # an emulator asks for no token
            stated = _stated(service_account_key=access.service_account, base_url=access.endpoint, bearer_token=anybody)
            return GCSStore(bucket.name, **given, **stated)
        stated = _stated(
            access_key_id=access.access_key_id,
            secret_access_key=access.secret_access_key,
            session_token=access.session_token,
            endpoint=access.endpoint,
        )
        is_told = access.region or not _REGIONS.isdisjoint(os.environ)
        region = access.region if is_told else _DEFAULT_REGION
        return S3Store(bucket.name, **_stated(region=region), copy_if_not_exists="multipart", conditional_put="etag", **given, **stated)
    except (BaseError, ValueError, OSError):
        raise StorageRefused(
            "the storage account's url or access is not what its store takes",
            refusal=Refusal.OTHER,
            hint="look whether the key, the certificates and the endpoint are whole",
        ) from None


def _stated(**given: str) -> dict[str, Any]:
    return {key: value for key, value in given.items() if value}
