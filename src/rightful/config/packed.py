"""What a worker needs of the configuration to deal with one tenant's claims: as bytes, secrets and all, to be sealed.

It is the configuration as it was read, variables and mounted secrets replaced by what they held: a worker reads neither. What it does not
need is left out: who may call the service, the key of the audit trail, the other tenants.
"""

from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import msgspec

from rightful.config.model import (
    AuditSettings,
    Config,
    DaskSettings,
    DirectoryConfig,
    GraphSettings,
    IdentitySettings,
    ServerSettings,
    SourceConfig,
    TenantConfig,
)
from rightful.connectors import registry as connectors
from rightful.directory import registry as directories
from rightful.ids import TenantId

S = TypeVar("S", bound=msgspec.Struct)


def pack(config: Config, tenant_id: TenantId | None = None) -> bytes:
    """Return what is needed for a tenant, or for all; equal for equal configurations."""
    tenants = tuple(
        msgspec.structs.replace(tenant, identity=IdentitySettings(issuers=()), webhooks=())
        for tenant in config.tenants
        if tenant_id is None or tenant.id == tenant_id
    )
    needed = msgspec.structs.replace(
        config,
        server=ServerSettings(traces=config.server.traces),
        audit=AuditSettings(),
        graph=GraphSettings(),
        dask=DaskSettings(),
        seal_key_path=None,
        tenants=tenants,
    )
    return msgspec.msgpack.encode(needed, enc_hook=_plain)


def unpack(packed: bytes) -> Config:
    """Return it again; raises `ConfigurationError` where a connector is not installed here."""
    raw = msgspec.msgpack.decode(packed)
    tenants = tuple(_tenant(each) for each in raw.pop("tenants"))
    return _made(Config, raw, folder=Path(raw["folder"]), seal_key_path=None, tenants=tenants)


def _tenant(raw: dict[str, Any]) -> TenantConfig:
    directory = raw["directory"]
    settings = msgspec.convert(directory["settings"], directories.find(directory["connector"]).Settings)
    return _made(
        TenantConfig,
        raw,
        directory=DirectoryConfig(connector=directory["connector"], settings=settings),
        sources=tuple(map(_source, raw["sources"])),
    )


def _source(raw: dict[str, Any]) -> SourceConfig:
    return _made(SourceConfig, raw, settings=msgspec.convert(raw["settings"], connectors.find(raw["connector"]).Settings))


def _made(cls: type[S], raw: dict[str, Any], **made: Any) -> S:
    """Make a section of what was read, but for what is made already."""
    types = get_type_hints(cls, include_extras=True)
    return cls(**{name: msgspec.convert(value, types[name]) for name, value in raw.items() if name not in made}, **made)


def _plain(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(type(value).__name__)
