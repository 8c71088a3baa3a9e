"""`lake` over tables that deltalake wrote: passes the suite, reads one version, and never a row that was deleted."""

import json
import struct
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import polars as pl
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake
from tests.contract.connectors.test_files_in_object_stores import Place, in_azure, in_s3
from tests.contract.connectors.test_lake_pruning import spoil
from tests.servers.azurite import Azurite
from tests.servers.s3 import S3Server

from rightful.connectors.interface import Rows
from rightful.connectors.lake import LakeConnector, LakeSettings
from rightful.connectors.time_window import WindowSettings
from rightful.connectors.tree_place import Access
from rightful.errors import ConfigurationError, SourceRefused, SourceUnavailable
from rightful.testing.connector_suite import ANN, ANN2, UPPER, ConnectorSuite, Found, collect, identified, read_all

NAIVE = datetime(2026, 1, 1)  # noqa: DTZ001  # columns without a zone
OWNERS = ["ann@contoso.example", "ann2@contoso.example", "ANN@contoso.example", "", None, "ann@fabrikam.example", "x", " "]


def connect(url: str | Path, *, match: dict[str, str] | None = None, **options: Any) -> LakeConnector:
    settings = LakeSettings(url=str(url), format="delta", match=match or {"user_id": "upn"}, **options)
    return LakeConnector("activity", settings, siblings={}, folder=Path("/"))


def write(path: str | Path, data: Mapping[str, object] | Sequence[Mapping[str, object]], **options: Any) -> None:
    write_deltalake(str(path), pl.DataFrame(data).to_arrow(), mode="append", **options)


def rows_of(connector: LakeConnector, **identifiers: tuple[str, ...]) -> list[Mapping[str, object]]:
    return list(collect(connector, [identified(**(identifiers or {"upn": (ANN.upn,)}))])[0].rows)


CONTENT = [{"user_id": OWNERS[n % 8], "n": n, "day": date(2026, 1, 1 + n % 3)} for n in range(600)]


def _found(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Found]:
    return {p.name: Found(rows=tuple(row for row in rows if row["user_id"] == p.upn)) for p in (ANN, ANN2, UPPER)}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table that was appended to, deleted from and compacted."""
    path = tmp_path_factory.mktemp("delta") / "t"
    write(path, CONTENT[:300], partition_by=["day"])
    write(path, CONTENT[300:])
    written = DeltaTable(str(path))
    written.delete("n >= 100 AND n < 200")
    written.optimize.compact()
    return path


@pytest.fixture(scope="module")
def place(s3_server: S3Server) -> Place:
    """A bucket with a table of a file for each day."""
    place = in_s3(s3_server)
    options = {
        "aws_endpoint_url": s3_server.url,
        "aws_access_key_id": "x",
        "aws_secret_access_key": "y",
        "aws_region": "us-east-1",
        "allow_http": "true",
        "aws_s3_allow_unsafe_rename": "true",
    }
    write(f"{place.url}/a/t", CONTENT, partition_by=["day"], storage_options=options)
    return place


class TestDelta(ConnectorSuite):
    @pytest.fixture
    def connector(self, table: Path) -> LakeConnector:
        return connect(table)

    @pytest.fixture
    def expected(self, table: Path) -> Mapping[str, Found]:
        """What stands in the files that the log names, in their order."""
        frames = [
            pl.read_parquet(table / unquote(file), hive_partitioning=False).with_columns(day=pl.lit(date.fromisoformat(file[4:14])))
            for file in sorted(pl.DataFrame(DeltaTable(str(table)).get_add_actions())["path"].to_list())
        ]
        rows = pl.concat(frames).to_dicts()
        assert len(rows) == 500
        return _found(rows)

    @pytest.fixture
    def broken(self, tmp_path: Path) -> LakeConnector:
        return connect(tmp_path)


class TestDeltaInS3(ConnectorSuite):
    @pytest.fixture
    def expected(self) -> Mapping[str, Found]:
        return _found(sorted(CONTENT, key=lambda row: str(row["day"])))

    @pytest.fixture
    def connector(self, place: Place) -> LakeConnector:
        return connect(f"{place.url}/a/t", access=place.access)

    @pytest.fixture
    def broken(self, place: Place) -> LakeConnector:
        return connect(f"{place.url}-nowhere/t", access=place.access)


@pytest.mark.azurite
def test_a_table_in_azure_is_read(azurite: Azurite) -> None:
    place = in_azure(azurite)
    options = {
        "account_name": azurite.account,
        "account_key": azurite.key,
        "azure_endpoint": f"http://{azurite.host}/{azurite.account}",
        "allow_http": "true",
    }
    write(f"az://{place.container}/a b/t", {"user_id": [ANN.upn, "x"], "n": [1, 2]}, storage_options=options)
    assert rows_of(connect(f"{place.url}/a%20b/t", access=place.access)) == [{"user_id": ANN.upn, "n": 1}]


# -- versions ---------------------------------------------------------------------------------------------------------------------
def test_a_read_has_the_version_that_it_was_planned_for(tmp_path: Path) -> None:
    write(tmp_path / "t", {"user_id": [ANN.upn], "n": [1]})
    connector = connect(tmp_path / "t")
    [partition] = connector.plan(())
    write(tmp_path / "t", {"user_id": [ANN.upn], "n": [2]})
    table = DeltaTable(str(tmp_path / "t"))
    table.delete("n = 1")
    for each in (connector, connect(tmp_path / "t")):
        header, [item] = read_all(each, partition, [ANN.subject])
        assert header.searched == "t at version 0 where user_id in {upn}"
        assert isinstance(item, Rows)
        assert item.batch.column("n").to_pylist() == [1]
    assert [row["n"] for row in rows_of(connect(tmp_path / "t"))] == [2]
    table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    header, [item] = read_all(connect(tmp_path / "t"), partition, [ANN.subject])  # gone: planned anew
    assert header.searched.startswith("t at version ")
    assert "version 0" not in header.searched
    assert item.batch.column("n").to_pylist() == [2]  # type: ignore[union-attr]


def test_a_vacuum_while_it_is_read_is_noticed(tmp_path: Path) -> None:
    for n in range(3):
        write(tmp_path / "t", {"user_id": [ANN.upn], "n": [n]})
    connector = connect(tmp_path / "t")
    [partition] = connector.plan(())
    read = connector.read(partition, [ANN.subject])
    next(read)
    for path in (tmp_path / "t").glob("*.parquet"):
        path.unlink()
    with pytest.raises(SourceUnavailable) as caught:
        list(read)
    assert caught.value.code == "SourceChanged"


def test_a_checkpoint_changes_nothing(tmp_path: Path) -> None:
    for n in range(12):
        write(tmp_path / "t", {"user_id": [ANN.upn] * 3, "n": [n] * 3})
    before, planned = rows_of(connect(tmp_path / "t")), connect(tmp_path / "t").plan(())
    DeltaTable(str(tmp_path / "t")).create_checkpoint()
    assert rows_of(connect(tmp_path / "t")) == before
    assert connect(tmp_path / "t").plan(()) == planned


def test_a_large_table_has_parts(tmp_path: Path) -> None:
    for n in range(3):
        write(tmp_path / "t", {"user_id": [ANN.upn], "n": [n], "text": [str(list(range(n, 200_000 + n)))]})
    connector = connect(tmp_path / "t", partition_mib=1)
    partitions = connector.plan(())
    assert len(partitions) > 1
    assert sorted(str(row["n"]) for row in rows_of(connector)) == ["0", "1", "2"]


# -- columns ----------------------------------------------------------------------------------------------------------------------
def test_columns_that_were_added_are_null_before(tmp_path: Path) -> None:
    write(tmp_path / "t", {"user_id": [ANN.upn], "n": [1]})
    write(tmp_path / "t", {"user_id": [ANN.upn], "n": [2], "new": ["x"]}, schema_mode="merge")
    assert sorted((row["n"], row["new"]) for row in rows_of(connect(tmp_path / "t"))) == [(1, None), (2, "x")]


def test_times_in_sparks_old_form_have_the_zone_that_the_table_says(tmp_path: Path) -> None:
    """INT96 says none; files that deltalake wrote later are of another form, in the same table."""
    moments = [datetime(2026, 1, 1, 12, 0, 0, n, tzinfo=UTC) for n in (1, 999_999)]
    local = [NAIVE, NAIVE.replace(year=1999)]
    rows = {"user_id": [ANN.upn, ANN.upn], "at": moments, "local": local}
    write(tmp_path / "t", rows)
    [path] = (tmp_path / "t").glob("*.parquet")
    pq.write_table(pq.read_table(path), path, use_deprecated_int96_timestamps=True, store_schema=False)
    [commit] = (tmp_path / "t/_delta_log").glob("*.json")
    lines = [json.loads(line) for line in commit.read_text().splitlines()]
    for line in lines:
        if "add" in line:
            line["add"]["size"] = path.stat().st_size
    commit.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert pl.read_parquet_schema(path)["at"] == pl.Datetime("ns")
    write(tmp_path / "t", rows)
    found = rows_of(connect(tmp_path / "t"))
    assert [row["at"] for row in found] == moments * 2
    assert [row["local"] for row in found] == local * 2
    windowed = connect(tmp_path / "t", time="at", window=WindowSettings(since="2026-01-02"))
    assert rows_of(windowed) == []
    mark_deleted(tmp_path / "t", [0])
    assert len(rows_of(connect(tmp_path / "t"))) == 3


def test_partitions_have_the_values_of_the_log(tmp_path: Path) -> None:
    write(
        tmp_path / "t",
        {
            "user_id": [ANN.upn] * 2,
            "day": [date(2026, 1, 1), None],
            "k": [7, -1],
            "b": [True, None],
            "ts": [NAIVE.replace(hour=1, minute=2, second=3, microsecond=5)] * 2,
            "t": ["a b/ü%20", "x=y"],
            "n": [1, 2],
        },
        partition_by=["day", "k", "b", "ts", "t"],
    )
    found = sorted(rows_of(connect(tmp_path / "t")), key=lambda row: str(row["n"]))
    ts = "2026-01-01 01:02:03.000005"
    assert [dict(row) for row in found] == [
        {"user_id": ANN.upn, "n": 1, "day": date(2026, 1, 1), "k": 7, "b": "true", "ts": ts, "t": "a b/ü%20"},
        {"user_id": ANN.upn, "n": 2, "day": None, "k": -1, "b": None, "ts": ts, "t": "x=y"},
    ]
    assert len(rows_of(connect(tmp_path / "t", match={"k": "number"}), number=("7",))) == 1
    windowed = connect(tmp_path / "t", time="day", window=WindowSettings(until="2026-01-01"))
    assert [row["n"] for row in rows_of(windowed)] == [2]


def test_files_of_other_people_and_days_are_not_read(tmp_path: Path) -> None:
    write(tmp_path / "t", {"user_id": ["a", "b"], "n": [1, 2]}, partition_by=["user_id"])
    [other] = (tmp_path / "t/user_id=b").iterdir()
    spoil(other, keep=set())
    connector = connect(tmp_path / "t", match={"user_id": "k"})
    assert rows_of(connector, k=("a",)) == [{"n": 1, "user_id": "a"}]
    with pytest.raises(SourceRefused, match=r"'user_id=…/.*' is damaged"):
        rows_of(connector, k=("b",))


# -- deleted rows ---------------------------------------------------------------------------------------------------------------
_Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"


def _z85(data: bytes) -> str:
    data += bytes(-len(data) % 4)
    words = struct.unpack(f">{len(data) // 4}I", data)
    return "".join(_Z85[word // 85**power % 85] for word in words for power in (4, 3, 2, 1, 0))


def mark_deleted(table: Path, numbers: Sequence[int]) -> None:
    """Commit what Spark commits for DELETE on a table with deletion vectors: a file anew, with a vector within the log.

    deltalake reads such tables and does not write them. The protocol's "Deletion Vector Format": a magic number, and 64-bit roaring bitmaps.
    """
    bitmap = struct.pack("<II", 12346, 1) + struct.pack("<HH", 0, len(numbers) - 1) + struct.pack("<I", 16)
    bitmap += struct.pack(f"<{len(numbers)}H", *sorted(numbers))
    vector = struct.pack("<I", 1681511377) + struct.pack("<Q", 1) + struct.pack("<I", 0) + bitmap
    log = table / "_delta_log"
    added = [
        json.loads(line)["add"] for commit in sorted(log.glob("*.json")) for line in commit.read_text().splitlines() if '"add"' in line
    ]
    [first, *_] = sorted(added, key=lambda add: add["path"])
    features = sorted({*(DeltaTable(str(table)).protocol().reader_features or ()), "deletionVectors"})
    descriptor = {"storageType": "i", "pathOrInlineDv": _z85(vector), "sizeInBytes": len(vector), "cardinality": len(numbers)}
    actions = [
        {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": features, "writerFeatures": features}},
        {"remove": {"path": first["path"], "deletionTimestamp": 1, "dataChange": True, "partitionValues": first["partitionValues"]}},
        {"add": {**first, "deletionVector": descriptor}},
    ]
    (log / f"{len(list(log.glob('*.json'))):020}.json").write_text("".join(json.dumps(action) + "\n" for action in actions))


def test_rows_that_a_vector_marks_as_deleted_are_not_delivered(tmp_path: Path) -> None:
    path = tmp_path / "a t"
    for _ in range(2):
        write(
            path,
            {"user_id": [ANN.upn, "xavier"] * 500, "n": list(range(1000)), "ts": [NAIVE + timedelta(days=n // 100) for n in range(1000)]},
        )
    was = rows_of(connect(path))
    assert len(was) == 1000
    mark_deleted(path, [0, 2, 3, 500, 998])
    first = [row["n"] for row in rows_of(connect(path))][:496]
    assert first == [n for n in range(0, 1000, 2) if n not in {0, 2, 500, 998}]
    assert len(rows_of(connect(path))) == 996
    [both] = [collect(connect(path), [ANN.subject, identified(upn=("xavier",))])]
    assert [len(each.rows) for each in both] == [996, 999]
    windowed = connect(path, time="ts", window=WindowSettings(until="2026-01-02"))
    assert [row["n"] for row in rows_of(windowed)][:48] == list(range(4, 100, 2))
    [estimate] = connect(path).estimate([ANN.subject], limit_s=30)
    assert estimate.rows is not None
    assert (estimate.rows.count, estimate.rows.is_exact) == (996, True)
    assert len(rows_of(connect(path, exclude=("user_id", "n")))) == 996


def test_deleted_rows_stay_deleted_where_nothing_else_is_asked(tmp_path: Path) -> None:
    write(tmp_path / "t", {"user_id": [ANN.upn] * 4, "n": [1, 2, 3, 4]}, partition_by=["user_id"])
    mark_deleted(tmp_path / "t", [1, 3])
    assert [row["n"] for row in rows_of(connect(tmp_path / "t"))] == [1, 3]


def test_deleted_rows_are_those_of_the_file_that_says_so(tmp_path: Path) -> None:
    """Files of one name in two folders, as tables have them that were folders of Parquet before."""
    rows = {"user_id": [ANN.upn] * 2, "n": [1, 2]}
    for part in ("a b/%", "c"):
        write(tmp_path / "a t", {**rows, "p": [part] * 2}, partition_by=["p"])
    names = {}
    for path in sorted((tmp_path / "a t").rglob("*.parquet")):
        names[path.name] = "part-0.parquet"
        path.rename(path.with_name("part-0.parquet"))
    for commit in (tmp_path / "a t/_delta_log").glob("*.json"):
        text = commit.read_text()
        for old, new in names.items():
            text = text.replace(old, new)
        commit.write_text(text)
    mark_deleted(tmp_path / "a t", [1])
    assert sorted((row["p"], row["n"]) for row in rows_of(connect(tmp_path / "a t"))) == [("a b/%", 1), ("c", 1), ("c", 2)]


# -- what is refused ---------------------------------------------------------------------------------------------------------------
def _commit(table: Path, *actions: object) -> None:
    log = table / "_delta_log"
    (log / f"{len(list(log.glob('*.json'))):020}.json").write_text("".join(json.dumps(action) + "\n" for action in actions))


@pytest.mark.parametrize("feature", ["typeWidening", "somethingNew"])
def test_a_table_that_needs_more_is_refused(tmp_path: Path, feature: str) -> None:
    write(tmp_path / "t", {"user_id": [ANN.upn]})
    _commit(
        tmp_path / "t",
        {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": [feature], "writerFeatures": [feature]}},
    )
    with pytest.raises(SourceRefused):
        connect(tmp_path / "t").check()


def test_columns_that_have_other_names_in_the_files_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "t", {"user_id": [ANN.upn]})
    [commit] = (tmp_path / "t/_delta_log").glob("*.json")
    lines = [json.loads(line) for line in commit.read_text().splitlines()]
    for line in lines:
        if "metaData" in line:
            line["metaData"]["configuration"]["delta.columnMapping.mode"] = "name"
            line["metaData"]["configuration"]["delta.columnMapping.maxColumnId"] = "1"
            schema = json.loads(line["metaData"]["schemaString"])
            schema["fields"][0]["metadata"] = {"delta.columnMapping.id": 1, "delta.columnMapping.physicalName": "col-1"}
            line["metaData"]["schemaString"] = json.dumps(schema)
        if "protocol" in line:
            line["protocol"] = {"minReaderVersion": 2, "minWriterVersion": 5}
    commit.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(SourceRefused, match="columnMapping"):
        connect(tmp_path / "t").check()


@pytest.mark.parametrize("path", ["../x.parquet", "%2E%2E/x.parquet", "a/../../x.parquet"])
def test_a_log_that_leads_out_of_the_table_is_refused(tmp_path: Path, path: str) -> None:
    write(tmp_path / "t", {"user_id": [ANN.upn]})
    pl.DataFrame({"user_id": [ANN.upn], "other": ["of another table"]}).write_parquet(tmp_path / "x.parquet")
    size = (tmp_path / "x.parquet").stat().st_size
    _commit(tmp_path / "t", {"add": {"path": path, "partitionValues": {}, "size": size, "modificationTime": 1, "dataChange": True}})
    with pytest.raises((SourceRefused, SourceUnavailable)):
        rows_of(connect(tmp_path / "t"))


def test_a_folder_without_a_table_or_with_a_broken_log_is_none(tmp_path: Path) -> None:
    with pytest.raises(SourceRefused, match="there is no Delta table"):
        connect(tmp_path).check()
    write(tmp_path / "t", {"user_id": [ANN.upn]})
    _commit(tmp_path / "t", "garbage")
    with pytest.raises((SourceRefused, SourceUnavailable)):
        connect(tmp_path / "t").check()


def test_a_table_without_rows_is_a_table(tmp_path: Path) -> None:
    write(tmp_path / "t", {"user_id": [ANN.upn]})
    DeltaTable(str(tmp_path / "t")).delete()
    connector = connect(tmp_path / "t")
    connector.check()
    assert rows_of(connector) == []


@pytest.mark.parametrize("options", [{"url": "/srv/*"}, {"types": {"a": "int"}}, {"access": Access(ca="x"), "url": "s3://b/t"}], ids=repr)
def test_settings_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        connect(**{"url": "/srv/t", **options})


@pytest.mark.parametrize(
    ("library", "hint", "options"),
    [("deltalake", "delta", {"url": "/srv/t"}), ("obstore", "object-stores", {"url": "s3://b/t"})],
    ids=["deltalake", "obstore"],
)
def test_a_library_that_is_missing_is_told_with_what_brings_it(
    monkeypatch: pytest.MonkeyPatch, library: str, hint: str, options: dict[str, Any]
) -> None:
    monkeypatch.delitem(sys.modules, "rightful.connectors.lake_objects", raising=False)
    monkeypatch.delitem(sys.modules, "rightful.connectors.object_store", raising=False)
    monkeypatch.setitem(sys.modules, library, None)  # as if it were not installed
    with pytest.raises(ConfigurationError, match=f"library {library} is not installed") as caught:
        connect(**options)
    assert caught.value.hint == f"install rightful[{hint}]"
