"""By when requests have to be answered, as each tenant's settings say; warns in time of those that are not."""

import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

import msgspec
import structlog

from rightful.clock import Clock
from rightful.config.model import DeadlineSettings, TenantConfig
from rightful.errors import Conflict, InvalidRequest
from rightful.faults import describe
from rightful.ids import OperationId, TenantId
from rightful.operation import deadline
from rightful.operation.deadline import Calendar, Deadline, Extension, Reason, Regulation
from rightful.operation.model import DataPolicyOperation
from rightful.store.interface import Store

_log = structlog.get_logger(__name__)

_EARLIEST = timedelta(days=2 * 366)
"""What is said to have been received before that is a slip of the pen."""
_AHEAD = timedelta(minutes=5)
"""Clocks differ."""
_EVERY_S = 300.0
_MOST = 1000
"""So many requests that near their last day are told of one by one."""


class Counts(Protocol):
    """Who wants to know how many requests near their last day, or are past it."""

    def due(self, tenant_id: TenantId, *, soon: int, over: int) -> None:
        """Take how many of a tenant there are now."""
        ...


class TenantDeadlines:
    """The regulation and the days of one tenant."""

    def __init__(self, settings: DeadlineSettings) -> None:
        self.settings = settings
        self.regulation: Regulation | None = deadline.regulations().get(settings.regulation)
        self._days = Calendar(UTC if settings.time_zone == "UTC" else ZoneInfo(settings.time_zone), settings.holidays)

    def of(self, operation: DataPolicyOperation) -> Deadline | None:
        """Return by when an operation has to be answered."""
        if self.regulation is None:
            return None
        return deadline.deadline(operation.received_at or operation.submitted_at, self.regulation, self._days, operation.extension)

    def received_at(self, given: datetime | date | None, now: datetime) -> datetime | None:
        """Return when a request was received, as who submits it says: a moment, or a day of the controller's; raises `InvalidRequest`."""
        if given is None:
            return None
        at = given if isinstance(given, datetime) else self._days.first_of(given)
        if not now - _EARLIEST <= at <= now + _AHEAD:
            raise InvalidRequest(
                "receivedDateTime lies in the future, or more than two years back",
                hint="give when the person's request was received, or leave it out",
                target="receivedDateTime",
            )
        return min(at, now)

    def is_soon(self, due: Deadline, now: datetime) -> bool:
        """Say whether the last day is so near that somebody should look."""
        return (due.due_on - self._days.day_of(now)).days <= self.settings.warn_days

    def longest_ago(self, now: datetime) -> datetime:
        """Return before when requests that near their last day were received, at the latest: shorter periods are none."""
        assert self.regulation is not None
        period = self.regulation.period
        return now - timedelta(days=max(0, 28 * period.months + period.days - self.settings.warn_days - 1))


class Deadlines:
    """Those of all tenants. Safe to use from any thread."""

    def __init__(self, tenants: Mapping[TenantId, TenantConfig], store: Store, clock: Clock) -> None:
        self._tenants = {tenant_id: TenantDeadlines(tenant.deadlines) for tenant_id, tenant in tenants.items()}
        self._store = store
        self._clock = clock

    def of_tenant(self, tenant_id: TenantId) -> TenantDeadlines:
        """Return those of a tenant of the configuration."""
        return self._tenants[tenant_id]

    def told(self, operation: DataPolicyOperation) -> DataPolicyOperation:
        """Return an operation that says by when it has to be answered."""
        tenant = self._tenants.get(operation.tenant_id)
        due = None if tenant is None else tenant.of(operation)
        return operation if due is None else msgspec.structs.replace(operation, deadline=due)

    def extension(self, operation: DataPolicyOperation, reason: str) -> Extension:
        """Return the extension of the time to answer an operation, for a reason; raises where the regulation does not allow it."""
        tenant = self._tenants[operation.tenant_id]
        due, now = tenant.of(operation), self._clock.now()
        if due is None or tenant.regulation is None:
            raise Conflict("no regulation is set for this tenant", hint="set deadlines.regulation")
        if reason not in tenant.regulation.reasons:
            known = ", ".join(tenant.regulation.reasons)
            raise InvalidRequest(
                f"reason is none for which {tenant.regulation.title} lets the time be extended",
                hint=f"send one of {known}" if known else "its time cannot be extended",
                target="reason",
            )
        if operation.extension is not None:
            raise Conflict("the time to answer it was extended before", hint="that can be done once")
        if now > due.due_at:
            raise Conflict(
                "the time to answer it is over", hint="the person has to be told of an extension within that time; answer the request now"
            )
        return Extension(at=now, reason=Reason(reason))

    def unanswered(self) -> Iterator[tuple[TenantId, list[DataPolicyOperation], list[DataPolicyOperation]]]:
        """Yield for each tenant that has a regulation the requests whose last day is near, and those past it."""
        now = self._clock.now()
        for tenant_id, tenant in self._tenants.items():
            if tenant.regulation is None:
                continue
            found = self._store.unanswered(tenant_id, received_from=now - _EARLIEST, received_to=tenant.longest_ago(now), limit=_MOST)
            soon: list[DataPolicyOperation] = []
            over: list[DataPolicyOperation] = []
            for operation in map(self.told, found):
                due = operation.deadline
                if due is None:
                    continue
                if now > due.due_at:
                    over.append(operation)
                elif tenant.is_soon(due, now):
                    soon.append(operation)
            yield tenant_id, soon, over


class DeadlineWatch:
    """Looks every five minutes, in a thread of its own; warns of each request once a day."""

    def __init__(self, deadlines: Deadlines, clock: Clock, counts: Counts) -> None:
        self._deadlines = deadlines
        self._clock = clock
        self._counts = counts
        self._warned: dict[OperationId, date] = {}
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._run, name="deadlines", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def look(self) -> None:
        """Count, and warn of what nobody was warned of today."""
        today = self._clock.now().date()
        warned: dict[OperationId, date] = {}
        for tenant_id, soon, over in self._deadlines.unanswered():
            self._counts.due(tenant_id, soon=len(soon), over=len(over))
            for said, found in (("a request has to be answered soon", soon), ("a request is not answered in time", over)):
                for operation in found:
                    warned[operation.operation_id] = today
                    if self._warned.get(operation.operation_id) != today and operation.deadline is not None:
                        _log.warning(
                            said,
                            operation_id=operation.operation_id,
                            tenant=tenant_id,
                            status=operation.status.value,
                            due=operation.deadline.due_on.isoformat(),
                        )
        self._warned = warned

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.look()
            except Exception as error:  # noqa: BLE001 - in five minutes there is another try
                _log.error("it could not be told which requests have to be answered soon", error=describe(error))
            self._stopping.wait(_EVERY_S)
