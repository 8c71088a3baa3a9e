"""What is posted to a webhook, and how it is signed. Pure.

CloudEvents 1.0.2 in structured mode (JSON), signed as Standard Webhooks 1.0.0 says: HMAC-SHA256 over `id.timestamp.body`. There is nothing
personal in it: ids as on the wire, and not the subject's.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping

import msgspec

from rightful.clock import from_microseconds
from rightful.store.values import EventKind, OutgoingEvent

TYPE_PREFIX = "dev.rightful.operation."
CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"

_STATUS: Mapping[EventKind, str] = {
    EventKind.SUBMITTED: "notStarted",
    EventKind.APPROVED: "notStarted",
    EventKind.REJECTED: "failed",
    EventKind.WAITING: "running",
    EventKind.COMPLETED: "complete",
    EventKind.FAILED: "failed",
    EventKind.CANCELLED: "failed",
}
"""Where the operation stood then, where the kind says it."""


def body(event: OutgoingEvent, source: str) -> bytes:
    """Return the event as it is posted: the same bytes at each try."""
    data = {"operationId": event.operation_id, "tenantId": event.tenant_id}
    if (status := _STATUS.get(event.kind)) is not None:
        data["status"] = status
    if event.code:
        data["code"] = event.code
    members = {
        "specversion": "1.0",
        "id": event.event_id,
        "source": source,
        "type": f"{TYPE_PREFIX}{event.kind.value}",
        "subject": event.operation_id,
        "time": from_microseconds(event.happened_us).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": data,
    }
    return msgspec.json.encode(members)


def signed(event_id: str, content: bytes, *, secret: bytes, at_s: int) -> tuple[tuple[str, str], ...]:
    """Return the headers that identify and sign a body that is posted at a time, in whole seconds since 1970."""
    digest = hmac.digest(secret, f"{event_id}.{at_s}.".encode() + content, hashlib.sha256)
    signature = base64.b64encode(digest).decode()
    return ("webhook-id", event_id), ("webhook-timestamp", str(at_s)), ("webhook-signature", f"v1,{signature}")
