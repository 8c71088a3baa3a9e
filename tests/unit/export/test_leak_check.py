"""What names others where nobody said so fails its export, and says where; others of the set go on."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.unit.export.interrupted import KilledStore, run_killed
from tests.unit.export.test_audit_trail import recorded
from tests.unit.export.world import TENANT, World

from rightful.audit.record import Action
from rightful.config.model import ExportSettings
from rightful.connectors.interface import MATCH_PREFIX, MatchColumn, ReadHeader
from rightful.errors import SourceRefused, SourceUnavailable
from rightful.export.everybody import Everybody
from rightful.export.leak_check import Aside, sampled
from rightful.metrics import PrometheusMeters
from rightful.operation.model import DataPolicyOperation, OperationStatus
from rightful.package.forms import Form
from rightful.package.redacting import plan
from rightful.package.schema import Column, ColumnKind
from rightful.package.verify import PackageState
from rightful.store.metering import MeteredStore
from rightful.store.sqlite_file import SqliteFile
from rightful.testing.clock import ManualClock
from rightful.testing.memory_connector import Faults, MemoryConnector
from rightful.testing.memory_directory import MemoryDirectory

PEOPLE: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "aaaaaaaa-0000-4000-8000-000000000001": {"upn": ("ann@contoso.example",), "employee_id": ("E10001",)},
    "bbbbbbbb-0000-4000-8000-000000000002": {"upn": ("bob@contoso.example",), "employee_id": ("1002",)},
    "cccccccc-0000-4000-8000-000000000003": {"upn": ("cat@contoso.example",), "employee_id": ("E10003",)},
}
ANN, BOB, CAT = PEOPLE
COLUMNS = tuple(
    Column(name=name, kind=kind)
    for name, kind in (
        ("id", ColumnKind.INT),
        ("owner", ColumnKind.TEXT),
        ("note", ColumnKind.TEXT),
        ("meta", ColumnKind.JSON),
        ("manager_employee_id", ColumnKind.INT),
    )
)
FULL = ExportSettings(leak_check="full", retry_s=1.0, part_mib=1)


def rows(owner: str, count: int, **changed: Mapping[int, Any]) -> list[dict[str, Any]]:
    """Make rows of one person; `changed` has values by column and place."""
    made: list[dict[str, Any]] = []
    for place in range(count):
        row = {
            "id": place,
            "owner": PEOPLE[owner]["upn"][0],
            "note": f"order {place}",
            "meta": '{"a": 1}',
            "manager_employee_id": place + 9000,
        }
        made.append(row | {column: values[place] for column, values in changed.items() if place in values})
    return made


def source(*several: Sequence[Mapping[str, Any]], **more: Any) -> MemoryConnector:
    found = [{**row, "id": number * 100_000 + row["id"]} for number, each in enumerate(several) for row in each]
    return MemoryConnector("orders", columns=COLUMNS, match={"owner": "upn"}, rows=found, **{"key": "id", **more})


def failed(world: World, operation: DataPolicyOperation) -> str:
    found = world.get(operation)
    assert found.status is OperationStatus.FAILED
    assert found.failure is not None
    assert (found.failure.code, found.failure.source_name) == ("LeakFound", "orders")
    names = {path.name for path in world.package(operation).rglob("*")}
    assert not names & {"manifest-sha256.txt", "receipt.json", "ledger.json", "bagit.txt"}
    return found.failure.message


def done(world: World, operation: DataPolicyOperation) -> dict[str, Any]:
    """Return what the ledger says of the check."""
    assert world.get(operation).failure is None
    assert world.verify(operation).state is PackageState.WHOLE
    check = world.ledger(operation)["orders"]["leakCheck"]
    assert isinstance(check, dict)
    return check


@pytest.mark.parametrize("form", Form)
def test_finding_withholds_the_package_and_says_where_without_the_value(tmp_path: Path, form: Form) -> None:
    world = World(
        tmp_path,
        PEOPLE,
        {"orders": source(rows(ANN, 300, note={299: "as bob@contoso.example said"}))},
        export=msgspec.structs.replace(FULL, formats=(form,)),
    )
    operation = world.submit(ANN)
    world.run()
    message = failed(world, operation)
    assert "column 'note' (upn, in 1 row, the first is row 300 of partition 0)" in message
    assert "third_parties" in message
    assert "restart the service" in message
    assert "bob@" not in message
    assert "bob@" not in "".join(path.read_text() for path in world.package(operation).rglob("*") if path.is_file())


def test_several_columns_are_told_at_once(tmp_path: Path) -> None:
    changed: dict[str, Mapping[int, Any]] = {
        "note": {5: CAT, 7: BOB},
        "meta": {6: '{"to": ["x", "BOB@CONTOSO.EXAMPLE"]}'},
        "manager_employee_id": {9: 1002},
    }
    world = World(tmp_path, PEOPLE, {"orders": source(rows(ANN, 20, **changed))}, export=FULL)
    operation = world.submit(ANN)
    world.run()
    message = failed(world, operation)
    for expected in (
        "'note' (id, in 2 rows, the first is row 6 ",
        "'meta' (upn, in 1 row, the first is row 7 ",
        "'manager_employee_id' (employee_id, in 1 row, the first is row 10 ",
    ):
        assert expected in message


def test_others_of_the_set_go_on_and_it_is_counted(tmp_path: Path) -> None:
    connector = source(rows(ANN, 9), rows(BOB, 9, note={3: "ann@contoso.example"}), rows(CAT, 9, note={3: "E10003"}))
    world = World(tmp_path, PEOPLE, {"orders": connector}, export=FULL)
    meters = PrometheusMeters()
    world.stop()
    world.start(lambda path, clock: MeteredStore(SqliteFile(path), clock, meters=meters))
    operations = {person: world.submit(person) for person in PEOPLE}
    world.run()
    failed(world, operations[BOB])
    for person in (ANN, CAT):
        assert done(world, operations[person])["rows"] == 9
    assert [len(asked.subjects) for asked in connector.asked] == [3]  # nobody is read again alone
    assert meters.registry.get_sample_value("rightful_source_leaks_found_total", {"source": "orders"}) == 1


@pytest.mark.parametrize("named", ["note", "meta/to", "meta"])
def test_resumed_after_the_column_was_declared_it_goes_on_and_the_ledger_says_so(tmp_path: Path, named: str) -> None:
    planted = "bob@contoso.example" if named == "note" else '{"to": [{"x": "bob@contoso.example"}], "a": "' + "x" * 99 + '"}'
    filler = dict.fromkeys(range(2000), "x" * 8000)
    changed: dict[str, Mapping[int, Any]] = (
        {"note": {**filler, 1500: planted}} if named == "note" else {"note": filler, "meta": {1500: planted}}
    )
    connector = source(rows(ANN, 2000, **changed), batch_rows=500)
    world = World(tmp_path, PEOPLE, {"orders": connector}, export=FULL)
    operation = world.submit(ANN)
    world.run()
    failed(world, operation)
    [configured] = world.config.tenants[0].sources
    declared = msgspec.structs.replace(configured, third_parties=(named,))
    tenant = msgspec.structs.replace(world.config.tenants[0], sources=(declared,))
    runtime = world.tenants[TENANT]
    runtime.config = tenant
    world.service.resume(TENANT, operation.operation_id, "Local")
    world.run()
    check = done(world, operation)
    assert check == {
        "mode": "full",
        "rows": 2000,
        "people": 3,
        "everybody": True,
        "listedAt": check["listedAt"],
        "identifiers": {"employee_id": 2, "id": 3, "upn": 3},
        "weakIdentifiers": {"employee_id": 1},
        "thirdParties": [named],
    }
    assert world.rows(operation, "orders") == list(range(2000))
    assert connector.asked[-1].cursor is not None  # it went on after the parts that were there


def test_sample_has_the_first_rows_and_some_of_the_others_and_finds_what_is_in_it(tmp_path: Path) -> None:
    picked = set(sampled(0, 10_000))
    assert set(range(64)) | set(range(4096, 4160)) <= picked
    assert 0.12 < len(picked) / 10_000 < 0.16
    inside, outside = sorted(picked)[700], next(place for place in range(700, 9000) if place not in picked)
    for place, is_found in ((inside, True), (outside, False)):
        folder = tmp_path / str(place)
        folder.mkdir()
        export = ExportSettings(leak_check="sample", retry_s=1.0)
        world = World(folder, PEOPLE, {"orders": source(rows(ANN, 10_000, note={place: BOB}), batch_rows=977)}, export=export)
        operation = world.submit(ANN)
        world.run()
        if is_found:
            assert f"the first is row {place + 1} of" in failed(world, operation)
        else:
            check = done(world, operation)
            assert (check["mode"], check["rows"]) == ("sample", len(picked))


def test_sample_is_the_same_however_rows_are_cut() -> None:
    whole = list(sampled(100, 20_000))
    pieces = [start + place for start in range(0, 20_000, 300) for place in sampled(100 + start, min(300, 20_000 - start))]
    assert pieces == whole


@pytest.mark.parametrize("key", ["id", None])
@pytest.mark.parametrize("mode", ["full", "sample"])
def test_interrupted_export_counts_what_was_looked_at_once(tmp_path: Path, key: str | None, mode: str) -> None:
    checks = []
    for name, kills in (("broken", [2, 1] if key else [2, 2]), ("whole", [])):
        (tmp_path / name).mkdir()
        filler = dict.fromkeys(range(1000), "x" * 12_000)
        connector = source(rows(ANN, 1000, note=filler), batch_rows=90, key=key, faults=Faults(dies_after=7) if kills else None)
        export = msgspec.structs.replace(FULL, leak_check=mode)
        world = World(tmp_path / name, PEOPLE, {"orders": connector}, export=export, store_type=KilledStore)
        operation = world.submit(ANN)
        run_killed(world, kills)
        world.run()
        checks.append(done(world, operation) | {"listedAt": ""})
    assert checks[0] == checks[1]
    assert checks[0]["rows"] == (1000 if mode == "full" else sum(1 for _ in sampled(0, 1000)))


def test_without_the_check_nothing_is_looked_for_and_the_ledger_says_so(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"orders": source(rows(ANN, 5, note={1: BOB}))}, export=ExportSettings(leak_check="off", retry_s=1.0))
    operation = world.submit(ANN)
    world.run()
    assert done(world, operation) == {"mode": "off", "rows": 0}


def test_files_are_not_looked_into(tmp_path: Path) -> None:
    files = MemoryConnector("orders", files={"ann@contoso.example": {f"{BOB}.txt": b"bob@contoso.example"}})
    world = World(tmp_path, PEOPLE, {"orders": files}, export=FULL)
    operation = world.submit(ANN)
    world.run()
    assert world.ledger(operation)["orders"]["leakCheck"] is None


def test_column_that_is_not_there_cannot_be_declared(tmp_path: Path) -> None:
    for name in ("notes", "note/x", "manager_employee_id/x"):
        folder = tmp_path / name.replace("/", "-")
        folder.mkdir()
        world = World(folder, PEOPLE, {"orders": source(rows(ANN, 5))}, export=FULL, third_parties={"orders": (name,)})
        operation = world.submit(ANN)
        world.run()
        failure = world.get(operation).failure
        assert failure is not None
        assert failure.code == "ConfigurationInvalid"
        assert "third_parties" in failure.message


class Silent(MemoryDirectory):
    """Does not tell who there is."""

    def everybody(self, kinds: object) -> None:
        del kinds


def test_directory_that_does_not_tell_leaves_the_people_of_the_pass(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"orders": source(rows(ANN, 5, note={1: CAT}), rows(BOB, 5, note={1: ANN}))}, export=FULL)
    world.tenants[TENANT].directory = Silent(TENANT, PEOPLE)
    ann, bob = world.submit(ANN), world.submit(BOB)
    world.run()
    check = done(world, ann)
    assert (check["people"], check["everybody"]) == (2, False)
    failed(world, bob)


def test_people_are_listed_now_and_then_and_known_while_the_directory_is_down() -> None:
    clock, directory = ManualClock(), MemoryDirectory(TENANT, PEOPLE)
    everybody = Everybody(directory, ("upn",), clock)
    directory.is_down = True
    with pytest.raises(SourceUnavailable):
        everybody.listed()
    directory.is_down = False
    first = everybody.listed()
    assert first.index is not None
    assert first.index.counts(is_weak=False) == {"id": 3, "upn": 3}
    directory.change_user("dddddddd-0000-4000-8000-000000000004", {"upn": ("dan@contoso.example",)})
    assert everybody.listed() is first
    clock.advance(700)
    directory.is_down = True
    assert everybody.listed().index is first.index
    directory.is_down = False
    assert everybody.listed().index is first.index  # and not asked again at once
    clock.advance(700)
    second = everybody.listed().index
    assert second is not None
    assert second.people == 4


@pytest.mark.parametrize(
    ("column", "kinds"),
    [
        ("employee_id", ["no"]),
        ("managerEmployeeID", ["no"]),
        ("approved_by_no", []),
        ("EMPLOYEE_ID_OLD", []),
        ("no", []),
        ("id", []),
        ("user_upn", ["upn"]),
        ("", []),
    ],
)
def test_columns_are_recognised_by_what_the_directory_calls_them(column: str, kinds: list[str]) -> None:
    class Named(MemoryDirectory):
        def known(self, limit: int) -> dict[str, frozenset[str]]:
            del limit
            return {}

        def columns(self) -> dict[str, tuple[str, ...]]:
            return {"no": ("employee_id", "no"), "id": ("id",)}

    listed = Everybody(Named(TENANT, PEOPLE), ("upn", "no"), ManualClock()).listed()
    assert listed.kinds_called(column) == kinds


def test_of_several_match_columns_each_may_name_others(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"orders": source(rows(ANN, 1))}, export=FULL)
    [configured] = world.config.tenants[0].sources

    def aside(*match: str, columns: Sequence[Column] = COLUMNS) -> tuple[str, ...]:
        header = ReadHeader(columns=tuple(columns), match=tuple(MatchColumn(batch_column=each, identifier_kind="upn") for each in match))
        return Aside.of(configured, header, plan(header.columns, {}, source_name="orders")).names()

    assert aside("owner") == ()
    assert aside("owner", MATCH_PREFIX + "note") == ("note", "owner")
    record = Column(name="record", kind=ColumnKind.JSON)
    assert aside(MATCH_PREFIX + "/to/mail", MATCH_PREFIX + "/a~1b", columns=[record]) == ("record/a/b", "record/to/mail")
    with pytest.raises(SourceRefused):
        Aside.of(
            msgspec.structs.replace(configured, third_parties=("nothing",)),
            ReadHeader(columns=COLUMNS),
            plan(COLUMNS, {}, source_name="orders"),
        )


def test_failed_export_is_in_the_audit_trail(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"orders": source(rows(ANN, 5, note={1: BOB}))}, export=FULL)
    operation = world.submit(ANN)
    world.run()
    failed(world, operation)
    [record] = [each for each in recorded(world.store) if each.action is Action.FAIL]
    assert (record.outcome, record.target_id) == ("LeakFound", operation.operation_id)


def test_interrupted_difference_looks_at_the_rows_that_it_would_have_looked_at(tmp_path: Path) -> None:
    """A sample goes by the number of a row among all, not among those that are new and sent."""
    count, news = 3000, range(0, 3000, 3)
    checks = []
    for name, kills in (("broken", [2, 1]), ("whole", [])):
        (tmp_path / name).mkdir()
        export = msgspec.structs.replace(FULL, leak_check="sample", compare_days=30)
        before = {"orders": source(rows(ANN, count))}
        world = World(tmp_path / name, PEOPLE, before, export=export, store_type=KilledStore)
        first = world.submit(ANN)
        world.run()
        done(world, first)
        later = source(rows(ANN, count, note=dict.fromkeys(news, "x" * 12_000)), batch_rows=90)
        world.tenants[TENANT].connectors["orders"] = later  # type: ignore[index] # a dict, in tests
        operation = world.submit(ANN, since=first.operation_id)
        run_killed(world, kills)
        world.run()
        checks.append(done(world, operation) | {"listedAt": ""})
    assert checks[0] == checks[1]
    assert checks[0]["rows"] == len({*sampled(0, count)}.intersection(news))


def test_sample_sees_every_value_of_a_column_that_has_few(tmp_path: Path) -> None:
    """Most rows name the person, one names somebody else: far from the rows that the sample has."""
    [place] = [place for place in range(200, 260) if place not in set(sampled(0, 300))][:1]
    world = World(
        tmp_path, PEOPLE, {"orders": source(rows(ANN, 300, note=dict.fromkeys(range(300), "ann@contoso.example") | {place: BOB}))}
    )
    operation = world.submit(ANN)
    world.run()
    assert f"the first is row {place + 1} of partition 0" in failed(world, operation)


def test_sample_of_a_column_with_many_values_is_a_sample(tmp_path: Path) -> None:
    place = next(place for place in range(200, 260) if place not in set(sampled(0, 300)))
    world = World(tmp_path, PEOPLE, {"orders": source(rows(ANN, 300, note={place: BOB}))})
    operation = world.submit(ANN)
    world.run()
    assert done(world, operation)["rows"] == sum(1 for _ in sampled(0, 300))


def test_members_and_numbers_in_columns_that_are_called_like_names_are_looked_into(tmp_path: Path) -> None:
    for number, (column, value) in enumerate((("meta", '{"a": {"managerEmployeeId": 1002.0}}'), ("manager_employee_id", 1002))):
        folder = tmp_path / str(number)
        folder.mkdir()
        world = World(folder, PEOPLE, {"orders": source(rows(ANN, 5, **{column: {3: value}}))}, export=FULL)
        operation = world.submit(ANN)
        world.run()
        assert f"column {column!r} (employee_id, in 1 row, the first is row 4 of partition 0)" in failed(world, operation)
