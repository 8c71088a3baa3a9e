"""What the blob service's answers mean."""

from datetime import UTC, datetime, timedelta

import pytest

from rightful.errors import Refusal, StorageRefused, StorageUnavailable
from rightful.storage.blob_answers import find_error, find_outcome, is_past
from rightful.storage.interface import Put


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (201, "", Put.WRITTEN),
        (409, "BlobAlreadyExists", Put.ALREADY_THERE),
        (409, "", None),
        (412, "ConditionNotMet", Put.ALREADY_THERE),
        (412, "LeaseIdMissing", Put.ALREADY_THERE),
        (403, "UnauthorizedBlobOverwrite", Put.ALREADY_THERE),
        (409, "ContainerBeingDeleted", None),
        (403, "AuthorizationPermissionMismatch", None),
        (200, "", None),
        (202, "", None),
        (307, "", None),
        (500, "InternalError", None),
    ],
)
def test_outcome_is_found(status: int, code: str, expected: Put | None) -> None:
    assert find_outcome(status, code) is expected


@pytest.mark.parametrize(
    ("status", "code", "expired", "expected"),
    [
        (403, "AuthenticationFailed", False, Refusal.SIGNATURE),
        (403, "AuthenticationFailed", True, Refusal.EXPIRED),
        (403, "AuthorizationFailure", False, Refusal.SIGNATURE),
        (403, "AuthorizationFailure", True, Refusal.EXPIRED),
        (403, "AuthorizationPermissionMismatch", True, Refusal.PERMISSION),
        (403, "AuthorizationSourceIPMismatch", False, Refusal.PERMISSION),
        (403, "", False, Refusal.PERMISSION),
        (401, "NoAuthenticationInformation", False, Refusal.SIGNATURE),
        (401, "", False, Refusal.SIGNATURE),
        (404, "ContainerNotFound", False, Refusal.MISSING),
        (404, "", False, Refusal.MISSING),
        (409, "ContainerBeingDeleted", False, Refusal.MISSING),
        (409, "AccountIsDisabled", False, Refusal.MISSING),
        (400, "BlobTypeNotSupported", False, Refusal.UNSUPPORTED),
        (413, "RequestBodyTooLarge", False, Refusal.UNSUPPORTED),
        (507, "", False, Refusal.FULL),
        (400, "InvalidHeaderValue", False, Refusal.OTHER),
        (301, "", False, Refusal.OTHER),
        (307, "", False, Refusal.OTHER),
        (200, "", False, Refusal.OTHER),
    ],
)
def test_refusal_says_why(status: int, code: str, expired: bool, expected: Refusal) -> None:  # noqa: FBT001 - a table
    error = find_error("https://h/c", status, code, expired=expired)
    assert isinstance(error, StorageRefused)
    assert error.refusal is expected
    assert error.hint
    assert str(status) in error.message


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
@pytest.mark.parametrize(("header", "expected"), [("", None), ("7", 7.0), ("-1", None), ("soon", None), ("9" * 30, 86_400.0), ("٣", None)])
def test_outage_says_when_to_come_back(status: int, header: str, expected: float | None) -> None:
    error = find_error("https://h/c", status, "ServerBusy", retry_after=header)
    assert isinstance(error, StorageUnavailable)
    assert error.retry_after_s == expected


def test_answer_is_not_repeated_unless_it_is_a_word() -> None:
    error = find_error("https://h/c", 400, "x?sig=c2VjcmV0", request_id="a b")
    assert error.message == "https://h/c answered 400 ? (request ?)"


def test_expiry_counts_from_its_second_on() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    assert is_past(moment, moment)
    assert not is_past(moment, moment - timedelta(seconds=1))
    assert not is_past(None, moment)
