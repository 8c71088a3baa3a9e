"""What a tenant's configuration says in a package, made once for all packages of the same sources."""

from collections.abc import Mapping

import msgspec

from rightful.config.model import TenantConfig
from rightful.export.receipts import policy_of
from rightful.package.datapackage import SourceTitle
from rightful.package.label import Label

_MOST = 1024
"""Sets of sources of one tenant: operations that were accepted by one configuration have the same."""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What is the same in every package of these sources."""

    titles: tuple[SourceTitle, ...]
    """In the configuration's order."""
    labels: Mapping[str, Label]
    """By source, completed by what holds for every source."""
    policy_sha256: str


class TermsOf:
    """Makes terms, and keeps them. Safe to use from any thread."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, frozenset[str]], Terms] = {}

    def __call__(self, tenant: TenantConfig, source_names: frozenset[str]) -> Terms:
        """Return the terms of these sources; a tenant has one configuration as long as the process runs."""
        key = (tenant.id, source_names)
        found = self._made.get(key)
        if found is None:
            found = _make(tenant, source_names)
            if len(self._made) < _MOST:
                self._made[key] = found
        return found


def _make(tenant: TenantConfig, source_names: frozenset[str]) -> Terms:
    sources = [source for source in tenant.sources if source.name in source_names]
    return Terms(
        titles=tuple(SourceTitle(source_name=source.name, product=source.product, label=source.label) for source in sources),
        labels={source.name: tenant.label(source) for source in sources},
        policy_sha256=policy_of(tenant, source_names),
    )
