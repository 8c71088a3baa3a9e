"""The store in a PostgreSQL database; one service at a time leads on it, others stand by."""

from rightful.clock import Clock
from rightful.store.postgres_connection import Address
from rightful.store.postgres_database import open_database
from rightful.store.sql_store import SqlStore


class PostgresStore(SqlStore):
    """Keeps operations in a PostgreSQL database."""

    def __init__(self, url: str, clock: Clock) -> None:
        super().__init__(open_database(Address(url)), clock)
