"""What becomes of a request whose storage location answers late, not at all, or no longer."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Literal

import pytest
from tests.unit.export.scripted import PEOPLE, ROWS_HEADER, Scripted, batch, yields
from tests.unit.export.world import TENANT, World
from tests.unit.no_threads import no_more_threads

from rightful.clock import SystemClock
from rightful.config.model import StorageSettings
from rightful.errors import Conflict, InvalidRequest, ServiceUnavailable, Throttled
from rightful.operation.model import OperationStatus
from rightful.testing.blob_simulator import BlobSimulator, Break, Fault

LOST = Fault.broken(Break.ANSWER_LOST)
BUSY = Fault.status(503, "ServerBusy")
MAIL = "ann@contoso.example"


def world_of(folder: Path, simulator: BlobSimulator, checks: Literal["standard", "strict"] = "standard") -> World:
    source = Scripted(yields(ROWS_HEADER, batch((1, MAIL, 0))))
    world = World(folder, PEOPLE, {"orders": source}, storage=StorageSettings(allow=(simulator.host,), checks=checks))
    world.clock.advance((SystemClock().now() - world.clock.now()) / timedelta(seconds=1))  # the simulator's SAS know the real time
    return world


@pytest.mark.parametrize("number", [0, 1], ids=["while it is made", "while it is written"])
def test_strict_container_whose_answer_got_lost_is_marked_for_this_request(tmp_path: Path, number: int) -> None:
    with BlobSimulator() as simulator:
        world = world_of(tmp_path, simulator, "strict")
        simulator.fail(LOST, after=number)
        operation = world.submit("1", simulator.sas_url("container", "aw"))
        world.run()
        assert world.get(operation).status is OperationStatus.COMPLETE
        with pytest.raises(InvalidRequest) as refused:
            world.submit("1", simulator.sas_url("container", "aw"))
        assert refused.value.code == "StorageLocationAlreadyUsed"
        world.stop()


def test_strict_container_is_confirmed_though_that_answer_gets_lost_too(tmp_path: Path) -> None:
    with BlobSimulator() as simulator:
        world = world_of(tmp_path, simulator, "strict")
        simulator.fail(LOST, after=1)  # the second request of a try writes the mark
        simulator.fail(LOST, after=3)  # after the next try, which finds something: its confirmation
        operation = world.submit("1", simulator.sas_url("container", "aw"))
        assert [request.operation for request in simulator.requests] == ["", "appendblock", "", *["appendblock"] * 4]
        world.run()
        assert world.get(operation).status is OperationStatus.COMPLETE
        assert simulator.blobs("container")["RequestInfo.json"].endswith(b"\n\n\n")
        world.stop()


@pytest.mark.parametrize("restarts", [False, True])
def test_strict_container_whose_answers_all_got_lost_is_not_lost_for_the_request(tmp_path: Path, *, restarts: bool) -> None:
    with BlobSimulator() as simulator:
        world = world_of(tmp_path, simulator, "strict")
        simulator.fail(LOST, after=1, times=100)
        sas = simulator.sas_url("container", "aw")
        with pytest.raises(Throttled):
            world.submit("1", sas)
        simulator.recover()
        if restarts:
            world.stop()
            world.start()
            assert world.store.intents() == ()
        operation = world.submit("1", sas)
        world.run()
        assert world.get(operation).status is OperationStatus.COMPLETE
        world.stop()


@pytest.mark.parametrize("then", [BUSY, LOST], ids=["busy", "lost"])
@pytest.mark.parametrize("again", ["submitted", "started"])
def test_strict_container_that_may_be_marked_stays_the_request_s(tmp_path: Path, then: Fault, again: str) -> None:
    with BlobSimulator() as simulator:
        world = world_of(tmp_path, simulator, "strict")
        simulator.fail(LOST, after=1)
        simulator.fail(then, after=1, times=100)
        sas = simulator.sas_url("container", "aw")
        with pytest.raises(Throttled):
            world.submit("1", sas)
        if again == "started":
            world.stop()
            world.start()
        else:
            with pytest.raises(Throttled):
                world.submit("1", sas)
        simulator.recover()
        operation = world.submit("1", sas)
        world.run()
        assert world.get(operation).status is OperationStatus.COMPLETE
        blobs = simulator.blobs("container")
        assert f"{hashlib.sha256(blobs['RequestInfo.json']).hexdigest()}  RequestInfo.json\n" in blobs["tagmanifest-sha256.txt"].decode()
        world.stop()


def test_intent_of_a_strict_container_that_never_answers_ends_by_age(tmp_path: Path) -> None:
    with BlobSimulator() as simulator:
        world = world_of(tmp_path, simulator, "strict")
        simulator.fail(LOST, after=1, times=100)
        with pytest.raises(Throttled):
            world.submit("1", simulator.sas_url("container", "aw", expires_in_s=1 << 20))
        assert len(world.store.intents()) == 1
        world.clock.advance(25 * 3600.0)
        world.stop()
        world.start()
        assert world.store.intents() == ()
        world.stop()


@pytest.mark.parametrize("number", [0, 1], ids=["while it is made", "while it is written"])
@pytest.mark.parametrize("times", [1, 100])
def test_strict_container_that_was_used_is_refused_whatever_answer_got_lost(tmp_path: Path, number: int, times: int) -> None:
    with BlobSimulator() as simulator:
        world = world_of(tmp_path, simulator, "strict")
        sas = simulator.sas_url("container", "aw")
        first = world.submit("1", sas)
        simulator.fail(LOST, after=number, times=times)
        if times > 1:
            with pytest.raises(Throttled):
                world.submit("2", sas)
            simulator.recover()
            world.stop()
            world.start()
            assert world.store.intents() == ()
        with pytest.raises(InvalidRequest) as refused:
            world.submit("2", sas)
        assert refused.value.code == "StorageLocationAlreadyUsed"
        assert world.store.intents() == ()
        world.run()
        assert world.get(first).status is OperationStatus.COMPLETE
        assert json.loads(simulator.blobs("container")["RequestInfo.json"])["Subject"] == "1"
        world.stop()


def test_strict_container_that_was_used_is_told_from_one_that_was_busy(tmp_path: Path) -> None:
    with BlobSimulator() as simulator:
        world = world_of(tmp_path, simulator, "strict")
        world.submit("1", simulator.sas_url("container", "aw"))
        simulator.fail(BUSY)
        with pytest.raises(InvalidRequest) as refused:
            world.submit("2", simulator.sas_url("container", "aw"))
        assert refused.value.code == "StorageLocationAlreadyUsed"
        assert world.store.intents() == ()
        world.stop()


def test_operation_that_waits_goes_on_with_the_location_of_an_equal_request(tmp_path: Path) -> None:
    with BlobSimulator() as simulator:
        world = world_of(tmp_path, simulator)
        operation = world.submit("1", simulator.sas_url("container", "c"))
        simulator.revoke()
        assert world.step()
        assert world.get(operation).waiting_for is not None
        again = world.submit("1", simulator.sas_url("container", "c", expires_in_s=7200))
        assert (again.operation_id, again.waiting_for) == (operation.operation_id, None)
        assert world.step()
        world.run()
        assert world.get(operation).status is OperationStatus.COMPLETE
        world.stop()


def test_operation_that_waits_does_not_take_a_location_that_ends_too_soon(tmp_path: Path) -> None:
    with BlobSimulator() as simulator:
        world = world_of(tmp_path, simulator)
        operation = world.submit("1", simulator.sas_url("container", "c"))
        simulator.revoke()
        assert world.step()
        soon = simulator.sas_url("container", "c", expires_in_s=200)
        assert world.submit("1", soon).waiting_for is not None
        with pytest.raises(InvalidRequest, match="expires too soon"):
            world.service.resume(TENANT, operation.operation_id, soon)
        assert world.get(operation).waiting_for is not None
        world.stop()


@pytest.mark.parametrize("checks", ["standard", "strict"])
def test_retry_with_a_sas_that_has_expired_meanwhile_is_the_operation_and_a_new_request_is_refused(
    tmp_path: Path, checks: Literal["standard", "strict"]
) -> None:
    with BlobSimulator() as simulator:
        world = world_of(tmp_path, simulator, checks)
        sas = simulator.sas_url("container", "aw", expires_in_s=3600)
        operation = world.submit("1", sas)
        world.clock.advance(3500.0)
        assert world.submit("1", sas).operation_id == operation.operation_id  # too short for a new one
        world.clock.advance(200.0)
        assert world.submit("1", sas, idempotency_key="k").operation_id == operation.operation_id
        for again in ({"subject": "2"}, {"subject": "1", "client_request_id": "c"}):
            if again["subject"] == "1":
                world.service.cancel(TENANT, operation.operation_id)
            with pytest.raises(InvalidRequest, match="the SAS has expired"):
                world.submit(location=sas, **again)
        assert world.store.intents() == ()
        assert len(simulator.requests) == (2 if checks == "strict" else 1)
        world.stop()


@pytest.mark.parametrize("checks", ["standard", "strict"])
def test_idempotency_key_of_what_failed_gives_that_operation_in_both_modes(tmp_path: Path, checks: Literal["standard", "strict"]) -> None:
    with BlobSimulator() as simulator:
        world = world_of(tmp_path, simulator, checks)
        sas = simulator.sas_url("container", "aw")
        operation = world.submit("1", sas, idempotency_key="k")
        world.service.cancel(TENANT, operation.operation_id)
        again = world.submit("1", sas, idempotency_key="k")
        assert (again.operation_id, again.status) == (operation.operation_id, OperationStatus.FAILED)
        with pytest.raises(Conflict):
            world.submit("2", sas, idempotency_key="k")
        if checks == "strict":  # GRAPH-42: one export for each container
            with pytest.raises(InvalidRequest, match="used for an export before"):
                world.submit("1", sas, idempotency_key="l")
        else:
            assert world.submit("1", sas, idempotency_key="l").operation_id != operation.operation_id
        world.stop()


@pytest.mark.parametrize("checks", ["standard", "strict"])
def test_request_for_which_the_system_gives_no_thread_is_to_come_again(tmp_path: Path, checks: Literal["standard", "strict"]) -> None:
    # GRAPH-15: SDKs send it again, which is safe, since nothing was committed
    with BlobSimulator() as simulator, ThreadPoolExecutor(1) as serving:  # the main thread alone takes another for what it commits
        world = world_of(tmp_path, simulator, checks)
        sas = simulator.sas_url("container", "aw")
        serving.submit(int).result()
        with no_more_threads(), pytest.raises(ServiceUnavailable, match="no thread"):
            serving.submit(world.submit, "1", sas).result()
        assert world.store.intents() == ()
        assert world.submit("1", sas).status is OperationStatus.NOT_STARTED
        world.stop()
