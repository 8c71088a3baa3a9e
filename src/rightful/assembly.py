"""Puts the service together from its configuration."""

import resource
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib import import_module
from threading import Event, Thread

import structlog

from rightful import distributing
from rightful.allocation import collect_less, return_memory_soon
from rightful.clock import Clock, SystemClock
from rightful.config.model import Config
from rightful.engines.embedded import EmbeddedEngine
from rightful.engines.interface import Engine
from rightful.engines.leases import new_owner
from rightful.engines.pressure import Pressure
from rightful.errors import ConfigurationError
from rightful.export import audit_trail, rotation, runtime
from rightful.export.purger import Purger
from rightful.export.runtime import TenantRuntime
from rightful.export.service import Service
from rightful.export.standby import Standby
from rightful.export.webhooks import Webhooks, announcing
from rightful.export.work import Work
from rightful.ids import TenantId
from rightful.meters import Meters
from rightful.sealing import Sealer
from rightful.storage.group_sync import MANY_FILES
from rightful.storage.registry import Storages
from rightful.store.metering import MeteredStore
from rightful.store.place import Led, Shared, place_of
from rightful.store.sql_store import SqlStore
from rightful.store.transactions import Transactions
from rightful.traces import Traces

_log = structlog.get_logger(__name__)

_LOOKED_S = 0.5
"""How often a service looks whether it leads, or could."""
_FILES = 768
"""What the service opens beside connections: databases, parts, spools."""


@contextmanager
def running(
    config: Config,
    *,
    clock: Clock | None = None,
    meters: Meters | None = None,
    traces: Traces | None = None,
    opened: Transactions | None = None,
) -> Iterator[Service]:
    """Run the service while the block lasts: settle what a stop left behind, work, and come to a checkpoint at the end.

    It has the store that was `opened` already, if one was, and closes it.
    """
    clock = clock or SystemClock()
    opened = opened or place_of(config.store, config.store_path).open()
    store = SqlStore(opened, clock) if meters is None else MeteredStore(opened, clock, meters)
    with ExitStack() as stack:
        try:
            rotation.check_settled(config)  # it keeps the store locked while it lasts: now nobody rotates any more
            tenants = runtime.build(config)
            owner = new_owner()
            pressure = Pressure(clock.monotonic)
            storages = Storages()
            work = Work(config=config, tenants=tenants, store=store, storages=storages, clock=clock, owner=owner, traces=traces)
            making = _engine(
                config, opened, store=store, work=work, tenants=tenants, owner=owner, clock=clock, pressure=pressure, meters=meters
            )
            engine = stack.enter_context(making)
        except BaseException:
            store.close()
            raise
        if meters is not None:
            meters.watch_directories(partial(runtime.stale_directories, tenants))
        store.announce(announcing(config.tenants))
        webhooks = Webhooks(config, store, clock, meters)
        purger = Purger(config, store, clock)
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
            pressure=pressure,
        )
        try:
            service.start()
            work.estimator.start()
            work.keeper.start()
            service.watch.start()
            webhooks.start()
            purger.start()
            trail.start()
            yield service
        finally:
            purger.stop()
            webhooks.stop()
            service.stop()
            if meters is not None:
                meters.leave()  # the lead may be lost, and the process stand by


@contextmanager
def _engine(
    config: Config,
    opened: Transactions,
    *,
    store: SqlStore,
    work: Work,
    tenants: Mapping[TenantId, TenantRuntime],
    owner: str,
    clock: Clock,
    pressure: Pressure,
    meters: Meters | None,
) -> Iterator[Engine]:
    """Give the engine of the configuration, not started."""
    if config.engine == "embedded":
        yield EmbeddedEngine(
            store, work, owner=owner, tenants=len(tenants), clock=clock, scans=runtime.scans(tenants), gives_way=pressure.is_high
        )
        return
    cluster = distributing.cluster_of(config)
    with distributing.marked(config, leads=True) as paths:
        yield distributing.engine_of(
            config,
            store=store,
            cluster=cluster,
            tenants=tenants,
            owner=owner,
            term=opened.term,  # type: ignore[attr-defined]  # `config.rules` wants a store that has one
            paths=paths,
            clock=clock,
            gives_way=pressure.is_high,
            meters=meters,
        )


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
    return_memory_soon()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold every signature that is open (DESIGN rule 6)
    _allow_files(config.server.max_connections)
    with _measuring(config) as meters, _tracing(config) as traces:
        place = place_of(config.store, config.store_path)
        if not isinstance(place, Shared):
            _work(config, meters, traces, on_listening)
            return
        take_turns(
            first=place.open_if_free,
            stand_by=lambda: _stand_by(config, place, on_listening),
            work=lambda opened: _work(config, meters, traces, on_listening, opened),
        )


def take_turns(*, first: Callable[[], Led | None], stand_by: Callable[[], Led | None], work: Callable[[Led], None]) -> None:
    """Work whenever the lead can be had, until one of both is ended by a signal.

    At the start a database that cannot be had is an error of the configuration. Who has had the lead stands by until it is there again.
    """
    opened = first() or stand_by()
    while opened is not None:
        work(opened)
        if not opened.lost.is_set():
            return
        _log.warning("the lead is lost: this one stands by from now on")
        opened = stand_by()


def _work(
    config: Config, meters: Meters | None, traces: Traces | None, on_listening: Callable[[str], None], opened: Led | None = None
) -> None:
    """Work and answer until a signal ends it, or the lead is lost."""
    from rightful.graph import peer  # noqa: PLC0415 - TLS is only needed here
    from rightful.graph.server import Listening  # noqa: PLC0415 - likewise uvicorn

    with running(config, meters=meters, traces=traces, opened=opened) as service:
        collect_less()
        Thread(target=import_module, args=("rightful.package.bulk",), name="warm-up", daemon=True).start()
        listening = Listening(config, service, meters=meters, traces=traces)
        if opened is not None:
            opened.tell(peer.seal(peer.peer_of(config.server, config.folder), Sealer(config.seal_key)))
        on_listening(listening.address)
        if opened is None:
            listening.run()
            return
        has_ended = Event()

        def watch() -> None:
            while not has_ended.is_set():
                if opened.lost.wait(_LOOKED_S):
                    listening.stop()
                    return

        with _beside(watch, has_ended):
            listening.run()


def _stand_by(config: Config, place: Shared, on_listening: Callable[[str], None]) -> Led | None:
    """Have the one that leads answer, or say that it does, until this one can work; None where a signal ends it before."""
    from rightful.graph.peer import Leader  # noqa: PLC0415 - likewise
    from rightful.graph.server import Listening  # noqa: PLC0415 - likewise

    _log.info("another service works on the store: this one stands by")
    leader = Leader(Sealer(config.seal_key))
    listening = Listening(config, Standby(passes_on=lambda: leader.host is not None), leader=lambda: leader.host)
    on_listening(listening.address)
    has_ended = Event()
    found: list[Led] = []

    def watch() -> None:
        while not has_ended.wait(_LOOKED_S):
            try:
                opened = place.open_if_free()
            except ConfigurationError as error:  # the database is away, for everybody
                _log.warning("the store cannot be reached", error=error.message)
                continue
            if opened is not None:
                found.append(opened)
                listening.stop()
                return
            leader.tell(place.told())

    with _beside(watch, has_ended):
        listening.run()
    leader.close()
    if not found:
        place.stop_waiting()
        return None
    _log.info("the service that worked on the store is gone: this one takes over")
    return found[0]


@contextmanager
def _beside(watch: Callable[[], None], has_ended: Event) -> Iterator[None]:
    """Run a watch in a thread while the block lasts."""
    thread = Thread(target=watch, name="lead", daemon=True)
    thread.start()
    try:
        yield
    finally:
        has_ended.set()
        thread.join()


def _allow_files(connections: int) -> None:
    """Let the process open as many files as its connections and its work need; raises `ConfigurationError` where it may not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections * 9 // 8 + _FILES
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise ConfigurationError(
            f"server.max_connections: {connections} connections need {needed} open files, and this process may open {hard}",
            hint="raise the limit (`ulimit -n`, LimitNOFILE in a systemd unit), or lower the setting",
        )
    wanted = needed if hard != resource.RLIM_INFINITY and hard < MANY_FILES else max(needed, MANY_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
