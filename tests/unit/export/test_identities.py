"""Identifiers are looked up once for each operation, whoever asks, and nobody waits for another tenant's directory."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from rightful.errors import SourceUnavailable
from rightful.export.identities import Identities
from rightful.ids import OperationId, SubjectId, TenantId
from rightful.store.values import ClaimedOperation
from rightful.subject.model import DataSubject, IdentifiedSubject, Reached, SubjectKind
from rightful.testing.memory_directory import MemoryDirectory

FIRST, SECOND = TenantId("1"), TenantId("2")


def operation(number: int, *, tenant_id: TenantId = FIRST, subject: str = "1", kind: SubjectKind = SubjectKind.USER) -> ClaimedOperation:
    return ClaimedOperation(
        operation_id=OperationId(f"{tenant_id}/{number}"),
        tenant_id=tenant_id,
        subject_id=SubjectId(subject),
        subject_kind=kind,
        storage_location="Local",
        sealed_location=b"",
        prefix=f"{number}/",
        submitted_at=datetime(2026, 1, 1, tzinfo=UTC),
        attempt=0,
    )


class _Asked(MemoryDirectory):
    """Counts what it is asked, and answers when it may."""

    def __init__(self, tenant_id: TenantId) -> None:
        super().__init__(tenant_id, {"1": {"upn": ["ann@contoso.example"]}}, inbound={"g": {"upn": ["guest@fabrikam.example"]}})
        self.asked: list[int] = []
        self.is_asked, self.may_answer = threading.Event(), threading.Event()
        self.may_answer.set()

    def identify(self, subjects: Sequence[DataSubject], further: Sequence[Sequence[Reached]] = ()) -> tuple[IdentifiedSubject | None, ...]:
        self.asked.append(len(subjects))
        self.is_asked.set()
        assert self.may_answer.wait(10)
        return super().identify(subjects, further)


def test_known_and_unknown_operations_come_back_in_their_order() -> None:
    directory, kept = _Asked(FIRST), Identities()
    assert kept.of((), directory) == ()
    kept.of([operation(2)], directory)
    guest = operation(3, subject="g", kind=SubjectKind.INBOUND_PROFILE)
    found = kept.of([operation(1), operation(9, subject="nobody"), operation(2), guest], directory)
    assert [subject and subject.values("upn") for subject in found] == [
        ("ann@contoso.example",),
        None,
        ("ann@contoso.example",),
        ("guest@fabrikam.example",),
    ]
    assert directory.asked == [1, 2]


def test_nobody_vanishes_because_too_much_is_kept() -> None:
    directory, kept = _Asked(FIRST), Identities(most=2)
    kept.of([operation(1)], directory)
    assert None not in kept.of([operation(number) for number in range(1, 6)], directory)


def test_forgotten_operation_is_looked_up_again() -> None:
    directory, kept = _Asked(FIRST), Identities()
    kept.of([operation(1)], directory)
    kept.forget(operation(1).operation_id)
    kept.of([operation(1)], directory)
    assert directory.asked == [1, 1]


def test_reads_of_one_operation_ask_once_and_another_tenant_does_not_wait() -> None:
    slow, quick, kept = _Asked(FIRST), _Asked(SECOND), Identities()
    slow.may_answer.clear()
    threads = [threading.Thread(target=kept.of, args=([operation(1)], slow)) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert slow.is_asked.wait(10)
    assert None not in kept.of([operation(1, tenant_id=SECOND)], quick)
    kept.forget(operation(7).operation_id)  # as a finished operation does
    assert any(thread.is_alive() for thread in threads)
    slow.may_answer.set()
    for thread in threads:
        thread.join()
    assert slow.asked == [1]


def test_directory_that_failed_is_asked_again() -> None:
    directory, kept = _Asked(FIRST), Identities()
    directory.is_down = True
    with pytest.raises(SourceUnavailable):
        kept.of([operation(1)], directory)
    directory.is_down = False
    assert None not in kept.of([operation(1)], directory)
