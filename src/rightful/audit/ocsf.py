"""Records as OCSF events in CloudEvents envelopes, for what collects security events. Pure.

OCSF 1.6.0, class API Activity (6003); CloudEvents 1.0.2, JSON format. The chain's own fields are in `unmapped`, so that the event alone
shows which record it is; the chain is verified from `jsonl` (docs/reference/audit.md).
"""

from collections.abc import Mapping
from typing import Any

from rightful import __version__
from rightful.audit.record import OK, REPEATED, Action, AuditRecord
from rightful.clock import from_microseconds

SCHEMA_VERSION = "1.6.0"
_CLASS = 6003
_CATEGORY = 6
_CREATE, _READ, _UPDATE, _DELETE, _OTHER = 1, 2, 3, 4, 99
_ACTIVITIES: Mapping[Action, int] = {
    Action.SUBMIT: _CREATE,
    Action.CANCEL: _DELETE,
    Action.RESUME: _UPDATE,
    Action.APPROVE: _UPDATE,
    Action.REJECT: _UPDATE,
    Action.EXTEND: _UPDATE,
    Action.PREVIEW: _READ,
    Action.READ_OPERATION: _READ,
    Action.LIST_OPERATIONS: _READ,
    Action.READ_PROFILE: _READ,
    Action.LIST_PROFILES: _READ,
    Action.VERIFY: _READ,
    Action.COMPLETE: _UPDATE,
    Action.FAIL: _UPDATE,
    Action.PURGE: _DELETE,
}
_INFORMATIONAL, _LOW = 1, 2
_SUCCESS, _FAILURE = 1, 2


def event(value: AuditRecord, hash_: bytes) -> dict[str, Any]:
    """Return a record's CloudEvents envelope, ready to be written as JSON."""
    place = f"{value.tenant_id or 'service'}/{value.seq}"
    return {
        "specversion": "1.0",
        "id": place,
        "source": f"urn:rightful:audit:{value.tenant_id or 'service'}",
        "type": f"rightful.audit.{value.action}",
        "time": from_microseconds(value.time_us).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "dataschema": f"https://schema.ocsf.io/{SCHEMA_VERSION}/classes/api_activity",
        "data": _activity(value, place, hash_),
    }


def _activity(value: AuditRecord, place: str, hash_: bytes) -> dict[str, Any]:
    activity = _ACTIVITIES.get(value.action, _OTHER)
    request_ids = value.request_id.split()
    is_done = value.outcome in {OK, REPEATED}
    return {
        "category_uid": _CATEGORY,
        "class_uid": _CLASS,
        "activity_id": activity,
        **({"activity_name": value.action} if activity == _OTHER else {}),
        "type_uid": _CLASS * 100 + activity,
        "time": value.time_us // 1000,
        "severity_id": _INFORMATIONAL if is_done else _LOW,
        "status_id": _SUCCESS if is_done else _FAILURE,
        "status_code": value.outcome,
        "count": value.count,
        "metadata": {
            "version": SCHEMA_VERSION,
            "product": {"name": "Rightful", "vendor_name": "Rightful", "version": __version__},
            "uid": place,
            "sequence": value.seq,
            "event_code": value.action,
            **_given(tenant_uid=value.tenant_id, correlation_uid=value.client_request_id),
        },
        "actor": {"user": {"uid": value.object_id}, "app_uid": value.app_id} if value.object_id else {"app_name": "Rightful"},
        "api": {
            "operation": value.action,
            "service": {"name": "exportPersonalData"},
            **({} if is_done else {"response": {"error": value.outcome}}),
            **({"request": {"uid": request_ids[0]}} if request_ids else {}),
        },
        "src_endpoint": {"ip": value.address} if value.address else {"svc_name": "Rightful"},
        "resources": [
            {"type": value.target, **_given(uid=value.target_id)},
            *([{"type": "dataSubject", "uid": value.subject_id}] if value.subject_id else []),
        ],
        "unmapped": {
            "time_us": value.time_us,
            "hash": hash_.hex(),
            **({"request_ids": request_ids} if len(request_ids) > 1 else {}),
        },
    }


def _given(**members: str) -> dict[str, str]:
    """Leave out what is not known."""
    return {name: text for name, text in members.items() if text}
