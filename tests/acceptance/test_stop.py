"""SIGTERM: the service comes to a checkpoint and ends within seconds, whatever it waits for; the next start goes on."""

import http.client
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

import pytest
from tests.acceptance.judges import unpack
from tests.acceptance.large import SECOND_GROUP, SlowSimulator, checkpointed, configured
from tests.acceptance.service import RunningService, eventually

from rightful.package.readers import FolderReader
from rightful.package.verify import PackageState, verify
from rightful.sample.company import SampleCompany
from rightful.testing.blob_simulator import Break, Fault

pytestmark = pytest.mark.acceptance

FEW_S = 25.0
"""Also where a machine is busy; a storage location that is silent is waited for longer."""


@pytest.mark.parametrize(
    "fault",
    [None, Fault.status(503, "ServerBusy", headers={"Retry-After": "25"}), Fault.broken(Break.TIMEOUT)],
    ids=["busy", "asked to come back later", "no answer at all"],
)
def test_stopped_in_the_middle_ends_soon_and_the_next_start_goes_on(
    company: SampleCompany, readings: Path, simulator: SlowSimulator, tmp_path: Path, fault: Fault | None
) -> None:
    service = RunningService(company, configured(company, "stop", readings, simulator.host))
    half_way = Event()

    def disturb() -> None:
        if fault:
            simulator.fail_from_now(fault)  # from this very request on
        else:
            simulator.delay_s = 1.0  # what is left takes some seconds
        half_way.set()

    simulator.on_awaited, simulator.awaited = disturb, SECOND_GROUP
    with service:
        operation_id = service.submit(company.person("zoe").upn, simulator.sas_url("stop", "c")).operation_id
        assert half_way.wait(60)
        assert service.stop() < FEW_S
        durable, seen = checkpointed(service, [operation_id]), len(simulator.requests)
        assert durable
        simulator.recover()
        simulator.delay_s = 0.0
        service.start()
        service.complete(operation_id)
        assert not durable & {request.path for request in simulator.requests[seen:]}, "what was checkpointed was sent again"
    package = unpack(simulator.blobs("stop"), tmp_path / "package", f"{operation_id}/")
    assert verify(FolderReader(package)).state is PackageState.WHOLE


def test_submit_that_waits_for_a_silent_storage_location_does_not_hold_the_stop_up_and_is_settled_by_the_next_start(
    company: SampleCompany, readings: Path, simulator: SlowSimulator
) -> None:
    service = RunningService(company, configured(company, "silent", readings, simulator.host))
    location = simulator.sas_url("silent", "c")
    with service:
        simulator.fail_from_now(Fault.broken(Break.TIMEOUT))
        submit = Thread(target=lambda: suppress_loss(lambda: service.submit(company.person("zoe").upn, location)))
        submit.start()
        eventually(lambda: bool(simulator.requests), "the storage location is asked")
        assert service.stop() < FEW_S
        submit.join()
        simulator.recover()
        service.start()
        (operation_id,) = service.listed()
        service.complete(operation_id)
    assert {path.partition("/")[0] for path in simulator.blobs("silent")} == {operation_id}


def suppress_loss(call: Callable[[], object]) -> None:
    """Make a call whose answer gets lost."""
    with suppress(OSError, http.client.HTTPException):
        call()
