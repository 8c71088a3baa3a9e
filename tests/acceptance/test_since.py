"""Asked again for what is new: the real service, by HTTP and by command, on systems that change in between."""

import json
import mailbox
import sqlite3
from collections import Counter
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pytest
from tests.acceptance import delivered
from tests.acceptance.judges import refusals
from tests.acceptance.service import Document, RunningService, configure
from tests.servers.postgres import PostgresServer

from rightful.package.readers import FolderReader
from rightful.package.verify import PackageState, verify
from rightful.sample import company as sample
from rightful.sample.company import SampleCompany
from rightful.sample.oracle import canonical

pytestmark = [pytest.mark.acceptance, pytest.mark.postgres]


@pytest.fixture
def company(tmp_path: Path) -> SampleCompany:
    return sample.build(tmp_path / "sample", scale=0.02, listen="127.0.0.1:0")


@pytest.fixture
def readings_url(postgres: PostgresServer, company: SampleCompany) -> str:
    url = postgres.url(postgres.create_database())
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE readings (id bigint PRIMARY KEY, owner text, note text, doc jsonb, amount numeric)")
        connection.execute(
            "INSERT INTO readings SELECT n, %s, md5(n::text), jsonb_build_object('n', n), n / 7.0 FROM generate_series(1, 5000) n",
            (company.person("ann").upn,),
        )
        connection.execute("CREATE TABLE visits (owner text, page text)")
        connection.execute("INSERT INTO visits SELECT %s, (n %% 3)::text FROM generate_series(1, 9) n", (company.person("ann").upn,))
    return url


@pytest.fixture
def service(company: SampleCompany, readings_url: str) -> Iterator[RunningService]:
    def change(document: Document) -> None:
        contoso = document["tenants"][0]
        contoso["export"] = {"compare_days": 30}
        sql = {"connector": "sql", "url": readings_url, "match": {"owner": "upn"}}
        contoso["sources"] |= {
            "readings": {**sql, "table": "readings"},
            "visits": {**sql, "table": "visits"},
            "mail": {"connector": "mailbox", "url": "systems/mail", "path": "{upn}", "format": "mbox", "product": "Mail"},
        }

    _send(company, "first", "second", "third")
    with RunningService(company, configure(company, "since", change)) as running:
        yield running


def _send(company: SampleCompany, *subjects: str) -> None:
    path = company.systems / "mail" / company.person("ann").upn
    path.parent.mkdir(exist_ok=True)
    box = mailbox.mbox(path)
    for subject in subjects:
        message = EmailMessage()
        message["Subject"], message["From"], message["To"] = subject, "zoe@fabrikam.example", "ann@contoso.example"
        message["Message-ID"] = f"<{subject}@contoso.example>"
        message.set_content(f"{subject} letter\n")
        box.add(message)
    box.close()


def _change(company: SampleCompany, url: str) -> None:
    """Change each kind of system a little."""
    ann = company.person("ann")
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE readings SET note = 'other', doc = '{\"n\": null}' WHERE id % 1000 = 1")
        connection.execute("DELETE FROM readings WHERE id % 1000 = 2")
        connection.execute("INSERT INTO readings VALUES (9001, %s, 'new', NULL, 1e30)", (ann.upn,))
        connection.execute("DELETE FROM visits WHERE ctid IN (SELECT ctid FROM visits WHERE page = '0' LIMIT 1)")
        connection.execute("INSERT INTO visits VALUES (%s, '1'), (%s, '4')", (ann.upn, ann.upn))
    with sqlite3.connect(company.systems / "shop.db") as connection:
        connection.execute("UPDATE messages SET body = body || '!' WHERE sender = ?", (ann.upn,))
    drive = next(path for path in (company.systems / "onedrive").iterdir() if path.is_dir() and _is_anns(company, path))
    files = sorted(path for path in drive.rglob("*.txt") if path.is_file()) or sorted(path for path in drive.rglob("*") if path.is_file())
    files[0].write_bytes(b"rewritten")
    files[-1].unlink()
    (drive / "new file.txt").write_bytes(b"new")
    lake = next(iter((company.systems / "activity").rglob("*.parquet")))
    frame = pl.read_parquet(lake).filter(pl.col("user_id") == ann.upn)
    frame.head(3).with_columns(pl.col("event_id") + 1).write_parquet(lake.with_name("activity-new.parquet"))
    _send(company, "fourth")


def _is_anns(company: SampleCompany, folder: Path) -> bool:
    return folder.name == company.person("ann").folder


def export(service: RunningService, **more: Any) -> Path:
    ann = service.company.person("ann")
    body = {"storageLocation": service.company.storage_account, **more}
    operation_id = service.call("POST", f"/v1.0/users/{ann.upn}/exportPersonalData", body).operation_id
    operation = service.complete(operation_id)
    assert operation.get("since") == more.get("since")
    package = service.company.exports / operation_id
    assert verify(FolderReader(package)).state is PackageState.WHOLE
    assert refusals(package) == []
    return package


def test_earlier_package_and_difference_make_the_later_one(company: SampleCompany, service: RunningService, readings_url: str) -> None:
    first = export(service)
    _change(company, readings_url)
    second = export(service, since=first.name)
    whole = export(service)
    changes = json.loads((second / "changes.json").read_bytes())["sources"]
    assert changes["readings"]["records"] == {"new": 1, "changed": 5, "gone": 5, "unchanged": 4990}
    assert changes["visits"]["records"] == {"new": 2, "changed": 0, "gone": 1, "unchanged": 8, "again": 1}
    assert changes["mail"]["files"] == {"new": 1, "changed": 0, "gone": 0, "unchanged": 3}
    assert (changes["onedrive"]["files"]["new"], changes["onedrive"]["files"]["changed"], changes["onedrive"]["files"]["gone"]) == (1, 1, 1)
    assert changes["messages"]["records"]["changed"] > 0
    assert changes["employees"]["records"]["new"] == changes["employees"]["records"]["changed"] == 0
    named = [json.loads(line) for line in (second / "gone.jsonl").read_text().splitlines()]
    then, fresh, now = delivered.read(first), delivered.read(second), delivered.read(whole)
    for name, said in changes.items():
        kinds = {kind: sum(each["copies"] for each in named if each["source"] == name and kind in each) for kind in ("gone", "again")}
        assert kinds["gone"] == said["records"]["gone"] + said["files"]["gone"], name
        old, sent, new = then[name], fresh[name], now[name]
        if isinstance(old, dict) and isinstance(sent, dict) and isinstance(new, dict):
            assert {path: digest for path, digest in (old | sent).items() if path in new} == new, name
        elif name != "visits":
            assert isinstance(old, list)
            assert isinstance(sent, list)
            key = said["key"]
            replaced = {canonical({each: record[each] for each in key}) for record in sent} if key else set()
            kept = [each for each in old if not key or canonical({name: each[name] for name in key}) not in replaced]
            assert isinstance(new, list)
            there = set(map(canonical, new))
            assert [each for each in sorted([*kept, *sent], key=canonical) if canonical(each) in there] == new, name
    total = sum(path.stat().st_size for path in (second / "data").rglob("*") if path.is_file())
    assert total < 0.2 * sum(path.stat().st_size for path in (whole / "data").rglob("*") if path.is_file())


def _to(service: RunningService) -> list[str]:
    return ["--to", service.company.storage_account, "--server", service.address, "--tenant", "Contoso", "--json"]


def test_by_command_and_after_a_kill(company: SampleCompany, service: RunningService, readings_url: str) -> None:
    first = export(service)
    _change(company, readings_url)
    undisturbed = export(service, since=first.name)
    service.kill()
    service.start()
    asked = service.command("export", company.person("ann").upn, "--since", first.name, "--no-wait", *_to(service))
    assert asked.returncode == 0, asked.stderr
    operation_id = json.loads(asked.stdout)["id"]
    service.kill()
    service.start()
    service.complete(operation_id)
    package = company.exports / operation_id
    for name in ("gone.jsonl", "manifest-sha256.txt"):
        assert (package / name).read_bytes() == (undisturbed / name).read_bytes()
    told = service.command("diff", str(company.exports / first.name), str(package), "--json")
    assert told.returncode == 0, told.stderr
    changes = Counter((each["source"], each["change"]) for each in map(json.loads, told.stdout.splitlines()))
    assert {kind: changes["readings", kind] for kind in ("new", "changed", "gone")} == {"new": 1, "changed": 5, "gone": 5}
    assert changes["onedrive", "gone"] == changes["mail", "new"] - 1 == 1
    shown = service.command("requests", "show", operation_id, *_to(service)[2:])
    assert json.loads(shown.stdout)["since"] == first.name
    forgotten = service.command("requests", "forget", first.name, *_to(service)[2:])
    assert forgotten.returncode == 0, forgotten.stderr
    refused = service.command("export", company.person("ann").upn, "--since", first.name, *_to(service))
    assert (refused.returncode, json.loads(refused.stderr.splitlines()[-1])["error"]["code"]) == (1, "SinceNotKept")
    other = service.call(
        "POST",
        f"/v1.0/users/{company.person('zoe').upn}/exportPersonalData",
        {"storageLocation": company.storage_account, "since": operation_id},
    )
    assert (other.status, other.error_code) == (400, "SinceUnknown")
