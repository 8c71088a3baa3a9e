"""Finds out how much the subjects of running operations have, beside the reads, so that progress and time left are honest.

Small exports are over before this begins, and never pay for it. Each connector is asked once for an operation (`Estimating`); what it says
is put down with the reads, as numbers. An estimate that cannot be had is no fault of the operation's.
"""

import queue
import threading
import time
from collections import OrderedDict

import structlog

from rightful.connectors.interface import estimate
from rightful.export.runtime import TenantRuntime
from rightful.faults import describe
from rightful.ids import OperationId
from rightful.store.interface import Store
from rightful.subject.model import IdentifiedSubject

_log = structlog.get_logger(__name__)

AFTER_S = 0.3
"""How long an operation has run before it is worth an estimate."""
_LIMIT_S = 2.0
_WAITING = 100
"""Operations that may wait for an estimate; where more run at once, nobody watches one of them."""
_REMEMBERED = 1_000

_Wish = tuple[float, OperationId, IdentifiedSubject, TenantRuntime]
"""When it is due, and for whom."""


class Estimator:
    """Does its work in a thread of its own, once started; before that it takes nothing."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._wishes: queue.Queue[_Wish] = queue.Queue(_WAITING)
        self._asked: OrderedDict[OperationId, None] = OrderedDict()
        self._stopping = threading.Event()
        self._guard = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to take wishes."""
        self._thread = threading.Thread(target=self._run, name="estimates", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Take nothing any more."""
        self._stopping.set()

    def join(self, limit_s: float = _LIMIT_S) -> None:
        """Wait until nothing is asked of a connector. One that heeds no limit is left behind, and told nothing of."""
        if self._thread is not None:
            self._thread.join(limit_s)

    def ask(self, operation_id: OperationId, subject: IdentifiedSubject, tenant: TenantRuntime) -> None:
        """Wish for an estimate of a running operation; the first wish counts, and none where too many wait."""
        with self._guard:
            if self._thread is None or operation_id in self._asked or self._wishes.full():
                return
            self._asked[operation_id] = None
            if len(self._asked) > _REMEMBERED:
                self._asked.popitem(last=False)
            self._wishes.put_nowait((time.monotonic() + AFTER_S, operation_id, subject, tenant))

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                due, operation_id, subject, tenant = self._wishes.get(timeout=AFTER_S)
            except queue.Empty:
                continue
            if not self._stopping.wait(max(0.0, due - time.monotonic())):
                self.estimate(operation_id, subject, tenant)

    def estimate(self, operation_id: OperationId, subject: IdentifiedSubject, tenant: TenantRuntime) -> None:
        """Ask every source of the tenant, unless the operation has ended meanwhile; nothing is raised."""
        for source in tenant.config.sources:
            try:
                found = self._store.get(tenant.config.id, operation_id)
                if found is None or found.is_ended or self._stopping.is_set():
                    return
                [amounts] = estimate(tenant.source(source.name)[1], [subject], limit_s=_LIMIT_S)
                rows, size = amounts.rows, amounts.size_bytes
                if rows is not None or size is not None:
                    self._store.estimate(
                        operation_id,
                        source.name,
                        rows=None if rows is None else rows.count,
                        size_bytes=None if size is None else size.count,
                    )
            except Exception as error:  # noqa: BLE001 - a connector may be anybody's code; the read itself says what is wrong
                if self._stopping.is_set():
                    return  # store and connectors may be closed by now
                _log.info("a source could not be estimated", source=source.name, error=describe(error))
