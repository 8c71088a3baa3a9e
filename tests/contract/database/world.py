"""Databases of all kinds with the same content, for tests that must hold on each."""

import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest
from tests.servers.firebird import FirebirdFile
from tests.servers.mariadb import MariadbServer
from tests.servers.postgres import PostgresServer

from rightful.connectors.interface import KEY_COLUMN, SUBJECT_COLUMN, Cursor, ReadHeader, Rows, cursor_after
from rightful.connectors.sql import SqlConnector
from rightful.connectors.sql_settings import SqlSettings
from rightful.subject.model import IdentifiedSubject

ENGINES = [
    pytest.param("sqlite", id="sqlite"),
    pytest.param("postgres", id="postgres", marks=pytest.mark.postgres),
    pytest.param("mariadb", id="mariadb", marks=pytest.mark.mariadb),
]
DUCKDB = pytest.param("alchemy-duckdb", id="alchemy-duckdb")
FIREBIRD = pytest.param("alchemy-firebird", id="alchemy-firebird")
TWICE = [
    pytest.param("alchemy-sqlite", id="alchemy-sqlite"),
    pytest.param("alchemy-postgres", id="alchemy-postgres", marks=pytest.mark.postgres),
    pytest.param("alchemy-mariadb", id="alchemy-mariadb", marks=pytest.mark.mariadb),
]
"""What is read through SQLAlchemy, and without it too."""
ALL = [*ENGINES, DUCKDB, FIREBIRD]
LOOSE = {
    "sqlite": ("", "varchar(99) COLLATE NOCASE"),
    "postgres": (
        "CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level1-ka-shifted', deterministic = false);",
        "varchar(99) COLLATE loose",
    ),
    "mariadb": ("", "varchar(99) COLLATE utf8mb4_general_ci"),
}
"""What comes first, and a type of text that takes `A` and `a` for equal, and PostgreSQL's `-` for nothing."""
Row = Mapping[str, Any]


class World(msgspec.Struct, frozen=True):
    """An empty database, its URL, and a way to fill it."""

    engine: str
    url: str
    execute: Callable[[str], object]
    folder: Path
    connectors: list[SqlConnector] = []

    @property
    def is_postgres(self) -> bool:
        return self.engine.endswith("postgres")

    @property
    def is_coarse(self) -> bool:
        """Whether we do not know how to have it compare letter by letter."""
        return self.engine == "alchemy-firebird"

    @property
    def is_mariadb(self) -> bool:
        return "mariadb" in self.engine


def make(engine: str, request: pytest.FixtureRequest, folder: Path) -> World:
    """Make an empty database; connectors to it are closed when the test ends."""
    world = _make(engine, request, folder)
    request.addfinalizer(lambda: _close(world))
    return world


def _close(world: World) -> None:
    for connector in world.connectors:
        connector.close()


def _make(engine: str, request: pytest.FixtureRequest, folder: Path) -> World:
    if engine == "alchemy-duckdb":
        return _duckdb(engine, folder)
    if engine == "alchemy-firebird":
        firebird = FirebirdFile(folder / "test.fdb")
        return World(engine, firebird.url, firebird.execute, folder)
    if engine.startswith("alchemy-"):
        schemes = {"sqlite": "sqlite+pysqlite", "postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}
        plain = _make(engine.removeprefix("alchemy-"), request, folder)
        if "mariadb" in engine:  # PyMySQL by itself has no passwords beyond Latin-1
            server: MariadbServer = request.getfixturevalue("mariadb")
            server.execute(
                "CREATE USER IF NOT EXISTS plain IDENTIFIED BY 'plain'; GRANT SELECT, EXECUTE, SHOW VIEW ON *.* TO plain", "mysql"
            )
            plain = msgspec.structs.replace(plain, url=server.url(plain.url.rpartition("/")[2], user="plain", password="plain"))
        scheme, rest = plain.url.split(":", 1)
        return World(engine, f"{schemes[scheme]}:{rest}", plain.execute, folder)
    if engine == "postgres":
        running: PostgresServer = request.getfixturevalue("postgres")
        name = running.create_database()
        return World(engine, running.url(name), lambda statements: running.execute(statements, name), folder)
    if engine.startswith("mariadb"):
        mariadb: MariadbServer = request.getfixturevalue("mariadb")
        name = mariadb.create_database("utf8mb4_general_ci") if engine.endswith("-ci") else mariadb.create_database()
        return World(engine, mariadb.url(name), lambda statements: mariadb.execute(_of_mariadb(statements), name), folder)
    path = folder / "test.db"

    def execute(statements: str) -> None:
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(statements)

    execute("VACUUM")
    return World(engine, "sqlite:///test.db", execute, folder)


def _duckdb(engine: str, folder: Path) -> World:
    path = folder / "test.duckdb"

    def execute(statements: str) -> None:
        with duckdb.connect(path) as connection:
            connection.execute(statements)

    execute("SELECT 1")
    return World(engine, f"duckdb:///{path.name}", execute, folder)


def _of_mariadb(statements: str) -> str:
    """Write types as MariaDB has them: a text of any length has no index there, a plain timestamp is a moment; and `lines` is a word of its."""
    statements = re.sub(r"(?<![\w\"'])lines(?![\w\"'])", '"lines"', statements)
    statements = statements.replace("AS bigint)", "AS signed)")
    texts = re.sub(r"(?<![\w\"'])text(?![\w\"'])", "varchar(250)", statements)
    return re.sub(r"(?<=[\w ])timestamp(?=[ ,)])", "datetime(6)", texts)


def connector(world: World, name: str = "source", /, **sources: SqlSettings) -> SqlConnector:
    """Build a connector for the named source (the first, where it is not named)."""
    chosen = name if name in sources else next(iter(sources))
    made = SqlConnector(chosen, sources[chosen], siblings=sources, folder=world.folder)
    world.connectors.append(made)
    return made


def settings(world: World, table: str, **rest: Any) -> SqlSettings:
    return SqlSettings(url=world.url, table=table, **rest)


def rows(connector: SqlConnector, subjects: Sequence[IdentifiedSubject], cursor: Cursor | None = None) -> list[list[Row]]:
    """Return all columns, hidden ones too, of each subject's rows, in order."""
    found: list[list[Row]] = [[] for _ in subjects]
    for item in connector.read(connector.plan(subjects)[0], subjects, cursor):
        if isinstance(item, Rows):
            for row in item.batch.to_pylist():
                found[row[SUBJECT_COLUMN]].append(row)
    return found


def keys(connector: SqlConnector, subject: IdentifiedSubject, cursor: Cursor | None = None) -> list[Any]:
    """Return the keys of a subject's rows, in order, as cursors have them."""
    found: list[Any] = []
    for item in connector.read(connector.plan(())[0], [subject], cursor):
        if isinstance(item, Rows):
            found += map(cursor_after, item.batch.column(KEY_COLUMN).to_pylist())
    return [None if each is None else each.after for each in found]


def header(connector: SqlConnector) -> ReadHeader:
    found = next(iter(connector.read(connector.plan(())[0], ())))
    assert isinstance(found, ReadHeader)
    return found


def values(connector: SqlConnector, subjects: Sequence[IdentifiedSubject], column: str = "id") -> list[list[Any]]:
    """Return one column of each subject's rows, in order."""
    return [[row[column] for row in found] for found in rows(connector, subjects)]
