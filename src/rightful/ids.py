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


_GUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


def is_guid(text: str) -> bool:
    """Say whether a text is written as a GUID, in whatever case."""
    return _GUID.fullmatch(text) is not None


def spellings(subject_id: str) -> tuple[str, ...]:
    """Return the forms in which an object id may be written: clients and directories write GUIDs in either case."""
    return (subject_id, subject_id.lower(), subject_id.upper()) if is_guid(subject_id) else (subject_id,)


def new_operation_id() -> OperationId:
    """Make an id that was never given out before (a random GUID; GRAPH-12)."""
    return OperationId(str(uuid.uuid4()))
