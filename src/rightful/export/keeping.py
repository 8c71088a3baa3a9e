"""Lets go of fingerprints whose time is up: once the service runs, and every hour."""

import threading
from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog

from rightful.clock import Clock
from rightful.export.runtime import TenantRuntime
from rightful.faults import describe
from rightful.ids import TenantId
from rightful.store.fingerprint_folder import FingerprintFolder
from rightful.store.interface import Store
from rightful.store.values import FingerprintUse

_log = structlog.get_logger(__name__)

_EVERY_S = 3600.0


class Keeper:
    """Does its work in a thread of its own, once started."""

    def __init__(self, store: Store, folder: FingerprintFolder, tenants: Mapping[TenantId, TenantRuntime], clock: Clock) -> None:
        self._store = store
        self._folder = folder
        self._tenants = tenants
        self._clock = clock
        self._stopping = threading.Event()
        self._woken = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._run, name="fingerprints", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End; what is being erased is erased first."""
        self._stopping.set()
        self._woken.set()
        if self._thread is not None:
            self._thread.join()

    def wake(self) -> None:
        """Remove soon the files of what was just erased; they say nothing any more."""
        self._woken.set()

    def tidy(self) -> None:
        """Erase what is kept longer than `export.compare_days` says, and remove the files that nothing needs any more."""
        for tenant_id in self._tenants:
            forgotten = self._store.forget_old_fingerprints(tenant_id, self._before(tenant_id))
            if forgotten:
                _log.info("fingerprints whose time was up are erased", tenant=tenant_id, exports=forgotten)
        for operation_id in self._folder.operations():
            use = self._store.fingerprint_use(operation_id)
            if use is not None and use.is_kept and use.tenant_id not in self._tenants:
                self._store.forget_old_fingerprints(use.tenant_id, self._clock.now())
                use = self._store.fingerprint_use(operation_id)
            if use is None or self._is_over(use):
                self._folder.remove(operation_id)

    def _is_over(self, use: FingerprintUse) -> bool:
        """Say whether nothing needs the files of an operation: one that failed may be resumed, and goes on with them."""
        if use.is_kept or not use.is_ended:
            return False
        return use.is_complete or use.completed_at is None or use.completed_at < self._before(use.tenant_id)

    def _before(self, tenant_id: TenantId) -> datetime:
        tenant = self._tenants.get(tenant_id)
        return self._clock.now() - timedelta(days=0 if tenant is None else tenant.config.export.compare_days)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._woken.clear()
            try:
                self.tidy()
            except Exception as error:  # noqa: BLE001 - the next hour is another try
                _log.error("fingerprints whose time is up could not be erased", error=describe(error))
            if not self._stopping.is_set():
                self._woken.wait(_EVERY_S)
