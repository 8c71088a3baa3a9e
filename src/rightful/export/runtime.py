"""What work on a tenant's operations needs, built once from the configuration."""

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from rightful.config.model import Config, SourceConfig, TenantConfig
from rightful.connectors import registry as connectors
from rightful.connectors.interface import Attributing, Connector, Holding, Interruptible, Scanning
from rightful.connectors.registry import FindsBy
from rightful.connectors.time_window import WindowSettings
from rightful.directory import registry as directories
from rightful.directory.closure import Limits
from rightful.directory.interface import Directory, MayBeStale
from rightful.directory.people import names_in
from rightful.directory.widened import WidenedDirectory
from rightful.errors import ConfigurationError, SourceRefused
from rightful.export.giving import GivingSource
from rightful.ids import TenantId
from rightful.operation.model import SUBMIT_AGAIN
from rightful.storage.location import StoragePolicy
from rightful.store.values import Scan

_SCAN_SIZE = 10_000
"""How many share a scan: some kilobytes of memory each, and what is found for them in the spool."""
_UNKNOWN_SIZE = 256
"""How many share the first read after a start, which may be a scan: one by an index must not be the work of one thread for all."""


class TenantRuntime:
    """A tenant's directory and connectors, ready to use from any thread."""

    def __init__(self, tenant: TenantConfig, directory: Directory, connectors_by_source: Mapping[str, Connector]) -> None:
        self.config = tenant
        self.directory = directory
        self.connectors = connectors_by_source
        self.policy = StoragePolicy(
            checks=tenant.storage.checks,
            allow=tenant.storage.allow,
            accounts={name: account.url for name, account in tenant.storage.accounts.items()},
            access={name: account.access for name, account in tenant.storage.accounts.items() if account.access.given},
            needs_write=tenant.export.layout == "zip",
        )

    def source(self, name: str) -> tuple[SourceConfig, Connector]:
        """Return a source and its connector.

        Raises:
            SourceRefused: the configuration no longer has it, though an operation that was accepted before does (ConfigurationInvalid).
        """
        source, connector = self.config.source(name), self.connectors.get(name)
        if source is None or connector is None:
            raise SourceRefused(
                f"source {name!r} is no longer in the configuration",
                source_name=name,
                code="ConfigurationInvalid",
                hint=f"put it back and resume, or {SUBMIT_AGAIN}",
            )
        return source, connector

    def of_one_system(self, system: str) -> frozenset[str]:
        """Return the names of the sources that one moment of a system can be held for."""
        return frozenset(name for name, each in self.connectors.items() if isinstance(each, Holding) and each.system == system)

    def interrupt(self) -> None:
        """End reads that can be: the service stops."""
        for connector in self.connectors.values():
            if isinstance(connector, Interruptible):
                connector.interrupt()

    def close(self) -> None:
        """Release every connection."""
        self.directory.close()
        for connector in self.connectors.values():
            connector.close()


def build_directory(tenant: TenantConfig, folder: Path) -> Directory:
    """Build a tenant's directory, widened by the sources that identifiers are found in; nothing is connected yet."""
    directory = directories.find(tenant.directory.connector)(tenant.id, tenant.directory.settings, folder=folder)
    givers = [_giver(tenant, source, folder) for source in tenant.sources if source.identifiers]
    return WidenedDirectory(directory, givers, getattr(tenant.directory.settings, "limits", Limits())) if givers else directory


def _giver(tenant: TenantConfig, source: SourceConfig, folder: Path) -> GivingSource:
    """Build connectors of its own for a source that identifiers are found in."""
    type_ = connectors.find(source.connector)
    match: Mapping[str, str] = getattr(source.settings, "match", {})

    def connector(settings: msgspec.Struct) -> Connector:
        return type_(source.name, settings, siblings=_siblings(tenant, source), folder=folder)

    if getattr(source.settings, "via", None) and isinstance(type_, Attributing):
        by_kind = {}
    elif isinstance(type_, FindsBy) and match:
        by_kind = {
            kind: connector(type_.found_by(source.settings, dict.fromkeys(names_in(named), kind)))
            for kind, named in source.identifiers.items()
        }
    else:
        raise ConfigurationError(f"source {source.name!r} cannot be searched by `identifiers`", hint="leave them out")
    return GivingSource(source, match, connector(_of_all_times(source.settings)), by_kind)


def _of_all_times(settings: msgspec.Struct) -> msgspec.Struct:
    """Leave the window out: what identifies somebody stands in rows that are not delivered, too."""
    has_one = isinstance(getattr(settings, "window", None), WindowSettings)
    return msgspec.structs.replace(settings, window=WindowSettings()) if has_one else settings


def build_connector(tenant: TenantConfig, source: SourceConfig, folder: Path) -> Connector:
    """Build the connector of one of a tenant's sources; nothing is connected yet."""
    return connectors.find(source.connector)(source.name, source.settings, siblings=_siblings(tenant, source), folder=folder)


def _siblings(tenant: TenantConfig, source: SourceConfig) -> dict[str, msgspec.Struct]:
    return {other.name: other.settings for other in tenant.sources if other.connector == source.connector}


def build_tenant(tenant: TenantConfig, folder: Path) -> TenantRuntime:
    """Build a tenant's directory and connectors."""
    by_source = {source.name: build_connector(tenant, source, folder) for source in tenant.sources}
    return TenantRuntime(tenant, build_directory(tenant, folder), by_source)


def build(config: Config) -> dict[TenantId, TenantRuntime]:
    """Build every tenant of the configuration."""
    return {tenant.id: build_tenant(tenant, config.folder) for tenant in config.tenants}


def stale_directories(tenants: Mapping[TenantId, TenantRuntime]) -> dict[str, bool]:
    """Say of each directory that can be so whether it answers with what was read before; it is quick to ask."""
    able = ((tenant_id, tenant.directory) for tenant_id, tenant in tenants.items())
    return {tenant_id: directory.is_stale() for tenant_id, directory in able if isinstance(directory, MayBeStale)}


def scans(tenants: Mapping[TenantId, TenantRuntime]) -> Callable[[], tuple[Scan, ...]]:
    """Return what names the sources whose reads are worth gathering, or may be, as far as is known by then; it is quick to ask."""
    able = [
        (connector, Scan(tenant_id=tenant_id, source_name=name, window_s=tenant.config.export.scan_window_s, limit=_SCAN_SIZE))
        for tenant_id, tenant in tenants.items()
        for name, connector in tenant.connectors.items()
        if isinstance(connector, Scanning)
    ]

    def known() -> tuple[Scan, ...]:
        said = [(connector.is_scan, scan) for connector, scan in able]
        return tuple(
            scan if is_scan else msgspec.structs.replace(scan, limit=_UNKNOWN_SIZE) for is_scan, scan in said if is_scan is not False
        )

    return known
