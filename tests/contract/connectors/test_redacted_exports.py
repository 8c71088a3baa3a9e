"""Rules of `redact` in exports from real systems: databases and a lake deliver the same, and nobody else's address."""

import json
import re
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.servers.postgres import PostgresServer
from tests.unit.export.world import TENANT, World

from rightful.connectors.interface import Connector
from rightful.connectors.lake import LakeConnector, LakeSettings
from rightful.connectors.sql import SqlConnector
from rightful.connectors.sql_settings import SqlSettings
from rightful.operation.model import OperationStatus
from rightful.package.schema import Redaction
from rightful.package.third_parties import MAIL, PERSON, PHONE
from rightful.package.verify import PackageState

PEOPLE = {
    "1": {"upn": ("ann@contoso.example",), "mail": ("ann@contoso.example",)},
    "2": {"upn": ("bob@contoso.example",), "mail": ("bob@contoso.example",)},
}
RULES: Mapping[str, Redaction] = {
    "sender": "others",
    "recipient": "others",
    "body": "mails_and_phones",
    "reviewer": "hash",
    "amount": "hash",
    "internal": "drop",
}
MATCH = {"sender": "mail", "recipient": "mail"}
ROWS = [
    (
        n,
        "ann@contoso.example",
        "bob@contoso.example",
        f"ask carl@x.example, +49 171 765432{n % 10} or ann@contoso.example",
        f"r{n % 3}@x.example",
        n * 10,
        None if n % 2 else "x",
    )
    for n in range(300)
]
COLUMNS = ("id", "sender", "recipient", "body", "reviewer", "amount", "internal")
TABLE = "CREATE TABLE messages (id bigint PRIMARY KEY, sender text, recipient text, body text, reviewer text, amount bigint, internal text)"


def sqlite_source(folder: Path) -> Connector:
    with closing(sqlite3.connect(folder / "shop.db")) as database, database:
        database.execute(TABLE)
        database.executemany(f"INSERT INTO messages VALUES ({','.join('?' * len(COLUMNS))})", ROWS)
    return SqlConnector(
        "messages", SqlSettings(url="sqlite:///shop.db", table="messages", match=MATCH, key="id"), siblings={}, folder=folder
    )


def postgres_source(folder: Path, server: PostgresServer) -> Connector:
    url = server.url(server.create_database())
    with psycopg.connect(url) as connection:
        connection.execute(TABLE)
        connection.cursor().executemany(f"INSERT INTO messages VALUES ({','.join(['%s'] * len(COLUMNS))})".encode(), ROWS)
    return SqlConnector("messages", SqlSettings(url=url, table="messages", match=MATCH, key="id"), siblings={}, folder=folder)


def lake_source(folder: Path) -> Connector:
    pq.write_table(pa.table(dict(zip(COLUMNS, map(list, zip(*ROWS, strict=True)), strict=True))), folder / "messages.parquet")
    return LakeConnector("messages", LakeSettings(url=f"file://{folder}/*.parquet", match=MATCH), siblings={}, folder=folder)


@pytest.mark.parametrize("system", ["sqlite", "lake", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_export_delivers_the_persons_own_and_nobody_elses(tmp_path: Path, system: str, request: pytest.FixtureRequest) -> None:
    source = (
        postgres_source(tmp_path, request.getfixturevalue("postgres"))
        if system == "postgres"
        else {"sqlite": sqlite_source, "lake": lake_source}[system](tmp_path)
    )
    world = World(tmp_path, PEOPLE, {"messages": source}, redact={"messages": RULES})
    operations = [world.submit("1"), world.submit("2")]
    world.run()
    for operation, own, other in zip(operations, ("sender", "recipient"), ("recipient", "sender"), strict=True):
        assert world.get(operation).status is OperationStatus.COMPLETE, world.get(operation).failure
        assert world.verify(operation).state is PackageState.WHOLE
        folder = world.package(operation)
        parts = sorted(folder.glob("data/Product/messages/*.jsonl"))
        rows: list[dict[str, Any]] = [json.loads(line) for part in parts for line in part.read_text().splitlines()]
        rows.sort(key=lambda row: row["id"])
        mine = f"{'ann' if own == 'sender' else 'bob'}@contoso.example"
        assert [(row["id"], row[own], row[other]) for row in rows] == [(n, mine, PERSON) for n in range(300)]
        body = f"ask {MAIL}, {PHONE} or {'ann@contoso.example' if own == 'sender' else MAIL}"
        assert {row["body"] for row in rows} == {body}
        assert len({row["reviewer"] for row in rows}) == 3
        assert all(re.fullmatch("[0-9a-f]{64}", row["amount"]) for row in rows)
        assert all("internal" not in row for row in rows)
        counted = {each["column"]: (each["cells"], each["values"]) for each in world.ledger(operation)["messages"]["redacted"]}
        assert counted == {
            other: (300, 300),
            own: (0, 0),
            "body": (300, 600 if own == "sender" else 900),
            "reviewer": (300, 300),
            "amount": (300, 300),
            "internal": (150, 150),
        }
        everything = "".join(path.read_text() for path in folder.rglob("*") if path.is_file())
        assert set(re.findall(r"[a-z0-9]+@[a-z.]+example", everything)) == {mine}
    world.tenants[TENANT].close()
