"""Fills a store with operations that have ended, as exports leave them behind, a thousand times faster than exporting."""

import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from benchmarks.service import TENANT
from rightful.operation.model import PackageTotals
from rightful.store.sqlite_file import SqliteFile

SOURCES = 5
_US = 1_000_000


def fill(path: Path, operations: int) -> None:
    """Make the store, with so many complete operations of as many people, an hour apart, and the reads that they were."""
    SqliteFile(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA foreign_keys = ON")
        database.execute("BEGIN")
        template = _columns(database, "operation")
        names = [name for name in template if name != "seq"]
        marks = ", ".join("?" * len(names))
        database.executemany(
            f"INSERT INTO operation ({', '.join(names)}) VALUES ({marks})",  # the schema's own names
            ([{**template, **made}[name] for name in names] for made in _operations(operations)),
        )
        database.execute(
            "WITH RECURSIVE place (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM place WHERE n < ?) "
            "INSERT INTO read (operation_id, source_name, partition, position, operation_seq, tenant_id, state, attempt, duration_s) "
            "SELECT id, 'things' || n, 0, n, seq, tenant_id, 'done', 1, 0.01 FROM operation, place",
            (SOURCES - 1,),
        )
        database.execute("COMMIT")


def _columns(database: sqlite3.Connection, table: str) -> dict[str, object]:
    """Return a table's columns that can be written, with their defaults."""
    found: dict[str, object] = {}
    for _, name, kind, is_required, default, _, hidden in database.execute(f"PRAGMA table_xinfo({table})"):
        if not hidden:  # 2 and 3: generated
            value = None if default is None else database.execute(f"SELECT {default}").fetchone()[0]
            found[name] = value if value is not None or not is_required else (0 if kind == "INTEGER" else "")
    return found


def _operations(number: int) -> Iterator[dict[str, object]]:
    first = datetime.now(UTC) - timedelta(days=365)
    for place in range(number):
        operation_id = str(uuid.uuid4())
        submitted = int((first + timedelta(seconds=place * 300)).timestamp() * _US)
        package = PackageTotals(
            prefix=f"{operation_id}/", entries=14, size_bytes=90_000, manifest_sha256="5a" * 32, receipt_sha256="a5" * 32
        )
        yield {
            "id": operation_id,
            "tenant_id": TENANT,
            "subject_id": f"ended-{place:08d}",
            "subject_kind": "user",
            "caller_key": "application:bench",
            "container_key": "account:Benchmarks",
            "request_digest": operation_id,
            "correlation_id": operation_id,
            "storage_location": "Benchmarks",
            "prefix": f"{operation_id}/",
            "status": "complete",
            "submitted_at": submitted,
            "received_at": submitted,
            "started_at": submitted + _US,
            "completed_at": submitted + 2 * _US,
            "progress": 100.0,
            "package": msgspec.json.encode(package).decode(),
        }
