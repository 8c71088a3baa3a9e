"""A person's package, from PostgreSQL and files, in Azurite: sent for by the stock Graph client, checked with the account's own key."""

import http.client
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg.rows import dict_row
from tests.acceptance import delivered
from tests.acceptance.judges import refusals, unpack
from tests.acceptance.service import Document, RunningService, configure, rightful
from tests.servers.azurite import Azurite
from tests.servers.postgres import PostgresServer

from rightful.sample.company import SampleCompany
from rightful.sample.oracle import Expected, Oracle, shop_rows
from rightful.sample.shop import load_shop

pytestmark = [pytest.mark.acceptance, pytest.mark.azurite, pytest.mark.postgres]

SHOP = ("customers", "orders", "order_lines", "messages")


@pytest.fixture(scope="module")
def shop_url(postgres: PostgresServer) -> str:
    url = postgres.url(postgres.create_database())
    with psycopg.connect(url) as connection:
        load_shop(lambda statement: connection.execute(statement.encode()))
    return url


@pytest.fixture(scope="module")
def service(company: SampleCompany, shop_url: str, azurite: Azurite) -> Iterator[RunningService]:
    def change(document: Document) -> None:
        contoso, fabrikam = document["tenants"]
        for name in SHOP:
            contoso["sources"][name]["url"] = shop_url
        contoso["storage"]["allow"] = [azurite.host]
        fabrikam["storage"] |= {"allow": [azurite.host], "checks": "strict"}

    with RunningService(company, configure(company, "azurite", change)) as running:
        yield running


@pytest.fixture(scope="module")
def rows(company: SampleCompany, oracle: Oracle, shop_url: str) -> dict[str, Expected]:
    """What a few people's packages must hold; the shop's part read out of PostgreSQL by another driver."""
    with psycopg.connect(shop_url, row_factory=dict_row) as connection:
        tables = {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in SHOP}
    people = [company.person(key) for key in ("ann", "ANN", "sato.hanako", "newcomer")]
    return {person.key: oracle.expected(person.object_id) | shop_rows(tables, oracle.identifiers(person.object_id)) for person in people}


def downloaded(azurite: Azurite, container: str, folder: Path, prefix: str = "") -> Path:
    blobs = azurite.blobs(container)
    assert all(path.startswith(prefix) for path in blobs)
    return unpack(blobs, folder, prefix)


@pytest.mark.node
def test_stock_graph_client_each_way_to_write_gives_the_whole_package(
    service: RunningService, company: SampleCompany, azurite: Azurite, rows: dict[str, Expected], tmp_path: Path
) -> None:
    # GRAPH-10, GRAPH-12, GRAPH-30, GRAPH-60
    ann = company.person("ann")
    containers = {permissions: azurite.container() for permissions in ("w", "c", "cw")}
    environ = {
        "PATH": os.environ["PATH"],
        "NODE_EXTRA_CA_CERTS": str(company.ca_path),
        "BASE": f"https://localhost:{service.port}/",
        "TOKEN": service.token(),
        "USER": ann.upn,
        "LOCATIONS": json.dumps([azurite.sas_url(container, permissions) for permissions, container in containers.items()]),
    }
    script = Path(__file__).with_name("client.mjs")
    done = subprocess.run(["node", script], env=environ, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert [accepted["status"] for accepted in seen["accepted"]] == [202, 202, 202]
    assert sorted(seen["listed"]) == sorted(operation["id"] for operation in seen["operations"])
    for (permissions, container), operation in zip(containers.items(), seen["operations"], strict=True):
        assert (operation["status"], operation["progress"], operation["userId"]) == ("complete", 100, ann.object_id), permissions
        package = downloaded(azurite, container, tmp_path / permissions, f"{operation['id']}/")
        found = delivered.read(package)
        assert found == rows["ann"], permissions
        assert all(found[name] for name in (*SHOP, "onedrive")), "she has rows in each of PostgreSQL's tables, and files"
        assert refusals(package) == [], permissions
        assert delivered.skipped(package, "onedrive") == Oracle(company).skipped(ann.object_id)["onedrive"]


def test_look_alikes_from_postgresql_packages_hold_nobody_elses_rows(
    service: RunningService, company: SampleCompany, azurite: Azurite, rows: dict[str, Expected], tmp_path: Path
) -> None:
    container = azurite.container()
    accepted = {key: service.submit(company.person(key).upn, azurite.sas_url(container, "cw")).operation_id for key in rows}
    for operation_id in accepted.values():
        service.complete(operation_id)
    blobs = azurite.blobs(container)
    for key, operation_id in accepted.items():
        package = unpack(blobs, tmp_path / operation_id, f"{operation_id}/")
        assert delivered.read(package) == rows[key], key
        assert delivered.canaries(package, "customers", "orders", "onedrive") == {company.person(key).canary}


def test_verify_readable_sas_whole_then_names_the_changed_entry(service: RunningService, company: SampleCompany, azurite: Azurite) -> None:
    container = azurite.container()
    operation_id = service.submit(company.person("zoe").upn, azurite.sas_url(container, "c")).operation_id
    service.complete(operation_id)
    url = azurite.sas_url(container, "racwl")
    whole = rightful("verify", "--json", "-", given=url)
    assert (whole.returncode, json.loads(whole.stdout)["state"]) == (0, "whole"), whole.stderr
    changed = next(path for path in azurite.blobs(container) if path.endswith("orders/part-00000-00000.jsonl"))
    content = azurite.blob(container, changed)
    assert content
    put(url, changed, content[:-2] + b" \n")
    damaged = rightful("verify", "--json", url)
    assert damaged.returncode == 1
    findings = json.loads(damaged.stdout)["findings"]
    assert [(finding["kind"], finding["path"]) for finding in findings] == [("changed", changed.removeprefix(f"{operation_id}/"))]
    assert urlsplit(url).query not in whole.stdout + whole.stderr + damaged.stdout + damaged.stderr


def put(sas_url: str, path: str, content: bytes) -> None:
    """Overwrite a blob, as whoever holds a SAS with the right to write can."""
    parts = urlsplit(sas_url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    connection.request("PUT", f"{parts.path}/{path}?{parts.query}", content, {"x-ms-blob-type": "BlockBlob", "x-ms-version": "2021-12-02"})
    assert connection.getresponse().status == 201
    connection.close()


def blob_type(sas_url: str, path: str) -> str | None:
    parts = urlsplit(sas_url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    connection.request("HEAD", f"{parts.path}/{path}?{parts.query}", headers={"x-ms-version": "2021-12-02"})
    found = connection.getresponse().headers["x-ms-blob-type"]
    connection.close()
    return found


# -- strict: what Microsoft's own service asks of a container (GRAPH-42) ---------------------------------------------------
def test_strict_package_in_the_root_marked_by_an_append_blob_and_never_twice(
    service: RunningService, company: SampleCompany, azurite: Azurite, oracle: Oracle, tmp_path: Path
) -> None:
    # GRAPH-42
    token = service.token(company.fabrikam_id)
    ann, other = company.fabrikam[0], company.fabrikam[1]
    container = azurite.container()
    operation_id = service.submit(ann.upn, azurite.sas_url(container, "aw"), token=token).operation_id
    service.complete(operation_id, token=token)
    package = downloaded(azurite, container, tmp_path / "package")
    assert delivered.read(package) == oracle.expected(ann.object_id)
    assert refusals(package) == []
    assert json.loads((package / "RequestInfo.json").read_bytes())["RequestGuid"] == operation_id
    readable = azurite.sas_url(container, "r")
    assert (blob_type(readable, "RequestInfo.json"), blob_type(readable, "bagit.txt")) == ("AppendBlob", "BlockBlob")
    before = azurite.blobs(container)
    for person in (ann, other):
        again = service.submit(person.upn, azurite.sas_url(container, "aw"), token=token)
        assert (again.status, again.error_code) == (400, "StorageLocationAlreadyUsed")
    assert azurite.blobs(container) == before
    assert len(service.listed(token=token)) == 1


@pytest.mark.parametrize(
    ("granted", "code"),
    [
        ("service raw", "StorageLocationShouldNotAllowReadAccess"),
        ("service awl", "StorageLocationShouldNotAllowListAccess"),
        ("service w", "StorageLocationNeedsWriteAddPermissions"),
        ("service a", "StorageLocationNeedsWriteAddPermissions"),
        ("account aw", "StorageLocationNotServiceSAS"),
    ],
)
def test_strict_sas_with_other_rights_refused_and_nothing_written(
    service: RunningService, company: SampleCompany, azurite: Azurite, granted: str, code: str
) -> None:
    # GRAPH-42
    container = azurite.container()
    kind, permissions = granted.split()
    token = service.token(company.fabrikam_id)
    refused = service.submit(company.fabrikam[0].upn, azurite.sas_url(container, permissions, kind=kind), token=token)
    assert (refused.status, refused.error_code, refused.json["error"].get("target")) == (400, code, "storageLocation")
    assert azurite.blobs(container) == {}


def test_standard_container_used_before_takes_another_export(service: RunningService, company: SampleCompany, azurite: Azurite) -> None:
    container = azurite.container()
    jose = company.person("jose")
    ids = []
    for _ in range(2):
        ids.append(service.submit(jose.upn, azurite.sas_url(container, "c")).operation_id)
        service.complete(ids[-1])
    assert len(set(ids)) == 2
    assert {path.partition("/")[0] for path in azurite.blobs(container)} == set(ids)


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda url: url.replace("sp=cw", "sp=rcw"), "SharedAccessSignatureTokenInvalid"),
        (lambda url: url.partition("?")[0], "SharedAccessSignatureTokenInvalid"),
        (lambda url: url.replace("?", "/folder?"), "StorageLocationNotAzureBlob"),
        (lambda url: url.replace("http://", "ftp://"), "StorageLocationInvalid"),
        (lambda url: url.replace("http://127.0.0.1", "http://127.1"), "StorageLocationInvalid"),
    ],
    ids=["other rights than signed", "no SAS", "below a container", "other scheme", "other spelling of the host"],
)
def test_unusable_location_is_a_bad_request_and_no_operation(
    service: RunningService, company: SampleCompany, azurite: Azurite, spoil: object, code: str
) -> None:
    assert callable(spoil)
    before = service.listed()
    container = azurite.container()
    refused = service.submit(company.person("ann").upn, spoil(azurite.sas_url(container, "cw")))
    assert (refused.status, refused.error_code) == (400, code)
    assert service.listed() == before
    assert azurite.blobs(container) == {}


def test_missing_container_is_a_bad_request_and_no_operation(service: RunningService, company: SampleCompany, azurite: Azurite) -> None:
    container = azurite.container()
    url = azurite.sas_url(container, "cw")
    azurite.delete_container(container)
    refused = service.submit(company.person("ann").upn, url)
    assert (refused.status, refused.error_code) == (400, "StorageLocationInvalid")


def test_expired_sas_is_a_bad_request(service: RunningService, company: SampleCompany, azurite: Azurite) -> None:
    refused = service.submit(company.person("ann").upn, azurite.sas_url(azurite.container(), "cw", expires_in_s=-5))
    assert (refused.status, refused.error_code) == (400, "StorageLocationInvalid")
    assert "expired" in refused.json["error"]["message"]
