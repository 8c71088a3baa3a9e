"""RequestInfo.json: the first entry of a package, written before the request is answered."""

from datetime import datetime

import msgspec

from rightful.ids import OperationId, SubjectId
from rightful.package.instant import format_instant

PATH = "RequestInfo.json"

_DESCRIPTION = "Export of the personal data that is held on one data subject"


def request_info(*, operation_id: OperationId, subject_id: SubjectId, correlation_id: str, submitted_at: datetime) -> bytes:
    """Write the members that Graph's service writes; the same request gives the same bytes.

    Args:
        operation_id: names the command and the request (GRAPH-12: `request-id` is the operation's id).
        subject_id: the data subject's object id.
        correlation_id: the caller's `client-request-id`, or the one that was made for it (GRAPH-18).
        submitted_at: when the request was accepted.
    """
    members = {
        "Description": _DESCRIPTION,
        "CorrelationId": correlation_id,
        "CommandId": operation_id,
        "Subject": subject_id,
        "Timestamp": format_instant(submitted_at),
        "RequestGuid": operation_id,
    }
    return msgspec.json.format(msgspec.json.encode(members), indent=2) + b"\n"


def operation_of(content: bytes) -> str:
    """Return the operation that an entry names, as it stands there; nothing where it names none."""
    try:
        found = msgspec.json.decode(content)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return ""
    named = found.get("CommandId") if isinstance(found, dict) else None
    return named if isinstance(named, str) else ""
