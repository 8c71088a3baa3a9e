"""Iceberg tables that pyiceberg wrote, and the deletes that it does not write itself."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.manifest import (
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestFile,
    ManifestWriterV2,
    write_manifest_list,
)
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC
from pyiceberg.table import Table
from pyiceberg.typedef import Record

POSITION_DELETE = pa.schema(
    [
        pa.field("file_path", pa.string(), nullable=False, metadata={b"PARQUET:field_id": b"2147483546"}),
        pa.field("pos", pa.int64(), nullable=False, metadata={b"PARQUET:field_id": b"2147483545"}),
    ]
)


def catalog(folder: Path, **properties: str) -> SqlCatalog:
    """Open a catalog in a folder, made where there is none."""
    made = SqlCatalog("main", uri=f"sqlite:///{folder}/catalog.db", **{"warehouse": f"file://{folder}", **properties})
    made.create_namespace_if_not_exists("db")
    return made


def folder_of(table: Table) -> Path:
    """Return where a local table lies."""
    return Path(table.location().removeprefix("file://"))


def write(table: Table, rows: Sequence[Mapping[str, object]] | pa.Table) -> None:
    """Append rows, and leave a hint as tables have it that need no catalog."""
    table.append(rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(list(rows), schema=table.schema().as_arrow()))
    if table.location().startswith("file://"):
        hint(table)


def hint(table: Table) -> None:
    """Write the current metadata once more, under the name and with the hint that Hadoop's tables have."""
    folder = folder_of(table) / "metadata"
    number = 1 + len(list(folder.glob("v*.metadata.json")))
    shutil.copy(table.metadata_location.removeprefix("file://"), folder / f"v{number}.metadata.json")
    (folder / "version-hint.text").write_text(f"{number}")


class _DeletesWriter(ManifestWriterV2):
    def content(self) -> ManifestContent:
        return ManifestContent.DELETES

    @property
    def _meta(self) -> dict[str, str]:
        return {**super()._meta, "content": "deletes"}


def commit_deletes(table: Table, rows: pa.Table, content: DataFileContent = DataFileContent.POSITION_DELETES, **more: Any) -> None:
    """Commit a file of deletes to a table without partitions, as Spark and Flink do, and leave a hint."""
    folder = folder_of(table)
    before = table.current_snapshot()
    assert before is not None
    number = 1 + len(list((folder / "metadata").glob("v*.metadata.json")))
    path = folder / "data" / f"deletes-{number}.parquet"
    pq.write_table(rows, path)
    data = DataFile.from_args(
        content=content,
        file_path=f"file://{path}",
        file_format=FileFormat.PARQUET,
        partition=Record(),
        record_count=rows.num_rows,
        file_size_in_bytes=path.stat().st_size,
        **more,
    )
    data.spec_id = 0
    sequence = (before.sequence_number or 0) + 1
    snapshot_id = 1000 + number
    manifest = f"file://{folder}/metadata/deletes-{number}.avro"
    with _DeletesWriter(UNPARTITIONED_PARTITION_SPEC, table.schema(), table.io.new_output(manifest), snapshot_id, "deflate") as writer:
        writer.add_entry(ManifestEntry.from_args(status=ManifestEntryStatus.ADDED, snapshot_id=snapshot_id, data_file=data))
    listed = f"file://{folder}/metadata/snap-{number}.avro"
    manifests: list[ManifestFile] = [*before.manifests(table.io), writer.to_manifest_file()]
    with write_manifest_list(2, table.io.new_output(listed), snapshot_id, before.snapshot_id, sequence, "deflate") as lists:
        lists.add_manifests(manifests)
    document = json.loads((folder / "metadata" / f"v{number - 1}.metadata.json").read_text())
    document["snapshots"].append(
        {
            "snapshot-id": snapshot_id,
            "parent-snapshot-id": before.snapshot_id,
            "sequence-number": sequence,
            "timestamp-ms": before.timestamp_ms + 1,
            "manifest-list": listed,
            "summary": {"operation": "delete"},
            "schema-id": 0,
        }
    )
    document["current-snapshot-id"] = document["refs"]["main"]["snapshot-id"] = snapshot_id
    document["last-sequence-number"] = sequence
    document["last-updated-ms"] = before.timestamp_ms + 1
    (folder / "metadata" / f"v{number}.metadata.json").write_text(json.dumps(document))
    (folder / "metadata" / "version-hint.text").write_text(f"{number}")


def delete_positions(table: Table, positions: Mapping[str, Sequence[int]]) -> None:
    """Commit position deletes, by the address of a file."""
    pairs = [(path, number) for path in sorted(positions) for number in sorted(positions[path])]
    commit_deletes(
        table, pa.table({"file_path": [path for path, _ in pairs], "pos": [number for _, number in pairs]}, schema=POSITION_DELETE)
    )
