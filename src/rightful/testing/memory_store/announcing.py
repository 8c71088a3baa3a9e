"""Events for webhooks, in memory."""

import threading
import uuid
from collections.abc import Collection
from datetime import datetime

import msgspec

from rightful.clock import Clock, to_microseconds
from rightful.ids import TenantId
from rightful.store.values import Announcing, EventKind, OutgoingEvent
from rightful.testing.memory_store.rows import OperationRow


class Outgoing:
    """Keeps what is to be posted."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._guard = threading.RLock()
        """Held for the length of each transaction."""
        self._announcing: Announcing = {}
        self._events: dict[int, tuple[OutgoingEvent, int]] = {}
        """By their numbers, and not before when they are to be posted."""
        self._last_event = 0

    def _now(self) -> int:
        return to_microseconds(self._clock.now())

    def announce(self, announcing: Announcing) -> None:
        """Put events down for these endpoints from now on."""
        self._announcing = announcing

    def _announce(self, kind: EventKind, row: OperationRow, code: str = "") -> None:
        tenant_id, event_id = row.intent.tenant_id, str(uuid.uuid4())
        for endpoint, kinds in self._announcing.get(tenant_id, ()):
            if kind in kinds:
                self._last_event += 1
                event = OutgoingEvent(
                    seq=self._last_event,
                    event_id=event_id,
                    endpoint=endpoint,
                    tenant_id=tenant_id,
                    operation_id=row.intent.operation_id,
                    kind=kind,
                    code=code,
                    happened_us=self._now(),
                    attempts=0,
                )
                self._events[event.seq] = (event, 0)

    def outgoing(self, tenant_id: TenantId, endpoint: str, *, limit: int) -> tuple[OutgoingEvent, ...]:
        """Return what is due to an endpoint, the oldest first."""
        with self._guard:
            found = [
                (not_before, event.seq, event)
                for event, not_before in self._events.values()
                if (event.tenant_id, event.endpoint) == (tenant_id, endpoint) and not_before <= self._now()
            ]
        return tuple(event for *_, event in sorted(found, key=lambda each: each[:2])[:limit])

    def forget_event(self, event: OutgoingEvent) -> None:
        """Drop an event; again, it does nothing."""
        with self._guard:
            self._events.pop(event.seq, None)

    def put_off_event(self, event: OutgoingEvent, *, at: datetime) -> None:
        """Count a try, and let the next one be not before a time; again, it does nothing."""
        with self._guard:
            if (found := self._events.get(event.seq)) is not None and found[0].attempts == event.attempts:
                later = msgspec.structs.replace(found[0], attempts=found[0].attempts + 1)
                self._events[event.seq] = (later, to_microseconds(at))

    def keep_events(self, endpoints: Collection[str]) -> None:
        """Drop what is for any other endpoint."""
        with self._guard:
            self._events = {seq: each for seq, each in self._events.items() if each[0].endpoint in endpoints}
