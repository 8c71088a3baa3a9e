"""Every directory passes the suite."""

import csv
import io
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.contract.database.world import ENGINES, make
from tests.servers.scim import ScimServerProcess
from tests.servers.slapd import BASE, PASSWORD, READER, StartSlapd, person

from rightful.directory.csv_files import CsvDirectory
from rightful.directory.csv_settings import CsvDirectorySettings
from rightful.directory.interface import Directory
from rightful.directory.ldap import LdapDirectory
from rightful.directory.ldap_settings import LdapDirectorySettings
from rightful.directory.scim import ScimDirectory
from rightful.directory.scim_settings import USER, ScimDirectorySettings
from rightful.directory.sql import SqlDirectory, SqlDirectorySettings
from rightful.testing.directory_suite import PEOPLE, TENANT, DirectorySuite, Listed

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


class TestLdap(DirectorySuite):
    @pytest.fixture(params=["OpenLDAP", "as Active Directory has it"])
    def directory(self, request: pytest.FixtureRequest, start_slapd: StartSlapd, tmp_path: Path) -> Iterator[Directory]:
        is_active = request.param != "OpenLDAP"
        said: dict[str, Any] = {
            "base": f"ou=people,{BASE}",
            "bind_dn": READER,
            "password": PASSWORD,
            "display_name": "cn",
            "upn": "userPrincipalName",
        }
        mail: str | tuple[str, ...] = ("mail", "proxyAddresses") if is_active else "mail"
        server = start_slapd("".join(_person(number, each, is_active=is_active) for number, each in enumerate(PEOPLE)))
        settings = LdapDirectorySettings(
            url=server.url,
            id="objectGUID" if is_active else "entryUUID",
            identifiers={"mail": mail, "employee_id": "employeeNumber"},
            page_size=2,
            **said,
        )
        directory = LdapDirectory(TENANT, settings, folder=tmp_path)
        yield directory
        directory.close()

    @pytest.fixture
    def broken(self, start_slapd: StartSlapd, tmp_path: Path) -> Iterator[Directory]:
        settings = LdapDirectorySettings(
            url=start_slapd().url, bind_dn=READER, password=PASSWORD, base=f"ou=missing,{BASE}", id="entryUUID", upn="mail"
        )
        directory = LdapDirectory(TENANT, settings, folder=tmp_path)
        yield directory
        directory.close()


def _person(number: int, each: Listed, *, is_active: bool) -> str:
    said: dict[str, str | bytes | list[str]] = {"cn": each.name, "userPrincipalName": each.upn}
    said |= {"employeeNumber": each.employee_id} if each.employee_id else {}
    if not is_active:
        return person(number, {**said, "entryUUID": each.id, "mail": list(each.mail)})
    proxies = ["x500:/o=contoso/cn=sample", "SIP:odd@contoso.example", *(f"smtp:{mail}" for mail in each.mail[1:])]
    return person(number, {**said, "objectGUID": uuid.UUID(each.id).bytes_le, "mail": each.mail[0], "proxyAddresses": proxies})


ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


class TestScim(DirectorySuite):
    @pytest.fixture(
        params=[
            {},
            {"at_once": 1, "ids": "path", "selects": False},
            {"ask_by": "post", "id": "externalId"},
            {"is_by_cursor": True},
            {"find_by": "list"},
            {"mail": ('emails[type eq "work"].value', 'emails[type eq "home"].value'), "filter": "active eq true"},
        ],
        ids=["as it comes", "one by one", "by post", "by cursor", "in a list", "with filters"],
    )
    def directory(self, request: pytest.FixtureRequest, scim_server: ScimServerProcess, tmp_path: Path) -> Iterator[Directory]:
        said: dict[str, Any] = {"mail": "emails.value", "is_by_cursor": False, **request.param}
        left = {"schemas": [USER], "externalId": "left", "userName": "left@contoso.example", "active": False}
        url = scim_server.tenant([*map(_user, PEOPLE), left], by_cursor=said.pop("is_by_cursor"))
        settings = ScimDirectorySettings(
            url=url,
            token=scim_server.token,
            display_name="displayName",
            identifiers={"mail": said.pop("mail"), "employee_id": f"{ENTERPRISE}:employeeNumber"},
            page_size=2,
            requests_per_second=10_000.0,
            **said,
        )
        directory = ScimDirectory(TENANT, settings, folder=tmp_path)
        yield directory
        directory.close()

    @pytest.fixture(params=["no such tenant", "no such resources"])
    def broken(self, request: pytest.FixtureRequest, scim_server: ScimServerProcess, tmp_path: Path) -> Iterator[Directory]:
        url = scim_server.tenant([])
        settings = ScimDirectorySettings(
            url=f"{url}/missing" if request.param == "no such tenant" else url,
            resources="/Users" if request.param == "no such tenant" else "/People",
            ids="path",
            token=scim_server.token,
        )
        directory = ScimDirectory(TENANT, settings, folder=tmp_path)
        yield directory
        directory.close()


def _user(each: Listed) -> dict[str, Any]:
    emails = [{"type": kind, "value": mail} for kind, mail in zip(("work", "home"), each.mail, strict=False)]
    said = {"schemas": [USER, ENTERPRISE], "externalId": each.id, "userName": each.upn, "displayName": each.name, "active": True}
    return said | {"emails": emails} | ({ENTERPRISE: {"employeeNumber": each.employee_id}} if each.employee_id else {})
