"""Four eyes: nothing is read before a second administrator approved just this export."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from tests.unit.export.scripted import PEOPLE, ROWS_HEADER, Scripted, batch
from tests.unit.export.world import CALLER, TENANT, VISIBLE, World

from rightful.audit.record import OK, REPEATED, Action, decode
from rightful.clock import SystemClock
from rightful.config.model import AccountSettings, ExportSettings, SourceConfig, StorageSettings
from rightful.connectors.interface import Item, ReadHeader
from rightful.errors import Conflict, Forbidden, InvalidRequest, NotFound
from rightful.export.runtime import TenantRuntime
from rightful.identity.model import Caller, CallerKind
from rightful.ids import OperationId, TenantId
from rightful.operation.model import ApprovalState, DataPolicyOperation, OperationStatus
from rightful.store.sqlite import SqliteStore
from rightful.subject.model import IdentifiedSubject
from rightful.testing.blob_simulator import BlobSimulator

REQUIRED = ExportSettings(retry_s=1.0, approval="required", approval_h=2.0)


def person(object_id: str, app_id: str = "portal", tenant_id: TenantId = TENANT) -> Caller:
    return Caller(tenant_id=tenant_id, kind=CallerKind.DELEGATED, object_id=object_id, app_id=app_id, permissions=frozenset())


SECOND = person("second")


def _orders(subjects: Sequence[IdentifiedSubject], _cursor: object) -> tuple[ReadHeader | Item, ...]:
    rows = [(int(each.subject.subject_id), PEOPLE[each.subject.subject_id]["mail"][0], number) for number, each in enumerate(subjects)]
    return (ROWS_HEADER, batch(*rows))


def world_of(folder: Path, export: ExportSettings = REQUIRED, storage: StorageSettings | None = None) -> World:
    return World(folder, PEOPLE, {"orders": Scripted(_orders)}, export=export, storage=storage)


def cursors(world: World) -> list[object]:
    source = world.tenants[TENANT].connectors["orders"]
    assert isinstance(source, Scripted)
    return list(source.cursors)


def reconfigured(world: World, **changes: object) -> None:
    """Start the service again with another configuration of the tenant."""
    world.stop()
    tenant = msgspec.structs.replace(world.config.tenants[0], **changes)
    world.config = msgspec.structs.replace(world.config, tenants=(tenant,))
    world.tenants = {TENANT: TenantRuntime(tenant, world.directory, world.tenants[TENANT].connectors)}
    world.start()


def approve(world: World, operation: DataPolicyOperation, caller: Caller = SECOND) -> DataPolicyOperation:
    return world.service.decide(caller, operation.operation_id, is_approved=True)


def reject(world: World, operation: DataPolicyOperation, caller: Caller = SECOND) -> DataPolicyOperation:
    return world.service.decide(caller, operation.operation_id, is_approved=False)


def failure_code(world: World, operation: DataPolicyOperation) -> str:
    found = world.get(operation)
    assert found.status is OperationStatus.FAILED
    assert found.failure is not None
    return found.failure.code


def test_nothing_but_the_mark_is_written_and_nothing_read_before_the_approval(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    operation = world.submit("1")
    assert operation.waiting_for is not None
    assert (operation.status, operation.waiting_for.code) == (OperationStatus.NOT_STARTED, "approvalRequired")
    world.run(patience_s=60)
    assert [path.name for path in world.package(operation).rglob("*")] == ["RequestInfo.json"]
    assert cursors(world) == []
    approved = approve(world, operation)
    assert approved.approval is not None
    assert (approved.waiting_for, approved.approval.decided_by) == (None, SECOND.key)
    world.run()
    assert world.get(operation).status is OperationStatus.COMPLETE
    assert world.rows(operation, "orders") == [1]


def test_wait_and_approval_survive_a_restart(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    first, second = world.submit("1"), world.submit("2")
    approve(world, first)
    world.stop()
    world.start()
    while world.step():
        pass
    assert (world.get(first).status, world.get(second).status) == (OperationStatus.COMPLETE, OperationStatus.NOT_STARTED)
    approve(world, second)
    world.run()
    assert world.get(second).status is OperationStatus.COMPLETE


def test_tenant_that_asks_for_no_approval_gets_none(tmp_path: Path) -> None:
    world = world_of(tmp_path, ExportSettings())
    operation = world.submit("1")
    assert operation.approval is None
    with pytest.raises(Conflict):
        approve(world, operation)
    world.run()
    assert world.get(operation).status is OperationStatus.COMPLETE


@pytest.mark.parametrize(
    "caller",
    [
        CALLER,
        msgspec.structs.replace(CALLER, object_id="other", app_id="other"),  # an application
        person(CALLER.object_id),
        person(CALLER.object_id.upper()),
        person("second", CALLER.app_id),
        person("second", CALLER.app_id.upper()),
    ],
)
def test_who_asked_and_who_is_no_person_cannot_decide(tmp_path: Path, caller: Caller) -> None:
    world = world_of(tmp_path)
    operation = world.submit("1")
    for decide in (approve, reject):
        with pytest.raises(Forbidden):
            decide(world, operation, caller)
    world.run(patience_s=60)
    assert world.get(operation) == operation
    assert cursors(world) == []


def test_two_people_may_use_one_application(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    asking = person("first")
    operation = world.submit("1", caller=asking)
    with pytest.raises(Forbidden):
        approve(world, operation, msgspec.structs.replace(asking, app_id="another"))
    assert approve(world, operation).waiting_for is None


def test_another_tenants_person_finds_nothing(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    operation = world.submit("1")
    other = person("second", tenant_id=TenantId("22222222-2222-2222-2222-222222222222"))
    with pytest.raises(NotFound):
        approve(world, operation, other)
    with pytest.raises(NotFound):
        world.service.decide(SECOND, OperationId("00000000-0000-4000-8000-000000000000"), is_approved=True)


def test_rejected_export_has_failed_for_good(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    operation = world.submit("1")
    reject(world, operation)
    assert reject(world, operation).status is OperationStatus.FAILED  # the answer was lost: saying it again does no harm
    assert failure_code(world, operation) == "rejected"
    with pytest.raises(Conflict):
        approve(world, operation, person("third"))
    with pytest.raises(Conflict, match="no approval"):
        world.service.resume(TENANT, operation.operation_id, None)
    world.run(patience_s=60)
    assert cursors(world) == []
    again = world.submit("1")
    assert again.operation_id != operation.operation_id
    assert again.waiting_for is not None


def test_approving_twice_is_once(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    operation = world.submit("1")
    assert approve(world, operation) == approve(world, operation)
    for decide in (approve, reject):
        with pytest.raises(Conflict):
            decide(world, operation, person("third"))
    world.trail.flush()
    records = [decode(entry.canonical) for entry in world.store.chain(TENANT)]
    assert [(each.action, each.outcome) for each in records] == [(Action.SUBMIT, OK), (Action.APPROVE, OK), (Action.APPROVE, REPEATED)]


def test_wait_ends_after_its_time(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    operation = world.submit("1")
    assert operation.approval is not None
    assert operation.approval.until - operation.submitted_at == timedelta(hours=2)
    world.clock.advance(2 * 3600)
    with pytest.raises(Conflict):
        approve(world, operation)
    world.run(patience_s=60)
    assert failure_code(world, operation) == "approvalExpired"
    with pytest.raises(Conflict):
        world.service.resume(TENANT, operation.operation_id, None)


def test_cancelled_while_it_waits_cannot_be_resumed_into_a_read(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    operation = world.submit("1")
    world.service.cancel(TENANT, operation.operation_id)
    for decide in (approve, reject):
        with pytest.raises(Conflict):
            decide(world, operation)
    with pytest.raises(Conflict):
        world.service.resume(TENANT, operation.operation_id, None)
    reconfigured(world, export=ExportSettings())
    with pytest.raises(Conflict):
        world.service.resume(TENANT, operation.operation_id, None)
    world.run(patience_s=60)
    assert cursors(world) == []


def test_equal_request_is_the_operation_that_waits_and_others_are_not(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    operation = world.submit("1")
    assert world.submit("1").operation_id == operation.operation_id
    assert [decode(entry.canonical).action for entry in world.store.chain(TENANT)] == [Action.SUBMIT]  # and no resume
    assert world.submit("2").operation_id != operation.operation_id
    assert world.submit("1", caller=SECOND).operation_id != operation.operation_id
    approve(world, operation)
    world.run(patience_s=60)
    assert len(cursors(world)) == 1


SOURCE = SourceConfig(name="orders", connector="memory", product="Other product", settings=ExportSettings())


@pytest.mark.parametrize("is_given", [False, True], ids=["waiting", "approved"])
@pytest.mark.parametrize(
    "changes",
    [
        {"sources": (SOURCE,)},
        {"sources": ()},
        {"storage": StorageSettings(accounts={"Local": AccountSettings(url="file:///tmp/elsewhere")})},
    ],
    ids=["another source", "no source", "another folder"],
)
def test_changed_request_needs_a_new_approval(tmp_path: Path, changes: dict[str, object], *, is_given: bool) -> None:
    world = world_of(tmp_path)
    operation = world.submit("1")
    if is_given:
        approve(world, operation)
    reconfigured(world, **changes)
    assert failure_code(world, operation) == "requestChanged"
    world.run(patience_s=60)
    assert cursors(world) == []
    for decide in (approve, reject):
        with pytest.raises(Conflict):
            decide(world, operation)
    with pytest.raises(Conflict):
        world.service.resume(TENANT, operation.operation_id, None)


def test_unchanged_configuration_changes_nothing(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    operation = world.submit("1")
    reconfigured(world, name="Contoso Ltd", sources=tuple(world.config.tenants[0].sources))
    approve(world, operation)
    reconfigured(world)
    world.run()
    assert world.get(operation).status is OperationStatus.COMPLETE


class _OldSettings(msgspec.Struct, frozen=True):
    url: str
    columns: tuple[str, ...] = ()


class _NewSettings(msgspec.Struct, frozen=True):
    url: str
    columns: tuple[str, ...] = ()
    is_new: bool = False
    more: dict[str, str] = {}


@pytest.mark.parametrize(
    ("settings", "is_same"),
    [
        (_NewSettings(url="a"), True),
        (_NewSettings(url="b"), False),
        (_NewSettings(url="a", columns=("x",)), False),
        (_NewSettings(url="a", is_new=True), False),
        (_NewSettings(url="a", more={"x": "y"}), False),
    ],
)
def test_new_setting_of_a_new_version_changes_nothing_at_its_default(tmp_path: Path, settings: msgspec.Struct, *, is_same: bool) -> None:
    world = world_of(tmp_path)
    source = world.config.tenants[0].sources[0]
    reconfigured(world, sources=(msgspec.structs.replace(source, settings=_OldSettings(url="a")),))
    operation = world.submit("1")
    reconfigured(world, sources=(msgspec.structs.replace(source, settings=settings),))
    assert (world.get(operation).status is OperationStatus.NOT_STARTED) == is_same


def test_operation_of_another_subject_in_the_stores_file_is_not_what_was_approved(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    operation = world.submit("1")
    world.store._file.write(lambda connection: connection.run("UPDATE operation SET subject_id = '2'"))
    with pytest.raises(Conflict, match="not what was submitted"):
        approve(world, operation)
    assert failure_code(world, operation) == "requestChanged"


def test_approved_operation_that_failed_resumes_only_as_it_was_approved(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    operation = world.submit("1")
    approve(world, operation)
    world.service.cancel(TENANT, operation.operation_id)
    world.service.resume(TENANT, operation.operation_id, None)
    world.service.cancel(TENANT, operation.operation_id)
    reconfigured(world, sources=(SOURCE,))
    with pytest.raises(Conflict, match="no approval"):
        world.service.resume(TENANT, operation.operation_id, None)
    assert cursors(world) == []


def test_operation_accepted_without_approval_is_not_resumed_where_one_is_asked_for_now(tmp_path: Path) -> None:
    world = world_of(tmp_path, ExportSettings())
    operation = world.submit("1")
    world.service.cancel(TENANT, operation.operation_id)
    reconfigured(world, export=REQUIRED)
    with pytest.raises(Conflict, match="no approval"):
        world.service.resume(TENANT, operation.operation_id, None)


class _Dying(SqliteStore):
    def promote(self, *_args: object, **_more: object) -> None:
        raise KeyboardInterrupt


def test_intent_that_a_kill_left_behind_waits_as_the_configuration_says_now(tmp_path: Path) -> None:
    world = world_of(tmp_path, ExportSettings())
    world.stop()
    world.start(_Dying)
    with pytest.raises(KeyboardInterrupt):
        world.submit("1")
    reconfigured(world, export=REQUIRED)
    world.run(patience_s=60)
    assert cursors(world) == []
    operation = world.submit("1")
    assert operation.approval is not None
    assert operation.approval.state is ApprovalState.WAITING
    with pytest.raises(Forbidden):
        approve(world, operation, person(CALLER.object_id))
    approve(world, operation)
    world.run()
    assert world.get(operation).status is OperationStatus.COMPLETE


def test_sas_may_expire_while_it_waits_and_be_brought_anew_before_or_after(tmp_path: Path) -> None:
    with BlobSimulator() as simulator:
        world = world_of(tmp_path, storage=StorageSettings(allow=(simulator.host,)))
        world.clock.advance((SystemClock().now() - world.clock.now()) / timedelta(seconds=1))  # the simulator's SAS know the real time
        before, after = world.submit("1", simulator.sas_url("one", "c")), world.submit("2", simulator.sas_url("two", "c"))
        simulator.revoke()
        renewed = world.submit("1", simulator.sas_url("one", "c", expires_in_s=7200))
        assert (renewed.operation_id, renewed.waiting_for) == (before.operation_id, before.waiting_for)
        world.run(patience_s=20)
        assert cursors(world) == []
        approve(world, before)
        approve(world, after)
        world.run(patience_s=20)
        assert world.get(before).status is OperationStatus.COMPLETE
        waiting = world.get(after)
        assert waiting.waiting_for is not None
        assert (waiting.status, waiting.waiting_for.code) == (OperationStatus.RUNNING, "StorageRefused")
        world.service.resume(TENANT, after.operation_id, simulator.sas_url("two", "c", expires_in_s=1 << 20))
        world.run(patience_s=60)
        assert world.get(after).status is OperationStatus.COMPLETE


@pytest.mark.parametrize("decide", [approve, reject])
def test_location_is_erased_where_the_export_ends(tmp_path: Path, decide: object) -> None:
    with BlobSimulator() as simulator:
        world = world_of(tmp_path, storage=StorageSettings(allow=(simulator.host,)))
        operation = world.submit("1", simulator.sas_url("one", "c", expires_in_s=1 << 30))
        with pytest.raises(InvalidRequest):  # another container is another request
            world.service.resume(TENANT, operation.operation_id, simulator.sas_url("two", "c", expires_in_s=1 << 30))
        decide(world, operation)  # type: ignore[operator] # a function
        world.run(patience_s=60)
        left = world.store._file.read(lambda connection: connection.rows("SELECT sealed_location FROM operation"))
        assert [row["sealed_location"] for row in left] == [None]
        assert world.service.get(TENANT, operation.operation_id, VISIBLE) is not None
