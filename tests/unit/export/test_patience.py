"""Sources that do not answer and storage locations that refuse: how long they are waited for, and whom they hold up."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from tests.unit.export.interrupted import HEADER, row
from tests.unit.export.scripted import PEOPLE, ROWS_HEADER, Scripted, batch, breaks, yields
from tests.unit.export.world import TENANT, World

from rightful.config.model import ExportSettings
from rightful.connectors.interface import Cursor, Item, ReadHeader
from rightful.errors import Refusal, SourceUnavailable, StorageError, StorageRefused, StorageUnavailable
from rightful.operation.model import OperationStatus
from rightful.package.verify import PackageState
from rightful.storage.interface import Storage
from rightful.storage.registry import Storages
from rightful.subject.model import IdentifiedSubject

DEAD = SourceUnavailable("the connection broke", source_name="source")
EXPIRED = StorageRefused("the SAS has expired", refusal=Refusal.EXPIRED)
DOWN = StorageUnavailable("the storage location does not answer")
ROWS = yields(ROWS_HEADER, batch((1, "ann@contoso.example", 0)))


class _Faulty(Storages):
    """Raises `error` for the puts whose paths have `where` in them; counts those tries."""

    error: StorageError | None = None
    where = ""
    tries = 0

    def open(self, location_text: str, policy: object) -> Storage:
        storage = super().open(location_text, policy)  # type: ignore[arg-type] # as given
        inner, outer = storage.put, self

        class _Wrapped:
            properties = storage.properties
            sync = storage.sync
            close = storage.close

            def put(self, path: str, *args: object, **more: object) -> object:
                if outer.error is not None and outer.where in path:
                    outer.tries += 1
                    raise outer.error
                return inner(path, *args, **more)  # type: ignore[arg-type] # as given

        return _Wrapped()  # type: ignore[return-value] # as a storage


def faulty(world: World) -> _Faulty:
    assert isinstance(world.storages, _Faulty)
    return world.storages


@pytest.mark.parametrize("has_key", [False, True])
def test_source_that_always_dies_at_one_place_fails_at_last(tmp_path: Path, *, has_key: bool) -> None:
    def script(_subjects: Sequence[IdentifiedSubject], cursor: Cursor | None) -> Sequence[ReadHeader | Item]:
        header = ReadHeader(columns=HEADER.columns, match=HEADER.match, has_key=has_key)
        return (header, *([] if cursor else [row(1)]), row(2))

    connector = Scripted(lambda subjects, cursor: breaks(DEAD, *script(subjects, cursor))(subjects, cursor))
    world = World(tmp_path, PEOPLE, {"source": connector}, export=ExportSettings(part_mib=1, retry_s=1.0, attempts=4))
    operation = world.submit("1")
    world.run()
    failure = world.get(operation).failure
    assert failure is not None
    assert (failure.code, failure.source_name, len(connector.cursors)) == ("SourceUnavailable", "source", 4)


def test_source_that_gets_further_each_time_is_tried_on(tmp_path: Path) -> None:
    rows = [row(number) for number in range(6)]
    scripts = [breaks(DEAD, HEADER, *rows[: number + 2]) for number in range(4)]
    world = World(
        tmp_path,
        PEOPLE,
        {"source": Scripted(*scripts, yields(HEADER, *rows))},
        export=ExportSettings(part_mib=1, retry_s=1.0, attempts=2),
    )
    operation = world.submit("1")
    world.run()
    assert world.get(operation).status is OperationStatus.COMPLETE
    assert world.rows(operation, "source") == list(range(6))


@pytest.mark.parametrize("where", ["part-00000-00001", "README"], ids=["half way", "at the end"])
def test_refusal_that_can_be_cured_is_waited_for_72_hours(tmp_path: Path, where: str) -> None:
    connector = Scripted(yields(HEADER, row(1), row(2)))
    world = World(tmp_path, PEOPLE, {"source": connector}, export=ExportSettings(part_mib=1), storages_type=_Faulty)
    operation = world.submit("1")
    faulty(world).error, faulty(world).where = EXPIRED, where
    seen = []
    for _ in range(2):
        world.run(patience_s=60)
        waiting = world.get(operation)
        assert (waiting.status, waiting.waiting_for and waiting.waiting_for.code) == (OperationStatus.RUNNING, "StorageRefused")
        seen.append(world.store.waiting_since(operation.operation_id))
        world.clock.advance(timedelta(hours=35).total_seconds())
    assert seen[0] == seen[1]  # what is there already and found again does not begin the wait anew
    world.run(patience_s=60)
    assert world.get(operation).status is OperationStatus.RUNNING
    world.clock.advance(timedelta(hours=2).total_seconds())
    world.run(patience_s=60)
    failed = world.get(operation)
    assert failed.failure is not None
    assert (failed.status, failed.failure.code, failed.waiting_for) == (OperationStatus.FAILED, "StorageRefused", None)
    faulty(world).error = None
    world.service.resume(TENANT, operation.operation_id, None)
    world.run()
    assert world.get(operation).status is OperationStatus.COMPLETE
    assert world.rows(operation, "source") == [1, 2]


def test_waiting_ends_when_the_right_is_given_back(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"source": Scripted(ROWS)}, storages_type=_Faulty)
    operation = world.submit("1")
    faulty(world).error = EXPIRED
    world.run(patience_s=60)
    assert world.get(operation).waiting_for is not None
    faulty(world).error = None
    world.run(patience_s=60)
    done = world.get(operation)
    assert (done.status, done.waiting_for) == (OperationStatus.COMPLETE, None)


@pytest.mark.parametrize("where", ["data/", "README"])
def test_location_that_refuses_one_operation_of_a_set_does_not_touch_the_others(tmp_path: Path, where: str) -> None:
    both = yields(ROWS_HEADER, batch((1, "ann@contoso.example", 0), (2, "ann2@contoso.example", 1)))
    world = World(tmp_path, PEOPLE, {"source": Scripted(both, ROWS)}, storages_type=_Faulty)
    first, second = world.submit("1"), world.submit("2")
    faulty(world).error, faulty(world).where = EXPIRED, first.prefix + where
    world.run(patience_s=10)
    assert world.get(first).waiting_for is not None
    assert world.get(second).status is OperationStatus.COMPLETE
    faulty(world).error = None
    world.run(patience_s=60)
    assert world.get(first).status is OperationStatus.COMPLETE
    assert [world.rows(operation, "source") for operation in (first, second)] == [[1], [2]]


@pytest.mark.parametrize("where", ["part-", "README"])
def test_host_that_does_not_answer_is_not_asked_for_each_operation_of_a_set(tmp_path: Path, where: str) -> None:
    people = {str(number): {"upn": (f"u{number}@x.example",), "mail": (f"u{number}@x.example",)} for number in range(20)}
    rows = batch(*((number, f"u{number}@x.example", number) for number in range(20)))
    world = World(tmp_path, people, {"source": Scripted(yields(ROWS_HEADER, rows))}, storages_type=_Faulty)
    operations = [world.submit(each) for each in people]
    faulty(world).error, faulty(world).where = DOWN, where
    while world.step():
        pass
    assert faulty(world).tries == 3  # the tries of one put
    waiting = [world.get(operation).waiting_for for operation in operations]
    assert {each.code if each else "" for each in waiting} == {"StorageUnavailable"}


def test_subject_that_vanishes_does_not_touch_the_others_of_its_set(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"source": Scripted(ROWS)})
    first, second = world.submit("1"), world.submit("2")
    world.tenants[TENANT].directory = type(world.directory)(TENANT, {"1": PEOPLE["1"]})
    world.run()
    failure = world.get(second).failure
    assert failure is not None
    assert failure.code == "SubjectGone"
    assert world.get(first).status is OperationStatus.COMPLETE
    assert world.verify(first).state is PackageState.WHOLE


def test_clock_that_goes_back_loses_and_repeats_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"source": Scripted(breaks(DEAD, ROWS_HEADER), ROWS)}, export=ExportSettings(retry_s=1.0))
    operation = world.submit("1")
    world.step()
    world.clock.advance(-3600)
    world.run(patience_s=3700)
    done = world.get(operation)
    assert (done.status, done.sources[0].rows) == (OperationStatus.COMPLETE, 1)
    assert world.verify(operation).state is PackageState.WHOLE
