"""The oracle's own parts, on values: tests lean on it, so it is tested itself."""

import datetime as dt
import uuid
from decimal import Decimal
from pathlib import Path

import pytest

from rightful.sample import company
from rightful.sample.oracle import Oracle, Record, canonical, shop_rows, written

UTC_PLUS_9 = dt.timezone(dt.timedelta(hours=9))


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (None, None),
        (True, True),
        (2**63, 2**63),
        (1.5, 1.5),
        (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"),
        (b"\x00\xff", "AP8="),
        (Decimal("0.000000010"), "0.000000010"),
        (dt.datetime(2026, 1, 1, 9, tzinfo=UTC_PLUS_9), "2026-01-01T00:00:00.000000Z"),
        (dt.datetime(2026, 1, 1, 9, 0, 0, 5), "2026-01-01T09:00:00.000005"),  # noqa: DTZ001 - a moment without a zone
        (dt.date(2026, 1, 1), "2026-01-01"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ([{"a": b"a"}], [{"a": "YQ=="}]),
    ],
)
def test_value_written_as_packages_do(value: object, form: object) -> None:
    assert written(value) == form


def test_rows_equal_but_for_key_order_are_canonically_equal() -> None:
    assert canonical({"a": 1, "b": None}) == canonical({"b": None, "a": 1})
    assert canonical({"a": 1}) != canonical({"a": "1"})


def test_shop_rows_look_alike_customer_gets_own_orders_only() -> None:
    tables: dict[str, list[Record]] = {
        "customers": [{"id": 1, "customer_no": "C-1"}, {"id": 2, "customer_no": "c-1"}, {"id": 3, "customer_no": None}],
        "orders": [{"id": 10, "customer_id": 1}, {"id": 20, "customer_id": 2}, {"id": 30, "customer_id": None}],
        "order_lines": [{"id": 100, "order_id": 10}, {"id": 200, "order_id": 20}],
        "messages": [
            {"id": 1, "sender": "A@x.example", "recipient": "a@x.example", "spam_score": 1},
            {"id": 2, "sender": "", "recipient": None, "spam_score": 1},
        ],
    }
    found = shop_rows(tables, {"customer_id": frozenset({"C-1"}), "mail": frozenset({"a@x.example"})})
    assert found == {
        "customers": [{"id": 1, "customer_no": "C-1"}],
        "orders": [{"id": 10, "customer_id": 1}],
        "order_lines": [{"id": 100, "order_id": 10}],
        "messages": [{"id": 1, "sender": "A@x.example", "recipient": "a@x.example"}],
    }


def test_expected_whole_company_every_row_of_the_lake_has_one_owner(tmp_path: Path) -> None:
    built = company.build(tmp_path / "company", scale=0.002)
    oracle = Oracle(built)
    answers = {person.key: oracle.expected(person.object_id) for person in built.people}
    assert all(len(answers[person.key]["activity"]) > 0 for person in built.people if person.weight > 3)
    assert {source: len(rows) for source, rows in answers["nemo"].items() if rows} == {"profile": 1}
    assert len(answers["ann"]["onedrive"]) > 40
    assert oracle.skipped(built.person("ann").object_id)["onedrive"] == ["broken link", "link to all", "link to somebody else.txt"]
    # The pool tablet's reports are about both owners.
    pool = [{row["report_id"] for row in answers[key]["device_reports"] if row["device_id"] == "D-pool-tablet"} for key in ("ann", "ann2")]  # type: ignore[index]  # rows, not files
    assert pool[0] == pool[1]
