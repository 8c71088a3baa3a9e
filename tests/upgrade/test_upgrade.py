"""A store of an earlier version, with operations in each state, is brought up to date, and today's service finishes them."""

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest
from tests.unit.export.world import TENANT, VISIBLE, World

from rightful.audit.chain import ChainCheck
from rightful.ids import OperationId
from rightful.operation.model import DataPolicyOperation, OperationStatus
from rightful.package.schema import Column, ColumnKind
from rightful.package.verify import PackageState
from rightful.store import queries
from rightful.store.sqlite_examining import examine
from rightful.testing.memory_connector import MemoryConnector

HERE = Path(__file__).parent
MADE = [path.stem for path in sorted(HERE.glob("schema_*.sql"))]
"""By `make.py`, with the code of that time."""
PEOPLE = {f"p{number}": {"id": (f"p{number}",)} for number in range(8)}
COLUMNS = (Column(name="id", kind=ColumnKind.INT), Column(name="who", kind=ColumnKind.TEXT))
ROWS = tuple({"id": number, "who": f"p{number % 8}"} for number in range(80))


class Upgraded:
    """What an earlier version left, in the hands of this one."""

    def __init__(self, folder: Path, made: str) -> None:
        document = json.loads((HERE / f"{made}.json").read_text(encoding="utf-8"))
        self.ids: Mapping[str, str] = document["operations"]
        self.before: Mapping[str, str] = document["files"]
        for name, text in self.before.items():
            path = folder / "exports" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        with closing(sqlite3.connect(folder / "store.db")) as store:
            store.executescript((HERE / f"{made}.sql").read_text(encoding="utf-8"))
        (folder / "store.db").chmod(0o600)
        self.path = folder / "store.db"
        sources = {name: MemoryConnector(name, columns=COLUMNS, match={"who": "id"}, rows=ROWS, key="id") for name in ("shop", "mail")}
        self.world = World(folder, PEOPLE, sources)

    def get(self, name: str) -> DataPolicyOperation:
        found = self.world.service.get(TENANT, OperationId(self.ids[name]), VISIBLE)
        assert found is not None
        return found

    def is_whole(self, name: str) -> bool:
        operation = self.get(name)
        person = int(operation.subject_id.removeprefix("p"))
        expected = [number for number in range(80) if number % 8 == person]
        assert operation.status is OperationStatus.COMPLETE, operation
        assert self.world.rows(operation, "shop") == expected == self.world.rows(operation, "mail")
        return self.world.verify(operation).state is PackageState.WHOLE


@pytest.mark.parametrize("made", MADE)
def test_what_ran_before_the_upgrade_is_finished_after_it(tmp_path: Path, made: str) -> None:
    upgraded = Upgraded(tmp_path, made)
    assert upgraded.get("complete").package is not None
    assert upgraded.get("cancelled").status is OperationStatus.FAILED
    upgraded.world.run()
    for name in ("to be finished", "half read", "queued", "unread"):
        assert upgraded.is_whole(name), name
    for path, text in upgraded.before.items():
        assert (tmp_path / "exports" / path).read_text(encoding="utf-8") == text  # nothing is put twice, or over what is there
    upgraded.world.service.resume(TENANT, OperationId(upgraded.ids["cancelled"]), None)
    upgraded.world.run()
    assert upgraded.is_whole("cancelled")


@pytest.mark.parametrize("made", MADE)
def test_upgraded_store_is_in_order_and_its_trail_goes_on(tmp_path: Path, made: str) -> None:
    upgraded = Upgraded(tmp_path, made)
    upgraded.world.run()
    check = ChainCheck(TENANT, [])
    for entry in upgraded.world.store.chain(TENANT):
        check.add(entry.seq, entry.canonical, entry.hash)
    assert check.report().findings == ()
    upgraded.world.stop()
    assert [each for each in examine(upgraded.path) if not each.ok] == []
    with closing(sqlite3.connect(upgraded.path)) as store:
        assert store.execute("PRAGMA user_version").fetchone() == (len(queries.migrations()),)
