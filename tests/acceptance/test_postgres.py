"""PostgreSQL that goes away: before an export, for good until somebody resumes it, and in the middle of a stream of rows."""

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import dict_row
from tests.acceptance import delivered
from tests.acceptance.judges import refusals, unpack
from tests.acceptance.large import SlowSimulator
from tests.acceptance.service import Document, RunningService, configure, eventually
from tests.servers.postgres import PostgresServer

from rightful.package.readers import FolderReader
from rightful.package.verify import PackageState, verify
from rightful.sample.company import SampleCompany
from rightful.sample.oracle import Oracle, shop_rows
from rightful.sample.shop import load_shop

pytestmark = [pytest.mark.acceptance, pytest.mark.postgres]

SHOP = ("customers", "orders", "order_lines", "messages")
ROWS = 120_000


@pytest.fixture(scope="module")
def shop_url(postgres: PostgresServer, company: SampleCompany) -> str:
    url = postgres.url(postgres.create_database())
    with psycopg.connect(url) as connection:
        load_shop(lambda statement: connection.execute(statement.encode()))
        connection.execute("CREATE TABLE readings (id bigint PRIMARY KEY, owner text, note text)")
        connection.execute(
            "INSERT INTO readings SELECT n, %s, repeat(md5(n::text), 8) FROM generate_series(1, %s) n", (company.person("zoe").upn, ROWS)
        )
        connection.execute("CREATE INDEX ON readings (owner)")
    return url


@pytest.fixture
def running(postgres: PostgresServer) -> Iterator[PostgresServer]:
    """A server that the test may stop; it runs again afterwards."""
    yield postgres
    postgres.stop()
    postgres.start()


def test_source_down_failed_naming_it_then_resumed_complete_and_whole(
    company: SampleCompany, oracle: Oracle, shop_url: str, running: PostgresServer
) -> None:
    def change(document: Document) -> None:
        contoso = document["tenants"][0]
        contoso["export"] = {"attempts": 3, "retry_s": 0.2}
        for name in SHOP:
            contoso["sources"][name]["url"] = shop_url

    ann = company.person("ann")
    with psycopg.connect(shop_url, row_factory=dict_row) as connection:
        tables = {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in SHOP}
    expected = oracle.expected(ann.object_id) | shop_rows(tables, oracle.identifiers(ann.object_id))
    with RunningService(company, configure(company, "postgres-down", change)) as service:
        running.stop()
        operation_id = service.submit(ann.upn, company.storage_account).operation_id
        failed = service.wait(operation_id)
        assert failed["status"] == "failed"
        source = failed["failureReason"]["source"]
        assert (source in SHOP, failed["failureReason"]["code"]) == (True, "SourceUnavailable")
        assert {each["name"]: each["state"] for each in failed["sources"]}[source] == "failed"
        assert service.log().count("read is tried again") >= 2
        package = company.exports / operation_id
        assert verify(FolderReader(package)).state is PackageState.INCOMPLETE
        still = service.resume(operation_id)
        assert (still.returncode, json.loads(still.stdout)["status"]) == (1, "failed")
        running.start()
        resumed = service.resume(operation_id)
        assert (resumed.returncode, json.loads(resumed.stdout)["status"]) == (0, "complete"), resumed.stderr
        assert service.listed() == [operation_id]
    assert delivered.read(package) == expected
    assert refusals(package) == []
    assert verify(FolderReader(package)).state is PackageState.WHOLE


def test_server_restarted_in_the_middle_of_a_stream_the_export_goes_on_by_itself(
    company: SampleCompany, shop_url: str, running: PostgresServer, simulator: SlowSimulator, tmp_path: Path
) -> None:
    def change(document: Document) -> None:
        contoso = document["tenants"][0]
        contoso["export"] = {"part_mib": 1, "attempts": 20, "retry_s": 0.2}
        contoso["storage"]["allow"] = [simulator.host]
        contoso["sources"] = {
            "readings": {"connector": "sql", "url": shop_url, "table": "readings", "match": {"owner": "upn"}, "key": "id"}
        }

    simulator.delay_s = 0.1
    with RunningService(company, configure(company, "postgres-restart", change)) as service:
        operation_id = service.submit(company.person("zoe").upn, simulator.sas_url("rows", "w")).operation_id
        eventually(lambda: bool(simulator.blobs("rows").keys() - {f"{operation_id}/RequestInfo.json"}), "a part is there")
        running.stop()
        simulator.delay_s = 0.0
        eventually(lambda: "read is tried again" in service.log(), "the source is missed")
        running.start()
        service.complete(operation_id)
    package = unpack(simulator.blobs("rows"), tmp_path / "package", f"{operation_id}/")
    rows = delivered.read(package)["readings"]
    assert len(rows) == ROWS
    assert {row["id"] for row in rows if isinstance(row, dict)} == set(range(1, ROWS + 1))
    assert verify(FolderReader(package)).state is PackageState.WHOLE
