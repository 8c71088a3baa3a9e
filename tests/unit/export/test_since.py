"""Exports that bring the difference to an earlier one alone: from two states of the sources to two packages, one of which is small."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
from tests.unit.export.scripted import FILES_HEADER, Scripted, file, yields
from tests.unit.export.world import TENANT, World

from rightful.config.model import AccountSettings, ExportSettings, StorageSettings
from rightful.connectors.interface import Connector, SkippedItem
from rightful.errors import Conflict, InvalidRequest
from rightful.export.runtime import TenantRuntime
from rightful.operation.model import DataPolicyOperation, OperationStatus
from rightful.package.opening import open_local
from rightful.package.schema import Column, ColumnKind, Redaction
from rightful.package.telling import tell
from rightful.package.verify import PackageState, verify
from rightful.store.sqlite import SqliteStore
from rightful.testing.memory_connector import MemoryConnector

PEOPLE: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    str(number): {"upn": (f"{name}@contoso.example",), "mail": (f"{name}@contoso.example",)}
    for number, name in enumerate(("ann", "bob", "carla"), start=1)
}
COLUMNS = (Column(name="id", kind=ColumnKind.INT), Column(name="mail", kind=ColumnKind.TEXT), Column(name="note", kind=ColumnKind.TEXT))
EXPORT = ExportSettings(retry_s=1.0, compare_days=30, part_mib=1)

Rows = Mapping[int, str]


def table(rows: Rows | Sequence[tuple[int, str]], *, whose: str = "ann", key: str | None = "id", **more: Any) -> MemoryConnector:
    pairs = rows.items() if isinstance(rows, Mapping) else rows
    content = [{"id": number, "mail": f"{whose}@contoso.example", "note": note} for number, note in pairs]
    return MemoryConnector("table", columns=COLUMNS, match={"mail": "mail"}, rows=content, key=key, **{"batch_rows": 7, **more})


def tree(files: Mapping[str, bytes], *, skipped: Sequence[str] = ()) -> Scripted:
    items = [file(path, content) for path, content in sorted(files.items())]
    return Scripted(yields(FILES_HEADER, *items, *(SkippedItem(subject=0, path=path, reason="permission denied") for path in skipped)))


def now(world: World, **sources: Connector) -> None:
    """Let sources be others from now on."""
    world.tenants[TENANT].connectors.update(sources)  # type: ignore[attr-defined] # a dict, in tests


def export(world: World, *, since: DataPolicyOperation | None = None, subject: str = "1", **more: Any) -> DataPolicyOperation:
    operation = world.submit(subject, since=None if since is None else since.operation_id, **more)
    world.run()
    return complete(world, operation)


def complete(world: World, operation: DataPolicyOperation) -> DataPolicyOperation:
    found = world.get(operation)
    assert (found.status, found.failure) == (OperationStatus.COMPLETE, None)
    with open_local(world.package(operation)) as reader:
        assert verify(reader).state is PackageState.WHOLE
    return found


def kept_in(world: World) -> Path:
    return world.config.store_path.with_name(f"{world.config.store_path.name}.fingerprints")


def document(world: World, operation: DataPolicyOperation, name: str) -> Any:
    return json.loads((world.package(operation) / name).read_text())


def gone(world: World, operation: DataPolicyOperation) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (world.package(operation) / "gone.jsonl").read_text().splitlines()]


def lines(world: World, operation: DataPolicyOperation, source: str = "table") -> list[str]:
    replaced = {entry["path"] for entry in world.ledger(operation)[source]["superseded"]}
    parts = sorted((world.package(operation) / "data" / "Product" / source).glob("part-*.jsonl"))
    return [
        line for part in parts if str(part.relative_to(world.package(operation))) not in replaced for line in part.read_text().splitlines()
    ]


def fingerprint(key: str, line: str, names: Sequence[str]) -> str:
    """As package-format.md says, by code that shares nothing with the package's."""

    def keyed(size: int, message: str) -> bytes:
        return hashlib.blake2b(message.encode(), digest_size=size, key=bytes.fromhex(key)).digest()

    values = json.loads(line)
    named = (
        "key\n" + json.dumps([values[name] for name in names], separators=(",", ":"), ensure_ascii=False) if names else "record\n" + line
    )
    which = keyed(16, named)
    return (bytes((which[0] & 0x7F,)) + which[1:] + keyed(8, "record\n" + line)).hex()


def applied(world: World, then: DataPolicyOperation, difference: DataPolicyOperation, before: Sequence[str] | None = None) -> Counter[str]:
    """Return the lines of the table that there are, by the earlier package and the difference alone."""
    changes = document(world, difference, "changes.json")
    names = changes["sources"]["table"]["key"]
    old = Counter(lines(world, then) if before is None else before)
    by_mark = {fingerprint(changes["fingerprintKey"], line, names): line for line in old}
    named = [each for each in gone(world, difference) if each["source"] == "table"]
    for each in named:
        if "gone" in each:
            old[by_mark[each["gone"]]] -= each["copies"]
    sent = lines(world, difference)
    keys = {tuple(json.loads(line)[name] for name in names) for line in sent} if names else set()
    left = [line for line in old.elements() if not names or tuple(json.loads(line)[name] for name in names) not in keys]
    again = Counter({by_mark[each["again"]]: each["copies"] for each in named if "again" in each})
    return Counter(left) + Counter(sent) + again


THEN = {number: f"note {number}" for number in range(60)}
NOW = {number: f"{'NOTE' if number % 9 == 0 else 'note'} {number}" for number in range(5, 70)}
COUNTS = {"new": 10, "changed": 6, "gone": 5, "unchanged": 49}


def test_difference_brings_new_and_changed_records_and_says_what_is_gone(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"table": table(THEN)}, export=EXPORT)
    first = export(world)
    now(world, table=table(NOW))
    second = export(world, since=first)
    assert second.since == first.operation_id
    found = [json.loads(line) for line in lines(world, second)]
    assert {each["id"]: each["note"] for each in found} == {number: note for number, note in NOW.items() if THEN.get(number) != note}
    changes = document(world, second, "changes.json")
    assert changes["records"] == COUNTS
    assert changes["sources"]["table"]["key"] == ["id"]
    assert world.ledger(second)["table"]["changes"]["records"] == COUNTS
    assert [(each["source"], each["copies"]) for each in gone(world, second)] == [("table", 1)] * 5
    digest = hashlib.sha256((world.package(first) / "receipt.json").read_bytes()).hexdigest()
    since = {"operationId": first.operation_id, "receiptSha256": digest, "samePolicy": True, "sameSoftware": True}
    assert [document(world, second, name)["since"] for name in ("changes.json", "ledger.json", "receipt.json")] == [since] * 3
    whole = export(world)
    assert applied(world, first, second) == Counter(lines(world, whole))
    # The third is to the second, which is itself a difference: its state counts, not its package.
    now(world, table=table({**NOW, 5: "new words", 400: "more"}))
    third = export(world, since=second)
    assert {json.loads(line)["id"] for line in lines(world, third)} == {5, 400}
    assert document(world, third, "changes.json")["records"] == {"new": 1, "changed": 1, "gone": 0, "unchanged": 64}


def test_records_without_a_key_are_new_or_gone_each_copy_counting(tmp_path: Path) -> None:
    then = [(1, "a"), (1, "a"), (2, "b"), (3, "c"), (3, "c"), (3, "c")]
    world = World(tmp_path, PEOPLE, {"table": table(then, key=None)}, export=EXPORT)
    first = export(world)
    now(world, table=table([(1, "a"), (1, "a"), (1, "a"), (3, "c"), (4, "d"), (4, "d")], key=None))
    second = export(world, since=first)
    assert document(world, second, "changes.json")["records"] == {"new": 3, "changed": 0, "gone": 3, "unchanged": 3, "again": 1}
    assert document(world, second, "changes.json")["sources"]["table"]["key"] == []
    assert [json.loads(line)["id"] for line in lines(world, second)] == [4, 4]
    assert applied(world, first, second) == Counter(lines(world, export(world)))


def test_nothing_new_makes_a_package_that_says_so(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"table": table(THEN), "drive": tree({"a.txt": b"a"})}, export=EXPORT)
    first = export(world)
    second = export(world, since=first)
    assert document(world, second, "changes.json")["records"] == {"new": 0, "changed": 0, "gone": 0, "unchanged": 60}
    assert document(world, second, "changes.json")["files"] == {"new": 0, "changed": 0, "gone": 0, "unchanged": 1}
    assert [path.name for path in (world.package(second) / "data").iterdir()] == ["nothing-delivered.txt"]
    assert (world.package(second) / "gone.jsonl").read_bytes() == b""
    text = (world.package(second) / "README.txt").read_text()
    assert "only what is new or changed since an earlier package" in text
    assert first.operation_id in text
    assert "nothing is new or changed" in text


def test_files_are_sent_where_they_are_new_or_their_content_is(tmp_path: Path) -> None:
    large = bytes(5 << 20)
    then = {
        "same.txt": b"s",
        "same.bin": large,
        "new.bin": large,
        "other.txt": b"1",
        "gone.txt": b"g",
        "later.txt": b"?",
        "unread.txt": b"u",
    }
    files = {**then, "new.bin": large + b"!", "other.txt": b"2", "more.txt": b"m"}
    del files["gone.txt"], files["unread.txt"]
    world = World(tmp_path, PEOPLE, {"drive": tree({**then}, skipped=("dark.txt", "darker.txt"))}, export=EXPORT)
    first = export(world)
    now(world, drive=tree({**files, "dark.txt": b"light"}, skipped=("unread.txt", "darker.txt")))
    second = export(world, since=first)
    folder = world.package(second) / "data" / "Product" / "drive"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        "new.bin": large + b"!",
        "other.txt": b"2",
        "more.txt": b"m",
        "dark.txt": b"light",
    }
    assert document(world, second, "changes.json")["files"] == {"new": 2, "changed": 2, "gone": 1, "unchanged": 3, "unread": 2}
    assert len(gone(world, second)) == 1
    again = export(world, since=second)
    assert world.ledger(again)["drive"]["state"] == "exported"  # what could not be read is not nothing
    assert "nothing is new or changed" in (world.package(again) / "README.txt").read_text()
    [overview] = re.findall(r'id="overview"[^>]*>(.*?)</script>', (world.package(again) / "START-HERE.html").read_text(), re.DOTALL)
    shown = json.loads(overview)
    assert [(each["state"], each["skipped"]["count"]) for each in shown["sources"]] == [("empty", 2)]
    assert shown["since"]["operationId"] == second.operation_id
    # What could not be read is not forgotten: once it can, it is new.
    now(world, drive=tree({**files, "dark.txt": b"light", "unread.txt": b"u"}, skipped=("darker.txt",)))
    third = export(world, since=second)
    assert [path.name for path in (world.package(third) / "data" / "Product" / "drive").iterdir()] == ["unread.txt"]


@pytest.mark.parametrize("partitions", [1, 3])
@pytest.mark.parametrize("key", ["id", None])
def test_many_share_a_scan_and_only_some_ask_for_a_difference(tmp_path: Path, key: str | None, partitions: int) -> None:
    def of(**notes: str) -> MemoryConnector:
        rows = [
            {"id": number * 10 + place, "mail": f"{name}@contoso.example", "note": f"{note} {number % 4}"}
            for number in range(40)
            for place, (name, note) in enumerate(notes.items())
        ]
        return MemoryConnector("table", columns=COLUMNS, match={"mail": "mail"}, rows=rows, key=key, partitions=partitions, batch_rows=5)

    world = World(tmp_path, PEOPLE, {"table": of(ann="a", bob="b", carla="c")}, export=EXPORT)
    first = {subject: export(world, subject=subject) for subject in ("1", "2")}
    now(world, table=of(ann="a", bob="B", carla="c"))
    together = [
        world.submit("1", since=first["1"].operation_id),
        world.submit("2", since=first["2"].operation_id),
        world.submit("3"),
    ]
    world.run()
    ann, bob, carla = (complete(world, operation) for operation in together)
    assert [len(lines(world, operation)) for operation in (ann, bob, carla)] == [0, 40, 40]
    assert document(world, ann, "changes.json")["records"]["unchanged"] == 40
    assert document(world, bob, "changes.json")["records"]["changed" if key else "new"] == 40
    assert not (world.package(carla) / "changes.json").exists()
    alone = export(world, subject="2", since=first["2"])
    assert sorted(lines(world, alone)) == sorted(lines(world, bob))


class DyingStore(SqliteStore):
    """The service is killed before the n-th time that it puts something down."""

    left = 1 << 30

    def stage(self, *args: Any, **more: Any) -> Any:
        self._live()
        return super().stage(*args, **more)

    def checkpoint(self, *args: Any, **more: Any) -> Any:
        self._live()
        return super().checkpoint(*args, **more)

    def complete(self, *args: Any, **more: Any) -> Any:
        self._live()
        return super().complete(*args, **more)

    def _live(self) -> None:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


def run_until_killed(world: World, writes: int) -> bool:
    """Work, be killed before so many writes, and work on; False where it came to its end before."""
    world.stop()
    world.start(DyingStore)
    assert isinstance(world.store, DyingStore)
    world.store.left = writes
    try:
        world.run()
    except KeyboardInterrupt:
        world.stop()
        world.start()
        world.run()
        return True
    return False


def contents(world: World, operation: DataPolicyOperation) -> dict[str, bytes]:
    """Return what is the same in all exports of the same state: all but the documents that name the operation, times and attempts."""
    with open_local(world.package(operation)) as reader:
        found = {path: b"".join(reader.read(path)) for path, _ in reader.list()}
    changes = json.loads(found["changes.json"])
    del changes["operationId"]
    payload = {path: content for path, content in found.items() if path.startswith(("data/", "view/")) or path == "gone.jsonl"}
    return {**payload, "changes": json.dumps(changes).encode()}


@pytest.mark.parametrize(("key", "layout"), [("id", "folder"), (None, "folder"), ("id", "zip")])
def test_killed_at_any_write_a_difference_is_the_same(tmp_path: Path, key: str | None, layout: Literal["folder", "zip"]) -> None:
    then = {number: "x" * 600_000 + str(number) for number in range(40)}
    later = {number: text + ("!" if number % 2 else "") for number, text in then.items() if number % 10 != 4} | {900: "new"}
    files = {f"{number}.txt": b"x" * number for number in range(5)}
    world = World(
        tmp_path, PEOPLE, {"table": table(then, key=key), "drive": tree(files)}, export=msgspec.structs.replace(EXPORT, layout=layout)
    )
    first = export(world)
    now(world, table=table(later, key=key), drive=tree({**files, "3.txt": b"other", "9.txt": b"new"}))
    undisturbed = export(world, since=first)
    assert json.loads(contents(world, undisturbed)["changes"])["records"] == {
        "new": 1 if key else 21,
        "changed": 20 if key else 0,
        "gone": 4 if key else 24,
        "unchanged": 16,
    }
    writes = 1
    while True:
        operation = world.submit("1", since=first.operation_id)
        if not run_until_killed(world, writes):
            break
        complete(world, operation)
        assert contents(world, operation) == contents(world, undisturbed)
        writes += 1
    assert writes > 8


def test_killed_before_its_end_an_export_is_kept_to_compare_with(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"table": table(THEN), "drive": tree({"a": b"a"})}, export=EXPORT)
    for writes in range(1, 6):
        first = world.submit("1")
        assert run_until_killed(world, writes)
        second = export(world, since=complete(world, first))
        assert document(world, second, "changes.json")["records"]["unchanged"] == 60


def test_difference_begins_anew_where_what_it_put_down_is_lost(tmp_path: Path) -> None:
    """A power failure takes what no checkpoint made durable, a careless hand takes more."""
    then = {number: "x" * 600_000 + str(number) for number in range(40)}
    world = World(tmp_path, PEOPLE, {"table": table(then)}, export=EXPORT)
    first = export(world)
    now(world, table=table({number: text + "!" for number, text in then.items()}))
    undisturbed = export(world, since=first)
    operation = world.submit("1", since=first.operation_id)
    world.stop()
    world.start(DyingStore)
    assert isinstance(world.store, DyingStore)
    world.store.left = 5
    with pytest.raises(KeyboardInterrupt):
        world.run()
    world.stop()
    logs = list((kept_in(world) / operation.operation_id).iterdir())
    assert len(logs) == 1
    logs[0].write_bytes(logs[0].read_bytes()[:-24])
    world.start()
    world.run()
    complete(world, operation)
    assert contents(world, operation) == contents(world, undisturbed)


@pytest.mark.parametrize("formats", [("csv",), ("parquet", "json")])
def test_difference_comes_in_the_forms_that_are_configured(tmp_path: Path, formats: tuple[str, ...]) -> None:
    export_settings = msgspec.convert({"compare_days": 30, "formats": formats, "retry_s": 1.0}, ExportSettings)
    world = World(tmp_path, PEOPLE, {"table": table(THEN)}, export=export_settings)
    first = export(world)
    now(world, table=table(NOW))
    second = export(world, since=first)
    assert document(world, second, "changes.json")["records"] == COUNTS
    assert {path.suffix[1:] for path in (world.package(second) / "data" / "Product" / "table").iterdir()} == set(formats)
    assert world.ledger(second)["table"]["rows"] == 16


def test_difference_in_one_zip_file_is_the_same(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"table": table(THEN)}, export=msgspec.structs.replace(EXPORT, layout="zip"))
    first = world.submit("1")
    world.run()
    now(world, table=table(NOW))
    second = world.submit("1", since=first.operation_id)
    world.run()
    with open_local(world.package(first)) as old, open_local(world.package(second)) as new:
        assert verify(new).state is PackageState.WHOLE
        assert Counter(each.change for each in tell(old, new)) == {"new": 10, "changed": 6, "gone": 5}


def test_hashes_stay_the_same_and_key_columns_may_be_hashed(tmp_path: Path) -> None:
    rules: Mapping[str, Mapping[str, Redaction]] = {"table": {"note": "hash", "id": "hash"}}
    world = World(tmp_path, PEOPLE, {"table": table(THEN)}, export=EXPORT, redact=rules)
    first = export(world)
    now(world, table=table(NOW))
    second = export(world, since=first)
    assert document(world, second, "changes.json")["records"] == COUNTS
    whole = export(world)
    assert len(applied(world, first, second)) == len(NOW)
    assert not set(lines(world, whole)) & set(lines(world, first))  # two whole packages never have a hash in common


def test_withheld_values_are_counted_of_what_is_sent_alone(tmp_path: Path) -> None:
    rules: Mapping[str, Mapping[str, Redaction]] = {"table": {"note": "drop"}}
    world = World(tmp_path, PEOPLE, {"table": table(THEN)}, export=EXPORT, redact=rules)
    first = export(world)
    now(world, table=table(NOW))
    second = export(world, since=first)
    # That a note changed cannot be seen in the package: it is not in it.
    assert document(world, second, "changes.json")["records"] == {"new": 10, "changed": 0, "gone": 5, "unchanged": 55}
    assert [each["cells"] for each in world.ledger(second)["table"]["redacted"]] == [10]


def test_other_rules_change_records_and_that_is_said(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"table": table(THEN)}, export=EXPORT)
    first = export(world)
    world.stop()
    config = world.tenants[TENANT].config
    ruled = msgspec.structs.replace(
        config, sources=tuple(msgspec.structs.replace(each, redact={"note": "drop"}) for each in config.sources)
    )
    world.tenants[TENANT] = TenantRuntime(ruled, world.directory, world.tenants[TENANT].connectors)
    world.start()
    second = export(world, since=first)
    assert document(world, second, "changes.json")["records"] == {"new": 0, "changed": 60, "gone": 0, "unchanged": 0}
    assert document(world, second, "ledger.json")["since"]["samePolicy"] is False
    assert "The controller's rules are others" in (world.package(second) / "README.txt").read_text()


def test_source_that_came_or_went_is_neither_new_nor_gone_without_a_word(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"table": table(THEN), "drive": tree({"a": b"a"})}, export=EXPORT)
    first = export(world)
    world.stop()
    config = world.tenants[TENANT].config
    others = tuple(msgspec.structs.replace(each, name="shelf") if each.name == "drive" else each for each in config.sources)
    connectors: dict[str, Connector] = {"table": table(THEN), "shelf": tree({"b": b"b"})}
    world.tenants[TENANT] = TenantRuntime(msgspec.structs.replace(config, sources=others), world.directory, connectors)
    world.start()
    second = export(world, since=first)
    sources = document(world, second, "changes.json")["sources"]
    assert [(name, each["searched"], each["searchedBefore"]) for name, each in sources.items()] == [
        ("table", True, True),
        ("shelf", True, False),
        ("drive", False, True),
    ]
    assert sources["shelf"]["files"]["new"] == 1
    assert sources["drive"]["files"]["gone"] == 0
    assert "Searched then, and no longer: drive." in (world.package(second) / "README.txt").read_text()


@pytest.mark.parametrize("since", ["", "no id", 7, {}, [], "99999999-9999-4999-8999-999999999999", "others", "running", "failed"], ids=repr)
def test_since_that_names_no_complete_export_of_the_person_is_refused_alike(tmp_path: Path, since: object) -> None:
    accounts = {name: AccountSettings(url=f"file://{tmp_path}/exports") for name in ("Local", "Other")}
    world = World(tmp_path, PEOPLE, {"table": table(THEN)}, export=EXPORT, storage=StorageSettings(accounts=accounts))
    others = export(world, subject="2")
    cancelled = world.submit("1")
    world.service.cancel(TENANT, cancelled.operation_id)
    running = world.submit("1")
    named = {"others": others.operation_id, "running": running.operation_id, "failed": cancelled.operation_id}
    with pytest.raises(InvalidRequest) as refused:
        world.submit("1", "Other", since=named.get(since, since) if isinstance(since, str) else since)
    assert (refused.value.code, refused.value.target, str(refused.value)) == (
        "SinceUnknown",
        "since",
        "since does not name a complete export of this person",
    )
    assert world.store.intents() == ()


def test_nothing_is_kept_by_default(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"table": table(THEN)})
    first = export(world)
    assert not kept_in(world).exists()
    with pytest.raises(InvalidRequest) as refused:
        world.submit("1", since=first.operation_id)
    assert refused.value.code == "SinceNotKept"


def test_fingerprints_go_when_their_time_is_up(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"table": table(THEN)}, export=EXPORT)
    folder = kept_in(world)
    first = export(world)
    assert [path.name for path in folder.iterdir()] == [f"{first.operation_id}.index"]
    world.clock.advance(timedelta(days=29).total_seconds())
    world.work.keeper.tidy()
    waiting = world.submit("1", since=first.operation_id)
    world.clock.advance(timedelta(days=2).total_seconds())
    world.work.keeper.tidy()  # it is needed still
    world.run()
    second = complete(world, waiting)
    world.work.keeper.tidy()
    assert [path.name for path in folder.iterdir()] == [f"{second.operation_id}.index"]
    assert world.store.fingerprints(TENANT, first.operation_id) is None
    with pytest.raises(InvalidRequest, match="nothing is kept"):
        world.submit("1", since=first.operation_id)


def test_fingerprints_go_on_request_unless_they_are_needed(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"table": table(THEN)}, export=EXPORT)
    first = export(world)
    waiting = world.submit("1", since=first.operation_id)
    with pytest.raises(Conflict):
        world.service.forget(TENANT, first.operation_id)
    world.service.cancel(TENANT, waiting.operation_id)
    for _ in range(2):  # the second time there is nothing to erase
        world.service.forget(TENANT, first.operation_id)
    world.work.keeper.tidy()
    assert list(kept_in(world).glob("*.index")) == []
    assert ["forgetFingerprints" in each.canonical for each in world.store.chain(TENANT)].count(True) == 1


def test_damaged_fingerprints_end_a_difference_with_a_reason(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"table": table(THEN)}, export=EXPORT)
    first = export(world)
    operation = world.submit("1", since=first.operation_id)
    index = kept_in(world) / f"{first.operation_id}.index"
    index.write_bytes(index.read_bytes()[:-1] + b"\0")
    world.run()
    failed = world.get(operation)
    assert failed.failure is not None
    assert (failed.status, failed.failure.code) == (OperationStatus.FAILED, "CheckpointLost")


def test_same_request_is_the_same_operation_and_another_since_is_another_request(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"table": table(THEN)}, export=EXPORT)
    first = export(world)
    operation = world.submit("1", since=first.operation_id)
    assert world.submit("1", since=first.operation_id.upper()).operation_id == operation.operation_id
    with pytest.raises(Conflict) as refused:
        world.submit("1")
    assert refused.value.code == "Request_Conflict"


def test_nothing_personal_lies_in_what_is_kept(tmp_path: Path) -> None:
    secret = "Ludwigsburger Straße 17"
    world = World(tmp_path, PEOPLE, {"table": table({1: secret}), "drive": tree({f"{secret}.txt": secret.encode()})}, export=EXPORT)
    export(world)
    world.submit("1")
    world.step()  # one that is under way, too
    assert all(path.stat().st_mode & 0o077 == 0 for path in [kept_in(world), *kept_in(world).rglob("*")])
    paths = [path for path in [*kept_in(world).rglob("*"), *tmp_path.glob("store.db*")] if path.is_file()]
    assert len(paths) >= 2
    for path in paths:
        if path.is_file():
            content = path.read_bytes()
            assert secret.encode() not in content
            assert hashlib.sha256(secret.encode()).digest()[:8] not in content
            assert path.stat().st_mode & 0o077 == 0
