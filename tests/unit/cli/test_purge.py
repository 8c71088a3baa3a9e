"""`rightful store purge` says what was kept long enough, erases it, and leaves chains that are in order; and nobody passes a cut off as one."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from tests.unit.cli.test_local_commands import change, doctor, home

from rightful.cli import main
from rightful.cli.exits import Exit
from rightful.config.load import load
from rightful.config.model import Config
from rightful.export.checkpointing import Checkpoints, checkpoint_key
from rightful.ids import TenantId
from rightful.store.sqlite import SqliteStore
from rightful.testing.clock import ManualClock
from rightful.testing.store_cases import accept, complete_all

__all__ = ["home"]  # a fixture
DAY_S = 86_400.0
EVERY = "    retention:\n      operations_days: 760\n"


def config(home: Path) -> Config:
    return load(home / "rightful.yaml", {})


def opened(home: Path, days_ago: float) -> tuple[SqliteStore, ManualClock]:
    clock = ManualClock(datetime.now(UTC) - timedelta(days=days_ago))
    return SqliteStore(config(home).store_path, clock), clock


def lived(home: Path, *, quiet_days: float = 0) -> TenantId:
    """Let an operation end every hundred days, the last one some days ago, and sign the chain."""
    tenant_id = config(home).tenants[0].id
    store, clock = opened(home, 2000 + quiet_days)
    checkpoints = Checkpoints(store, checkpoint_key(config(home)), clock, [tenant_id])
    with structlog.testing.capture_logs():
        for number in range(1, 21):
            accept(store, number, "a", tenant_id=tenant_id)
            complete_all(store)
            clock.advance(100 * DAY_S)
            checkpoints.read()
            checkpoints.sign()
    store.close()
    return tenant_id


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any, str]:
    code = main(["--json", *arguments])
    said = capsys.readouterr()
    return code, json.loads(said.out) if said.out else None, said.err


def rows(home: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(config(home).store_path)) as connection:
        return connection.execute(query).fetchall()


def test_dry_run_says_what_would_go_and_changes_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lived(home)
    before = rows(home, "SELECT count(*) FROM operation UNION ALL SELECT count(*) FROM audit")
    store, _ = opened(home, 0)  # a service works on it
    code, said, _ = run(capsys, "store", "purge", "--dry-run")
    store.close()
    assert code == Exit.OK
    found = {(each["tenant"], each["kind"]): each for each in said["purgeable"]}
    assert {key: each["number"] for key, each in found.items()} == {
        ("My organization", "operations"): 13,  # 800, 900, … 2000 days ago
        ("My organization", "receipts"): 0,
        ("My organization", "auditRecords"): 12,  # two each, of 1500 days ago and more
        ("service", "auditRecords"): 0,
    }
    oldest = datetime.fromisoformat(found["My organization", "operations"]["oldest"])
    assert timedelta(days=1999) < datetime.now(UTC) - oldest < timedelta(days=2001)
    assert rows(home, "SELECT count(*) FROM operation UNION ALL SELECT count(*) FROM audit") == before
    assert main(["store", "purge", "--dry-run", "--tenant", "my ORGANIZATION"]) == Exit.OK
    assert "would be purged" in capsys.readouterr().out


def test_purge_erases_what_was_kept_long_enough_and_the_chain_says_where_it_begins(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tenant_id = lived(home)
    code, said, _ = run(capsys, "store", "purge", "--trust-clock")
    assert (code, said["purged"][0]) == (Exit.OK, {"tenant": "My organization", "operations": 13, "receipts": 0, "auditRecords": 12})
    assert rows(home, "SELECT count(*) FROM operation") == [(7,)]
    assert rows(home, f"SELECT min(seq) FROM audit WHERE tenant_id = '{tenant_id}'") == [(13,)]
    code, said, _ = run(capsys, "audit", "verify")
    assert (code, said["ok"]) == (Exit.OK, True)
    start = next(each["start"] for each in said["chains"] if each["tenant"] == tenant_id)
    assert (start["begins"], start["purged"], start["purgedLast"], start["retentionDays"]) == (13, 12, 12, 1461)
    assert main(["audit", "verify"]) == Exit.OK
    assert "begins at record 13: 12 before it were purged" in capsys.readouterr().out
    assert run(capsys, "store", "check")[1]["ok"]
    assert all(not number for number in list(run(capsys, "store", "purge")[1]["purged"][0].values())[1:])


def test_purge_waits_for_who_works_on_the_store(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lived(home)
    store, _ = opened(home, 0)
    code, _, error = run(capsys, "store", "purge")
    store.close()
    assert code == Exit.FAILED
    assert "it purges by itself, once a day" in error
    assert rows(home, "SELECT count(*) FROM operation") == [(20,)]


def test_purge_without_a_store_makes_none(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "store", "purge")[0] == Exit.FAILED
    assert run(capsys, "store", "purge", "--dry-run")[0] == Exit.FAILED
    assert not config(home).store_path.exists()
    assert run(capsys, "store", "purge", "--tenant", "nobody")[0] == Exit.USAGE


def test_clock_that_may_be_wrong_purges_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lived(home, quiet_days=40)
    code, _, error = run(capsys, "store", "purge")
    assert (code, json.loads(error)["error"]["code"]) == (Exit.FAILED, "ClockDoubtful")
    assert rows(home, "SELECT count(*) FROM operation") == [(20,)]
    assert run(capsys, "store", "purge", "--trust-clock")[0] == Exit.OK
    assert rows(home, "SELECT count(*) FROM operation") < [(20,)]
    assert run(capsys, "store", "purge")[0] == Exit.OK  # the last purge was now


def test_store_is_smaller_where_that_was_asked_for(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lived(home)
    with closing(sqlite3.connect(config(home).store_path)) as connection:
        connection.execute("UPDATE operation SET correlation_id = printf('%200000s', 'x')")
        connection.commit()
    before = config(home).store_path.stat().st_size
    assert run(capsys, "store", "purge", "--trust-clock", "--shrink")[0] == Exit.OK
    assert config(home).store_path.stat().st_size < before // 2


@pytest.mark.parametrize(
    ("done", "kinds"),
    [
        ("DELETE FROM retention", {"removed"}),
        ("UPDATE retention SET start = replace(start, '\"seq\":12', '\"seq\":14')", {"start", "removed"}),
        ("UPDATE retention SET start = 'x'", {"start", "removed"}),
        ("DELETE FROM audit WHERE seq = 13", {"removed"}),
        ("UPDATE audit SET record = replace(record, '\"ok\"', '\"no\"') WHERE seq = 13", {"changed"}),
    ],
)
def test_whoever_has_no_key_cannot_pass_a_cut_off_as_a_purge(
    home: Path, capsys: pytest.CaptureFixture[str], done: str, kinds: set[str]
) -> None:
    lived(home)
    assert run(capsys, "store", "purge", "--trust-clock")[0] == Exit.OK
    with closing(sqlite3.connect(config(home).store_path)) as connection:
        for name in ("audit_is_never_changed", "audit_is_never_deleted"):
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute(done)
        connection.commit()
    code, said, _ = run(capsys, "audit", "verify")
    assert code == Exit.FAILED
    assert {each["kind"] for chain in said["chains"] for each in chain["findings"]} == kinds


def test_exported_file_is_checked_by_itself(home: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    tenant_id = lived(home)
    public = checkpoint_key(config(home)).public
    assert run(capsys, "store", "purge", "--trust-clock")[0] == Exit.OK
    assert main(["audit", "export"]) == Exit.OK
    exported = tmp_path / "audit.jsonl"
    exported.write_text(capsys.readouterr().out)
    assert main(["audit", "checkpoints"]) == Exit.OK
    (tmp_path / "checkpoints.jsonl").write_text(capsys.readouterr().out)
    lines = exported.read_text().splitlines()
    (tmp_path / "rightful.yaml").rename(tmp_path / "gone.yaml")  # neither a configuration nor a store is needed
    check = ("audit", "verify", "--export", str(exported), "--key", public, "--checkpoint", str(tmp_path / "checkpoints.jsonl"))
    code, said, error = run(capsys, *check)
    assert (code, error) == (Exit.OK, "")
    assert [each["start"]["begins"] for each in said["chains"] if each["tenant"] == tenant_id] == [13]
    assert run(capsys, *check[:4], "--key", "ab" * 32)[0] == Exit.FAILED  # another one's
    for changed in (lines[1:], [lines[0], *lines[2:]], [*lines[:1], lines[1].replace("ok", "no"), *lines[2:]]):
        exported.write_text("\n".join(changed) + "\n")
        assert run(capsys, *check)[0] == Exit.FAILED
    exported.write_text("nothing of the kind\n")
    assert json.loads(run(capsys, *check)[2])["error"]["code"] == "AuditDamaged"
    assert run(capsys, "audit", "verify", "--key", public)[0] == Exit.USAGE


def test_doctor_says_where_nothing_is_set_and_where_nothing_is_purged(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor(capsys)[1]["retention"]["advice"] == ""
    lived(home)
    assert doctor(capsys)[1]["retention"]["detail"] == "not purged yet: My organization"
    store, _ = opened(home, 3)
    store.put_purged(config(home).tenants[0].id)
    store.close()
    code, said = doctor(capsys)
    assert "last purged more than two days ago: My organization" in str(said["retention"]["advice"])
    store, _ = opened(home, 1)
    store.put_purged(config(home).tenants[0].id)
    store.close()
    assert doctor(capsys)[1]["retention"]["advice"] == ""
    change(home, "operations_days: 760", "operations_days: 0")
    assert "My organization: nothing says how long" in str(doctor(capsys)[1]["retention"]["advice"])
    assert code == Exit.OK
