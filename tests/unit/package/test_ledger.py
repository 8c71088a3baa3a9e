from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from rightful.errors import PackageError
from rightful.ids import OperationId, SubjectId, TenantId
from rightful.operation.model import SourceState
from rightful.package.contents import PayloadEntry, Tally, tally
from rightful.package.ledger import (
    WHY,
    FileAttributes,
    LeakCheck,
    Ledger,
    OriginalName,
    RedactedColumn,
    SkippedEntry,
    SourceRecord,
    SupersededEntry,
    check_ledger,
    format_ledger,
    state_of,
)

AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
SHA = "0" * 64


def _record(name: str = "orders", state: SourceState = SourceState.EXPORTED, **members: Any) -> SourceRecord:
    if state is SourceState.EXPORTED and not members:
        members = {"folder": f"data/Shop/{name}/", "rows": 3, "parts": 1, "size_bytes": 30}
    return SourceRecord(source_name=name, state=state, connector="sql", product="Shop", **members)


def _ledger(*records: SourceRecord, configured: tuple[str, ...] | None = None) -> Ledger:
    return Ledger(
        operation_id=OperationId("op"),
        tenant_id=TenantId("t"),
        subject_id=SubjectId("s"),
        configured=tuple(record.source_name for record in records) if configured is None else configured,
        sources=records,
        submitted_at=AT,
        completed_at=AT,
    )


def _part(path: str = "data/Shop/orders/part-00000-00000.jsonl", source: str = "orders", **members: Any) -> PayloadEntry:
    return PayloadEntry(path=path, sha256=SHA, size_bytes=30, source_name=source, **({"rows": 3} | members))


@pytest.mark.parametrize(
    ("records", "configured", "says"),
    [
        ((_record(),), ("orders", "hr"), "hr not"),
        ((_record(), _record()), ("orders",), "orders more than once"),
        ((_record(), _record("hr", SourceState.EMPTY)), ("orders",), "hr without being configured"),
        ((_record("hr", SourceState.FAILED, reason="does not answer"),), ("hr",), "hr as failed"),
        ((), ("hr",), "hr not"),
    ],
    ids=["missing", "twice", "unknown", "failed", "nothing"],
)
def test_ledger_that_says_too_little_cannot_exist(records: tuple[SourceRecord, ...], configured: tuple[str, ...], says: str) -> None:
    with pytest.raises(PackageError, match=says):
        _ledger(*records, configured=configured)


@pytest.mark.parametrize(
    ("state", "members"),
    [
        (SourceState.PENDING, {"rows": 1, "parts": 1}),
        (SourceState.RUNNING, {}),
        (SourceState.EXPORTED, {"attempts": 1}),
        (SourceState.EXPORTED, {"rows": -1, "parts": 1}),
        (SourceState.EXPORTED, {"rows": 1, "parts": 0}),
        (SourceState.EMPTY, {"rows": 1, "parts": 1}),
        (SourceState.EMPTY, {"skipped": (SkippedEntry(path="a", reason="denied"),)}),
        (SourceState.SKIPPED, {}),
        (SourceState.SKIPPED, {"reason": "off", "rows": 1, "parts": 1}),
        (SourceState.FAILED, {}),
    ],
)
def test_record_whose_numbers_deny_its_state_cannot_exist(state: SourceState, members: dict[str, Any]) -> None:
    with pytest.raises(PackageError, match="orders"):
        _record(state=state, **members)


def test_unreadable_items_are_not_nothing() -> None:
    assert state_of(Tally(), skipped=0) is SourceState.EMPTY
    assert state_of(Tally(), skipped=1) is SourceState.EXPORTED
    assert state_of(Tally(files=1), skipped=0) is SourceState.EXPORTED


def test_tally_leaves_superseded_entries_out() -> None:
    entries = [_part(), _part(superseded_by="x"), _part(rows=None), _part(source="hr", rows=0)]
    assert tally(entries) == {"orders": Tally(rows=3, parts=1, files=1, size_bytes=60), "hr": Tally(parts=1, size_bytes=30)}


def test_ledger_that_accounts_for_its_entries_passes() -> None:
    check_ledger(_ledger(_record(), _record("hr", SourceState.EMPTY)), [_part()])


@pytest.mark.parametrize(
    "entries",
    [
        [],
        [_part(), _part("data/Shop/orders/b.jsonl")],
        [_part(rows=2)],
        [_part(rows=None)],
        [_part(), _part("data/HR/hr/x", "hr")],
        [_part(), _part("data/Shop/lost/x", "lost")],
        [_part("data/Shop/orders2/x")],
        [_part(), _part("data/Shop/orders/old", superseded_by="data/Shop/orders/new")],
    ],
    ids=["fewer", "more", "rows", "file", "other", "unknown", "outside", "superseded"],
)
def test_ledger_that_does_not_account_for_its_entries_is_refused(entries: list[PayloadEntry]) -> None:
    with pytest.raises(PackageError):
        check_ledger(_ledger(_record(), _record("hr", SourceState.EMPTY)), entries)


def test_written_ledger_says_everything() -> None:
    record = _record(
        folder="data/Shop/orders/",
        searched="select … where mail = ?",
        identifiers={"upn": 1, "mail": 2},
        refused={"mail": {"shared": 1, "empty": 2}},
        withheld=("spam_score",),
        withheld_paths=("*.tmp",),
        withheld_rows=("at < 2024-01-01T00:00:00Z",),
        redacted=(RedactedColumn(column="recipient", rule="others", cells=1).plus(2, 5),),
        leak_check=LeakCheck(
            mode="full", kinds={"upn": 5, "id": 6}, weak={"no": 1}, people=6, is_everybody=True, listed_at=AT, third_parties=("cc",)
        )
        .plus(1)
        .after(LeakCheck(mode="sample", rows=2, people=5, is_everybody=True)),
        rows=3,
        parts=1,
        size_bytes=30,
        as_of=(datetime(2026, 7, 1, 0, 0, 0, 1, tzinfo=UTC), datetime(2026, 7, 2, tzinfo=UTC)),
        attempts=2,
        started_at=AT,
        ended_at=AT,
        duration_s=1.23456,
        skipped=(SkippedEntry(path="b\udcffd", reason="permission denied"),),
        superseded=(SupersededEntry(path="data/Shop/orders/old", sha256=SHA, size_bytes=7, by="data/Shop/orders/new"),),
        names=(OriginalName(entry="data/Shop/orders/=FE", original="\udcfe"), OriginalName(entry="e", original="\ud800")),
        attributes=(
            FileAttributes(entry="e", modified_ns=-1, mode=0o640),
            FileAttributes(entry="f", modified_ns=2**80, mode=None),
            FileAttributes(entry="g", modified_ns=None, mode=0),
        ),
    )
    written = msgspec.json.decode(format_ledger(_ledger(record)))
    assert written["totals"] == {
        "sources": 1,
        "rows": 3,
        "parts": 1,
        "files": 0,
        "bytes": 30,
        "skipped": 1,
        "superseded": 1,
        "supersededBytes": 7,
    }
    assert written["sources"]["orders"] == {
        "state": "exported",
        "connector": "sql",
        "product": "Shop",
        "folder": "data/Shop/orders/",
        "searched": "select … where mail = ?",
        "identifiers": {"mail": 2, "upn": 1},
        "refused": {"mail": {"empty": 2, "shared": 1}},
        "withheld": ["spam_score"],
        "withheldPaths": ["*.tmp"],
        "withheldRows": ["at < 2024-01-01T00:00:00Z"],
        "redacted": [{"column": "recipient", "rule": "others", "cells": 3, "values": 5, "why": WHY["others"]}],
        "leakCheck": {
            "mode": "sample",
            "rows": 3,
            "people": 5,
            "everybody": True,
            "listedAt": "2026-03-01T09:30:00.000000Z",
            "identifiers": {"id": 6, "upn": 5},
            "weakIdentifiers": {"no": 1},
            "thirdParties": ["cc"],
        },
        "rows": 3,
        "parts": 1,
        "files": 0,
        "bytes": 30,
        "asOf": ["2026-07-01T00:00:00.000001Z", "2026-07-02T00:00:00.000000Z"],
        "attempts": 2,
        "startedAt": "2026-03-01T09:30:00.000000Z",
        "endedAt": "2026-03-01T09:30:00.000000Z",
        "seconds": 1.235,
        "skipped": [{"path": "b\ufffdd", "pathBytes": "Yv9k", "reason": "permission denied"}],
        "superseded": [{"path": "data/Shop/orders/old", "sha256": SHA, "bytes": 7, "by": "data/Shop/orders/new"}],
        "names": [
            {"entry": "data/Shop/orders/=FE", "original": "\ufffd", "originalBytes": "/g=="},
            {"entry": "e", "original": "\ufffd\ufffd\ufffd", "originalBytes": "7aCA"},
        ],
        "attributes": [
            {"entry": "e", "modified": "1969-12-31T23:59:59.999999999Z", "mode": "0640"},
            {"entry": "f", "modified": f"@{2**80}"},
            {"entry": "g", "mode": "0000"},
        ],
    }


def test_sources_keep_the_configurations_order_and_bytes_repeat() -> None:
    ledger = _ledger(_record("z"), _record("a"))
    assert list(msgspec.json.decode(format_ledger(ledger))["sources"]) == ["z", "a"]
    assert format_ledger(ledger) == format_ledger(ledger)
