"""When a request was received, and an extension of the time to answer it, over raw HTTP and by the commands."""

from collections.abc import Iterator
from datetime import UTC, date, datetime

import msgspec
import pytest
from tests.wire.world import ANN, World, new_location, world

from rightful.cli.report import show, show_all
from rightful.cli.wire import Operation
from rightful.export.interface import SubmitRequest
from rightful.graph import resources
from rightful.ids import OperationId
from rightful.operation import deadline


@pytest.fixture
def opened() -> Iterator[World]:
    with world() as one:
        yield one


def submit(opened: World, **more: object) -> tuple[int, str, SubmitRequest | None]:
    body = {"storageLocation": new_location(), **more}
    before = len(opened.exports.submitted)
    answer = opened.client.request("POST", f"/v1.0/users/{ANN}/exportPersonalData", token=opened.token, body=body)
    found = opened.exports.submitted[before:]
    return answer.status, answer.code if answer.status >= 400 else "", found[0] if found else None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("2026-11-03", date(2026, 11, 3)),
        ("2026-11-03T09:30:00Z", datetime(2026, 11, 3, 9, 30, tzinfo=UTC)),
        ("2026-11-03T09:30Z", datetime(2026, 11, 3, 9, 30, tzinfo=UTC)),
        ("2026-11-03t09:30:00.123456z", datetime(2026, 11, 3, 9, 30, 0, 123456, tzinfo=UTC)),
        ("2026-11-03T01:30:00+09:00", datetime(2026, 11, 2, 16, 30, tzinfo=UTC)),
    ],
)
def test_moment_or_day_of_receipt_is_read(opened: World, text: str | None, expected: object) -> None:
    status, _, request = submit(opened, RECEIVEDDateTime=text)
    assert status == 202
    assert request is not None
    assert request.received == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-02-30",
        "2026-11-03T09:30:00",
        "2026-11-03 09:30:00Z",
        "0001-01-01T00:00:00+09:00",
        20261103,
        ["x"],
        "٢٠٢٦-11-03",
    ],
)
def test_what_is_neither_is_refused(opened: World, text: object) -> None:
    assert submit(opened, receivedDateTime=text) == (400, "BadRequest", None)


def extend(opened: World, operation_id: str, body: object) -> tuple[int, str]:
    answer = opened.client.request("POST", f"/v1.0/dataPolicyOperations/{operation_id}/extend", token=opened.token, body=body)
    return answer.status, answer.code if answer.status >= 400 else ""


def test_time_is_extended_once(opened: World) -> None:
    operation_id = opened.operation(opened.submit()).operation_id
    assert extend(opened, operation_id, {"reason": "because"}) == (400, "BadRequest")
    assert extend(opened, operation_id, {}) == (400, "BadRequest")
    assert extend(opened, operation_id, {"reason": 7}) == (400, "BadRequest")
    assert extend(opened, operation_id, b"[]") == (400, "BadRequest")
    assert extend(opened, operation_id, {"Reason": "number"}) == (204, "")
    assert extend(opened, operation_id, {"reason": "number"}) == (409, "Request_Conflict")
    assert extend(opened, f"{operation_id}x", {"reason": "number"}) == (404, "Request_ResourceNotFound")


def test_who_may_not_submit_may_not_extend(opened: World) -> None:
    operation_id = opened.operation(opened.submit()).operation_id
    reader = opened.issuer.token(roles=["User.Read.All"])
    path = f"/v1.0/dataPolicyOperations/{operation_id}/extend"
    assert opened.client.request("POST", path, token=reader, body={"reason": "number"}).status == 403


def shown(opened: World, received_at: datetime, capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """Return what `requests show` and `requests list` say of an operation under the GDPR."""
    operation_id = opened.operation(opened.submit(location=new_location())).operation_id
    operation = opened.exports.operations[OperationId(operation_id)]
    due = deadline.deadline(received_at, deadline.regulations()["gdpr"], deadline.Calendar(UTC))
    members = resources.OPERATION.show(msgspec.structs.replace(operation, received_at=received_at, deadline=due))
    line = msgspec.convert(members, Operation)
    show(line, as_json=False)
    one = capsys.readouterr().out
    show_all([line], as_json=False)
    return one, capsys.readouterr().out


def test_commands_say_the_last_day_and_that_it_is_over(opened: World, capsys: pytest.CaptureFixture[str]) -> None:
    one, many = shown(opened, datetime(2020, 1, 31, tzinfo=UTC), capsys)
    assert "due        2020-03-02 (gdpr, received 2020-01-31T00:00:00Z, extendable to 2020-04-30, overdue)" in one
    assert "2020-03-02 (overdue)" in many
    one, many = shown(opened, datetime.now(UTC), capsys)
    assert "days left)" in one
    assert "overdue" not in many
