"""Faults of the store, of the program and of libraries: nothing is lost, nothing is called complete, nothing personal is told."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.unit.export.scripted import FILES_HEADER, PEOPLE, ROWS_HEADER, Scripted, batch, breaks, file, yields
from tests.unit.export.world import TENANT, World

from rightful.config.model import ExportSettings
from rightful.export.runtime import TenantRuntime
from rightful.faults import describe
from rightful.ids import OperationId
from rightful.operation.model import OperationStatus
from rightful.package.verify import PackageState
from rightful.store.deaths import ALONE, LONGEST_PAUSE_S, OVER_S, SUSPECTED
from rightful.store.sqlite import SqliteStore
from rightful.store.values import Checkpoint, ClaimedOperation, ClaimedRead, Entry, SourceOutcome, StoreFault


class _FullStore(SqliteStore):
    """Cannot be written while `is_full`; counts what it refused."""

    is_full = False
    refused = 0

    def stage(
        self, entries: Sequence[Entry], *, owner: str, reads: Sequence[ClaimedRead] = (), finishing: Sequence[ClaimedOperation] = ()
    ) -> tuple[OperationId, ...]:
        self._refuse()
        return super().stage(entries, owner=owner, reads=reads, finishing=finishing)

    def checkpoint(self, checkpoints: Sequence[Checkpoint], *, owner: str) -> tuple[OperationId, ...]:
        self._refuse()
        return super().checkpoint(checkpoints, owner=owner)

    def _refuse(self) -> None:
        if self.is_full:
            self.refused += 1
            raise StoreFault("the store cannot be written: database or disk is full")


@pytest.mark.parametrize("size_bytes", [1, 5 << 20], ids=["held", "streamed"])
def test_store_that_is_full_for_a_while_costs_no_file(tmp_path: Path, size_bytes: int) -> None:
    count = 300 if size_bytes == 1 else 3
    files = [file(f"f{number:03}", bytes(size_bytes)) for number in range(count)]
    world = World(tmp_path, PEOPLE, {"drive": Scripted(yields(FILES_HEADER, *files))}, store_type=_FullStore)
    operation = world.submit("1")
    assert isinstance(world.store, _FullStore)
    world.store.is_full = True
    with pytest.raises(StoreFault):
        world.step()
    assert world.store.refused == 1  # it was not asked again for the next file
    world.store.is_full = False
    world.store.release_all()
    world.run()
    done = world.get(operation)
    assert (done.status, done.sources[0].files, done.sources[0].skipped) == (OperationStatus.COMPLETE, count, 0)
    assert world.verify(operation).state is PackageState.WHOLE


def test_content_that_is_not_as_long_as_was_said_is_an_unreadable_item(tmp_path: Path) -> None:
    lying = file("lie", lambda: iter((b"four",)), size_bytes=3)
    long = file("long", lambda: iter((bytes(1 << 20),) * 5), size_bytes=(5 << 20) + 1)
    world = World(tmp_path, PEOPLE, {"drive": Scripted(yields(FILES_HEADER, lying, long, file("z", b"z")))})
    operation = world.submit("1")
    world.run()
    done = world.get(operation)
    assert (done.status, done.sources[0].files, done.sources[0].skipped) == (OperationStatus.COMPLETE, 1, 2)
    assert world.verify(operation).state is PackageState.WHOLE


class _Panic(BaseException):
    """As pyo3's: a panic of a library in Rust is no Exception."""


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), _Panic("ann"), ValueError("ann"), UnicodeError("ann")], ids=repr)
def test_unforeseen_error_is_tried_again_then_fails_and_says_nothing_personal(tmp_path: Path, error: BaseException) -> None:
    connector = Scripted(breaks(error, ROWS_HEADER, batch((1, "ann@contoso.example", 0))))
    world = World(tmp_path, PEOPLE, {"orders": connector}, export=ExportSettings(attempts=3, retry_s=1.0))
    operation = world.submit("1")
    with capture_logs() as logs:
        world.run()
    failure = world.get(operation).failure
    assert failure is not None
    assert (len(connector.cursors), failure.code, failure.source_name) == (3, "InternalError", "orders")
    assert type(error).__name__ in failure.message
    assert ("No space left on device" in failure.message) is isinstance(error, OSError)
    assert "ann" not in failure.message + str(logs)
    assert "scripted.py" in str(logs)  # where it happened


class _Poisoned(SqliteStore):
    """One operation's outcomes cannot be read."""

    poison = ""

    def outcomes(self, operation_id: OperationId) -> tuple[SourceOutcome, ...]:
        if operation_id == self.poison:
            raise ValueError("ann")
        return super().outcomes(operation_id)


def test_operation_that_cannot_be_finished_does_not_keep_the_others(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"orders": Scripted(yields(ROWS_HEADER))}, store_type=_Poisoned)
    first, second = world.submit("1"), world.submit("2")
    assert isinstance(world.store, _Poisoned)
    world.store.poison = first.operation_id
    world.run()
    failed = world.get(first)
    assert failed.failure is not None
    assert (failed.status, failed.failure.code, world.get(second).status) == (
        OperationStatus.FAILED,
        "InternalError",
        OperationStatus.COMPLETE,
    )
    world.store.poison = ""
    world.service.resume(TENANT, first.operation_id, None)
    world.run()
    assert world.get(first).status is OperationStatus.COMPLETE


@pytest.mark.parametrize("steps", [0, 1], ids=["before it was read", "before the package was finished"])
def test_source_that_left_the_configuration_fails_by_name_and_resumes_when_it_is_back(tmp_path: Path, steps: int) -> None:
    world = World(tmp_path, PEOPLE, {"orders": Scripted(yields(ROWS_HEADER, batch((1, "ann@contoso.example", 0))))})
    operation = world.submit("1")
    for _ in range(steps):
        world.step()
    whole = world.tenants[TENANT]
    world.tenants[TENANT] = TenantRuntime(whole.config, whole.directory, {})
    world.run()
    failure = world.get(operation).failure
    assert failure is not None
    assert (failure.code, failure.source_name) == ("ConfigurationInvalid", "orders")
    world.tenants[TENANT] = whole
    world.service.resume(TENANT, operation.operation_id, None)
    world.run()
    assert world.get(operation).status is OperationStatus.COMPLETE


def test_tenant_that_left_the_configuration_fails_its_operations(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"orders": Scripted(yields(ROWS_HEADER))})
    operation = world.submit("1")
    del world.tenants[TENANT]
    world.run(patience_s=10)
    failed = world.store.get(TENANT, operation.operation_id)
    assert failed is not None
    assert failed.failure is not None
    assert failed.failure.code == "ConfigurationInvalid"


def test_description_of_an_error_has_its_causes_and_no_text() -> None:
    def fail() -> None:
        raise KeyError("ann")

    try:
        try:
            fail()
        except KeyError as error:
            raise OSError(13, "ann", "/home/ann") from error
    except OSError as error:
        text = describe(error)
    assert "ann" not in text
    assert text.startswith("PermissionError: Permission denied at test_faults.py:")
    assert "; caused by KeyError at test_faults.py:" in text


def _die(world: World, *, times: int, every_s: float) -> None:
    """Let the service die of the next piece of work, and be started again after a while."""
    for _ in range(times):
        assert world.store.claim("dies", lease_s=60, limit=1, suspects=1) is not None
        world.store.release_all(has_died=True)
        world.clock.advance(every_s)


@pytest.mark.parametrize("is_end", [False, True], ids=["read", "end"])
def test_what_the_service_dies_of_for_more_than_an_hour_fails_and_is_tried_again_when_it_is_resumed(
    tmp_path: Path, *, is_end: bool
) -> None:
    world = World(tmp_path, PEOPLE, {"drive": Scripted(yields(FILES_HEADER, file("a", b"x")))})
    operation = world.submit("1")
    if is_end:
        world.step()
    _die(world, times=SUSPECTED + ALONE - 1, every_s=LONGEST_PAUSE_S)
    _die(world, times=1, every_s=LONGEST_PAUSE_S)
    assert world.get(operation).status is OperationStatus.RUNNING
    assert world.step()
    failed = world.get(operation)
    assert failed.failure is not None
    assert (failed.status, failed.failure.code) == (OperationStatus.FAILED, "ServiceDied")
    assert failed.failure.source_name == ("" if is_end else "drive")
    world.service.resume(TENANT, operation.operation_id, None)
    world.run()
    assert world.get(operation).status is OperationStatus.COMPLETE
    assert world.verify(operation).state is PackageState.WHOLE


@pytest.mark.parametrize("is_end", [False, True], ids=["read", "end"])
@pytest.mark.parametrize(("times", "every_s"), [(SUSPECTED + ALONE - 1, LONGEST_PAUSE_S), (3, 24 * OVER_S), (SUSPECTED, 0.0)])
def test_what_the_service_died_of_less_often_is_done(tmp_path: Path, times: int, every_s: float, *, is_end: bool) -> None:
    world = World(tmp_path, PEOPLE, {"drive": Scripted(yields(FILES_HEADER, file("a", b"x")))})
    operation = world.submit("1")
    if is_end:
        world.step()
    _die(world, times=times, every_s=every_s)
    world.run()
    assert world.get(operation).status is OperationStatus.COMPLETE
