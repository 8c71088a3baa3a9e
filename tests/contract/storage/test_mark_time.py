"""A storage location has so long to be marked, whatever it does and however many requests that takes: a client waits for it."""

import pytest
from tests.contract.storage.hostile_host import BUSY_S, Behaviour, continue_for_ever, drip_head, hostile, say_nothing, took_s

from rightful.clock import SystemClock
from rightful.export.mark import Mark
from rightful.ids import OperationId
from rightful.pinned import PinnedHost
from rightful.storage.azure_blob import AzureBlobStorage, open_container
from rightful.storage.interface import Put
from rightful.storage.sas import parse_sas_url
from rightful.testing.blob_simulator import BlobSimulator, Fault

ID = OperationId("0e0e0e0e-0000-4000-8000-000000000001")


def container(url: str) -> AzureBlobStorage:
    sas = parse_sas_url(url)
    return open_container(sas, PinnedHost(sas.scheme, sas.host, sas.port, may_be_private=True))


@pytest.mark.parametrize("behave", [drip_head, continue_for_ever, say_nothing], ids=lambda behave: behave.__name__)
@pytest.mark.parametrize("is_append", [False, True])
def test_host_that_answers_by_and_by_is_given_up_in_time(behave: Behaviour, *, is_append: bool) -> None:
    with hostile(behave) as port:
        storage = container(f"http://127.0.0.1:{port}/account/exports?sp=aw&sig=x&se=2999-01-01T00:00:00Z&sr=c")
        mark = Mark(storage, SystemClock(), "RequestInfo.json", b"{}", may_be_ours=False, longest_s=0.7)
        assert 0.6 < took_s(lambda: mark.append(ID) if is_append else mark.put()) < BUSY_S
        assert mark.may_be_ours
        storage.close()


def test_time_is_for_all_requests_together_and_not_for_what_comes_after_the_mark() -> None:
    with BlobSimulator() as simulator:
        storage = container(simulator.sas_url("exports", "aw"))
        simulator.fail(Fault.status(503, "ServerBusy", headers={"Retry-After": "1"}))
        mark = Mark(storage, SystemClock(), "RequestInfo.json", b"{}", may_be_ours=False, longest_s=0.8)
        took_s(lambda: mark.append(ID), "takes longer than|cannot be connected: time-out")
        assert len(simulator.requests) == 1
        assert storage.put("data", [b"x"], size_bytes=1) is Put.WRITTEN
        storage.close()
