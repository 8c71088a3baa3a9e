"""One moment for all tables of a database: whatever writers do meanwhile, a package never holds half of it."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.database.world import ENGINES, World, connector, make, settings
from tests.servers.postgres import PostgresServer
from tests.unit.export.world import TENANT, stopped_worlds
from tests.unit.export.world import World as Service

from rightful.config.model import ExportSettings
from rightful.connectors.interface import Moment, Rows
from rightful.connectors.sql import SqlConnector
from rightful.errors import SourceUnavailable
from rightful.operation.model import DataPolicyOperation, OperationStatus
from rightful.package.verify import PackageState
from rightful.subject.model import IdentifiedSubject
from rightful.testing.connector_suite import identified

__all__ = ["stopped_worlds"]

ANN = "ann@contoso.example"
PEOPLE = {"1": {"upn": (ANN,), "mail": (ANN,)}, "2": {"upn": ("bob@contoso.example",), "mail": ("bob@contoso.example",)}}
SUBJECT = identified(mail=(ANN,))
MOVE = "BEGIN; UPDATE debits SET amount = amount - 5; UPDATE credits SET amount = amount + 5; COMMIT"


@pytest.fixture(params=ENGINES)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    made = make(request.param, request, tmp_path)
    if made.engine == "sqlite":
        made.execute("PRAGMA journal_mode = wal")
    for table in ("debits", "credits"):
        made.execute(f"CREATE TABLE {table} (id bigint PRIMARY KEY, mail text, amount bigint)")
        made.execute(f"INSERT INTO {table} VALUES (1, '{ANN}', 100), (2, 'bob@contoso.example', 100)")
    return made


@pytest.fixture
def tables(world: World) -> dict[str, SqlConnector]:
    sources = {name: settings(world, name, match={"mail": "mail"}) for name in ("debits", "credits")}
    return {name: connector(world, name, **sources) for name in sources}


@pytest.fixture
def moment(tables: dict[str, SqlConnector]) -> Iterator[Moment]:
    held = tables["debits"].hold(60)
    assert held is not None
    yield held
    held.close()


def service(world: World, tables: dict[str, SqlConnector], **export: float) -> Service:
    return Service(world.folder, PEOPLE, tables, export=ExportSettings(retry_s=1.0, **export))  # type: ignore[arg-type]


def amounts(made: SqlConnector, moment: Moment | None, subject: IdentifiedSubject = SUBJECT) -> list[int]:
    found: list[int] = []
    for item in made.read_at(moment, made.plan([subject])[0], [subject]):
        found += item.batch.column("amount").to_pylist() if isinstance(item, Rows) else []
    return found


def delivered(service: Service, operation: DataPolicyOperation) -> tuple[int, int]:
    """Return what the package has of both tables."""
    found = []
    for source in ("debits", "credits"):
        [part] = (service.package(operation) / "data" / "Product" / source).glob("part-*.jsonl")
        found.append(json.loads(part.read_text())["amount"])
    return found[0], found[1]


def test_reads_at_one_moment_see_nothing_that_comes_after_it(world: World, tables: dict[str, SqlConnector], moment: Moment) -> None:
    assert amounts(tables["debits"], moment) == [100]
    world.execute(MOVE)
    assert amounts(tables["credits"], moment) == [100]
    assert amounts(tables["debits"], moment) == [100]
    assert [amounts(made, None) for made in tables.values()] == [[95], [105]]


def test_a_moment_that_was_let_go_is_followed_by_later_ones(world: World, tables: dict[str, SqlConnector]) -> None:
    for expected in (95, 90):
        world.execute(MOVE)
        held = tables["credits"].hold(60)
        assert held is not None
        assert amounts(tables["debits"], held) == [expected]
        held.close()
    assert amounts(tables["debits"], None) == [90]


def test_a_package_never_holds_half_of_what_a_transaction_changed(world: World, tables: dict[str, SqlConnector]) -> None:
    running = service(world, tables)
    operation = running.submit("1")
    assert running.step()
    world.execute(MOVE)
    running.clock.advance(5)
    running.run()
    assert running.get(operation).status is OperationStatus.COMPLETE
    assert delivered(running, operation) == (100, 100)
    ledger = running.ledger(operation)
    assert len(ledger["debits"]["asOf"]) == 1
    assert ledger["debits"]["asOf"] == ledger["credits"]["asOf"]
    assert running.verify(operation).state is PackageState.WHOLE


def test_one_moment_is_for_those_alone_who_asked_before_it(world: World, tables: dict[str, SqlConnector]) -> None:
    running = service(world, tables)
    first = running.submit("1")
    assert running.step()
    world.execute(MOVE)
    running.clock.advance(1)
    second = running.submit("2")
    running.run()
    assert delivered(running, first) == (100, 100)
    assert delivered(running, second) == (95, 105)
    assert running.ledger(first)["credits"]["asOf"] < running.ledger(second)["credits"]["asOf"]


def test_without_a_shared_moment_each_table_says_its_own(world: World, tables: dict[str, SqlConnector]) -> None:
    running = service(world, tables, snapshot_s=0)
    operation = running.submit("1")
    assert running.step()
    world.execute(MOVE)
    running.clock.advance(5)
    running.run()
    assert delivered(running, operation) == (100, 105)
    assert running.ledger(operation)["debits"]["asOf"] < running.ledger(operation)["credits"]["asOf"]


def test_what_is_read_when_the_time_of_a_moment_is_over_says_that_it_is_later(world: World, tables: dict[str, SqlConnector]) -> None:
    running = service(world, tables, snapshot_s=0.05)
    operation = running.submit("1")
    assert running.step()
    world.execute(MOVE)
    running.clock.advance(5)
    time.sleep(0.2)
    running.run()
    assert delivered(running, operation) == (100, 105)
    assert running.ledger(operation)["debits"]["asOf"] < running.ledger(operation)["credits"]["asOf"]


def test_what_is_read_after_a_restart_says_that_it_is_later(world: World, tables: dict[str, SqlConnector]) -> None:
    running = service(world, tables)
    operation = running.submit("1")
    assert running.step()
    running.work.stop()
    running.stop()
    world.execute(MOVE)
    running.clock.advance(5)
    running.start()
    running.run()
    assert delivered(running, operation) == (100, 105)
    assert running.ledger(operation)["debits"]["asOf"] < running.ledger(operation)["credits"]["asOf"]


_CHANGES = ["TRUNCATE TABLE credits", "ALTER TABLE credits {}", "ALTER TABLE credits ADD COLUMN more bigint"]


@pytest.mark.parametrize("world", ENGINES[1:], indirect=True)
@pytest.mark.parametrize("change", _CHANGES)
def test_a_table_that_is_made_anew_meanwhile_is_not_taken_for_empty(
    world: World, tables: dict[str, SqlConnector], moment: Moment, change: str
) -> None:
    change = change.format("ALTER COLUMN amount TYPE int" if world.is_postgres else "MODIFY COLUMN amount int")
    assert amounts(tables["debits"], moment) == [100]
    world.execute(change)
    try:
        assert amounts(tables["credits"], moment) == [100]
    except SourceUnavailable:
        assert moment.is_lost
    else:
        assert change == _CHANGES[2]
    assert amounts(tables["credits"], None) == ([] if change == _CHANGES[0] else [100])


@pytest.mark.parametrize("world", ENGINES[1:2], indirect=True)
def test_a_moment_whose_keeper_died_is_lost_and_the_next_one_taken(
    world: World, tables: dict[str, SqlConnector], request: pytest.FixtureRequest
) -> None:
    running = service(world, tables)
    operation = running.submit("1")
    assert running.step()
    server: PostgresServer = request.getfixturevalue("postgres")
    server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction'")
    running.clock.advance(5)
    running.run()
    assert running.get(operation).status is OperationStatus.COMPLETE
    assert running.ledger(operation)["debits"]["asOf"] < running.ledger(operation)["credits"]["asOf"]


@pytest.mark.parametrize("world", ENGINES[1:2], indirect=True)
def test_a_transaction_is_open_for_as_long_as_an_operation_has_something_left_to_read(
    world: World, tables: dict[str, SqlConnector], request: pytest.FixtureRequest
) -> None:
    running = service(world, tables)
    server: PostgresServer = request.getfixturevalue("postgres")
    database = world.url.rpartition("/")[2]

    def is_open() -> bool:
        return bool(server.execute(f"SELECT pid FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = '{database}'"))

    running.submit("1")
    assert running.step()
    assert is_open()
    assert running.step()
    assert not is_open()
    running.run()
    cancelled = running.submit("2")
    assert running.step()
    assert is_open()
    running.service.cancel(TENANT, cancelled.operation_id)
    assert not is_open()


def test_a_file_whose_writers_would_have_to_wait_is_read_table_by_table(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    world = make("sqlite", request, tmp_path)
    world.execute("CREATE TABLE t (id integer PRIMARY KEY, mail text)")
    assert connector(world, t=settings(world, "t", match={"mail": "mail"})).hold(60) is None
    world.execute("INSERT INTO t VALUES (1, 'x')")
