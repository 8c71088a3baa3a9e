"""Puts the engine together that has workers on other machines do the work."""

import hmac
import os
import secrets
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache

from rightful import __version__
from rightful.clock import Clock
from rightful.config import local_paths
from rightful.config.model import Config
from rightful.config.packed import pack
from rightful.connectors.interface import Holding
from rightful.engines.cluster import Cluster
from rightful.engines.distributed import DistributedEngine
from rightful.engines.task import Task
from rightful.errors import ConfigurationError, OperationError, SourceUnavailable
from rightful.export import runtime
from rightful.export.identities import Identities
from rightful.export.runtime import TenantRuntime
from rightful.export.trouble import Trouble
from rightful.export.webhooks import announcing
from rightful.ids import TenantId
from rightful.meters import Meters
from rightful.store.interface import Store
from rightful.store.values import FinishSet, ReadSet

DIED_CODE = "WorkersDied"
_WHY = "see in their logs, or those of what runs them, what ended them (memory?), then resume"
_MARK = ".shared-by-rightful-"
"""No name that a storage location removes as a draft of somebody who is gone."""


def cluster_of(config: Config) -> Cluster:
    """Return the workers that the configuration names; nothing is connected yet. Raises `ConfigurationError`."""
    try:
        from rightful.engines.dask_cluster import DaskCluster, TlsFiles  # noqa: PLC0415 - an extra
    except ModuleNotFoundError:
        raise ConfigurationError("engine: what connects with Dask is not installed", hint="install rightful[dask]") from None
    settings = config.dask
    files = TlsFiles(ca=config.folder / settings.ca, cert=config.folder / settings.cert, key=config.folder / settings.key)
    for name in ("ca", "cert", "key"):
        if not os.access(getattr(files, name), os.R_OK):
            raise ConfigurationError(f"dask.{name}: the file cannot be read", hint="name a PEM file that this account may read")
    return DaskCluster(settings.scheduler, files)


@contextmanager
def marked(config: Config, *, leads: bool = False) -> Iterator[tuple[str, ...]]:
    """Give the paths that every worker has to have, while the block lasts.

    Of folders that workers write to it is a file in each, there only meanwhile: a folder of the same name is not enough.
    Who `leads` removes those of the leaders before, which were killed.
    """
    marks = []
    name = f"{_MARK}{_name_of_store(config)}-" if leads else _MARK
    try:
        for folder, whose in local_paths.written(config).items():
            mark = folder / f"{name}{secrets.token_hex(8)}"
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                mark.touch()
                if leads:
                    for earlier in set(folder.glob(f"{name}*")) - {mark}:
                        earlier.unlink(missing_ok=True)
            except OSError as error:
                raise ConfigurationError(
                    f"{whose}: the folder cannot be written: {error.strerror}", hint="give it to the user that runs the service"
                ) from error
            marks.append(mark)
        yield (*local_paths.of_sources(config), *map(str, marks))
    finally:
        for mark in marks:
            with suppress(OSError):
                mark.unlink()


def _name_of_store(config: Config) -> str:
    """Return what tells stores apart, and nothing of where they are."""
    return hmac.digest(config.seal_key, config.store.encode(), "sha256").hex()[:16]


def task_of(config: Config, *, owner: str, term: int) -> Callable[[ReadSet | FinishSet | None], Task]:
    """Return what makes the task of a claim, or, of none, one that looks whether a worker can do the others."""
    announced = announcing(config.tenants)

    @cache
    def packed(tenant_id: TenantId | None) -> bytes:
        return pack(config, tenant_id)

    def task(claim: ReadSet | FinishSet | None) -> Task:
        return Task(
            version=__version__,
            owner=owner,
            term=term,
            config=packed(None if claim is None else claim.tenant_id),
            announcing={} if claim is None else announced,
            reads=claim if isinstance(claim, ReadSet) else None,
            finish=claim if isinstance(claim, FinishSet) else None,
        )

    return task


def together(tenants: Mapping[TenantId, TenantRuntime]) -> Callable[[ReadSet], Hashable | None]:
    """Return what is equal for reads that one worker is to do: those of one moment of a database, which one process holds."""

    def key(claim: ReadSet) -> Hashable | None:
        tenant = tenants.get(claim.tenant_id)
        if tenant is None or claim.source_name not in tenant.connectors or not tenant.config.export.snapshot_s:
            return None
        connector = tenant.connectors[claim.source_name]
        if not isinstance(connector, Holding):
            return None
        return (claim.tenant_id, connector.system) if len(tenant.of_one_system(connector.system)) > 1 else None

    return key


def blaming(config: Config, store: Store, clock: Clock, owner: str) -> Callable[[ReadSet | FinishSet], None]:
    """Return what puts down that a claim has killed the worker that had nothing else to do; raises `StoreFault`."""
    trouble = Trouble(store, clock, Identities(), owner)

    def blame(claim: ReadSet | FinishSet) -> None:
        tenant = config.tenant(claim.tenant_id)
        if tenant is None:
            raise KeyError(claim.tenant_id)
        if isinstance(claim, ReadSet):
            name = claim.source_name
            error = SourceUnavailable("workers died while they read this source", source_name=name, code=DIED_CODE, hint=_WHY)
            trouble.source(claim.operations, claim.reads, error, tenant.export, is_shared=len(claim.reads) > 1)
        else:
            for operation in claim.operations:
                dead = OperationError("workers died while they finished this package", code=DIED_CODE, hint=_WHY)
                trouble.finishing(operation, dead, tenant.export)

    return blame


def engine_of(
    config: Config,
    *,
    store: Store,
    cluster: Cluster,
    tenants: Mapping[TenantId, TenantRuntime],
    owner: str,
    term: int,
    paths: tuple[str, ...],
    clock: Clock,
    gives_way: Callable[[], bool],
    meters: Meters | None = None,
) -> DistributedEngine:
    """Return the engine; it is not started."""
    return DistributedEngine(
        store,
        cluster,
        task_of(config, owner=owner, term=term),
        owner=owner,
        tenants=len(tenants),
        paths=paths,
        clock=clock,
        scans=runtime.scans(tenants),
        together=together(tenants),
        gives_way=gives_way,
        blame=blaming(config, store, clock, owner),
        meters=meters,
    )
