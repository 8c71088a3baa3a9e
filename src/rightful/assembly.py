"""Puts the service together from its configuration."""

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from threading import Thread

from rightful.allocation import collect_less, return_memory_soon
from rightful.clock import Clock, SystemClock
from rightful.config.model import Config
from rightful.engines.embedded import EmbeddedEngine, new_owner
from rightful.errors import ConfigurationError
from rightful.export import audit_trail, rotation, runtime
from rightful.export.service import Service
from rightful.export.work import Work
from rightful.meters import Meters
from rightful.storage.registry import Storages
from rightful.store.metering import MeteredStore
from rightful.store.sql_store import SqlStore
from rightful.store.sqlite_file import SqliteFile
from rightful.traces import Traces

_FILES = 768
"""What the service opens beside connections: databases, parts, spools."""


@contextmanager
def running(config: Config, *, clock: Clock | None = None, meters: Meters | None = None, traces: Traces | None = None) -> Iterator[Service]:
    """Run the service while the block lasts: settle what a stop left behind, work, and come to a checkpoint at the end."""
    clock = clock or SystemClock()
    file = SqliteFile(config.store_path)
    store = SqlStore(file, clock) if meters is None else MeteredStore(file, clock, meters)
    try:
        rotation.check_settled(config)  # it keeps the store locked while it lasts: now nobody rotates any more
        tenants = runtime.build(config)
    except BaseException:
        store.close()
        raise
    owner = new_owner()
    storages = Storages()
    work = Work(config=config, tenants=tenants, store=store, storages=storages, clock=clock, owner=owner, traces=traces)
    engine = EmbeddedEngine(store, work, owner=owner, tenants=len(tenants), clock=clock, scans=runtime.scans(tenants))
    trail = audit_trail.build(config, store, clock)
    service = Service(
        config=config,
        tenants=tenants,
        store=store,
        storages=storages,
        engine=engine,
        work=work,
        trail=trail,
        clock=clock,
        meters=meters,
        traces=traces,
    )
    try:
        service.start()
        work.estimator.start()
        work.keeper.start()
        service.watch.start()
        trail.start()
        yield service
    finally:
        service.stop()


@contextmanager
def _measuring(config: Config) -> Iterator[Meters | None]:
    """Count, and tell it on a port of its own, while the block lasts; where the configuration does not say so, do neither."""
    if not config.server.metrics:
        yield None
        return
    from rightful.metrics import MetricsServer, PrometheusMeters  # noqa: PLC0415 - only where it is used

    meters = PrometheusMeters()
    server = MetricsServer(config.server.metrics, meters.registry)
    try:
        yield meters
    finally:
        server.close()


@contextmanager
def _tracing(config: Config) -> Iterator[Traces | None]:
    """Trace, and send it where the configuration says, while the block lasts; where it does not say so, do neither."""
    if not config.server.traces:
        yield None
        return
    try:
        from rightful.tracing import OtelTraces  # noqa: PLC0415 - an extra
    except ModuleNotFoundError:
        raise ConfigurationError("server.traces: what sends traces is not installed", hint="install rightful[otel]") from None
    traces = OtelTraces(config.server.traces)
    try:
        yield traces
    finally:
        traces.close()


def run(config: Config, *, on_listening: Callable[[str], None] = lambda _address: None) -> None:
    """Serve until a signal ends it; `on_listening` gets scheme, host and port once the socket is bound."""
    from rightful.graph.server import serve  # noqa: PLC0415 - uvicorn is only needed here

    return_memory_soon()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold every signature that is open (DESIGN rule 6)
    _allow_files(config.server.max_connections)
    with _measuring(config) as meters, _tracing(config) as traces, running(config, meters=meters, traces=traces) as service:
        collect_less()
        Thread(target=import_module, args=("rightful.package.bulk",), name="warm-up", daemon=True).start()
        serve(config, exports=service, meters=meters, traces=traces, on_listening=lambda listening: on_listening(listening.address))


def _allow_files(connections: int) -> None:
    """Let the process open as many files as its connections and its work need; raises `ConfigurationError` where it may not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections * 9 // 8 + _FILES
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise ConfigurationError(
            f"server.max_connections: {connections} connections need {needed} open files, and this process may open {hard}",
            hint="raise the limit (`ulimit -n`, LimitNOFILE in a systemd unit), or lower the setting",
        )
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
