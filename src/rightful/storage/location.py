"""Where a caller may have a package put: the rules of `storageLocation`, without a request.

In order: a named account of the operator's (GRAPH-23), else a SAS URL; its host and container are allowed; it grants what is needed now; in
`strict` it grants no more than that (GRAPH-42). Only what a request can tell (a wrong signature, a missing container) is left to the probe.
"""

from datetime import datetime, timedelta
from typing import Literal

import msgspec

from rightful.storage.allow import find_rule
from rightful.storage.object_account import AccountAccess
from rightful.storage.sas import SasUrl, parse_sas_url, refuse


class StoragePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What a tenant's operator allows."""

    checks: Literal["standard", "strict"] = "standard"
    """GRAPH-42."""
    allow: tuple[str, ...] = ("*.blob.core.windows.net",)
    """Entries that `storage.allow` describes."""
    accounts: dict[str, str] = {}
    """Named accounts: `file:///absolute/path`, `s3://bucket/prefix`, `gs://bucket/prefix`."""
    access: dict[str, AccountAccess] = {}
    """How those of them are reached that are buckets."""
    needs_write: bool = False
    """Whether the right to create is too little: a package as one ZIP file is put together from pieces."""


class ContainerLocation(msgspec.Struct, frozen=True, kw_only=True):
    """A container, by its SAS URL."""

    sas: SasUrl
    is_host_named: bool
    """Whether the operator allows this very host and port: only then it may lie in a private network."""

    @property
    def text(self) -> str:
        """The secret original, to be sealed."""
        return self.sas.text

    @property
    def display(self) -> str:
        """What may be shown (GRAPH-34)."""
        return self.sas.display

    @property
    def container_key(self) -> str:
        """Names the container without the signature."""
        return self.sas.container_key


class AccountLocation(msgspec.Struct, frozen=True, kw_only=True):
    """A storage account of the operator's, by its name (GRAPH-23)."""

    name: str
    url: str
    access: AccountAccess = AccountAccess()

    @property
    def text(self) -> str:
        """What the caller gave: the name."""
        return self.name

    @property
    def display(self) -> str:
        """What may be shown (GRAPH-34)."""
        return self.name

    @property
    def container_key(self) -> str:
        """Names the account."""
        return f"{_ACCOUNT_KEY}{self.name}"


Location = ContainerLocation | AccountLocation

_ACCOUNT_KEY = "account:"


def account_url(container_key: str, policy: StoragePolicy) -> str:
    """Return where the account lies now that a `container_key` names; empty where it names a container, or no account any more."""
    if not container_key.startswith(_ACCOUNT_KEY):
        return ""
    name = container_key.removeprefix(_ACCOUNT_KEY)
    return " ".join(filter(None, (policy.accounts.get(name, ""), policy.access.get(name, AccountAccess()).endpoint)))


_PERMISSIONS_CODE = "StorageLocationNeedsWriteAddPermissions"


def parse_location(value: object, policy: StoragePolicy, *, now: datetime, needed_s: float = 0.0) -> Location:
    """Judge a `storageLocation` as it came in a request's body.

    Args:
        value: whatever JSON holds.
        policy: of the tenant.
        now: aware.
        needed_s: how long the SAS must stay valid from now on.

    Raises:
        InvalidRequest: with target `storageLocation` and a code of GRAPH's table.
    """
    location = find_location(value, policy)
    if isinstance(location, ContainerLocation):
        _check_kind(location.sas, policy)
        _check_time(location.sas, now, needed_s)
        _check_permissions(location.sas, policy)
    return location


def find_location(value: object, policy: StoragePolicy) -> Location:
    """Parse a location that was judged before: it may have expired since, but must still be one that the operator allows."""
    if not isinstance(value, str) or not value:
        raise refuse("storageLocation is missing or not a string", hint="give the SAS URL of a blob container, or a storage account's name")
    if value in policy.accounts:
        return AccountLocation(name=value, url=policy.accounts[value], access=policy.access.get(value, AccountAccess()))
    if "://" not in value:
        raise refuse(
            "storageLocation is neither an absolute https URL nor a storage account that this service knows",
            hint="give the https SAS URL of a blob container, or ask the operator for the names under storage.accounts",
        )
    sas = parse_sas_url(value)
    return ContainerLocation(sas=sas, is_host_named=_check_place(sas, policy))


def _check_place(sas: SasUrl, policy: StoragePolicy) -> bool:
    """Return whether the allow-list names host and port."""
    there = [rule for entry in policy.allow if (rule := find_rule(entry)) is not None and rule.names_host(sas)]
    if not there and sas.scheme != "https":
        raise refuse("storageLocation is not https", hint="give an https URL; an emulator's host:port is named under storage.allow")
    if not there:
        raise refuse("storageLocation's host is not allowed here", hint="use a storage account that the operator allows (storage.allow)")
    inside = [rule for rule in there if rule.names_container(sas)]
    if not inside:
        raise refuse("storageLocation's container is not allowed here", hint="use a container that the operator allows (storage.allow)")
    return any(rule.port is not None for rule in inside)


def _check_kind(sas: SasUrl, policy: StoragePolicy) -> None:
    if sas.is_account_sas and policy.checks == "strict":
        raise refuse("the SAS is one of the account", code="StorageLocationNotServiceSAS", hint="make a SAS of the container")
    if sas.is_account_sas and "b" not in sas.services:
        raise refuse("the account SAS is not for blobs", code="StorageLocationNotAzureBlob", hint="make it for the blob service (ss=b)")
    if sas.is_account_sas and "o" not in sas.resource_types:
        raise refuse("the account SAS is not for objects", code=_PERMISSIONS_CODE, hint="make it for objects (srt=o)")
    if not sas.is_account_sas and sas.resource != "c":
        raise refuse("the SAS is not one of a container", code="StorageLocationNotAzureBlob", hint="make a SAS of the container (sr=c)")


def _check_time(sas: SasUrl, now: datetime, needed_s: float) -> None:
    if sas.starts_at and sas.starts_at > now:
        raise refuse("the SAS is not valid yet", hint="wait for its start, or make one without a start time")
    if sas.expires_at and sas.expires_at <= now:
        raise refuse("the SAS has expired", hint="make a new one")
    if sas.expires_at and sas.expires_at <= now + timedelta(seconds=needed_s):
        raise refuse("the SAS expires too soon for this export", hint="make one that is valid for longer")


def _check_permissions(sas: SasUrl, policy: StoragePolicy) -> None:
    if sas.permissions is None:  # a stored access policy holds them: the probe tells
        return
    if policy.checks == "standard":
        if sas.permissions.isdisjoint("cw"):
            raise refuse("the SAS can neither create nor write", code=_PERMISSIONS_CODE, hint="give it create or write (sp=c or sp=w)")
        if policy.needs_write and "w" not in sas.permissions:
            raise refuse("the SAS may only create", code=_PERMISSIONS_CODE, hint="give it write (sp=w): packages here are one ZIP file")
        return
    if not sas.permissions.issuperset("wa"):
        raise refuse("the SAS cannot both write and add", code=_PERMISSIONS_CODE, hint="give it write and add, and nothing else (sp=aw)")
    for letter, word in (("r", "Read"), ("l", "List")):
        if letter in sas.permissions:
            raise refuse(
                f"the SAS allows {word.lower()} access",
                code=f"StorageLocationShouldNotAllow{word}Access",
                hint="give it write and add, and nothing else (sp=aw)",
            )
