"""`rightful audit`: whatever was done to the trail behind the service's back is named, and what is exported can be checked by others."""

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest
import structlog

from rightful.audit.checkpoint import CheckpointKey, is_signed
from rightful.audit.checkpoint import decode as decode_checkpoint
from rightful.audit.checkpoint import encode as encode_checkpoint
from rightful.audit.record import FIRST_HASH, OK, SERVICE_CHAIN, Action, Actor, AuditRecord, Target, decode, encode, link, record
from rightful.cli.application import main
from rightful.clock import to_microseconds
from rightful.config.load import load
from rightful.config.model import Config
from rightful.export.checkpointing import Checkpoints, checkpoint_key
from rightful.store.sqlite import SqliteStore
from rightful.testing.clock import ManualClock
from rightful.testing.store_cases import OTHER_TENANT, START, TENANT

RECORDS = 12
ROOT = Path(__file__).parents[3]
Finding = tuple[str, int, int]


def made(number: int, tenant_id: str = TENANT) -> AuditRecord:
    return record(
        Actor(object_id="o", app_id="a", address="192.0.2.7", request_id=f"r{number}", client_request_id="c"),
        tenant_id=tenant_id,  # type: ignore[arg-type]
        time_us=to_microseconds(START) + number * 1_000_000,
        action=Action.READ_OPERATION if number % 2 else Action.SUBMIT,
        outcome=OK if number % 3 else "Request_ResourceNotFound",
        target=Target.OPERATION,
        target_id=f"t{number}",
        subject_id=f"ann-{number}",
    )


class Trail:
    """A configuration, its store with two tenants' chains, and the command line."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys
        assert main(["init", str(folder)]) == 0
        self.config: Config = load(folder / "rightful.yaml", {})
        self.path = self.config.store_path
        capsys.readouterr()

    def store(self) -> SqliteStore:
        return SqliteStore(self.path, ManualClock(START))

    def append(self, first: int, last: int, *, signed: bool = True) -> None:
        """Append records as a run of the service does, and sign at its end."""
        store = self.store()
        for number in range(first, last + 1):
            store.record([made(number)])
        if signed:
            self.sign(store)
        store.close()
        self._capsys.readouterr()  # the log

    def sign(self, store: SqliteStore) -> None:
        Checkpoints(store, checkpoint_key(self.config), ManualClock(START), (SERVICE_CHAIN, TENANT, OTHER_TENANT)).sign()

    def run(self, *arguments: str) -> tuple[int, str, str]:
        code = main(["audit", *arguments, "--config", str(self.folder / "rightful.yaml")])
        said = self._capsys.readouterr()
        return code, said.out, said.err

    def verify(self, *arguments: str) -> tuple[int, list[Finding]]:
        code, out, _ = self.run("verify", "--json", *arguments)
        return code, [(each["kind"], each["first"], each["last"]) for chain in json.loads(out)["chains"] for each in chain["findings"]]

    def tamper(self, *statements: str, **parameters: object) -> None:
        """Change the file as somebody with the disk can, the triggers being out of the way.

        By the library of the store: two that have a file open in one process lose each other's locks.
        """
        connection = apsw.Connection(str(self.path))
        with connection:
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                connection.execute(f"DROP TRIGGER {name}")
            for statement in statements:
                connection.execute(statement, {**parameters, "tenant": TENANT})
        connection.close()

    def put(self, order: Iterable[int]) -> None:
        """Give records other places, where nothing else is needed for it."""
        self.tamper("UPDATE audit SET seq = -seq WHERE tenant_id = :tenant")
        for place, number in enumerate(order, 1):
            self.tamper("UPDATE audit SET seq = :place WHERE tenant_id = :tenant AND seq = -:number", place=place, number=number)

    def rows(self) -> list[tuple[int, str, bytes]]:
        connection = apsw.Connection(str(self.path))
        found = connection.execute("SELECT seq, record, hash FROM audit WHERE tenant_id = ? ORDER BY seq", (TENANT,)).fetchall()
        connection.close()
        return [(seq, record, hash_) for seq, record, hash_ in found]  # type: ignore[misc]

    def rewrite(self, change: Callable[[list[AuditRecord]], list[AuditRecord]]) -> None:
        """Replace the chain by one that fits again, as somebody can who knows how it is made, and has no key."""
        records = change([decode(text) for _, text, _ in self.rows()])
        self.tamper("DELETE FROM audit WHERE tenant_id = :tenant")
        previous = FIRST_HASH
        for number, value in enumerate(records, 1):
            text = encode(msgspec.structs.replace(value, seq=number))
            previous = link(previous, text)
            row = {"seq": number, "record": text.decode(), "hash": previous}
            self.tamper("INSERT INTO audit VALUES (:tenant, :seq, :record, :hash)", **row)


@pytest.fixture
def trail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Trail:
    found = Trail(tmp_path / "service", capsys)
    store = found.store()
    store.record([made(number, OTHER_TENANT) for number in range(3)])
    store.close()
    found.append(1, RECORDS)
    return found


def test_untouched_trail_is_in_order(trail: Trail) -> None:
    assert trail.verify() == (0, [])
    code, out, err = trail.run("verify")
    assert code == 0
    assert f"{TENANT}: {RECORDS} records, signed up to {RECORDS} (2026-01-31 12:00:00Z)" in out
    assert f"{OTHER_TENANT}: 3 records, signed up to 3" in out
    assert err == ""


FIELDS = [field for field in AuditRecord.__struct_fields__ if field not in {"version", "seq"}]


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("seq", [1, 6, RECORDS])
def test_each_changed_field_is_named_with_its_record(trail: Trail, field: str, seq: int) -> None:
    text = trail.rows()[seq - 1][1]
    value = decode(text)
    other: dict[str, Any] = {
        "time_us": value.time_us + 1,
        "count": 7,
        "action": Action.CALL,
        "target": Target.USER,
        "tenant_id": OTHER_TENANT,
    }
    changed = encode(msgspec.structs.replace(value, **{field: other.get(field, "other")})).decode()
    assert changed != text
    trail.tamper("UPDATE audit SET record = :record WHERE tenant_id = :tenant AND seq = :seq", record=changed, seq=seq)
    assert trail.verify() == (1, [("changed", seq, seq)])


@pytest.mark.parametrize("value", ["", "x", '[2,"",1]', None, b"\x00", 7, "\x00"], ids=repr)
def test_record_that_is_none_is_named(trail: Trail, value: object) -> None:
    trail.tamper("UPDATE audit SET record = coalesce(:value, 0) WHERE tenant_id = :tenant AND seq = 4", value=value)
    assert trail.verify() == (1, [("changed", 4, 4)])
    assert trail.run("export")[0] == 1


def test_whatever_lies_in_the_columns_is_told_and_breaks_nothing(trail: Trail) -> None:
    trail.tamper("UPDATE audit SET record = CAST(x'ff00' AS TEXT) WHERE tenant_id = :tenant AND seq = 4")
    assert trail.verify() == (1, [("changed", 4, 4)])
    assert "AuditDamaged" in trail.run("export")[2]
    trail.tamper(
        "UPDATE audit SET hash = 'text' WHERE tenant_id = :tenant AND seq = 8",
        "INSERT INTO audit VALUES (char(27) || '[31m', -7, 5, 5)",
        "INSERT INTO audit VALUES (:tenant, 'x', 'y', 'z')",
        "INSERT INTO audit_checkpoint VALUES (:tenant, 'x', CAST(x'ff00' AS TEXT))",
    )
    code, out, _ = trail.run("verify")
    assert code == 1
    assert "\x1b" not in out
    assert {("changed", 4, 4), ("changed", 8, 8), ("changed", RECORDS + 1, RECORDS + 1), ("checkpoint", 0, 0)} <= set(trail.verify()[1])
    assert len(trail.run("checkpoints")[1].splitlines()) == 2


@pytest.mark.parametrize("seq", [1, 6])
def test_changed_hash_is_named_with_its_record(trail: Trail, seq: int) -> None:
    trail.tamper("UPDATE audit SET hash = :hash WHERE tenant_id = :tenant AND seq = :seq", hash=bytes(32), seq=seq)
    assert trail.verify() == (1, [("changed", seq, seq)])


@pytest.mark.parametrize(("first", "last"), [(1, 1), (1, 3), (5, 5), (5, 8), (RECORDS - 1, RECORDS - 1)])
def test_removed_records_are_named(trail: Trail, first: int, last: int) -> None:
    trail.tamper("DELETE FROM audit WHERE tenant_id = :tenant AND seq BETWEEN :first AND :last", first=first, last=last)
    assert trail.verify() == (1, [("removed", first, last)])


@pytest.mark.parametrize(("first", "last"), [(1, 1), (5, 5), (5, 7)])
def test_removed_records_are_named_though_the_others_were_renumbered(trail: Trail, first: int, last: int) -> None:
    trail.tamper(
        "DELETE FROM audit WHERE tenant_id = :tenant AND seq BETWEEN :first AND :last",
        "UPDATE audit SET seq = seq - 1000000 WHERE tenant_id = :tenant AND seq > :last",
        "UPDATE audit SET seq = seq + 1000000 - (:last - :first + 1) WHERE tenant_id = :tenant AND seq < 0",
        first=first,
        last=last,
    )
    assert trail.verify() == (1, [("removed", first, last)])


@pytest.mark.parametrize(("one", "other"), [(5, 6), (2, 9), (1, RECORDS), (1, 2), (RECORDS - 1, RECORDS)])
def test_swapped_records_are_named(trail: Trail, one: int, other: int) -> None:
    trail.tamper(
        "UPDATE audit SET seq = -1 WHERE tenant_id = :tenant AND seq = :one",
        "UPDATE audit SET seq = :one WHERE tenant_id = :tenant AND seq = :other",
        "UPDATE audit SET seq = :other WHERE tenant_id = :tenant AND seq = -1",
        one=one,
        other=other,
    )
    assert trail.verify() == (1, [("reordered", one, one), ("reordered", other, other)])


@pytest.mark.parametrize(
    ("order", "moved"),
    [
        ((1, 2, 3, 6, 7, 4, 5, 8, 9, 10, 11, 12), [(4, 5), (6, 7)]),
        ((3, 4, 1, 2, 5, 6, 7, 8, 9, 10, 11, 12), [(1, 2), (3, 4)]),
        ((7, 8, 9, 10, 11, 1, 2, 3, 4, 5, 6, 12), [(1, 5), (6, 11)]),
    ],
    ids=str,
)
def test_moved_blocks_are_named(trail: Trail, order: tuple[int, ...], moved: list[tuple[int, int]]) -> None:
    trail.put(order)
    assert trail.verify() == (1, [("reordered", *each) for each in moved])


@pytest.mark.parametrize(("one", "other"), [(5, 6), (2, 9)])
def test_swapped_contents_are_named(trail: Trail, one: int, other: int) -> None:
    texts = {"first": trail.rows()[one - 1][1], "second": trail.rows()[other - 1][1], "one": one, "other": other}
    trail.tamper(
        "UPDATE audit SET record = :second WHERE tenant_id = :tenant AND seq = :one",
        "UPDATE audit SET record = :first WHERE tenant_id = :tenant AND seq = :other",
        **texts,
    )
    assert trail.verify() == (1, [("reordered", one, one), ("reordered", other, other)])


@pytest.mark.parametrize("seq", [1, 6, RECORDS])
def test_inserted_record_is_named(trail: Trail, seq: int) -> None:
    text = encode(msgspec.structs.replace(made(99), seq=seq)).decode()
    trail.tamper(
        "UPDATE audit SET seq = -seq - 1 WHERE tenant_id = :tenant AND seq >= :seq",
        "UPDATE audit SET seq = -seq WHERE tenant_id = :tenant AND seq < 0",
        "INSERT INTO audit VALUES (:tenant, :seq, :text, :hash)",
        seq=seq,
        text=text,
        hash=bytes(32),
    )
    assert trail.verify() == (1, [("inserted", seq, seq)])


def test_record_added_at_the_end_without_a_hash_that_fits_is_named(trail: Trail) -> None:
    text = encode(msgspec.structs.replace(made(99), seq=RECORDS + 1)).decode()
    trail.tamper("INSERT INTO audit VALUES (:tenant, :seq, :text, :hash)", seq=RECORDS + 1, text=text, hash=bytes(32))
    assert trail.verify() == (1, [("changed", RECORDS + 1, RECORDS + 1)])


def test_one_record_changed_with_its_hash_no_longer_fits_the_next(trail: Trail) -> None:
    previous, text = trail.rows()[3][2], encode(msgspec.structs.replace(made(99), seq=5))
    trail.tamper(
        "UPDATE audit SET record = :text, hash = :hash WHERE tenant_id = :tenant AND seq = 5", text=text.decode(), hash=link(previous, text)
    )
    code, out, _ = trail.run("verify", "--json")
    (finding,) = [each for chain in json.loads(out)["chains"] for each in chain["findings"]]
    assert (code, finding["kind"], finding["first"]) == (1, "changed", 6)
    assert "record 5 was, with its hash" in finding["detail"]


def without(number: int) -> Callable[[list[AuditRecord]], list[AuditRecord]]:
    return lambda records: [value for value in records if value.seq != number]


def test_rewriting_is_narrowed_down_to_two_checkpoints(trail: Trail) -> None:
    trail.append(RECORDS + 1, RECORDS + 5)
    trail.append(RECORDS + 6, RECORDS + 9)
    changed = RECORDS + 3

    def forge(records: list[AuditRecord]) -> list[AuditRecord]:
        return [msgspec.structs.replace(value, subject_id="ben") if value.seq == changed else value for value in records]

    trail.rewrite(forge)
    assert trail.verify() == (1, [("rewritten", RECORDS + 1, RECORDS + 5)])


def test_removed_record_is_found_though_the_chain_was_made_to_fit(trail: Trail) -> None:
    trail.rewrite(without(6))
    assert trail.verify() == (1, [("cut", RECORDS, RECORDS)])


def test_end_cut_off_is_named_by_the_checkpoint(trail: Trail) -> None:
    trail.tamper("DELETE FROM audit WHERE tenant_id = :tenant AND seq > 9")
    assert trail.verify() == (1, [("cut", 10, RECORDS)])
    trail.tamper("DELETE FROM audit WHERE tenant_id = :tenant")
    assert trail.verify() == (1, [("cut", 1, RECORDS)])


@pytest.mark.parametrize("kept_as", ["printed", "log"])
def test_old_file_put_back_is_named_by_a_checkpoint_that_was_kept_elsewhere(trail: Trail, tmp_path: Path, kept_as: str) -> None:
    old = tmp_path / "old.db"
    shutil.copy(trail.path, old)
    with structlog.testing.capture_logs() as logged:
        trail.append(RECORDS + 1, RECORDS + 4)
    kept = tmp_path / "kept.jsonl"
    printed = trail.run("checkpoints", "--tenant", TENANT)[1]
    kept.write_text("not a checkpoint\n" + "\n".join(map(json.dumps, logged)) if kept_as == "log" else printed)
    for path in trail.path.parent.glob(f"{trail.path.name}*"):
        path.unlink()
    shutil.copy(old, trail.path)
    assert trail.verify() == (0, [])  # nothing in the file can tell
    assert trail.verify("--checkpoint", str(kept)) == (1, [("cut", RECORDS + 1, RECORDS + 4)])
    trail.append(RECORDS + 1, RECORDS + 6)  # the service went on from the old file
    trail.tamper("UPDATE audit SET record = record WHERE 0")
    assert trail.verify("--checkpoint", str(kept)) == (0, [])  # it recorded the very same things
    other = RECORDS + 2
    trail.rewrite(lambda records: [msgspec.structs.replace(value, count=2) if value.seq == other else value for value in records])
    assert trail.verify("--checkpoint", str(kept))[1][0][0] == "rewritten"


def test_checkpoints_that_nobody_trusted_signed_are_named(trail: Trail, tmp_path: Path) -> None:
    head = trail.rows()[-1]
    forged = CheckpointKey(bytes(32)).sign(tenant_id=TENANT, seq=RECORDS + 5, hash_=head[2], time_us=1)
    kept = tmp_path / "kept.jsonl"
    kept.write_bytes(msgspec.json.encode(forged) + b"\n")
    assert trail.verify("--checkpoint", str(kept)) == (1, [("checkpoint", RECORDS + 5, RECORDS + 5)])
    real = decode_checkpoint(trail.run("checkpoints", "--tenant", TENANT)[1])
    assert is_signed(real, [real.key])
    for change in (
        {"seq": 3},
        {"hash": "00" * 32},
        {"time_us": 5},
        {"tenant_id": OTHER_TENANT},
        {"signature": "00" * 64},
        {"signature": ""},
    ):
        assert not is_signed(msgspec.structs.replace(real, **change), [real.key])
    assert not is_signed(real, [])
    trail.tamper("UPDATE audit_checkpoint SET checkpoint = '{}' WHERE tenant_id = :tenant")
    assert trail.verify() == (1, [("checkpoint", 0, 0)])
    (tmp_path / "empty").write_text("{}\n")
    assert trail.run("verify", "--checkpoint", str(tmp_path / "empty"))[0] == 1


def test_earlier_key_is_trusted_where_the_configuration_says_so(trail: Trail, capsys: pytest.CaptureFixture[str]) -> None:
    public = checkpoint_key(trail.config).public
    config = trail.folder / "rightful.yaml"
    (trail.folder / "audit.key").write_text("ab" * 32)
    assert trail.verify()[1] == [("checkpoint", RECORDS, RECORDS), ("checkpoint", 3, 3)]
    config.write_text(config.read_text().replace("# earlier_keys: []", f"earlier_keys: [{public}]", 1))
    assert trail.verify() == (0, [])
    config.write_text(config.read_text().replace(public, "nonsense"))
    assert trail.run("verify")[0] == 1
    del capsys


def test_service_does_not_sign_what_was_rewritten_under_it(trail: Trail) -> None:
    store = trail.store()
    checkpoints = Checkpoints(store, checkpoint_key(trail.config), ManualClock(START), (TENANT,))
    checkpoints.sign()
    trail.rewrite(lambda records: [msgspec.structs.replace(value, count=2) for value in records])
    store.record([made(99)])
    with structlog.testing.capture_logs() as logged:
        checkpoints.sign()
    store.close()
    assert [each["log_level"] for each in logged] == ["error"]
    assert trail.verify()[1] == [("rewritten", 1, RECORDS)]


@pytest.mark.parametrize("seq", [RECORDS, RECORDS + 1, 1_000_000])
@pytest.mark.parametrize("whose", ["a stranger's", "another chain's", "an earlier one"])
def test_service_signs_on_only_after_a_checkpoint_of_its_own(trail: Trail, whose: str, seq: int) -> None:
    store = trail.store()
    store.record([made(RECORDS + 1)])
    entry = store.chain(TENANT, after_seq=min(seq, RECORDS + 1) - 1)[0]
    key = checkpoint_key(trail.config) if whose == "another chain's" else CheckpointKey(bytes(32))
    tenant_id = OTHER_TENANT if whose == "another chain's" else TENANT
    put = key.sign(tenant_id=tenant_id, seq=seq, hash_=entry.hash, time_us=1)
    trail.tamper(
        "DELETE FROM audit_checkpoint WHERE tenant_id = :tenant",
        "INSERT INTO audit_checkpoint (tenant_id, seq, checkpoint) VALUES (:tenant, :seq, :text)",
        seq=seq,
        text=encode_checkpoint(put).decode(),
    )
    earlier = [key.public] if whose == "an earlier one" else []
    for _ in range(2):
        store.record([made(RECORDS + 2)])
        checkpoints = Checkpoints(store, checkpoint_key(trail.config), ManualClock(START), (TENANT,), earlier_keys=earlier)
        with structlog.testing.capture_logs() as logged:
            checkpoints.sign()
            checkpoints.sign()
        if whose == "an earlier one" and seq < 1_000_000:
            assert [each["event"] for each in logged] == ["audit checkpoint"]
        else:
            assert [each["log_level"] for each in logged] == ["error", "error"]
            assert ("earlier_keys" in logged[0]["event"]) == (whose != "an earlier one")
            assert logged[0]["checkpoint"] == seq
    store.close()


MOVED = (1, 2, 3, 6, 7, 4, 5, 8, 9, 10, 11, 12)


@pytest.mark.parametrize("is_running", [False, True], ids=["stopped", "running"])
@pytest.mark.parametrize(
    "what",
    [
        "UPDATE audit SET record = replace(record, 'ann-5', 'ben') WHERE tenant_id = :tenant AND seq = 5",
        "DELETE FROM audit WHERE tenant_id = :tenant AND seq = 5",
        "INSERT INTO audit SELECT tenant_id, 0, record, hash FROM audit WHERE tenant_id = :tenant AND seq = 5",
        "UPDATE audit SET record = CAST(x'ff00' AS TEXT) WHERE tenant_id = :tenant AND seq = 5",
        "moved",
    ],
)
def test_service_does_not_sign_on_over_a_chain_that_is_not_in_order(trail: Trail, what: str, *, is_running: bool) -> None:
    """While it runs it reads again what it has read, and before it signs for the first time it reads all."""
    store = trail.store()
    checkpoints = Checkpoints(store, checkpoint_key(trail.config), ManualClock(START), (TENANT, OTHER_TENANT))
    if is_running:
        checkpoints.sign()
    trail.put(MOVED) if what == "moved" else trail.tamper(what)
    store.record([made(RECORDS + 1), made(4, OTHER_TENANT)])
    with structlog.testing.capture_logs():
        checkpoints.read()
    with structlog.testing.capture_logs() as logged:
        checkpoints.sign()
    store.close()
    assert [(each["log_level"], each.get("tenant", each.get("tenant_id"))) for each in logged] == [
        ("error", TENANT),
        ("info", OTHER_TENANT),
    ]
    assert trail.verify()[0] == 1
    assert f"{TENANT}: {RECORDS + 1} records, signed up to {RECORDS + 1}" not in trail.run("verify")[1]


def test_long_chain_is_signed_when_it_was_read_to_its_end(trail: Trail) -> None:
    store = trail.store()
    store.record([msgspec.structs.replace(made(1), count=number) for number in range(RECORDS, 21_000)])
    checkpoints = Checkpoints(store, checkpoint_key(trail.config), ManualClock(START), (TENANT,))
    with structlog.testing.capture_logs() as logged:
        checkpoints.sign()
        assert logged == []
        checkpoints.read()
        checkpoints.sign()
        assert [each["seq"] for each in logged] == [21_000]
        trail.tamper("UPDATE audit SET record = replace(record, '7', '8') WHERE tenant_id = :tenant AND seq = 20500")
        checkpoints.sign()
        checkpoints.sign()
        assert logged[-1]["log_level"] == "error"
    store.close()


def test_triggers_refuse_what_would_change_a_record(trail: Trail) -> None:
    connection = sqlite3.connect(trail.path)
    for statement in (
        "UPDATE audit SET record = '' WHERE seq = 3",
        "DELETE FROM audit WHERE seq = 3",
        f"INSERT OR REPLACE INTO audit VALUES ('{TENANT}', 3, '', x'')",
        f"INSERT INTO audit VALUES ('{TENANT}', 0, '', x'')",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="audit records are"):
            connection.execute(statement)
    connection.close()
    assert trail.verify() == (0, [])


def test_trail_is_read_while_the_service_has_the_file(trail: Trail) -> None:
    store = trail.store()
    store.record([made(50)])
    assert trail.verify() == (0, [])
    assert len(trail.run("export", "--tenant", TENANT)[1].splitlines()) == RECORDS + 1
    store.close()


def test_store_without_a_trail_is_said_to_be_so(trail: Trail) -> None:
    trail.path.unlink()
    code, _, err = trail.run("verify")
    assert code == 1
    assert "there is no store" in err
    sqlite3.connect(trail.path).execute("CREATE TABLE x (y)").connection.close()
    assert "holds no audit trail" in trail.run("verify")[2]


def test_export_is_what_was_recorded(trail: Trail) -> None:
    lines = [json.loads(line) for line in trail.run("export")[1].splitlines()]
    assert [(line["tenant"], line["seq"]) for line in lines] == [
        *((TENANT, number) for number in range(1, RECORDS + 1)),
        *((OTHER_TENANT, number) for number in range(1, 4)),
    ]
    assert [(line["record"], line["hash"]) for line in lines[:RECORDS]] == [(text, hash_.hex()) for _, text, hash_ in trail.rows()]
    late = trail.run("export", "--tenant", TENANT, "--since", "2026-01-31T12:00:10Z")[1]
    assert [json.loads(line)["seq"] for line in late.splitlines()] == [10, 11, 12]
    assert trail.run("export", "--since", "yesterday")[0] == 2
    assert trail.run("export", "--tenant", trail.config.tenants[0].name)[0] == 2  # nothing is recorded of it
    for command in ("verify", "export", "checkpoints"):
        assert trail.run(command, "--tenant", "no-such")[0] == 2


def test_export_without_a_record_shows_nothing(trail: Trail, tmp_path: Path) -> None:
    exported = tmp_path / "audit.jsonl"
    exported.write_text("")
    key = json.loads(trail.run("checkpoints")[1].splitlines()[0])["key"]
    for trusted in ((), ("--key", key)):
        code, out, err = trail.run("verify", "--export", str(exported), *trusted)
        assert (code, out) == (1, "")
        assert "holds no record [AuditMissing]" in err


def test_ocsf_events_have_what_their_class_requires(trail: Trail) -> None:
    store = trail.store()
    store.record([msgspec.structs.replace(made(1, SERVICE_CHAIN), object_id="", address="", action=Action.AUTHENTICATE)])
    store.close()
    events = [json.loads(line) for line in trail.run("export", "--format", "ocsf")[1].splitlines()]
    assert len(events) == RECORDS + 4
    assert len({(each["source"], each["id"]) for each in events}) == len(events)
    for envelope in events:
        # CloudEvents 1.0.2, 3.1: the required attributes; OCSF 1.6.0: those of base_event, application and api_activity, and of their objects.
        assert {"id", "source", "specversion", "type"} <= envelope.keys()
        assert (envelope["specversion"], envelope["datacontenttype"]) == ("1.0", "application/json")
        data = envelope["data"]
        required = {
            "activity_id",
            "actor",
            "api",
            "category_uid",
            "class_uid",
            "metadata",
            "severity_id",
            "src_endpoint",
            "time",
            "type_uid",
        }
        assert required <= data.keys()
        assert (data["class_uid"], data["category_uid"], data["type_uid"]) == (6003, 6, 600_300 + data["activity_id"])
        assert {"product", "version"} <= data["metadata"].keys()
        assert data["metadata"]["product"]["name"]
        assert data["api"]["operation"]
        assert data["actor"].keys() & {"user", "app_name"}
        assert data["src_endpoint"].keys() & {"ip", "svc_name"}
        assert data["activity_id"] in {1, 2, 3, 4, 99}
        assert ("activity_name" in data) == (data["activity_id"] == 99)
    first = events[1]["data"]
    assert (first["time"], first["actor"], first["status_code"]) == (
        (to_microseconds(START) + 1_000_000) // 1000,
        {"user": {"uid": "o"}, "app_uid": "a"},
        "ok",
    )
    assert first["resources"] == [{"type": "operation", "uid": "t1"}, {"type": "dataSubject", "uid": "ann-1"}]


def test_outside_checker_agrees(trail: Trail, tmp_path: Path) -> None:
    text = (ROOT / "docs" / "howto" / "check-the-audit-trail.md").read_text(encoding="utf-8")
    script = text.partition("```python\n")[2].partition("```")[0]
    assert len(script.splitlines()) <= 30
    assert "rightful" not in script.replace("`rightful", "")
    (tmp_path / "check.py").write_text(script)
    exported = trail.run("export")[1]
    kept = trail.run("checkpoints")[1]

    def check(lines: str, checkpoints: str = kept) -> tuple[int, str]:
        (tmp_path / "audit.jsonl").write_text(lines)
        (tmp_path / "checkpoints.jsonl").write_text(checkpoints)
        command = [sys.executable, "-I", "check.py", "audit.jsonl", "checkpoints.jsonl"]
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        return ended.returncode, ended.stdout + ended.stderr

    code, said = check(exported)
    assert (code, said.count("ok")) == (0, 2), said
    lines = exported.splitlines(keepends=True)
    assert check("".join(lines[:4] + lines[5:]))[0] == 1
    assert check(exported.replace("ann-5", "ann-6"))[0] == 1
    assert check("".join(lines[: RECORDS - 1] + lines[RECORDS:]))[0] == 1  # the end cut off
    assert check("".join([*lines[:3], lines[4], lines[3], *lines[5:]]))[0] == 1
    assert check("", "")[0] == 1


def test_doctor_tells_of_a_trail_that_is_signed_no_more_since_an_earlier_key_is_not_named(
    trail: Trail, capsys: pytest.CaptureFixture[str]
) -> None:
    def audit_check() -> dict[str, Any]:
        main(["doctor", "--json", "--config", str(trail.folder / "rightful.yaml")])
        checks: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["checks"]
        return next(check for check in checks if check["name"] == "audit trail")

    assert audit_check()["ok"]
    public = checkpoint_key(trail.config).public
    (trail.folder / "audit.key").write_text("ab" * 32)
    found = audit_check()
    assert not found["ok"]
    assert public in found["detail"]
    assert "audit.earlier_keys" in found["hint"]
    config = trail.folder / "rightful.yaml"
    config.write_text(config.read_text().replace("# earlier_keys: []", f"earlier_keys: [{public}]", 1))
    assert audit_check()["ok"]
