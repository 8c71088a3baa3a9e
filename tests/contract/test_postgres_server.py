"""The server that other tests rely on: it starts, keeps its data over an outage, and asks for its password."""

import psycopg
import pytest
from tests.servers.postgres import PostgresServer

pytestmark = pytest.mark.postgres


def test_restarted_server_keeps_its_data_and_address(postgres: PostgresServer) -> None:
    database = postgres.create_database()
    postgres.execute("CREATE TABLE kept (id int); INSERT INTO kept VALUES (7)", database)
    postgres.stop()
    with pytest.raises(psycopg.OperationalError):
        postgres.execute("SELECT 1", database)
    postgres.start()
    assert postgres.execute("SELECT 1; SELECT id FROM kept", database) == [(7,)]


def test_wrong_password_is_refused(postgres: PostgresServer) -> None:
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(postgres.url(password="wrong"))
