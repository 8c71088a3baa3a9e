"""`lake` passes the suite over real Parquet files, and refuses what it could not read exactly."""

import os
import random
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rightful.connectors import registry
from rightful.connectors.interface import ReadHeader, Rows
from rightful.connectors.lake import LakeConnector, LakeSettings
from rightful.connectors.sql import SqlConnector
from rightful.connectors.sql_settings import SqlSettings
from rightful.errors import ConfigurationError, SourceRefused, SourceUnavailable
from rightful.package.schema import ColumnKind
from rightful.subject.matching import matches
from rightful.testing.connector_suite import ANN, ANN2, UPPER, ConnectorSuite, Found, collect, identified, read_all, visible_rows

OWNERS = [
    "ann@contoso.example",
    "ann2@contoso.example",
    "ANN@contoso.example",
    "xann@contoso.example",
    "",
    None,
    "ann@fabrikam.example",
    " ",
]


def connect(root: Path, url: str = "**/*.parquet", *, match: dict[str, str] | None = None, **options: Any) -> LakeConnector:
    settings = LakeSettings(url=f"file://{root}/{url}", match=match or {"user_id": "upn"}, **options)
    return LakeConnector("activity", settings, siblings={}, folder=Path("/"))


def write(path: Path, data: Mapping[str, object], schema: Mapping[str, Any] | None = None, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(data, schema_overrides=schema).write_parquet(path, **options)


def rows_of(connector: LakeConnector, **identifiers: tuple[str, ...]) -> Sequence[Mapping[str, object]]:
    return collect(connector, [identified(**(identifiers or {"upn": (ANN.upn,)}))])[0].rows


class TestLake(ConnectorSuite):
    """Three files; the last one would be a partition of its own if partitions were small."""

    @pytest.fixture
    def content(self, tmp_path: Path) -> list[dict[str, object]]:
        content: list[dict[str, object]] = [
            {"row": n, "user_id": OWNERS[n % 8], "other": OWNERS[n * 3 % 8], "ts": datetime(2026, 1, 1, 0, 0, n % 60, n, tzinfo=UTC)}
            for n in range(2000)
        ]
        for n in range(3):
            write(tmp_path / f"2026/0{n}/part.parquet", pl.DataFrame(content[n::3]).to_dict(as_series=False), row_group_size=100)
        (tmp_path / "2026/README.txt").write_text("no Parquet")
        write(tmp_path / "2026/.tmp/part.parquet", {"half": ["written"]})
        return content

    @pytest.fixture(params=["one", "two"])
    def match(self, request: pytest.FixtureRequest) -> dict[str, str]:
        return {"user_id": "upn"} | ({"other": "mail"} if request.param == "two" else {})

    @pytest.fixture
    def connector(self, tmp_path: Path, content: list[dict[str, object]], match: dict[str, str]) -> LakeConnector:
        assert content
        return connect(tmp_path, match=match, time="ts")

    @pytest.fixture
    def expected(self, content: list[dict[str, object]], match: dict[str, str]) -> Mapping[str, Found]:
        def found(upn: str, mail: Sequence[str]) -> Found:
            return Found(rows=tuple(row for row in content if row["user_id"] == upn or ("other" in match and row["other"] in mail)))

        return {person.name: found(person.upn, person.mail) for person in (ANN, ANN2, UPPER)}

    @pytest.fixture
    def broken(self, tmp_path: Path) -> LakeConnector:
        return connect(tmp_path / "nowhere")


class TestNumberedLake(ConnectorSuite):
    """Integers as identifiers, the match column left out of the package, and each file its own partition."""

    @pytest.fixture
    def connector(self, tmp_path: Path) -> LakeConnector:
        noise = {"junk": os.urandom(3 << 19)}
        for n, numbers in enumerate(([10, 100, None, 0], [10, 2, 101, 1010])):
            write(
                tmp_path / f"{n}.parquet",
                {"number": numbers, "n": [n * 4 + i for i in range(4)]} | {k: [v] * 4 for k, v in noise.items()},
                compression="uncompressed",
            )
        return connect(tmp_path, "*.parquet", match={"number": "user_number"}, exclude=("number", "junk"), partition_mib=1)

    @pytest.fixture
    def expected(self) -> Mapping[str, Found]:
        return {ANN.name: Found(rows=({"n": 0}, {"n": 4})), ANN2.name: Found(rows=({"n": 1},)), UPPER.name: Found(rows=({"n": 7},))}

    @pytest.fixture
    def broken(self, tmp_path: Path) -> LakeConnector:
        write(tmp_path / "0.parquet", {"numbers": [10]})
        return connect(tmp_path, "*.parquet", match={"number": "user_number"})

    def test_each_file_is_a_partition(self, connector: LakeConnector) -> None:
        assert len(connector.plan(())) == 2


def test_the_registry_finds_it() -> None:
    assert registry.find("lake") is LakeConnector
    assert LakeConnector.Settings is LakeSettings


# -- matching -----------------------------------------------------------------------------------------------------------
def test_mail_and_upn_are_found_as_given_and_in_lower_case(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", {"user_id": ["Ann@x.example", "ann@x.example", "ANN@x.example"], "n": [1, 2, 3]})
    assert [row["n"] for row in rows_of(connect(tmp_path), upn=("Ann@x.example",))] == [1, 2]
    assert [row["n"] for row in rows_of(connect(tmp_path, match={"user_id": "employee_id"}), employee_id=("Ann@x.example",))] == [1]


NFC, NFD = "jos\u00e9@x.example", "jose\u0301@x.example"
SPELLINGS = {
    "NFD": ("upn", NFD, {NFC, NFD}),
    "NFC": ("employee_id", NFC, {NFC, NFD}),
    "blanks": ("employee_id", " pad@x.example ", {"pad@x.example", " pad@x.example "}),
    "blanks and case": ("upn", " Pad@x.example", {"pad@x.example", " Pad@x.example", "Pad@x.example", " pad@x.example"}),
    "blanks, and case that counts": ("employee_id", " Pad@x.example", {" Pad@x.example", "Pad@x.example"}),
}


@pytest.mark.parametrize(("kind", "identifier", "expected"), SPELLINGS.values(), ids=list(SPELLINGS))
def test_a_lake_finds_the_spellings_that_a_database_finds(tmp_path: Path, kind: str, identifier: str, expected: set[str]) -> None:
    spelled = sorted({each for _, _, values in SPELLINGS.values() for each in values})
    values = [*spelled, "jose@x.example", "JOS\u00c9@X.EXAMPLE", "pad @x.example", "", " ", None]
    write(tmp_path / "a.parquet", {"user_id": values})
    with closing(sqlite3.connect(tmp_path / "a.db")) as database, database:
        database.execute("CREATE TABLE t (user_id TEXT)")
        database.executemany("INSERT INTO t VALUES (?)", [(value,) for value in values])
    settings = SqlSettings(url=f"sqlite:///{tmp_path}/a.db", table="t", match={"user_id": kind})
    sql = SqlConnector("sql", settings, siblings={}, folder=tmp_path)
    subject = identified(**{kind: (identifier,)})
    [in_lake], [in_database] = collect(connect(tmp_path, match={"user_id": kind}), [subject]), collect(sql, [subject])
    sql.close()
    found = [row["user_id"] for row in in_lake.rows]
    assert sorted(map(str, found)) == sorted(str(row["user_id"]) for row in in_database.rows)
    assert all(matches(kind, value, (identifier,)) for value in found)
    assert set(found) == expected


def test_a_text_with_blanks_is_the_integer_that_it_spells(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", {"user_id": [7, 8]})
    assert rows_of(connect(tmp_path, match={"user_id": "number"}), number=(" 7 ",)) == ({"user_id": 7},)


@pytest.mark.parametrize("value", ["\udcff", "a\x00b"])
def test_an_identifier_that_no_text_can_be_matches_nothing(tmp_path: Path, value: str) -> None:
    write(tmp_path / "a.parquet", {"user_id": ["x", "a"]})
    assert rows_of(connect(tmp_path, match={"user_id": "k"}), k=(value,)) == ()


@pytest.mark.parametrize("dtype", [pl.Int8, pl.Int64, pl.UInt16, pl.UInt64])
def test_texts_that_are_no_integers_of_the_columns_type_match_nothing(tmp_path: Path, dtype: Any) -> None:
    write(tmp_path / "a.parquet", {"user_id": [7, 0, None], "n": [1, 2, 3]}, {"user_id": dtype})
    connector = connect(tmp_path, match={"user_id": "number"})
    assert [row["n"] for row in rows_of(connector, number=("007", "7.0", "+7", "7 ", "1e1", "\u0667", "7"))] == [1]
    for value in ("007", "-0", "x", str(2**70), "9" * 50, "300" if dtype is pl.Int8 else "1"):
        assert rows_of(connector, number=(value,)) == ()


def test_the_largest_integers_are_exact(tmp_path: Path) -> None:
    values = [2**64 - 1, 2**64 - 2, 2**63, 2**53 + 1]
    write(tmp_path / "a.parquet", {"user_id": values}, {"user_id": pl.UInt64})
    for value in values:
        assert rows_of(connect(tmp_path, match={"user_id": "number"}), number=(str(value),)) == ({"user_id": value},)


@pytest.mark.parametrize("dtype", [pl.Categorical, pl.Enum(["b", "a"])], ids=["categorical", "enum"])
def test_categories_match_by_their_text(tmp_path: Path, dtype: Any) -> None:
    write(tmp_path / "a.parquet", {"user_id": ["a", "b", "a"], "n": [1, 2, 3]}, {"user_id": dtype})
    write(tmp_path / "b.parquet", {"user_id": ["b", "a"], "n": [4, 5]})
    connector = connect(tmp_path, match={"user_id": "k"})
    assert rows_of(connector, k=("a",)) == tuple({"user_id": "a", "n": n} for n in (1, 3, 5))
    both = collect(connector, [identified(k=("a",)), identified(k=("b",))])
    assert [[row["n"] for row in found.rows] for found in both] == [[1, 3, 5], [2, 4]]


@pytest.mark.parametrize("values", [[1.0], [True], [date(2026, 1, 1)], [b"x"], [Decimal(1)], [["x"]]], ids=repr)
def test_a_match_column_of_another_type_is_refused(tmp_path: Path, values: list[object]) -> None:
    write(tmp_path / "a.parquet", {"user_id": values})
    with pytest.raises(SourceRefused, match="user_id"):
        connect(tmp_path).check()


def test_nothing_is_scanned_for_nobody(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", {"user_id": ["x"], "text": ["y" * 10_000]}, compression="uncompressed")
    connector = connect(tmp_path)
    [partition] = connector.plan(())
    was = (tmp_path / "a.parquet").stat()
    (tmp_path / "a.parquet").write_bytes(b"\0" * was.st_size)
    os.utime(tmp_path / "a.parquet", ns=(was.st_atime_ns, was.st_mtime_ns))
    assert read_all(connector, partition, [identified(mail=("x@y.example",)), identified(upn=("", " "))])[1] == []
    with pytest.raises(SourceRefused):
        read_all(connector, partition, [identified(upn=("xyz",))])


# -- many files ---------------------------------------------------------------------------------------------------------
def test_rows_come_file_by_file_in_the_order_of_the_paths(tmp_path: Path) -> None:
    names = ["b/1", "a.b", "a/2", "é", "z", "10", "9"]
    for n, name in enumerate(names):
        write(tmp_path / f"{name}.parquet", {"user_id": [ANN.upn] * 3, "file": [name] * 3, "n": [n, n + 1, n + 2]})
    found = [row["file"] for row in rows_of(connect(tmp_path))][::3]
    assert found == ["10", "9", "a/2", "a.b", "b/1", "z", "é"]


def test_columns_that_come_later_are_null_before(tmp_path: Path) -> None:
    write(tmp_path / "1.parquet", {"user_id": [ANN.upn], "old": [1]})
    write(tmp_path / "2.parquet", {"new": ["x"], "user_id": [ANN.upn]})
    assert rows_of(connect(tmp_path)) == ({"user_id": ANN.upn, "old": 1, "new": None}, {"user_id": ANN.upn, "old": None, "new": "x"})


def test_a_match_column_that_comes_later_matches_from_there(tmp_path: Path) -> None:
    write(tmp_path / "1.parquet", {"user_id": [ANN.upn, "x"]})
    write(tmp_path / "2.parquet", {"user_id": [ANN.upn, "x"], "mail": [None, ANN.mail[1]]})
    connector = connect(tmp_path, match={"user_id": "upn", "mail": "mail"})
    [found, nothing] = collect(connector, [ANN.subject, ANN2.subject])
    assert [tuple(row.values()) for row in found.rows] == [(ANN.upn, None), (ANN.upn, None), ("x", ANN.mail[1])]
    assert nothing.is_empty


NAIVE = datetime(2026, 1, 1)  # noqa: DTZ001  # columns without a zone are what is tested
WIDENED: list[Any] = [
    ([1], pl.Int8, [2**40], pl.Int64, pl.Int64),
    ([2**40], pl.Int64, [1], pl.Int8, pl.Int64),
    ([255], pl.UInt8, [-1], pl.Int8, pl.Int16),
    ([2**32 - 1], pl.UInt32, [-1], pl.Int16, pl.Int64),
    ([0.1], pl.Float32, [0.1], pl.Float64, pl.Float64),
    ([Decimal("1.50")], pl.Decimal(5, 2), [Decimal("12345678.25")], pl.Decimal(12, 2), pl.Decimal(12, 2)),
    ([NAIVE], pl.Datetime("ms"), [NAIVE.replace(year=1, microsecond=1)], pl.Datetime("us"), pl.Datetime("us")),
    ([None], pl.Null, ["x"], pl.String, pl.String),
    (["x"], pl.String, [None], pl.Null, pl.String),
    (["x"], pl.Categorical, ["y"], pl.Enum(["y"]), pl.String),
]


@pytest.mark.parametrize(("columns", "common"), [((w[:2], w[2:4]), w[4]) for w in WIDENED], ids=[f"{w[1]}-{w[3]}" for w in WIDENED])
def test_types_that_widen_are_read_exactly(tmp_path: Path, columns: tuple[tuple[list[object], Any], ...], common: Any) -> None:
    (first, one), (second, other) = columns
    write(tmp_path / "1.parquet", {"user_id": [ANN.upn], "v": first}, {"v": one})
    write(tmp_path / "2.parquet", {"user_id": [ANN.upn], "v": second}, {"v": other})
    read = [row["v"] for row in rows_of(connect(tmp_path))]
    assert read == [*pl.Series(first, dtype=one).to_list(), *pl.Series(second, dtype=other).to_list()]
    [partition] = connect(tmp_path).plan(())
    [header] = [item for item in connect(tmp_path).read(partition, [ANN.subject]) if isinstance(item, ReadHeader)]
    assert header.columns[1].source_type == str(
        pl.DataFrame(schema={"v": common}).to_arrow(compat_level=pl.CompatLevel.oldest()).schema[0].type
    )


def test_instants_of_two_zones_are_the_same_instants(tmp_path: Path) -> None:
    moment = datetime(2026, 7, 1, 12, tzinfo=UTC)
    for n, zone in enumerate(("UTC", "Europe/Berlin")):
        frame = pl.DataFrame({"user_id": [ANN.upn], "v": [moment]}).with_columns(pl.col("v").dt.convert_time_zone(zone))
        frame.write_parquet(tmp_path / f"{n}.parquet")
    assert [row["v"] for row in rows_of(connect(tmp_path))] == [moment, moment]


CLASHES = [
    (pl.Int64, pl.String),
    (pl.Int64, pl.Float64),
    (pl.Int64, pl.UInt64),
    (pl.Datetime("us"), pl.Datetime("us", "UTC")),
    (pl.Datetime("us"), pl.Datetime("ns")),
    (pl.Date, pl.Datetime("us")),
    (pl.Decimal(10, 2), pl.Decimal(10, 3)),
    (pl.Boolean, pl.Int8),
    (pl.List(pl.Int8), pl.List(pl.Int64)),
    (pl.String, pl.Binary),
]


@pytest.mark.parametrize(("one", "other"), CLASHES, ids=[f"{one}-{other}" for one, other in CLASHES])
def test_types_without_an_exact_common_one_are_refused_naming_the_file(tmp_path: Path, one: Any, other: Any) -> None:
    for n, dtype in enumerate((one, other)):
        write(tmp_path / f"{n}.parquet", {"user_id": [ANN.upn], "v": [None]}, {"v": dtype})
    for call in (lambda: connect(tmp_path).check(), lambda: connect(tmp_path).plan(())):
        with pytest.raises(SourceRefused, match=r"'v'.*'1\.parquet'"):
            call()


def test_a_file_without_a_match_column_is_refused_by_name(tmp_path: Path) -> None:
    write(tmp_path / "1.parquet", {"user_id": [ANN.upn]})
    write(tmp_path / "sub/2.parquet", {"userid": [ANN.upn]})
    with pytest.raises(SourceRefused, match=r"sub/2\.parquet"):
        connect(tmp_path).check()


# -- folders that say something -------------------------------------------------------------------------------------------
def test_columns_in_folders_names_come_as_text(tmp_path: Path) -> None:
    root = tmp_path / "tier=gold"
    for day, code in (("2026-01-01", "007"), ("__HIVE_DEFAULT_PARTITION__", "a%20b")):
        write(root / f"day={day}/code={code}/x.parquet", {"user_id": [ANN.upn, "x"]})
    found = collect(connect(root), [ANN.subject, ANN2.subject])
    assert found[0].rows == ({"user_id": ANN.upn, "day": "2026-01-01", "code": "007"}, {"user_id": ANN.upn, "day": None, "code": "a b"})
    assert found[1].is_empty


def test_folders_can_be_what_is_matched(tmp_path: Path) -> None:
    for upn in (ANN.upn, ANN2.upn, "__HIVE_DEFAULT_PARTITION__"):
        write(tmp_path / f"user_id={upn}/x.parquet", {"n": [1, 2], "mail": [None, ANN.mail[1]]})
    connector = connect(tmp_path, match={"user_id": "upn", "mail": "mail"})
    found = collect(connector, [ANN.subject, ANN2.subject, UPPER.subject])
    assert [[(row["n"], row["user_id"]) for row in each.rows] for each in found] == [
        [(2, None), (2, ANN2.upn), (1, ANN.upn), (2, ANN.upn)],
        [(1, ANN2.upn), (2, ANN2.upn)],
        [],
    ]
    assert [row["n"] for row in collect(connector, [ANN.subject])[0].rows] == [2, 2, 1, 2]


def test_columns_that_stand_in_the_files_too_are_read_from_there(tmp_path: Path) -> None:
    write(tmp_path / "day=1/x.parquet", {"user_id": [ANN.upn], "day": [date(2026, 1, 1)]})
    assert rows_of(connect(tmp_path)) == ({"user_id": ANN.upn, "day": date(2026, 1, 1)},)


@pytest.mark.parametrize("folder", ["y=%FF", "%FF=y", "user_id=%C3"])
def test_folders_that_say_no_utf8_are_refused(tmp_path: Path, folder: str) -> None:
    for name in (folder, folder.replace("%FF", "%FE")):
        write(tmp_path / name / "x.parquet", {"user_id": [ANN.upn]})
    with pytest.raises(SourceRefused, match=r"x\.parquet' lies in a folder whose name is not UTF-8") as caught:
        connect(tmp_path).check()
    assert "%C3" not in str(caught.value), "what stands for a person is not shown"


@pytest.mark.parametrize("paths", [("a=1/x", "b=1/x"), ("a=1/x", "y/x"), ("a=1/x", "a=2/with")], ids=repr)
def test_folders_that_do_not_go_together_are_refused(tmp_path: Path, paths: tuple[str, ...]) -> None:
    for path in paths:
        write(tmp_path / f"{path}.parquet", {"user_id": [ANN.upn]} | ({"a": ["1"]} if path.endswith("with") else {}))
    with pytest.raises(SourceRefused):
        connect(tmp_path).check()


# -- what lies there ------------------------------------------------------------------------------------------------------
def test_no_files_are_refused_unless_allowed(tmp_path: Path) -> None:
    with pytest.raises(SourceRefused, match="no file fits"):
        connect(tmp_path).check()
    connector = connect(tmp_path, allow_empty=True)
    connector.check()
    assert rows_of(connector) == ()


@pytest.mark.parametrize("what", ["pipe", "device", "folder"])
def test_what_is_no_file_is_refused_and_never_opened(tmp_path: Path, what: str) -> None:
    (tmp_path / "lake").mkdir()
    path = tmp_path / "lake/a.parquet"
    if what == "pipe":
        os.mkfifo(path)
    elif what == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    for url in (f"{tmp_path}/lake/a.parquet", *([] if what == "folder" else [f"{tmp_path}/lake/*.parquet"])):
        connector = LakeConnector("lake", LakeSettings(url=url, match={"user_id": "upn"}), siblings={}, folder=tmp_path)
        with pytest.raises(SourceRefused, match="no regular file"):
            connector.check()


@pytest.mark.parametrize("damage", ["short", "empty", "text", "middle"])
def test_a_damaged_file_is_refused_by_name(tmp_path: Path, damage: str) -> None:
    for n in range(3):
        write(tmp_path / f"{n}.parquet", {"user_id": [ANN.upn] * 5000, "v": [os.urandom(8).hex() for _ in range(5000)]})
    path = tmp_path / "1.parquet"
    whole = path.read_bytes()
    path.write_bytes(
        {"short": whole[:-5], "empty": b"", "text": b"not parquet" * 100, "middle": whole[:500] + b"\xff" * 20_000 + whole[20_500:]}[damage]
    )
    with pytest.raises(SourceRefused, match=r"'1\.parquet'"):
        rows_of(connect(tmp_path))


def test_a_damaged_file_in_a_folder_named_after_a_person_is_named_without_the_person(tmp_path: Path) -> None:
    for upn in (ANN.upn, ANN2.upn):
        write(tmp_path / f"year=2026/user_id={upn}/x.parquet", {"n": [1, 2]})
    (tmp_path / f"year=2026/user_id={ANN2.upn}/x.parquet").write_bytes(b"not parquet")
    with pytest.raises(SourceRefused, match=r"'year=2026/user_id=…/x\.parquet'") as caught:
        rows_of(connect(tmp_path))
    assert ANN2.upn not in str(caught.value)


def test_whatever_bits_flip_only_our_errors_come_out(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(
        tmp_path / "a.parquet",
        {"user_id": ["a", "b"] * 200, "v": [f"{n}" for n in range(400)], "l": [[n] for n in range(400)]},
        row_group_size=90,
    )
    whole = (tmp_path / "a.parquet").read_bytes()
    outcomes: list[str] = []
    for seed in range(120):
        chance = random.Random(seed)
        damaged = bytearray(whole)
        damaged[chance.randrange(len(whole) // 2, len(whole))] ^= 1 << chance.randrange(8)
        (tmp_path / "a.parquet").write_bytes(damaged)
        try:
            collect(connect(tmp_path, match={"user_id": "k"}), [identified(k=("a",)), identified(k=("b",))])
            outcomes.append("read")
        except SourceRefused as error:
            outcomes.append(f"refused: {error}")
    assert all("'a.parquet'" in outcome for outcome in outcomes if outcome != "read")
    assert 10 < outcomes.count("read") < len(outcomes) - 10
    assert "panicked" in capfd.readouterr().err, "at least one of these makes polars panic; if no longer, find one that does"


SILENT = (298, 423, 450, 591, 657, 909)
"""Seeds that flip a bit which makes polars panic where `collect_batches` then ends as if it had read everything."""


def test_a_panic_in_the_middle_of_a_scan_is_no_end_of_the_rows(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(
        tmp_path / "a.parquet",
        {"user_id": ["a", "b"] * 200, "v": [f"{n}" for n in range(400)], "l": [[n] for n in range(400)]},
        row_group_size=90,
    )
    whole = (tmp_path / "a.parquet").read_bytes()
    panicked = 0
    for seed in SILENT:
        chance = random.Random(seed)
        damaged = bytearray(whole)
        damaged[chance.randrange(4, len(whole))] ^= 1 << chance.randrange(8)
        (tmp_path / "a.parquet").write_bytes(damaged)
        try:
            collect(connect(tmp_path, match={"user_id": "k"}), [identified(k=("a",)), identified(k=("b",))])
        except SourceRefused as error:
            assert "'a.parquet'" in str(error)  # noqa: PT017  # whether it is raised may change with polars, not what follows a panic
            panicked += "panicked" in capfd.readouterr().err
        else:
            assert "panicked" not in capfd.readouterr().err
    assert panicked, "at least one of these makes polars panic; if no longer, find others"


def test_a_file_that_may_not_be_read_is_refused_by_name() -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        write(root / "1.parquet", {"user_id": [ANN.upn]})
        (root / "1.parquet").chmod(0)
        was = os.geteuid()
        os.seteuid(65534 if was == 0 else was)
        try:
            with pytest.raises(SourceRefused, match=r"'1\.parquet' may not be read"):
                connect(root).check()
            root_folder = connect(root / "sub")
            os.seteuid(was)
            (root / "sub").mkdir(mode=0o700)
            (root / "sub").chmod(0)
            os.seteuid(65534 if was == 0 else was)
            with pytest.raises(SourceRefused, match="may not be listed"):
                root_folder.check()
        finally:
            os.seteuid(was)


def test_names_that_are_no_utf8_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", {"user_id": [ANN.upn]})
    (tmp_path / "a.parquet").rename(tmp_path / "\udcff.parquet")
    with pytest.raises(SourceRefused, match="not UTF-8"):
        connect(tmp_path).check()


def test_file_names_are_no_patterns(tmp_path: Path) -> None:
    write(tmp_path / "[a]*.parquet", {"user_id": [ANN.upn], "n": [1]})
    write(tmp_path / "a*.parquet", {"user_id": [ANN.upn], "n": [2]})
    assert [row["n"] for row in rows_of(connect(tmp_path))] == [1, 2]


@pytest.mark.parametrize(
    "name",
    ["a[1]", "d[0]/a", "y=[1]/a", "[", "]", "*", "?", "**/a", "{a,b}", "%41", "100%", "a b#?&", "s3:/a", "file:", "\n", "é", "e\u0301"],
)
def test_a_name_may_hold_any_characters(tmp_path: Path, name: str) -> None:
    write(tmp_path / f"{name}.parquet", {"user_id": [ANN.upn], "n": [1]})
    assert [row["n"] for row in rows_of(connect(tmp_path))] == [1]


def test_one_file_and_a_relative_path_will_do(tmp_path: Path) -> None:
    write(tmp_path / "lake/a.parquet", {"user_id": [ANN.upn]})
    connector = LakeConnector("x", LakeSettings(url="lake/a.parquet", match={"user_id": "upn"}), siblings={}, folder=tmp_path)
    assert len(rows_of(connector)) == 1
    missing = LakeConnector("x", LakeSettings(url="lake/b.parquet", match={"user_id": "upn"}), siblings={}, folder=tmp_path)
    with pytest.raises(SourceRefused):
        missing.check()


def test_links_are_followed_and_circles_are_not(tmp_path: Path) -> None:
    write(tmp_path / "real/a.parquet", {"user_id": [ANN.upn]})
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake/linked").symlink_to(tmp_path / "real", target_is_directory=True)
    (tmp_path / "real/back").symlink_to(tmp_path / "lake", target_is_directory=True)
    assert len(rows_of(connect(tmp_path / "lake"))) == 1


@pytest.mark.parametrize("option", [{"exclude": ("missing",)}, {"time": "missing"}])
def test_configured_columns_must_be_there(tmp_path: Path, option: dict[str, Any]) -> None:
    write(tmp_path / "a.parquet", {"user_id": [ANN.upn], "missin": [1]})
    with pytest.raises(SourceRefused, match="missing") as caught:
        connect(tmp_path, **option).check()
    assert "missin" in caught.value.hint


@pytest.mark.parametrize(
    "options",
    [{"match": {}}, {"url": ""}, {"url": "file:///"}, {"url": "lake/[z-a].parquet"}, {"url": "s3://bucket/%5B%5D/*.parquet"}],
    ids=["match", "no url", "no file", "no pattern", "no pattern of objects"],
)
def test_settings_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        LakeConnector("x", LakeSettings(**({"url": "x", "match": {"a": "b"}} | options)), siblings={}, folder=Path("/"))


# -- change -------------------------------------------------------------------------------------------------------------
def test_files_that_come_after_the_plan_wait(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", {"user_id": [ANN.upn], "n": [1]})
    connector = connect(tmp_path)
    [partition] = connector.plan(())
    write(tmp_path / "b.parquet", {"user_id": [ANN.upn], "n": [2]})
    assert [
        row["n"]
        for item in read_all(connector, partition, [ANN.subject])[1]
        if isinstance(item, Rows)
        for _, row in visible_rows(item.batch)
    ] == [1]


def test_a_lake_of_one_partition_is_listed_anew_where_a_file_changed(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", {"user_id": [ANN.upn], "n": [1]})
    [partition] = connect(tmp_path).plan(())
    (tmp_path / "a.parquet").unlink()
    write(tmp_path / "b.parquet", {"user_id": [ANN.upn], "n": [2], "new": ["x"]})
    header, items = read_all(connect(tmp_path), partition, [ANN.subject])
    assert [column.name for column in header.columns] == ["user_id", "n", "new"]
    assert len(items) == 1


def test_a_lake_of_several_partitions_that_changed_needs_another_plan(tmp_path: Path) -> None:
    for n in range(2):
        write(tmp_path / f"{n}.parquet", {"user_id": [ANN.upn], "junk": [os.urandom(3 << 19)]}, compression="uncompressed")
    connector = connect(tmp_path, partition_mib=1)
    first, second = connector.plan(())
    os.utime(tmp_path / "1.parquet", ns=(0, 0))
    assert len(read_all(connector, first, [ANN.subject])[1]) == 1
    with pytest.raises(SourceUnavailable) as caught:
        read_all(connector, second, [ANN.subject])
    assert caught.value.code == "SourceChanged"


def test_a_change_during_the_read_is_told_at_its_end(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", {"user_id": [ANN.upn]})
    connector = connect(tmp_path)
    read = connector.read(connector.plan(())[0], [ANN.subject])
    assert isinstance(next(read), ReadHeader)
    assert isinstance(next(read), Rows)
    os.utime(tmp_path / "a.parquet", ns=(0, 0))
    with pytest.raises(SourceUnavailable):
        next(read)


def test_another_process_reads_what_one_planned(tmp_path: Path) -> None:
    write(tmp_path / "1.parquet", {"user_id": [ANN.upn], "v": [1]}, {"v": pl.Int8})
    write(tmp_path / "2.parquet", {"user_id": [ANN.upn], "v": [2]}, {"v": pl.Int64})
    [partition] = connect(tmp_path).plan(())
    header, items = read_all(connect(tmp_path), partition, [ANN.subject])
    assert header.columns[1].source_type == "int64"
    assert len(items) == 2


# -- values ---------------------------------------------------------------------------------------------------------------
def test_every_kind_of_column_is_named(tmp_path: Path) -> None:
    values: dict[str, tuple[object, Any, ColumnKind]] = {
        "user_id": (ANN.upn, pl.String, ColumnKind.TEXT),
        "bool": (True, pl.Boolean, ColumnKind.BOOL),
        "int": (2**63 - 1, pl.Int64, ColumnKind.INT),
        "uint": (2**64 - 1, pl.UInt64, ColumnKind.INT),
        "float": (float("inf"), pl.Float64, ColumnKind.FLOAT),
        "decimal": (Decimal("-0.10"), pl.Decimal(38, 2), ColumnKind.DECIMAL),
        "date": (date(1, 1, 1), pl.Date, ColumnKind.DATE),
        "naive": (NAIVE.replace(year=9999, microsecond=999_999), pl.Datetime("us"), ColumnKind.TIMESTAMP),
        "instant": (datetime(1, 1, 1, tzinfo=UTC), pl.Datetime("us", "UTC"), ColumnKind.TIMESTAMP_TZ),
        "time": (time(23, 59, 59, 999999), pl.Time, ColumnKind.TIME),
        "bytes": (b"\0\xff", pl.Binary, ColumnKind.BYTES),
        "list": ([1, None], pl.List(pl.Int8), ColumnKind.NESTED),
        "struct": ({"a": None, "b": "x"}, pl.Struct({"a": pl.Int8, "b": pl.String}), ColumnKind.NESTED),
        "category": ("x", pl.Categorical, ColumnKind.TEXT),
    }
    write(
        tmp_path / "a.parquet",
        {name: [value] for name, (value, _, _) in values.items()},
        {name: dtype for name, (_, dtype, _) in values.items()},
    )
    connector = connect(tmp_path)
    header, _ = read_all(connector, connector.plan(())[0], [ANN.subject])
    assert {column.name: column.kind for column in header.columns} == {name: kind for name, (_, _, kind) in values.items()}
    [row] = rows_of(connector)
    assert dict(row) == {name: value for name, (value, _, _) in values.items()}


def _twins(values: pa.Array) -> pa.Array:
    return pa.StructArray.from_arrays([values, values], ["a", "a"])


UNREADABLE = {
    "decimal256": pa.array([Decimal(10**50)], pa.decimal256(60, 0)),
    "twins": _twins(pa.array([1])),
    "list of twins": pa.ListArray.from_arrays([0, 1], _twins(pa.array([1]))),
    "twins below": pa.StructArray.from_arrays([_twins(pa.array([1]))], ["s"]),
    "int128": pl.Series([2**100], dtype=pl.Int128),
    "uint128": pl.Series([2**100], dtype=pl.UInt128),
    "list of int128": pl.Series([[2**100]], dtype=pl.List(pl.Int128)),
}


def write_beside(path: Path, column: pa.Array | pl.Series, **others: list[Any]) -> None:
    """Write a column that one of the two libraries has."""
    if isinstance(column, pl.Series):
        pl.DataFrame({**others, "c": column}).write_parquet(path)
    else:
        pq.write_table(pa.table({**others, "c": column}), path)


@pytest.mark.parametrize("column", UNREADABLE.values(), ids=list(UNREADABLE))
def test_a_type_that_cannot_be_read_is_refused_naming_column_and_file(tmp_path: Path, column: pa.Array | pl.Series) -> None:
    write(tmp_path / "1.parquet", {"user_id": [ANN.upn]})
    write_beside(tmp_path / "2.parquet", column, user_id=[ANN.upn])
    for call in (lambda: connect(tmp_path).check(), lambda: connect(tmp_path).plan(())):
        with pytest.raises(SourceRefused, match=r"column 'c' of '2\.parquet'") as caught:
            call()
        assert "exclude it" in caught.value.hint
    assert rows_of(connect(tmp_path, exclude=("c",))) == ({"user_id": ANN.upn},) * 2


@pytest.mark.parametrize("exclude", [(), ("user_id",)], ids=["shown", "excluded"])
def test_a_match_column_that_cannot_be_read_is_refused(tmp_path: Path, exclude: tuple[str, ...]) -> None:
    write(tmp_path / "a.parquet", {"user_id": [7]}, {"user_id": pl.Int128})
    with pytest.raises(SourceRefused, match="user_id"):
        connect(tmp_path, exclude=exclude).check()


def test_excluded_columns_may_be_of_any_types(tmp_path: Path) -> None:
    for n, (dtype, value) in enumerate([(pl.Int64, 1), (pl.String, "x"), (pl.Int64, 2)]):
        write(tmp_path / f"{n}.parquet", {"user_id": [ANN.upn], "n": [n], "v": [value]}, {"v": dtype})
    connector = connect(tmp_path, exclude=("v",))
    connector.check()
    assert [dict(row) for row in rows_of(connector)] == [{"user_id": ANN.upn, "n": n} for n in range(3)]
    with pytest.raises(SourceRefused, match=r"'v'.*'1\.parquet'.*"):
        connect(tmp_path).check()


PEAK = """
import re, sys
from pathlib import Path
from rightful.connectors.lake import LakeConnector, LakeSettings
from rightful.testing.connector_suite import identified
root, copies = Path(sys.argv[1]), int(sys.argv[2])
connector = LakeConnector("x", LakeSettings(url=f"{root}/*.parquet", match={"user_id": "k"}), siblings={}, folder=root)
def peak(): return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) >> 10
[partition] = connector.plan(())
before = peak()
rows = sum(item.batch.num_rows for item in connector.read(partition, [identified(k=("a",))] * copies) if hasattr(item, "batch"))
print(rows, peak() - before)
"""


@pytest.mark.parametrize(("rows", "copies"), [(1500, 1), (40, 40)], ids=["wide rows", "many asked for the same person"])
def test_memory_does_not_grow_with_what_a_person_has(tmp_path: Path, rows: int, copies: int) -> None:
    frame = pl.DataFrame({"user_id": ["a"] * rows, "text": [f"{n:06}" * 33_000 for n in range(rows)]})
    frame.write_parquet(tmp_path / "a.parquet", row_group_size=20)
    done = subprocess.run([sys.executable, "-c", PEAK, str(tmp_path), str(copies)], check=True, capture_output=True, text=True)
    found, grown_mib = map(int, done.stdout.split())
    assert found == rows * copies
    assert grown_mib < 250, f"of {found * 198_000 >> 20} MiB"


def test_batches_of_large_values_are_cut(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", {"user_id": [ANN.upn] * 40, "text": ["x" * (1 << 20)] * 40})
    connector = connect(tmp_path)
    sizes = [item.batch.nbytes for item in read_all(connector, connector.plan(())[0], [ANN.subject])[1] if isinstance(item, Rows)]
    assert max(sizes) <= 8 << 20
    assert len(sizes) >= 5
    assert len(rows_of(connector)) == 40
