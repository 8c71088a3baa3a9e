"""Queries for SQLAlchemy: names stay names whatever is in them, and what is kept of found rows is what the independent check accepts."""

import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as some
from sqlalchemy.dialects import mssql, mysql, oracle, postgresql, sqlite
from sqlalchemy.engine import Dialect

from rightful.database.building import build
from rightful.database.identifying import Form, Slot, SlotValues, fill
from rightful.database.query import Hidden, Matched, Output, Query, Target, Wanted
from rightful.database.sqlalchemy_sql import Meant, Names, SqlalchemyDialect, bound, statement
from rightful.database.table import Table, TableColumn
from rightful.errors import ConfigurationError
from rightful.package.schema import Column, ColumnKind
from rightful.subject.matching import matches
from rightful.testing.connector_suite import identified

_MEMORY = sa.create_engine("sqlite+pysqlite://")
_TEXTS = some.text(some.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=12)
_SPELT = some.text(some.sampled_from("aAbBıIİſßẞΣσςéÉe\u0301 \t@."), min_size=1, max_size=6)  # noqa: RUF001 -- meant so


def _query(sql: str, *, kind: str = "name") -> Query:
    outputs = (Output("n", 1, pa.string()),)
    slots = (Slot(kind, Form.TEXT, ""),)
    return Query(sql=sql, slots=slots, outputs=outputs, key=(), columns=(), match=(Matched("n", kind),), hidden=Hidden())


@given(_TEXTS, _TEXTS)
def test_names_of_any_kind_reach_the_database(name: str, value: str) -> None:
    with _MEMORY.connect() as connection:
        dialect = SqlalchemyDialect(connection.dialect, "sqlite")
        quoted = Names(connection.dialect)(name)
        said = statement(dialect, _query(f"WITH s0(n, v) AS (\x00s0\x00) SELECT n, v AS {quoted} FROM s0"), [SlotValues([3], [value])])
        found = connection.execute(sa.text(said.sql), said.parameters)
        assert list(found.keys()) == ["n", name]
        assert found.fetchall() == [(3, value)]
        assert value not in repr(said) or value in "Statement(0123456789)"


def test_names_that_cannot_be_are_refused() -> None:
    for name in ("", "a\x00s0\x00"):
        with pytest.raises(ConfigurationError):
            Names(sqlite.dialect())(name)


@given(some.sampled_from(["mail", "upn", "name"]), some.lists(_SPELT, min_size=1, max_size=3), _SPELT)
def test_nothing_is_kept_that_the_independent_check_would_refuse(kind: str, identifiers: list[str], found: str) -> None:
    query = _query("", kind=kind)
    values = [fill(slot, [identified(**{kind: tuple(identifiers)})]) for slot in query.slots]
    kept = list(Meant(query, values).of([(0, found), (0, None), (1, found)]))
    assert kept in ([], [(0, found)])
    if kept:
        assert matches(kind, found, tuple(identifiers))
    elif found in values[0].values:
        pytest.fail("an identifier as it stands is kept")


@pytest.mark.parametrize("name", ["mssql", "oracle", "postgresql", "mysql", "sqlite"])
def test_queries_are_written_in_the_words_of_databases_that_no_test_has(name: str) -> None:
    dialect: Dialect = {"mssql": mssql, "oracle": oracle, "postgresql": postgresql, "mysql": mysql, "sqlite": sqlite}[name].dialect()
    written = SqlalchemyDialect(dialect, name)
    column = TableColumn(
        column=Column(name="m%a:il", kind=ColumnKind.TEXT), arrow=pa.string(), quoted=Names(dialect)("m%a:il"), key_type="text", text="{}"
    )
    table = Table(name="t", sql=Names(dialect)("t"), columns=(column,))
    query = build(
        Target(source_name="s", table=table, match=(("m%a:il", "mail"),)),
        Wanted(columns=(column,), key=(column,), is_resumed=True),
        written,
    )
    said = statement(written, query, [SlotValues([0, 1], ["a", "b"])], ["x"])
    compiled = sa.text(said.sql).compile(dialect=dialect)
    assert sorted(compiled.params) == ["a0", "v0", "v1"]
    sql = str(compiled)
    assert ("FROM DUAL" in sql) == (name == "oracle")
    assert ("AS i" in sql) == (name in {"mssql", "oracle"})
    assert ("COLLATE" in sql) == (name in {"postgresql", "mysql", "sqlite"})
    assert "m%%a:il" in sql or "m%a:il" in sql
    assert "\x00" not in sql


@pytest.mark.parametrize(
    ("value", "fits"), [("7", True), ("7.25", True), ("7.255", False), ("12345678", True), ("123456789", False), ("-0.1", True)]
)
def test_numbers_that_a_column_cannot_hold_are_not_asked_for(value: str, *, fits: bool) -> None:
    assert (bound(Slot("n", Form.DECIMAL, "10,2"), value, has_decimals=True) is not None) is fits
