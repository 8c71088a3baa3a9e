"""`lake` over tables that pyiceberg wrote: passes the suite, reads one snapshot, and never a row that was deleted."""

import gzip
import json
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.manifest import DataFileContent
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.transforms import BucketTransform, DayTransform, IdentityTransform
from pyiceberg.types import (
    DateType,
    IntegerType,
    ListType,
    LongType,
    MapType,
    NestedField,
    StringType,
    StructType,
    TimestampType,
    TimestamptzType,
    UUIDType,
)
from tests.contract.connectors.iceberg_tables import catalog, commit_deletes, delete_positions, folder_of, hint, write
from tests.contract.connectors.test_files_in_object_stores import Place, in_azure, in_s3
from tests.contract.connectors.test_lake_pruning import spoil
from tests.servers.azurite import Azurite
from tests.servers.s3 import S3Server

from rightful.connectors.interface import Rows
from rightful.connectors.lake import LakeConnector, LakeSettings
from rightful.connectors.lake_settings import IcebergSettings
from rightful.connectors.time_window import WindowSettings
from rightful.errors import ConfigurationError, SourceRefused, SourceUnavailable
from rightful.testing.connector_suite import ANN, ANN2, UPPER, ConnectorSuite, Found, collect, identified, read_all

START = datetime(2026, 1, 1, tzinfo=UTC)
OWNERS = ["ann@contoso.example", "ann2@contoso.example", "ANN@contoso.example", "", None, "ann@fabrikam.example", "x", " "]
PLAIN = Schema(NestedField(1, "user_id", StringType()), NestedField(2, "n", IntegerType()), NestedField(3, "day", DateType()))
BY_DAY = PartitionSpec(PartitionField(3, 1000, IdentityTransform(), "day"))
CONTENT = [{"user_id": OWNERS[n % 8], "n": n, "day": date(2026, 1, 1 + n % 3)} for n in range(600)]


def connect(url: str | Path, *, match: dict[str, str] | None = None, **options: Any) -> LakeConnector:
    settings = LakeSettings(url=str(url), format="iceberg", match=match or {"user_id": "upn"}, **options)
    return LakeConnector("activity", settings, siblings={}, folder=Path("/"))


def rows_of(url: str | Path | LakeConnector, upn: str = ANN.upn, **options: Any) -> list[Mapping[str, object]]:
    connector = url if isinstance(url, LakeConnector) else connect(url, **options)
    return list(collect(connector, [identified(upn=(upn,))])[0].rows)


def rows_by_number(url: Path, column: str, value: str) -> list[Mapping[str, object]]:
    return list(collect(connect(url, match={column: "number"}), [identified(number=(value,))])[0].rows)


def numbers(rows: Sequence[Mapping[str, object]]) -> list[object]:
    return sorted((row["n"] for row in rows), key=str)


def make(folder: Path, schema: Schema = PLAIN, **options: Any) -> Table:
    return catalog(folder).create_table("db.t", schema, **options)


def _found(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Found]:
    return {p.name: Found(rows=tuple(row for row in rows if row["user_id"] == p.upn)) for p in (ANN, ANN2, UPPER)}


def _as_listed(table: Table) -> Mapping[str, Found]:
    """Return what pyiceberg itself finds, file by file in the order of their paths."""
    tasks = sorted(table.scan().plan_files(), key=lambda task: task.file.file_path.split("/"))
    frames = [pl.read_parquet(task.file.file_path.removeprefix("file://"), hive_partitioning=False) for task in tasks]
    return _found(pl.concat(frames).to_dicts())


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    """A table that was appended to and deleted from, in a folder with a blank."""
    folder = tmp_path_factory.mktemp("iceberg") / "a b"
    folder.mkdir()
    table = make(folder, partition_spec=BY_DAY)
    write(table, CONTENT[:300])
    write(table, CONTENT[300:])
    table.delete("n >= 100 AND n < 200")
    hint(table)
    return table


@pytest.fixture(scope="module")
def place(s3_server: S3Server, tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, IcebergSettings]:
    """A bucket with a table of a file for each day."""
    place = in_s3(s3_server)
    folder = tmp_path_factory.mktemp("catalog")
    made = catalog(
        folder,
        warehouse=place.url,
        **{"s3.endpoint": s3_server.url, "s3.access-key-id": "x", "s3.secret-access-key": "y", "s3.region": "us-east-1"},
    )
    table = made.create_table("db.t", PLAIN, partition_spec=BY_DAY, location=f"{place.url}/a/t")
    write(table, CONTENT)
    return place, IcebergSettings(catalog=f"sqlite:///{folder}/catalog.db", name="main", table="db.t")


class TestIceberg(ConnectorSuite):
    @pytest.fixture
    def connector(self, table: Table) -> LakeConnector:
        return connect(folder_of(table))

    @pytest.fixture
    def expected(self, table: Table) -> Mapping[str, Found]:
        found = _as_listed(table)
        assert len(table.scan().to_arrow()) == 500
        return found

    @pytest.fixture
    def broken(self, tmp_path: Path) -> LakeConnector:
        return connect(tmp_path)


class TestIcebergInS3(ConnectorSuite):
    @pytest.fixture
    def expected(self) -> Mapping[str, Found]:
        return _found(sorted(CONTENT, key=lambda row: str(row["day"])))

    @pytest.fixture
    def connector(self, place: tuple[Place, IcebergSettings]) -> LakeConnector:
        bucket, said = place
        return connect(f"{bucket.url}/a/t", access=bucket.access, iceberg=said)

    @pytest.fixture
    def broken(self, place: tuple[Place, IcebergSettings]) -> LakeConnector:
        bucket, said = place
        return connect(f"{bucket.url}-nowhere/t", access=bucket.access, iceberg=said)


@pytest.mark.azurite
def test_a_table_that_was_copied_to_azure_is_read_there(azurite: Azurite, table: Table) -> None:
    place = in_azure(azurite)
    folder = folder_of(table)
    place.write({f"a b/t/{path.relative_to(folder)}": path.read_bytes() for path in folder.rglob("*") if path.is_file()})
    found = rows_of(f"{place.url}/a%20b/t", access=place.access)
    assert numbers(found) == numbers(_as_listed(table)["ann"].rows)


# -- which metadata is current ----------------------------------------------------------------------------------------------------
def test_a_catalog_says_what_is_current_and_its_database_is_left_as_it_is(tmp_path: Path) -> None:
    table = make(tmp_path)
    write(table, [{"user_id": ANN.upn, "n": 1}])
    (folder_of(table) / "metadata/version-hint.text").unlink()
    said = IcebergSettings(catalog="sqlite:///catalog.db", name="main", table="db.t")
    settings = LakeSettings(url=str(folder_of(table)), format="iceberg", match={"user_id": "upn"}, iceberg=said)
    connector = LakeConnector("activity", settings, siblings={}, folder=tmp_path)
    before = (tmp_path / "catalog.db").read_bytes()
    assert numbers(rows_of(connector)) == [1]
    assert (tmp_path / "catalog.db").read_bytes() == before
    write(table, [{"user_id": ANN.upn, "n": 2}])
    assert numbers(rows_of(connector)) == [1, 2]


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"catalog": "sqlite:///catalog.db", "name": "main", "table": "db.other"}, "does not know the table"),
        ({"catalog": "sqlite:///nothing.db", "name": "main", "table": "db.t"}, "cannot be asked"),
        ({"metadata": "00009-x.metadata.json"}, "names a file that is not there"),
    ],
    ids=["unknown table", "no catalog", "no such metadata"],
)
def test_a_catalog_that_does_not_say_it_is_told(tmp_path: Path, said: dict[str, str], error: str) -> None:
    table = make(tmp_path)
    write(table, [{"user_id": ANN.upn, "n": 1}])
    settings = LakeSettings(url=str(folder_of(table)), format="iceberg", match={"user_id": "upn"}, iceberg=IcebergSettings(**said))
    with pytest.raises((SourceRefused, SourceUnavailable), match=error):
        LakeConnector("activity", settings, siblings={}, folder=tmp_path).check()


def test_a_metadata_file_may_be_named(tmp_path: Path) -> None:
    table = make(tmp_path)
    write(table, [{"user_id": ANN.upn, "n": 1}])
    name = table.metadata_location.rpartition("/")[2]
    write(table, [{"user_id": ANN.upn, "n": 2}])
    assert numbers(rows_of(folder_of(table), iceberg=IcebergSettings(metadata=name))) == [1]


def test_a_hint_that_is_late_is_followed_and_without_one_nothing_is_guessed(tmp_path: Path) -> None:
    table = make(tmp_path)
    for n in range(12):
        write(table, [{"user_id": ANN.upn, "n": n}])
    late = folder_of(table) / "metadata/version-hint.text"
    late.write_text("3\n")
    assert len(rows_of(folder_of(table))) == 12
    late.write_text("99")
    with pytest.raises(SourceRefused, match="names a file that is not there"):
        connect(folder_of(table)).check()
    late.unlink()
    with pytest.raises(SourceRefused, match="nothing says which") as caught:
        connect(folder_of(table)).check()
    assert "iceberg.catalog" in (caught.value.hint or "")
    with pytest.raises(SourceRefused, match="there is no Iceberg table"):
        connect(tmp_path / "db").check()


def test_a_table_that_went_on_with_a_catalog_is_not_read_by_its_old_hint(tmp_path: Path) -> None:
    table = make(tmp_path)
    write(table, [{"user_id": ANN.upn, "n": 1}])
    write(table, [{"user_id": ANN.upn, "n": 2}])
    table.delete("n = 1")
    with pytest.raises(SourceRefused, match="a catalog wrote metadata of the table") as caught:
        connect(folder_of(table)).check()
    assert "iceberg.catalog" in (caught.value.hint or "")


def test_metadata_may_be_compressed(tmp_path: Path) -> None:
    table = make(tmp_path)
    write(table, [{"user_id": ANN.upn, "n": 1}])
    plain = tmp_path / "db/t/metadata/v1.metadata.json"
    plain.with_name("v1.gz.metadata.json").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    assert numbers(rows_of(folder_of(table))) == [1]


# -- snapshots --------------------------------------------------------------------------------------------------------------------
def test_a_read_has_the_snapshot_and_the_columns_that_it_was_planned_for(tmp_path: Path) -> None:
    table = make(tmp_path)
    write(table, [{"user_id": ANN.upn, "n": 1}])
    first = table.current_snapshot()
    assert first is not None
    connector = connect(folder_of(table))
    [partition] = connector.plan(())
    write(table, [{"user_id": ANN.upn, "n": 2}])
    table.delete("n = 1")
    with table.update_schema() as update:
        update.rename_column("n", "number")
    hint(table)
    for each in (connector, connect(folder_of(table))):
        header, [item] = read_all(each, partition, [ANN.subject])
        assert header.searched == f"t at snapshot {first.snapshot_id} where user_id in {{upn}}"
        assert isinstance(item, Rows)
        assert item.batch.column("n").to_pylist() == [1]
    assert [row["number"] for row in rows_of(folder_of(table))] == [2]
    table.maintenance.expire_snapshots().by_id(first.snapshot_id).commit()
    hint(table)
    header, [item] = read_all(connect(folder_of(table)), partition, [ANN.subject])  # gone: planned anew
    assert f"{first.snapshot_id}" not in header.searched
    assert item.batch.column("number").to_pylist() == [2]  # type: ignore[union-attr]


def test_a_part_of_a_snapshot_that_is_gone_says_so(tmp_path: Path) -> None:
    schema = Schema(NestedField(1, "user_id", StringType()), NestedField(2, "text", StringType()))
    table = make(tmp_path, schema)
    for n in range(3):
        write(table, [{"user_id": ANN.upn, "text": str(list(range(n, 300_000 + n)))}])
    first = table.current_snapshot()
    assert first is not None
    partitions = connect(folder_of(table), partition_mib=1).plan(())
    assert len(partitions) > 1
    write(table, [{"user_id": ANN.upn, "text": "new"}])
    table.maintenance.expire_snapshots().by_id(first.snapshot_id).commit()
    hint(table)
    with pytest.raises(SourceUnavailable) as caught:
        read_all(connect(folder_of(table), partition_mib=1), partitions[0], [ANN.subject])
    assert caught.value.code == "SourceChanged"


def test_files_that_go_while_they_are_read_are_noticed(tmp_path: Path) -> None:
    table = make(tmp_path)
    for n in range(3):
        write(table, [{"user_id": ANN.upn, "n": n}])
    connector = connect(folder_of(table))
    [partition] = connector.plan(())
    read = connector.read(partition, [ANN.subject])
    next(read)
    for path in (folder_of(table) / "data").glob("*.parquet"):
        path.unlink()
    with pytest.raises(SourceUnavailable) as caught:
        list(read)
    assert caught.value.code == "SourceChanged"


def test_a_table_without_a_snapshot_is_a_table(tmp_path: Path) -> None:
    table = make(tmp_path)
    hint(table)
    connector = connect(folder_of(table))
    connector.check()
    assert rows_of(connector) == []


# -- columns ----------------------------------------------------------------------------------------------------------------------
def test_columns_are_found_by_their_ids(tmp_path: Path) -> None:
    """Renamed, swapped, dropped and added again, widened: what was written before is read under the names of today."""
    schema = Schema(
        NestedField(1, "owner", StringType()),
        NestedField(2, "n", IntegerType()),
        NestedField(3, "a", StringType()),
        NestedField(4, "b", StringType()),
        NestedField(5, "gone", StringType()),
    )
    table = make(tmp_path, schema)
    write(table, [{"owner": ANN.upn, "n": 1, "a": "a1", "b": "b1", "gone": "secret"}])
    with table.update_schema() as update:
        update.rename_column("owner", "user_id")
        update.rename_column("a", "x")
    with table.update_schema() as update:
        update.rename_column("b", "a")
        update.delete_column("gone")
    with table.update_schema(allow_incompatible_changes=True) as update:
        update.rename_column("x", "b")
        update.add_column("gone", StringType())
        update.update_column("n", LongType())
    write(table, [{"user_id": ANN.upn, "n": 1 << 40, "a": "b2", "b": "a2", "gone": "new"}])
    found = sorted(rows_of(folder_of(table)), key=lambda row: str(row["n"]))
    assert [dict(row) for row in found] == [
        {"user_id": ANN.upn, "n": 1, "a": "b1", "b": "a1", "gone": None},
        {"user_id": ANN.upn, "n": 1 << 40, "a": "b2", "b": "a2", "gone": "new"},
    ]
    assert len(rows_by_number(folder_of(table), "n", "1")) == 1
    assert len(rows_by_number(folder_of(table), "n", f"{1 << 40}")) == 1
    assert len(rows_of(connect(folder_of(table), exclude=("a", "gone", "user_id")))) == 2


def test_fields_of_nested_values_are_found_by_their_ids(tmp_path: Path) -> None:
    inner = StructType(NestedField(10, "a", IntegerType()), NestedField(11, "b", StringType()))
    schema = Schema(
        NestedField(1, "user_id", StringType()),
        NestedField(2, "n", IntegerType()),
        NestedField(3, "s", inner),
        NestedField(4, "l", ListType(12, StructType(NestedField(13, "v", IntegerType())), element_required=False)),
        NestedField(5, "m", MapType(14, StringType(), 15, IntegerType(), value_required=False)),
    )
    table = make(tmp_path, schema)
    row = {"user_id": ANN.upn, "s": {"a": 1, "b": "x"}, "l": [{"v": 1}, None], "m": [("k", 1)]}
    write(table, [{**row, "n": 1}, {"user_id": ANN.upn, "n": 2}])
    with table.update_schema() as update:
        update.rename_column("s.b", "c")
        update.add_column(("s", "d"), StringType())
        update.update_column("s.a", LongType())
        update.rename_column("l.element.v", "vv")
        update.update_column("m.value", LongType())
    write(table, [{**row, "n": 3, "s": {"a": 1 << 40, "c": "y", "d": "z"}, "l": [{"vv": 7}], "m": [("k", 1 << 40)]}])
    one, two, three = sorted(rows_of(folder_of(table)), key=lambda row: str(row["n"]))
    assert (one["s"], two["s"], three["s"]) == ({"a": 1, "c": "x", "d": None}, None, {"a": 1 << 40, "c": "y", "d": "z"})
    assert (one["l"], two["l"], three["l"]) == ([{"vv": 1}, None], [], [{"vv": 7}])  # pyiceberg writes no list as an empty one
    assert two["m"] is None
    assert [dict(each["m"]) for each in (one, three)] == [{"k": 1}, {"k": 1 << 40}]  # type: ignore[call-overload]


def test_maps_whose_fields_changed_are_refused_and_may_be_left_as_they_were(tmp_path: Path) -> None:
    inner = StructType(NestedField(13, "w", IntegerType()))
    schema = Schema(NestedField(1, "user_id", StringType()), NestedField(2, "m", MapType(11, StringType(), 12, inner)))
    table = make(tmp_path, schema)
    write(table, [{"user_id": ANN.upn, "m": [("k", {"w": 1})]}])
    assert [dict(row["m"]) for row in rows_of(folder_of(table))] == [{"k": {"w": 1}}]  # type: ignore[call-overload]
    with table.update_schema() as update:
        update.rename_column("m.value.w", "x")
    hint(table)
    with pytest.raises(SourceRefused, match="a map with other fields"):
        connect(folder_of(table)).check()


def test_files_without_ids_are_read_by_the_tables_mapping_of_names_or_refused(tmp_path: Path) -> None:
    table = make(tmp_path)
    old = tmp_path / "db/t/data/old.parquet"
    old.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"user_id": [ANN.upn], "n": pa.array([5], pa.int32())}), old)
    table.add_files([f"file://{old}"])
    with table.update_schema() as update:
        update.rename_column("n", "number")
    hint(table)
    assert [dict(row) for row in rows_of(folder_of(table))] == [{"user_id": ANN.upn, "number": 5}]
    with table.transaction() as change:
        change.remove_properties("schema.name-mapping.default")
    hint(table)
    with pytest.raises(SourceRefused, match="columns without ids"):
        connect(folder_of(table)).check()


def test_types_have_the_form_that_they_have_in_other_lakes(tmp_path: Path) -> None:
    schema = Schema(
        NestedField(1, "user_id", StringType()),
        NestedField(2, "at", TimestamptzType()),
        NestedField(3, "local", TimestampType()),
        NestedField(4, "u", UUIDType()),
    )
    table = make(tmp_path, schema)
    moment = START + timedelta(microseconds=5)
    write(table, [{"user_id": ANN.upn, "at": moment, "local": moment.replace(tzinfo=None), "u": bytes(range(16))}])
    [row] = rows_of(folder_of(table))
    assert row["at"] == moment
    assert row["local"] == moment.replace(tzinfo=None)
    assert row["u"] == bytes(range(16))


def _take_out(path: Path, column: str) -> None:
    """Write a file anew without a column, as long as it was: what is between its pages and its footer does not matter."""
    size = path.stat().st_size
    pq.write_table(pq.ParquetFile(path).read().drop_columns([column]), path, compression="zstd", store_schema=False)
    content = path.read_bytes()
    footer = int.from_bytes(content[-8:-4], "little") + 8
    assert len(content) <= size
    path.write_bytes(content[:-footer] + bytes(size - len(content)) + content[-footer:])


@pytest.mark.parametrize("column", ["user_id", "day", "n"])
def test_partition_columns_that_files_do_not_hold_have_the_partitions_values(tmp_path: Path, column: str) -> None:
    """As in tables that were Hive's."""
    source = {"user_id": 1, "n": 2, "day": 3}[column]
    table = make(tmp_path, partition_spec=PartitionSpec(PartitionField(source, 1000, IdentityTransform(), "p")))
    rows = [{"user_id": ANN.upn, "n": n, "day": date(2026, 1, n)} for n in (1, 2, 2)]
    write(table, [*rows, {"user_id": "x", "n": 7, "day": date(2026, 1, 7)}, {"user_id": ANN.upn, "n": None, "day": None}])
    for path in (tmp_path / "db/t/data").rglob("*.parquet"):
        _take_out(path, column)
    write(table, [{"user_id": ANN.upn, "n": 9, "day": date(2026, 1, 9)}])
    expected = [*rows, {"user_id": ANN.upn, "n": 9, "day": date(2026, 1, 9)}, {"user_id": ANN.upn, "n": None, "day": None}]
    found = sorted(rows_of(folder_of(table)), key=lambda row: str(row["n"]))
    assert [dict(row) for row in found] == expected
    [estimate] = connect(folder_of(table)).estimate([ANN.subject], limit_s=30)
    assert estimate.rows is not None
    assert (estimate.rows.count, estimate.rows.is_exact) == (5, True)
    assert len(rows_by_number(folder_of(table), "n", "2")) == 2
    windowed = rows_of(folder_of(table), time="day", window=WindowSettings(since="2026-01-02"))
    assert numbers(windowed) == [2, 2, 9, None]


# -- what is not read -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("transform", [IdentityTransform(), BucketTransform(16)], ids=["identity", "bucket"])
def test_files_of_other_people_are_not_read(tmp_path: Path, transform: Any) -> None:
    table = make(tmp_path, partition_spec=PartitionSpec(PartitionField(1, 1000, transform, "p")))
    write(table, [{"user_id": ANN.upn, "n": 1}, {"user_id": "bob@contoso.example", "n": 2}])
    others = [path for path in (tmp_path / "db/t/data").rglob("*.parquet") if pq.read_table(path)["n"].to_pylist() == [2]]
    assert len(others) == 1
    spoil(others[0], keep=set())
    assert numbers(rows_of(folder_of(table))) == [1]
    with pytest.raises(SourceRefused, match="is damaged"):
        rows_of(folder_of(table), "bob@contoso.example")


def test_files_of_other_times_are_not_read(tmp_path: Path) -> None:
    schema = Schema(NestedField(1, "user_id", StringType()), NestedField(2, "n", IntegerType()), NestedField(3, "at", TimestamptzType()))
    table = make(tmp_path, schema, partition_spec=PartitionSpec(PartitionField(3, 1000, DayTransform(), "d")))
    write(table, [{"user_id": ANN.upn, "n": n, "at": START + timedelta(days=n)} for n in range(3)])
    write(table, [{"user_id": ANN.upn, "n": 3, "at": None}])
    [late] = [path for path in (tmp_path / "db/t/data").rglob("*.parquet") if pq.read_table(path)["n"].to_pylist() == [2]]
    spoil(late, keep=set())
    window = WindowSettings(since="2026-01-02", until="2026-01-03")
    assert numbers(rows_of(folder_of(table), time="at", window=window)) == [1, 3]


def test_what_statistics_say_is_used_after_a_column_was_widened(tmp_path: Path) -> None:
    table = make(tmp_path, Schema(NestedField(1, "id", IntegerType()), NestedField(2, "n", IntegerType())))
    write(table, [{"id": number, "n": number} for number in (-5, 7, 300)])
    with table.update_schema() as update:
        update.update_column("id", LongType())
    write(table, [{"id": 1 << 40, "n": 9}])
    for value, found in (("-5", [-5]), ("300", [300]), (f"{1 << 40}", [9]), ("8", []), ("07", [])):
        assert numbers(rows_by_number(folder_of(table), "id", value)) == found


# -- deleted rows -----------------------------------------------------------------------------------------------------------------
def test_rows_that_position_deletes_mark_are_not_delivered(tmp_path: Path) -> None:
    table = make(tmp_path)
    for _ in range(2):
        write(table, [{"user_id": [ANN.upn, "xavier"][n % 2], "n": n, "day": date(2026, 1, 1 + n // 100)} for n in range(1000)])
    first, second = sorted(task.file.file_path for task in table.scan().plan_files())
    delete_positions(table, {first: [0, 2, 3, 500, 998], second: [1]})
    found = rows_of(folder_of(table))
    assert [row["n"] for row in found[:496]] == [n for n in range(0, 1000, 2) if n not in {0, 2, 500, 998}]
    assert len(found) == 996
    both = collect(connect(folder_of(table)), [ANN.subject, identified(upn=("xavier",))])
    assert [len(each.rows) for each in both] == [996, 998]
    windowed = rows_of(folder_of(table), time="day", window=WindowSettings(until="2026-01-02"))
    assert [row["n"] for row in windowed][:48] == list(range(4, 100, 2))
    [estimate] = connect(folder_of(table)).estimate([ANN.subject], limit_s=30)
    assert estimate.rows is not None
    assert (estimate.rows.count, estimate.rows.is_exact) == (996, True)
    assert len(rows_of(folder_of(table), exclude=("user_id", "n"))) == 996


def test_a_file_of_deletes_that_is_gone_is_noticed(tmp_path: Path) -> None:
    table = make(tmp_path)
    write(table, [{"user_id": ANN.upn, "n": n} for n in range(3)])
    [task] = table.scan().plan_files()
    delete_positions(table, {task.file.file_path: [1]})
    assert numbers(rows_of(folder_of(table))) == [0, 2]
    [deletes] = (tmp_path / "db/t/data").glob("deletes-*.parquet")
    deletes.unlink()
    with pytest.raises(SourceUnavailable) as caught:
        rows_of(folder_of(table))
    assert caught.value.code == "SourceChanged"


def test_equality_deletes_are_refused_with_the_way_out(tmp_path: Path) -> None:
    table = make(tmp_path)
    write(table, [{"user_id": ANN.upn, "n": n} for n in range(3)])
    rows = pa.table({"n": pa.array([1], pa.int32())}, schema=pa.schema([pa.field("n", pa.int32(), metadata={b"PARQUET:field_id": b"2"})]))
    commit_deletes(table, rows, DataFileContent.EQUALITY_DELETES, equality_ids=[2])
    with pytest.raises(SourceRefused, match="equality deletes") as caught:
        connect(folder_of(table)).check()
    assert "rewrite_data_files" in (caught.value.hint or "")


# -- what is refused --------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("inserted", ["../x/", "/../"])
def test_metadata_that_leads_out_of_the_table_is_refused(tmp_path: Path, inserted: str) -> None:
    table = make(tmp_path)
    write(table, [{"user_id": ANN.upn, "n": 1}])
    metadata = tmp_path / "db/t/metadata/v1.metadata.json"
    document = json.loads(metadata.read_text())
    document["snapshots"][0]["manifest-list"] = f"{document['location']}/{inserted}t/metadata/x.avro"
    metadata.write_text(json.dumps(document))
    with pytest.raises(SourceRefused, match="outside of its folder"):
        connect(folder_of(table)).check()


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b'{"location": "x", "last-updated-ms": 9999999999999}', b'{"location": 5}', b"\xff"], ids=repr
)
def test_metadata_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    table = make(tmp_path)
    write(table, [{"user_id": ANN.upn, "n": 1}])
    (tmp_path / "db/t/metadata/v1.metadata.json").write_bytes(content)
    with pytest.raises(SourceRefused, match="metadata is damaged"):
        connect(folder_of(table)).check()


def test_manifests_that_are_cut_off_are_refused(tmp_path: Path) -> None:
    table = make(tmp_path)
    write(table, [{"user_id": ANN.upn, "n": 1}])
    for path in (tmp_path / "db/t/metadata").glob("*.avro"):
        whole = path.read_bytes()
        for length in (0, 3, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:length])
            with pytest.raises(SourceRefused):
                connect(folder_of(table)).check()
        path.write_bytes(whole)
    assert len(rows_of(folder_of(table))) == 1


def test_a_table_that_was_moved_is_read_where_it_lies(tmp_path: Path) -> None:
    table = make(tmp_path)
    write(table, [{"user_id": ANN.upn, "n": 1}])
    shutil.move(folder_of(table), tmp_path / "moved")
    assert numbers(rows_of(tmp_path / "moved")) == [1]


@pytest.mark.parametrize(
    "options",
    [
        {"url": "/srv/*"},
        {"iceberg": IcebergSettings(catalog="sqlite:///x", name="a")},
        {"iceberg": IcebergSettings(catalog="x", name="a", table="db.t")},
        {"iceberg": IcebergSettings(table="db.t")},
        {"iceberg": IcebergSettings(catalog="sqlite:///x", name="a", table="t")},
        {"iceberg": IcebergSettings(metadata="../x.metadata.json")},
        {"iceberg": IcebergSettings(metadata="x.json")},
        {"iceberg": IcebergSettings(metadata="x.metadata.json", catalog="sqlite:///x", name="a", table="db.t")},
    ],
    ids=repr,
)
def test_settings_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        connect(**{"url": "/srv/t", **options})


def test_a_catalogs_address_is_not_shown() -> None:
    assert "hunter2" not in repr(IcebergSettings(catalog="postgresql://u:hunter2@h/d", name="a", table="db.t"))
