from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest

from rightful.ids import OperationId, SubjectId
from rightful.package.request_info import request_info

OPERATION = OperationId("0d6f3c51-5b0e-4f0e-9c8a-2f7d1a3b4c5d")
SUBJECT = SubjectId("7a1e9d20-33c4-4b6f-8f5e-6a0b2c4d8e9f")


def _write(submitted_at: datetime) -> bytes:
    return request_info(operation_id=OPERATION, subject_id=SUBJECT, correlation_id="c-1", submitted_at=submitted_at)


def test_members_are_those_of_graphs_service() -> None:
    members = msgspec.json.decode(_write(datetime(2026, 3, 1, 9, 30, 0, 5, tzinfo=UTC)))
    assert list(members) == ["Description", "CorrelationId", "CommandId", "Subject", "Timestamp", "RequestGuid"]
    assert members["CorrelationId"] == "c-1"
    assert members["CommandId"] == members["RequestGuid"] == OPERATION
    assert members["Subject"] == SUBJECT
    assert members["Timestamp"] == "2026-03-01T09:30:00.000005Z"  # GRAPH-05


def test_same_moment_in_another_zone_gives_the_same_bytes() -> None:
    at = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    assert _write(at) == _write(at.astimezone(timezone(timedelta(hours=9))))


def test_naive_moment_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        _write(datetime(2026, 3, 1, 9, 30))  # noqa: DTZ001 - the point of the test
