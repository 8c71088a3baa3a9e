"""Makes `schema_10.sql` and `schema_10.json`: a store as that time's code left it when it was killed, and what lay in its storage location.

Run from a checkout of the last commit whose newest migration was 0009, with that checkout's `src` and root on PYTHONPATH:

    git worktree add old b285dc6~1
    PYTHONPATH=old/src:old python tests/upgrade/make.py tests/upgrade

It uses that version's own test world (`tests/unit/export/world.py`), so that nothing in the store is made by today's code.
"""

import json
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from tests.unit.export.world import OWNER, TENANT, World

from rightful.package.schema import Column, ColumnKind
from rightful.testing.memory_connector import MemoryConnector

PEOPLE = {f"p{number}": {"id": (f"p{number}",)} for number in range(8)}
COLUMNS = (Column(name="id", kind=ColumnKind.INT), Column(name="who", kind=ColumnKind.TEXT))
ROWS = tuple({"id": number, "who": f"p{number % 8}"} for number in range(80))


def sources() -> dict[str, MemoryConnector]:
    """Return the sources of the old service, which are the new one's too."""
    return {name: MemoryConnector(name, columns=COLUMNS, match={"who": "id"}, rows=ROWS, key="id") for name in ("shop", "mail")}


def make(folder: Path) -> dict[str, str]:
    """Leave operations in each state, as a kill would; returns which is which."""
    world = World(folder, PEOPLE, sources())
    complete = world.submit("p0")
    world.run()
    cancelled = world.submit("p1")
    world.service.cancel(TENANT, cancelled.operation_id)
    to_finish = world.submit("p2")
    while {source.state for source in world.get(to_finish).sources} != {"exported"}:
        assert world.step()
    half = world.submit("p3")
    # The operation that could be finished would be claimed first: it is held for a while, as after a failed try.
    claim = world.store.claim(OWNER, lease_s=600, limit=10)
    assert claim is not None
    assert world.step()
    queued = world.submit("p4")
    leased = world.store.claim(OWNER, lease_s=600, limit=10)
    assert leased is not None
    unread = world.submit("p5")
    found = {
        "complete": complete,
        "cancelled": cancelled,
        "to be finished": to_finish,
        "half read": half,
        "queued": queued,
        "unread": unread,
    }
    world.stop()
    return {name: each.operation_id for name, each in found.items()}


def main(target: Path) -> None:
    """Write both files."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        operations = make(folder)
        with closing(sqlite3.connect(folder / "store.db")) as store:
            version = store.execute("PRAGMA user_version").fetchone()[0]
            dump = "\n".join(store.iterdump())
        (target / f"schema_{version}.sql").write_text(f"{dump}\nPRAGMA user_version = {version};\n", encoding="utf-8")
        exports = folder / "exports"
        files = {str(path.relative_to(exports)): path.read_text("utf-8") for path in sorted(exports.rglob("*")) if path.is_file()}
        going_on = {path: content for path, content in files.items() if not path.startswith(operations["complete"])}
        text = json.dumps({"operations": operations, "files": going_on}, indent=1)
        (target / f"schema_{version}.json").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
