"""Events for webhooks, put down in the transaction of what they tell, until somebody has taken them."""

from collections.abc import Collection
from datetime import datetime

from rightful.clock import to_microseconds
from rightful.ids import TenantId
from rightful.store import rows
from rightful.store.connection import Connection
from rightful.store.records import Records
from rightful.store.values import Announcing, OutgoingEvent


class Outgoing(Records):
    """Keeps what is to be posted."""

    def announce(self, announcing: Announcing) -> None:
        """Put events down for these endpoints from now on."""
        self._announcing = announcing

    def outgoing(self, tenant_id: TenantId, endpoint: str, *, limit: int) -> tuple[OutgoingEvent, ...]:
        """Return what is due to an endpoint, the oldest first."""
        parameters = {"tenant_id": tenant_id, "endpoint": endpoint, "now": self._now(), "most": limit}
        return self._file.read(
            lambda connection: tuple(map(rows.outgoing_event, connection.rows(self._sql["outgoing_events"], parameters))), tenant_id
        )

    def forget_event(self, event: OutgoingEvent) -> None:
        """Drop an event; again, it does nothing."""

        def task(connection: Connection) -> None:
            connection.run(self._sql["forget_event"], {"seq": event.seq, "event_id": event.event_id})

        self._file.write(task, event.tenant_id)

    def put_off_event(self, event: OutgoingEvent, *, at: datetime) -> None:
        """Count a try, and let the next one be not before a time; again, it does nothing."""
        parameters = {"seq": event.seq, "event_id": event.event_id, "attempts": event.attempts, "at": to_microseconds(at)}

        def task(connection: Connection) -> None:
            connection.run(self._sql["put_off_event"], parameters)

        self._file.write(task, event.tenant_id)

    def keep_events(self, endpoints: Collection[str]) -> None:
        """Drop what is for any other endpoint."""

        def task(connection: Connection) -> None:
            for row in connection.rows(self._sql["event_endpoints"]):
                if row["endpoint"] not in endpoints:
                    connection.run(self._sql["forget_endpoint"], {"endpoint": row["endpoint"]})

        self._file.write(task)
