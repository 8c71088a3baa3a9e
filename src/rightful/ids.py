"""The ids that name things across the service, as types of their own."""

import re
import uuid
from typing import NewType

TenantId = NewType("TenantId", str)
"""The directory of a controller: the `tid` of its tokens, a lower-case GUID."""

SubjectId = NewType("SubjectId", str)
"""A data subject's object id, as the tenant's directory writes it."""

OperationId = NewType("OperationId", str)
"""One accepted export request: a lower-case GUID."""

PERSONAL_ACCOUNTS = TenantId("9188040d-6c67-4c5b-b112-36a304b66dad")
"""GRAPH-72: the tenant of all personal Microsoft accounts."""

GUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
"""The pattern of a GUID in lower case."""

_GUID = re.compile(GUID)


def is_guid(text: str) -> bool:
    """Say whether a text is a GUID in lower case."""
    return _GUID.fullmatch(text) is not None


def spellings(subject_id: str) -> tuple[str, ...]:
    """Return the forms in which an object id may be written: clients and directories write GUIDs in either case."""
    return tuple(dict.fromkeys((subject_id, subject_id.lower(), subject_id.upper()))) if is_guid(subject_id.lower()) else (subject_id,)


def new_operation_id() -> OperationId:
    """Make an id that was never given out before (a random GUID; GRAPH-12)."""
    return OperationId(str(uuid.uuid4()))
