"""Every directory passes the suite."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.contract.database.world import ENGINES, make

from rightful.directory.csv_files import CsvDirectory
from rightful.directory.csv_settings import CsvDirectorySettings
from rightful.directory.interface import Directory
from rightful.directory.sql import SqlDirectory, SqlDirectorySettings
from rightful.testing.directory_suite import PEOPLE, TENANT, DirectorySuite

_COLUMNS = ("object_id", "upn", "name", "mail", "other", "number")
_ROWS = [(each.id, each.upn, each.name, *(*each.mail, "", "")[:2], each.employee_id) for each in PEOPLE]
_SAID: dict[str, Any] = {"id": "object_id", "display_name": "name"}
_KINDS: dict[str, str | tuple[str, ...]] = {"mail": ("mail", "other"), "employee_id": "number"}


class TestSql(DirectorySuite):
    @pytest.fixture(params=ENGINES)
    def directory(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Directory]:
        world = make(request.param, request, tmp_path)
        quoted = ", ".join("(" + ", ".join("'" + value.replace("'", "''") + "'" for value in row) + ")" for row in _ROWS)
        world.execute(f"CREATE TABLE people ({', '.join(f'{name} text' for name in _COLUMNS)}); INSERT INTO people VALUES {quoted}")
        directory = SqlDirectory(
            TENANT, SqlDirectorySettings(url=world.url, table="people", identifiers=_KINDS, **_SAID), folder=world.folder
        )
        yield directory
        directory.close()

    @pytest.fixture
    def broken(self, tmp_path: Path) -> Iterator[Directory]:
        directory = SqlDirectory(TENANT, SqlDirectorySettings(url="sqlite:///missing.db", table="people"), folder=tmp_path)
        yield directory
        directory.close()


class TestCsv(DirectorySuite):
    @pytest.fixture
    def directory(self, tmp_path: Path) -> Iterator[Directory]:
        written = io.StringIO(newline="")
        csv.writer(written, delimiter=";").writerows([_COLUMNS, *_ROWS])
        (tmp_path / "people.csv").write_text(written.getvalue(), encoding="utf-8", newline="")
        directory = CsvDirectory(
            TENANT, CsvDirectorySettings(file="people.csv", delimiter=";", identifiers=_KINDS, **_SAID), folder=tmp_path
        )
        yield directory
        directory.close()

    @pytest.fixture
    def broken(self, tmp_path: Path) -> Iterator[Directory]:
        directory = CsvDirectory(TENANT, CsvDirectorySettings(file="missing.csv"), folder=tmp_path)
        yield directory
        directory.close()
