"""Entries of `storage.allow`: which hosts, and which containers there, a caller's SAS URL may name. Pure.

*.blob.core.windows.net                       every account below, by https on port 443
contoso.blob.core.windows.net/dsr-*           one account's containers whose names begin with dsr-
127.0.0.1:10000/devstoreaccount1/exports      host and port, also by http and at a private address; an emulator's account is in the path
"""

import re
from functools import lru_cache

import msgspec

from rightful.storage.sas import SasUrl, is_account_in_path, is_address, parse_place

_HTTPS_PORT = 443
_ACCOUNT = re.compile(r"[A-Za-z0-9-]{1,64}")
_CONTAINER = re.compile(r"[a-z0-9][a-z0-9-]{2,62}|[a-z0-9-]{0,63}\*")


class AllowRule(msgspec.Struct, frozen=True, kw_only=True):
    """One entry."""

    host: str
    is_suffix: bool
    """Whether the host stands for all names below it."""
    port: int | None
    """Where the entry names one; only then the host may lie in a private network."""
    account_path: str = ""
    container: str | None = None
    """A name, or its beginning and `*`; None where the entry ends with its host."""

    def names_host(self, sas: SasUrl) -> bool:
        """Say whether the entry is about a URL's host and port."""
        if self.port is not None:
            return (sas.host, sas.port) == (self.host, self.port)
        is_there = sas.host.endswith(f".{self.host}") if self.is_suffix else sas.host == self.host
        return is_there and (sas.scheme, sas.port) == ("https", _HTTPS_PORT) and not is_address(sas.host)

    def names_container(self, sas: SasUrl) -> bool:
        """Say whether the entry, which names the URL's host, names its container too."""
        if self.container is None:
            return True
        is_alike = sas.container.startswith(self.container[:-1]) if self.container.endswith("*") else sas.container == self.container
        return is_alike and sas.account_path.lower() == self.account_path.lower()


def parse_rule(text: str) -> AllowRule:
    """Parse an entry; raises `ValueError` with what is wrong, to be said after the entry's name."""
    place, has_path, path = text.partition("/")
    is_suffix = place.startswith("*.")
    try:
        host, port = parse_place(place.removeprefix("*."))
    except ValueError as error:
        raise ValueError(f"is neither a host nor HOST:PORT: its {error}") from None
    if is_suffix and (port is not None or is_address(host)):
        raise ValueError("mixes *. with a port or an address")
    if is_suffix and "." not in host:
        raise ValueError("allows too much: behind *. it needs a host of at least two parts")
    if port is None and is_address(host):
        raise ValueError("is an address without a port: only emulators are named by address")
    if not has_path:
        return AllowRule(host=host, is_suffix=is_suffix, port=port)
    *accounts, container = path.split("/")
    if not _CONTAINER.fullmatch(container) or len(accounts) > 1 or not all(map(_ACCOUNT.fullmatch, accounts)):
        raise ValueError("has something else than a container behind its host: a name, or a beginning and * at the end")
    if is_account_in_path(host) and not accounts:
        raise ValueError("lacks the account, which stands before the container there: HOST:PORT/ACCOUNT/CONTAINER")
    account_path = "".join(f"/{account}" for account in accounts)
    return AllowRule(host=host, is_suffix=is_suffix, port=port, account_path=account_path, container=container)


@lru_cache(maxsize=1024)
def find_rule(text: str) -> AllowRule | None:
    """Return an entry; None for one that the configuration would have refused, which allows nothing."""
    try:
        return parse_rule(text)
    except ValueError:
        return None
