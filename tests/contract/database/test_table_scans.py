"""A large table without an index is gone over once for all who wait together, in databases of all kinds."""

import json
from pathlib import Path

import pytest
from tests.contract.database.world import ENGINES, World, connector, make, settings
from tests.unit.export.world import OWNER, stopped_worlds
from tests.unit.export.world import World as Service

from rightful.connectors.interface import KEY_COLUMN, Partition, ReadHeader, Rows
from rightful.connectors.sql import SqlConnector
from rightful.errors import SourceUnavailable
from rightful.export import runtime
from rightful.operation.model import DataPolicyOperation, OperationStatus
from rightful.store.values import ReadSet
from rightful.testing.connector_suite import identified

__all__ = ["stopped_worlds"]

ROWS = 60_000
PEOPLE = {str(n): {"mail": (f"p{n}@x.example",)} for n in range(1, 7)}
SUBJECTS = [identified(mail=(f"p{n}@x.example",)) for n in range(1, 4)]
_SERIES = {"postgres": "generate_series(1, {}) s(n)", "mariadb": "(SELECT seq AS n FROM seq_1_to_{}) s"}
_RECURSIVE = "(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {}) SELECT n FROM s)"


@pytest.fixture(params=ENGINES)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    return make(request.param, request, tmp_path)


def fill(world: World, table: str, rows: int = ROWS) -> None:
    """Make a table in which everybody of six has a sixth of the first 600 rows, and somebody else the others."""
    world.execute(f"CREATE TABLE {table} (id bigint PRIMARY KEY, mail text)")
    owner = "CASE WHEN n <= 600 THEN 'p' || (n % 6 + 1) || '@x.example' ELSE 'else@x.example' END"
    world.execute(f"INSERT INTO {table} SELECT n, {owner} FROM {_SERIES.get(world.engine, _RECURSIVE).format(rows)}")
    if world.is_postgres:
        world.execute(f"ANALYZE {table}")
    if world.is_mariadb:
        world.execute(f"ANALYZE TABLE {table} PERSISTENT FOR ALL")


def table(world: World, **rest: object) -> SqlConnector:
    made = connector(world, t=settings(world, "t", **{"match": {"mail": "mail"}, **rest}))
    made.plan(())
    return made


def claim(running: Service) -> ReadSet:
    """Claim as the engine does, two of what is no scan."""
    claimed = running.store.claim(OWNER, lease_s=60, limit=2, scans=runtime.scans(running.tenants)())
    assert isinstance(claimed, ReadSet)
    return claimed


def ids(running: Service, operation: DataPolicyOperation) -> list[int]:
    parts = sorted((running.package(operation) / "data" / "Product" / "t").glob("part-*.jsonl"))
    return [json.loads(line)["id"] for part in parts for line in part.read_text().splitlines()]


def test_a_large_table_without_an_index_is_a_scan_and_one_with_an_index_or_a_small_one_is_not(world: World) -> None:
    fill(world, "t")
    found = [table(world).is_scan]
    world.execute("CREATE INDEX by_mail ON t (mail)")
    found.append(table(world).is_scan)
    world.execute("DROP TABLE t")
    fill(world, "t", 700)
    found.append(table(world).is_scan)
    assert found == [True, False, False]


def test_the_first_reads_after_a_start_share_a_scan_and_of_an_index_only_if_they_were_not_planned(world: World) -> None:
    fill(world, "t")
    made = connector(world, t=settings(world, "t", match={"mail": "mail"}))
    running = Service(world.folder, PEOPLE, {"t": made})
    operations = [running.submit(number) for number in PEOPLE]
    assert [scan.limit for scan in runtime.scans(running.tenants)()] == [256], "a read by an index must not be one thread's work for all"
    first = claim(running)
    assert len(first.reads) == 6
    running.work(first)
    running.run()
    assert [running.get(operation).status for operation in operations] == [OperationStatus.COMPLETE] * 6
    assert made.is_scan
    assert [scan.limit for scan in runtime.scans(running.tenants)()] == [10_000]
    restarted = connector(world, t=settings(world, "t", match={"mail": "mail"}))
    header = next(iter(restarted.read(Partition(number=0), SUBJECTS)))
    assert isinstance(header, ReadHeader)
    assert not header.has_key, "a read that was planned before a restart is looked at anew"


@pytest.mark.postgres
@pytest.mark.parametrize("world", [ENGINES[1]], indirect=True)
def test_a_table_of_which_nothing_was_counted_yet_is_a_scan(world: World) -> None:
    world.execute("CREATE TABLE t (id bigint PRIMARY KEY, mail text) WITH (autovacuum_enabled = off)")
    world.execute("INSERT INTO t SELECT n, 'p' || n || '@x.example' FROM generate_series(1, 200000) s(n); CREATE VIEW v AS SELECT * FROM t")
    made = table(world)
    assert made.is_scan
    assert 100_000 < (made._database.statistics(made._database.table("t")).rows or 0) < 400_000
    assert made._database.statistics(made._database.table("v")).rows


def test_a_column_in_lower_case_is_a_scan_without_an_index_of_its_own(world: World) -> None:
    fill(world, "t")
    world.execute("CREATE INDEX by_mail ON t (mail)")
    found = [table(world, caseless=("mail",)).is_scan]
    if world.is_postgres:
        world.execute("CREATE INDEX by_lower ON t (lower(mail))")
        found.append(table(world, caseless=("mail",)).is_scan)
    assert found == ([True, False] if world.is_postgres else [True])


def test_a_way_over_another_table_is_a_scan_where_either_has_no_index(world: World) -> None:
    fill(world, "t")
    world.execute("CREATE TABLE lines (n bigint PRIMARY KEY, t_id bigint); INSERT INTO lines SELECT id, id FROM t")
    world.execute("CREATE INDEX by_mail ON t (mail)")
    if world.is_postgres:
        world.execute("ANALYZE lines")
    sources = {"t": settings(world, "t", match={"mail": "mail"}), "l": settings(world, "lines", via={"t": {"t_id": "id"}})}
    found = []
    for change in ("", "CREATE INDEX by_t ON lines (t_id)", "DROP INDEX by_mail" + (" ON t" if world.is_mariadb else "")):
        if change:
            world.execute(change)
        made = connector(world, "l", **sources)
        made.plan(())
        found.append(made.is_scan)
    assert found == [True, False, True]


def test_those_who_wait_together_share_one_scan_and_each_gets_theirs(world: World) -> None:
    fill(world, "t")
    running = Service(world.folder, PEOPLE, {"t": table(world)})
    operations = [running.submit(number) for number in PEOPLE]
    claimed = claim(running)
    assert len(claimed.reads) == 6
    cancelled = operations.pop()
    running.service.cancel(cancelled.tenant_id, cancelled.operation_id)
    running.work(claimed)
    running.run()
    assert [running.get(operation).status for operation in operations] == [OperationStatus.COMPLETE] * 5
    for number, operation in enumerate(operations):
        assert ids(running, operation) == [n for n in range(1, 601) if n % 6 == number]


def test_a_scan_for_many_that_dies_starts_again_for_all_and_one_for_one_goes_on(world: World) -> None:
    fill(world, "t")
    made = table(world)
    headers = [next(iter(made.read(Partition(number=0), SUBJECTS[:count]))) for count in (3, 1)]
    assert [isinstance(header, ReadHeader) and header.has_key for header in headers] == [False, True]
    for count, is_there in ((3, False), (1, True)):
        batches = [item.batch for item in made.read(Partition(number=0), SUBJECTS[:count]) if isinstance(item, Rows)]
        assert {KEY_COLUMN in batch.schema.names for batch in batches} == {is_there}


class _Dying(SqlConnector):
    """Breaks off once, after the rows of the first three of six."""

    deaths = 1

    def read_at(self, *what: object) -> object:  # type: ignore[override]  # passed on as it is
        for number, item in enumerate(super().read_at(*what)):  # type: ignore[arg-type]  # as above
            yield item
            if number and self.deaths:
                self.deaths -= 1
                raise SourceUnavailable("the connection broke", source_name="t")


def test_after_a_scan_died_nobody_is_read_for_alone(world: World) -> None:
    fill(world, "t")
    made = _Dying("t", settings(world, "t", match={"mail": "mail"}), siblings={}, folder=world.folder)
    world.connectors.append(made)
    made.plan(())
    running = Service(world.folder, PEOPLE, {"t": made})
    operations = [running.submit(number) for number in PEOPLE]
    running.work(claim(running))
    running.clock.advance(60)
    again = claim(running)
    assert len(again.reads) == 6
    running.work(again)
    running.run()
    for number, operation in enumerate(operations):
        assert running.get(operation).status is OperationStatus.COMPLETE
        assert ids(running, operation) == [n for n in range(1, 601) if n % 6 == number]
