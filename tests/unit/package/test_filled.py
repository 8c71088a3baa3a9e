"""Which columns hold anything, in lines as they are written."""

import msgspec
import pytest

from rightful.package.filled import Filled
from rightful.package.schema import Column, ColumnKind

TEXTS = tuple(Column(name=name, kind=ColumnKind.TEXT) for name in ("id", "phone", "note"))
DOCUMENT = Column(name="doc", kind=ColumnKind.JSON)
NOTHING: frozenset[str] = frozenset()


def _lines(*rows: dict[str, object]) -> bytes:
    return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)


@pytest.mark.parametrize("empty", [None, "", [], {}])
@pytest.mark.parametrize("columns", [TEXTS, (*TEXTS, DOCUMENT)], ids=["flat", "documents"])
def test_column_that_is_empty_in_all_rows_is_not_found(empty: object, columns: tuple[Column, ...]) -> None:
    document = {"doc": {"phone": "1", "x": ["phone"]}} if DOCUMENT in columns else {}
    rows = [{"id": number, "phone": empty, "note": "x" if number == 2 else None, **document} for number in range(4)]
    found = Filled(columns, {"phone", "note"}).look(_lines(*rows), NOTHING)
    assert found == {"id", "note"}
    rows[3]["phone"] = 0
    assert Filled(columns, {"phone", "note"}).look(_lines(*rows), NOTHING) == {"id", "note", "phone"}


@pytest.mark.parametrize("value", [False, 0, 0.0, " ", "null", "[]", [None], {"a": None}, "NaN"])
def test_whatever_is_not_empty_is_a_value(value: object) -> None:
    assert Filled((DOCUMENT, *TEXTS), {"phone"}).look(_lines({"doc": None, "phone": value}), NOTHING) == {"phone"}


def test_documents_are_verbatim_and_their_blanks_are_no_value() -> None:
    filled = Filled((DOCUMENT,), {"doc"})
    for empty in (b" null ", b"[ ]", b"{\t}", b' ""'):
        assert filled.look(b'{"doc":' + empty + b"}\n", NOTHING) == NOTHING
    assert filled.look(b'{"doc": [ null ]}\n', NOTHING) == {"doc"}
    assert filled.look(b'{"doc":' + b"[" * 5000 + b"]" * 5000 + b"}\n", NOTHING) == {"doc"}


def test_of_columns_that_no_label_speaks_of_one_is_enough() -> None:
    filled = Filled(TEXTS, {"phone"})
    first = filled.look(_lines({"id": None, "phone": "", "note": "x"}), NOTHING)
    assert first == {"note"}
    assert filled.look(_lines({"id": 1, "phone": "", "note": "x"}), first) == {"note"}
    assert Filled(TEXTS, {"id", "phone", "note"}).look(_lines({"id": None, "phone": "", "note": ""}), NOTHING) == NOTHING


def test_names_that_could_stand_between_values_are_looked_at_closely() -> None:
    columns = tuple(Column(name=name, kind=ColumnKind.TEXT) for name in (",", ":x", "a"))
    assert Filled(columns, {",", "a"}).look(_lines({"a": "v", ":x": 1, ",": None}), NOTHING) == {"a", ":x"}


def test_column_that_is_null_throughout_is_not_looked_for_in_many_lines() -> None:
    lines = b'{"a":1,"b":2}\n' * 10_000
    looking = Filled([Column(name=name, kind=ColumnKind.INT) for name in "ab"], "ab")
    asked: list[str] = []

    def is_null(name: str) -> bool:
        asked.append(name)
        return name == "a"

    assert looking.look(lines, frozenset(), is_null) == {"b"}
    assert asked == ["a", "b"]
    assert looking.look(lines[: lines.index(b"\n") + 1], frozenset(), is_null) == {"a", "b"}  # so few are looked through in less time
    assert asked == ["a", "b"]
