"""Purges what was kept long enough: each day, while the service works, in a thread of its own."""

import threading
from collections.abc import Iterable
from datetime import datetime, timedelta

import structlog

from rightful.audit.record import SERVICE_CHAIN
from rightful.clock import Clock
from rightful.config.model import Config
from rightful.export.checkpointing import checkpoint_key
from rightful.export.retaining import Purge, is_doubtful, last_known, service_days
from rightful.faults import describe
from rightful.ids import TenantId
from rightful.store.interface import Store

_log = structlog.get_logger(__name__)

_EVERY = timedelta(days=1)
_LOOKS_S = 3600.0
_FIRST_S = 60.0
"""How long a start has to itself."""


class Purger:
    """Looks every hour whether a day has gone by."""

    def __init__(self, config: Config, store: Store, clock: Clock) -> None:
        self._tenants = config.tenants
        self._store = store
        self._clock = clock
        self._stopping = threading.Event()
        key = checkpoint_key(config)
        self._purge = Purge(store, key, clock, earlier_keys=config.audit.earlier_keys, is_stopping=self._stopping.is_set)
        self._known: dict[TenantId, datetime | None] = {}
        """The latest moment that was known of each tenant when the service started."""
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin; before anything is recorded."""
        for tenant_id in self._kept_by_time():
            self._known[tenant_id] = last_known(self._store.retention(tenant_id), self._store.last_chain_checkpoint(tenant_id))
        self._thread = threading.Thread(target=self._run, name="retention", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End; what is being erased in this moment is erased first."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def look(self) -> None:
        """Purge what of each tenant's was kept long enough, where that was not done for a day."""
        days = service_days(self._tenants)
        for tenant in self._tenants:
            if tenant.retention.is_set and self._is_due(tenant.id):
                purged = self._purge.tenant(tenant)
                if any(purged.values()):
                    _log.info(
                        "what was kept long enough is purged", tenant=tenant.id, **{kind.value: number for kind, number in purged.items()}
                    )
        if days and self._is_due(SERVICE_CHAIN):
            self._purge.chain(SERVICE_CHAIN, days)

    def _kept_by_time(self) -> Iterable[TenantId]:
        return (SERVICE_CHAIN, *(tenant.id for tenant in self._tenants))

    def _is_due(self, tenant_id: TenantId) -> bool:
        now, purged_at = self._clock.now(), self._store.retention(tenant_id).purged_at
        if purged_at is not None and timedelta() <= now - purged_at < _EVERY:
            return False
        known = purged_at or self._known.get(tenant_id)
        if known is not None and is_doubtful(known, now):
            _log.error(
                "nothing is purged: the clock is far ahead of what was done last. Where it is right, since nothing ran meanwhile, stop the"
                " service and run `rightful store purge --trust-clock`",
                tenant=tenant_id,
                last=known.isoformat(),
                now=now.isoformat(),
            )
            return False
        return True

    def _run(self) -> None:
        wait_s = _FIRST_S
        while not self._stopping.wait(wait_s):
            wait_s = _LOOKS_S
            try:
                self.look()
            except Exception as error:  # noqa: BLE001 - the next hour is another try
                _log.error("what was kept long enough could not be purged", error=describe(error))
