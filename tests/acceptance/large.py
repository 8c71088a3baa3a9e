"""Exports that take a while: people with much data, a storage location that is slow, and what the store says of them."""

import random
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.acceptance.service import Document, RunningService, configure

from rightful.clock import SystemClock
from rightful.export.records import Sealed
from rightful.ids import OperationId, TenantId
from rightful.sample.company import SampleCompany
from rightful.sealing import Sealer
from rightful.store.sqlite import SqliteStore
from rightful.store.values import EntryState
from rightful.testing.blob_simulator import BlobSimulator, Fault

ROWS = 100_000
"""Of each person, in thirteen parts of 1 MiB and the rest: two of the groups that are delivered and checkpointed together (8 MiB)."""
SECOND_GROUP = "/part-00000-00011.jsonl"
"""The end of the path of a part that is sent when the group before it is checkpointed, and its source is not at its end."""
FILES = 40
PEOPLE = ("zoe", "jose", "ann", "ann2", "sato.hanako", "e1")


class SlowSimulator(BlobSimulator):
    """A storage location that takes a while for each request, and tells the test when one for a certain entry comes in."""

    delay_s = 0.0
    awaited = ""
    """The end of an entry's path; the first request for it is told, and goes on when that is done with."""
    on_awaited: Callable[[], None]

    def take_fault(self, path: str) -> Fault | None:
        time.sleep(self.delay_s)
        with self._lock:
            is_awaited = bool(self.awaited) and path.endswith(self.awaited)
            if is_awaited:
                self.awaited = ""
        if is_awaited:
            self.on_awaited()
        return super().take_fault(path)


def build(folder: Path, company: SampleCompany) -> Path:
    """Fill a folder with a table that has many rows of each person, and with many files."""
    connection = sqlite3.connect(folder / "readings.db")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("CREATE TABLE readings (id INTEGER PRIMARY KEY, owner TEXT, taken_at TEXT, value REAL, note TEXT)")
    for person in map(company.person, PEOPLE):
        connection.execute(
            "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?) "
            "INSERT INTO readings (owner, taken_at, value, note) SELECT ?, '2026-01-01T00:00:00', n / 7.0, 'reading ' || hex(n * 7919) FROM n",
            (ROWS, person.upn),
        )
        album = folder / "albums" / person.upn
        album.mkdir(parents=True)
        for number in range(FILES):
            (album / f"{number:03d}.jpg").write_bytes(random.Random(f"{person.key} {number}").randbytes(1 + 997 * number))
    connection.execute("CREATE INDEX readings_owner ON readings (owner)")
    connection.commit()
    connection.close()
    return folder


def configured(
    company: SampleCompany, name: str, readings: Path, *hosts: str, change: Callable[[Document], None] = lambda _tenant: None
) -> Path:
    """Write a configuration whose first tenant has the large sources and some of the company's; `change` gets that tenant's part."""

    def write(document: Document) -> None:
        contoso = document["tenants"][0]
        contoso["export"] = {"part_mib": 1}
        contoso["storage"]["allow"] = list(hosts)
        kept = {key: contoso["sources"][key] for key in ("onedrive", "customers", "orders", "activity")}
        table = {
            "connector": "sql",
            "url": f"sqlite:///{readings}/readings.db",
            "table": "readings",
            "match": {"owner": "upn"},
            "key": "id",
        }
        albums = {"connector": "files", "url": f"file://{readings}/albums", "path": "{upn}/"}
        contoso["sources"] = {"readings": table, "albums": albums, **kept}
        change(contoso)

    return configure(company, name, write)


def _store_path(service: RunningService) -> Path:
    return service.company.folder / "var" / service.config_path.stem / "rightful.db"


@contextmanager
def _store(service: RunningService) -> Iterator[SqliteStore]:
    store = SqliteStore(_store_path(service), SystemClock())
    try:
        yield store
    finally:
        store.close()


def checkpointed(service: RunningService, operation_ids: Iterable[str]) -> set[str]:
    """Return the paths of sources' entries that the store of a service that does not run says are delivered."""
    sealer = Sealer(bytes.fromhex((service.company.folder / "seal.key").read_text(encoding="ascii").strip()))
    found = set()
    with _store(service) as store:
        for operation_id in map(OperationId, operation_ids):
            sealed = Sealed(sealer, TenantId(service.company.tenant_id), operation_id)
            # RequestInfo.json, which has no source, is DONE from the start.
            done = [entry for entry in store.entries(operation_id) if entry.state is EntryState.DONE and entry.source_name]
            found |= {f"{operation_id}/{sealed.open_entry(entry.sealed).path}" for entry in done}
    return found


def half_way(service: RunningService) -> int:
    """Return how many reads the store of a service that does not run can go on with in the middle of their source."""
    with closing(sqlite3.connect(_store_path(service))) as connection:
        (count,) = connection.execute("SELECT count(*) FROM read WHERE sealed_cursor IS NOT NULL AND state <> 'done'").fetchone()
    return int(count)
