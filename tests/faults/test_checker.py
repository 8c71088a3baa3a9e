"""The checker finds each thing that can be wrong: it is given what is right but for one thing."""

import hashlib
import json
import random
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.faults.checker import Poll, check
from tests.faults.ground import DAY_US, LOCAL, SECRETS, Ground, beside_main
from tests.faults.purged import Purge
from tests.faults.scenario import Data

from rightful.config.model import ExportSettings, RetentionSettings

_FOR_EVER = RetentionSettings()


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return _lived(tmp_path, ExportSettings(leak_check="off", viewer="off"))


@pytest.fixture
def purged_ground(tmp_path: Path) -> Ground:
    """Where operations and the first records were purged, and receipts are left."""
    kept = RetentionSettings(operations_days=30, receipts_days=60, audit_days=45)
    ground = _lived(tmp_path, ExportSettings(leak_check="off", viewer="off"), retention=kept)
    ground.clock.advance(50 * 86_400.0)

    def live() -> None:
        ground.begin(lambda _number, _name: None).start()
        ground.purge(is_whole=True)
        ground.close()

    beside_main(live)
    assert ground.there == []
    return ground


def _lived(folder: Path, export: ExportSettings, *, retention: RetentionSettings = _FOR_EVER) -> Ground:
    """Return where two people's exports were made, and nothing went wrong."""
    data = Data(random.Random(4), 2)
    ground = Ground(folder, data.people, data.sources, export=export, is_told=True, retention=retention)

    def live() -> None:
        life = ground.begin(lambda _number, _name: None)
        life.start()
        for subject in data.people:
            ground.accepted[life.submit(subject, LOCAL, subject)] = subject
        while life.step():
            pass
        for operation_id in ground.accepted:
            ground.poll(operation_id)
        life.tell_all()
        ground.close()

    beside_main(live)
    return ground


def _first(ground: Ground) -> str:
    return next(iter(ground.accepted))


def _package(ground: Ground) -> Path:
    return ground.exports / _first(ground)


def _run_sql(statement: str) -> Callable[[Ground], None]:
    def change(ground: Ground) -> None:
        connection = sqlite3.connect(ground.folder / "store.db")
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.executescript(statement.replace("FIRST", f"'{_first(ground)}'"))
        connection.commit()
        connection.close()

    return change


def _cut_row(ground: Ground) -> None:
    """Leave a row out, and make every manifest fit it again."""
    [part] = (_package(ground) / "data/Product/keyed").glob("part-*.jsonl")
    _rewrite(ground, part, b"".join(part.read_bytes().splitlines(keepends=True)[:-1]))


def _foreign_row(ground: Ground) -> None:
    [part] = (_package(ground) / "data/Product/keyed").glob("part-*.jsonl")
    _rewrite(ground, part, part.read_bytes().replace(b"only-of-0-", b"only-of-1-"))


def _rewrite(ground: Ground, path: Path, content: bytes) -> None:
    package, before = _package(ground), hashlib.sha256(path.read_bytes()).hexdigest()
    path.chmod(0o600)
    path.write_bytes(content)
    for name in ("manifest-sha256.txt", "tagmanifest-sha256.txt"):
        manifest = package / name
        old = hashlib.sha256(manifest.read_bytes()).hexdigest()
        text = manifest.read_text().replace(before, hashlib.sha256(content).hexdigest())
        manifest.write_text(text)
        tags = package / "tagmanifest-sha256.txt"
        tags.write_text(tags.read_text().replace(old, hashlib.sha256(manifest.read_bytes()).hexdigest()))


def _forget(ground: Ground) -> None:
    del ground.accepted[_first(ground)]


def _accept_another(ground: Ground) -> None:
    ground.accepted["00000000-0000-0000-0000-000000000000"] = "0"


def _forget_event(ground: Ground) -> None:
    events = ground.receiver.events
    del events[next(each for each, event in events.items() if event["type"].endswith(".completed"))]


def _invent_event(ground: Ground) -> None:
    ground.receiver.events["e"] = {"type": "dev.rightful.operation.failed", "data": {"operationId": _first(ground)}}


def _put(name: str, content: bytes) -> Callable[[Ground], None]:
    def change(ground: Ground) -> None:
        (ground.exports / name.replace("FIRST", _first(ground))).write_bytes(content)

    return change


WRONG: dict[str, tuple[Callable[[Ground], None], str]] = {
    "lost": (_accept_another, "was accepted and is lost"),
    "never ended": (_run_sql("UPDATE operation SET status = 'running', completed_at = NULL WHERE id = FIRST"), "never ended"),
    "no cause": (_run_sql("UPDATE operation SET status = 'failed', failure = NULL WHERE id = FIRST"), "failed without a cause"),
    "nobody's": (_forget, "nobody was ever told of it"),
    "more than the manifest": (_put("FIRST/more", b"x"), "no manifest names it"),
    "less than the manifest": (lambda ground: (_package(ground) / "README.txt").unlink(), "is not there"),
    "another byte": (_put("FIRST/README.txt", b"x"), "has another digest"),
    "row missing": (_cut_row, "1 too few"),
    "row of somebody else": (_foreign_row, "somebody else's"),
    "stranger": (_put("stranger", b"x"), "belongs to no operation"),
    "temporary file": (_put(".rightful-0", b"x"), "temporary file is left"),
    "status went back": (lambda ground: ground.polls.append(Poll(_first(ground), "running", 100.0)), "went from complete to running"),
    "progress fell": (lambda ground: ground.polls.append(Poll(_first(ground), "complete", 99.0)), "fell from 100"),
    "not told why": (
        lambda ground: ground.polls.extend([Poll("o", "running"), Poll("o", "failed")]),
        "the poller was not told why",
    ),
    "record missing": (_run_sql("DELETE FROM audit WHERE seq = 1"), "the audit chain is broken"),
    "change without a record": (
        _run_sql("""UPDATE operation SET status = 'failed', failure = '{"code": "x"}' WHERE id = FIRST"""),
        "its audit trail tells of complete",
    ),
    "asked and not recorded": (
        lambda ground: ground.asked["cancel"].certain.update([_first(ground)]),
        "0 records of cancel; 1 were answered",
    ),
    "lease": (_run_sql("UPDATE operation SET owner = 'x' WHERE id = FIRST"), "leased for ever"),
    "lease of a read": (_run_sql("UPDATE read SET state = 'leased' WHERE operation_id = FIRST"), "reads are leased for ever"),
    "location kept": (_run_sql("UPDATE operation SET sealed_location = x'00' WHERE id = FIRST"), "is kept, which has ended"),
    "entries kept": (
        _run_sql(
            "INSERT INTO entry (operation_id, source_name, partition, number, revision, state, sha256, size_bytes, rows, sealed) "
            "VALUES (FIRST, '', 0, 0, 0, 'done', '', 0, 0, x'')"
        ),
        "entries are kept",
    ),
    "secret in a package": (_put("FIRST/README.txt", SECRETS[0]), "a secret lies in"),
    "secret in the store": (
        _run_sql(f"UPDATE operation SET storage_location = '{SECRETS[0].decode()}' WHERE id = FIRST"),
        "a secret lies in the store",
    ),
    "person in the store": (_run_sql("UPDATE operation SET prefix = 'only-of-0-' WHERE id = FIRST"), "personal data lies in the store"),
    "event not told": (_forget_event, "completed was told 0 times, and happened 1 times"),
    "event of nothing": (_invent_event, "failed was told 1 times, and happened 0 times"),
    "event left": (
        _run_sql(
            "INSERT INTO outgoing_event (event_id, endpoint, tenant_id, operation_id, kind, code, happened_at) "
            "VALUES ('e', 'e', 't', FIRST, 'failed', '', 0)"
        ),
        "1 events are left to tell",
    ),
}


def _with_purge(**changes: int) -> Callable[[Ground], None]:
    """Let the purge have been told to keep things for another time."""

    def change(ground: Ground) -> None:
        ground.purges[-1] = replace(ground.purges[-1], **changes)  # type: ignore[arg-type] # of its times

    return change


def _unended(ground: Ground) -> None:
    ground.archive[:] = [(*row[:2], row[2].replace('"complete"', '"approve"'), row[3]) for row in ground.archive]


WRONG_PURGES: dict[str, tuple[Callable[[Ground], None], str]] = {
    "operation before its time": (_with_purge(operations_us=100 * DAY_US), "is purged before its time"),
    "operation that had not ended": (_unended, "is purged, and had not ended"),
    "operations, and no record": (
        _run_sql("""UPDATE audit SET record = replace(record, '"operations"', '"operation"')"""),
        "2 operations are purged, and 0 are recorded as purged",
    ),
    "what belonged to it": (_run_sql("INSERT INTO repeat_key SELECT 'k', FIRST, 0"), "1 rows are left of operations that are gone"),
    "receipt before its time": (_run_sql("DELETE FROM receipt WHERE operation_id = FIRST"), "is purged before its time"),
    "receipt kept": (_with_purge(receipts_us=49 * DAY_US), "is kept beyond its time"),
    "receipt of nothing": (_run_sql("UPDATE receipt SET operation_id = 'x' WHERE operation_id = FIRST"), "a receipt is left of x"),
    "record before its time": (_with_purge(audit_us=100 * DAY_US), "record 1 of the audit trail is purged before its time"),
    "record after the start": (_run_sql("DELETE FROM audit WHERE seq = (SELECT min(seq) FROM audit)"), "an audit chain that starts after"),
    "start of another": (_run_sql("""UPDATE retention SET start = replace(start, '"days":45', '"days":44')"""), "is not signed"),
    "start with another hash": (
        _run_sql("""UPDATE retention SET start = json_set(start, '$.hash', printf('%064d', 0))"""),
        "with another hash",
    ),
    "start too early": (_run_sql("""UPDATE retention SET start = json_set(start, '$.days', 100)"""), "came before its time"),
}


def test_nothing_is_found_where_what_was_purged_had_to_be(purged_ground: Ground) -> None:
    assert check(purged_ground.evidence()) == []


@pytest.mark.parametrize("name", WRONG_PURGES)
def test_what_is_wrong_with_a_purge_is_found(purged_ground: Ground, name: str) -> None:
    spoil, sentence = WRONG_PURGES[name]
    spoil(purged_ground)
    found = check(purged_ground.evidence())
    assert any(sentence in each for each in found), found


def test_operation_that_is_kept_beyond_its_time_is_found(ground: Ground) -> None:
    later_us = json.loads(ground.evidence().held.audit[-1][2])[3] + 2 * DAY_US
    ground.purges.append(Purge(later_us, DAY_US, DAY_US, DAY_US, DAY_US, is_whole=True))
    found = check(ground.evidence())
    assert sum("is kept beyond its time" in each for each in found) == len(ground.accepted), found


def test_nothing_is_found_where_nothing_is_wrong(ground: Ground) -> None:
    assert check(ground.evidence()) == []


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_found(ground: Ground, name: str) -> None:
    spoil, sentence = WRONG[name]
    spoil(ground)
    found = check(ground.evidence())
    assert any(sentence in each for each in found), found


def test_secret_in_a_log_and_descriptor_left_open_are_found(ground: Ground, tmp_path: Path) -> None:
    with (tmp_path / "left").open("wb"):
        found = check(ground.evidence(logs=[{"event": SECRETS[0].decode()}]))
    assert sorted(each.partition(":")[0] for each in found) == ["a secret stands in the log", "descriptors are left open"]


def test_another_manifest_than_undisturbed_is_found(ground: Ground) -> None:
    assert any("undisturbed" in each for each in check(ground.evidence(manifests={"0": b"other"})))


def test_temporary_file_that_is_left_is_found(ground: Ground, tmp_path: Path) -> None:
    evidence = ground.evidence()
    evidence.temporaries = (tmp_path / "temporary",)
    evidence.temporaries[0].mkdir()
    assert check(evidence) == []
    (evidence.temporaries[0] / "left").touch()
    assert check(evidence) == [f"a temporary file is left: {tmp_path}/temporary/left"]


def test_sealed_package_is_opened_and_what_is_wrong_with_it_found(tmp_path: Path) -> None:
    ground = _lived(tmp_path, ExportSettings(leak_check="off", viewer="off", sealed="age"))
    assert check(ground.evidence()) == []
    package = _package(ground)
    entry = next(each for each in (package / "sealed").iterdir() if each.name != "index.age")
    content = entry.read_bytes()
    entry.unlink()
    assert any("its list is not what lies there" in each for each in check(ground.evidence()))
    entry.write_bytes(content)
    _rename_in_list(package, entry.name, f"{'0' * 32}.age")
    entry.rename(entry.with_name(f"{'0' * 32}.age"))
    assert any("its index names other entries" in each for each in check(ground.evidence()))


def test_package_that_is_not_sealed_and_had_to_be_is_found(ground: Ground) -> None:
    evidence = ground.evidence()
    evidence.is_sealed = True
    assert any("tell whose it is, and the package is sealed" in each for each in check(evidence))


def _rename_in_list(package: Path, before: str, after: str) -> None:
    path = package / "sealed.json"
    path.write_text(path.read_text().replace(before, after))
