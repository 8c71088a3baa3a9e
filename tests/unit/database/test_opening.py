from pathlib import Path

import pytest

from rightful.database.opening import identity, open_database
from rightful.database.postgres import connection_url
from rightful.database.postgres_sql import array_literal
from rightful.errors import ConfigurationError

FOLDER = Path("/configuration")


def test_addresses_of_one_database_are_equal() -> None:
    assert identity("sqlite:///a.db", FOLDER) == identity("sqlite:////configuration/a.db", FOLDER)
    assert identity("sqlite:///a.db", FOLDER) != identity("sqlite:///b.db", FOLDER)
    assert identity("postgres://u:p@h/d", FOLDER) == identity("postgresql://u:p@h/d", FOLDER)


@pytest.mark.parametrize("url", ["", "people.db", "sqlite://people.db", "sqlite:///", "file:///x.db", "postgressql://u:secret@h/d"])
def test_other_addresses_are_refused_without_being_shown(url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        open_database(url, folder=FOLDER, source_name="s")
    assert "secret" not in str(refused.value)
    assert "sqlite:///" in refused.value.hint


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("oracle+oracledb://u:secret@h/d", "no module 'oracledb'"),
        ("mssql+pymssql://u:secret@h/d", "no module 'pymssql'"),
        ("sqlite+aiosqlite:///x.db", "no module 'aiosqlite'"),
        ("postgresql+nothing://u:secret@h/d", "no dialect"),
        ("duckdb://u:secret@h:port/d", "cannot be read"),
        ("duckdb:///:memory:", "names no file"),
    ],
)
def test_what_sqlalchemy_cannot_reach_is_told_with_what_to_do(url: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as refused:
        open_database(url, folder=FOLDER, source_name="s")
    assert "secret" not in f"{refused.value}{refused.value.hint}"
    assert refused.value.hint


def test_files_of_other_databases_are_below_the_folder() -> None:
    assert identity("duckdb:///a.db", FOLDER) == identity("duckdb:////configuration/a.db", FOLDER)
    assert identity("sqlite+pysqlite:///a.db", FOLDER) != identity("sqlite:///a.db", FOLDER)
    assert identity("postgresql+psycopg://u:p@h/d", FOLDER) == "postgresql+psycopg://u:p@h/d"


def test_what_the_address_leaves_open_is_added() -> None:
    assert connection_url("postgresql://u:p@h/d").startswith("postgresql://u:p@h/d?application_name=rightful&connect_timeout=10")
    given = connection_url("postgresql://u:p@h/d?connect_timeout=3&sslmode=require")
    assert given.startswith("postgresql://u:p@h/d?connect_timeout=3&sslmode=require&application_name=rightful")
    assert given.count("connect_timeout") == 1


def test_arrays_are_written_so_that_values_stay_apart() -> None:
    assert array_literal(['a"b', "c\\d", "", "NULL", "{,}"]) == '{"a\\"b","c\\\\d","","NULL","{,}"}'
    assert array_literal([]) == "{}"
