"""The ids that name things across the service, as types of their own."""

import uuid
from typing import NewType

TenantId = NewType("TenantId", str)
"""The directory of a controller: the `tid` of its tokens, a lower-case GUID."""

SubjectId = NewType("SubjectId", str)
"""A data subject's object id, as the tenant's directory writes it."""

OperationId = NewType("OperationId", str)
"""One accepted export request: a lower-case GUID."""


def new_operation_id() -> OperationId:
    """Make an id that was never given out before (a random GUID; GRAPH-12)."""
    return OperationId(str(uuid.uuid4()))
