"""People of one name, letter case apart: nobody gets the other's data, and nobody else's export suffers from it."""

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.unit.export.world import TENANT, World

from rightful.connectors.sql import SqlConnector
from rightful.connectors.sql_settings import SqlSettings
from rightful.directory.sql import SqlDirectory, SqlDirectorySettings
from rightful.export.runtime import TenantRuntime
from rightful.operation.model import OperationStatus


def test_exports_of_namesakes_fail_before_anything_is_written_and_those_of_others_do_not(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "shop.db")) as database, database:
        database.execute("CREATE TABLE people (id TEXT PRIMARY KEY, upn TEXT)")
        names = ["Ann@contoso.example", "ann@contoso.example", "bob@contoso.example"]
        database.executemany("INSERT INTO people VALUES (?, ?)", [(str(number), name) for number, name in enumerate(names, 1)])
        database.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, upn TEXT)")
        database.executemany("INSERT INTO orders (upn) VALUES (?)", [(name,) for name in names])
    url = "sqlite:///shop.db"
    orders = SqlConnector("orders", SqlSettings(url=url, table="orders", match={"upn": "upn"}), siblings={}, folder=tmp_path)
    directory = SqlDirectory(TENANT, SqlDirectorySettings(url=url, table="people"), folder=tmp_path)
    world = World(tmp_path, {}, {"orders": orders})
    world.tenants[TENANT] = TenantRuntime(world.config.tenants[0], directory, {"orders": orders})
    *namesakes, bob = [world.submit(object_id) for object_id in ("1", "2", "3")]
    world.run()
    for failed in map(world.get, namesakes):
        assert failed.status is OperationStatus.FAILED
        assert failed.failure is not None
        assert failed.failure.code == "SubjectAmbiguous"
        assert not (world.package(failed) / "data").exists()
    assert world.get(bob).status is OperationStatus.COMPLETE
    assert world.rows(bob, "orders") == [3]
    directory.close()
    orders.close()
