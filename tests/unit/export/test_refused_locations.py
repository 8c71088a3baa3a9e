"""Storage locations that a request shows to be of no use: each refused with the code of GRAPH's table, and nothing left anywhere."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Literal

import pytest
from tests.unit.export.scripted import PEOPLE, Scripted, yields
from tests.unit.export.world import TENANT, World

from rightful.clock import SystemClock
from rightful.config.model import StorageSettings
from rightful.errors import InvalidRequest
from rightful.storage.registry import Storages
from rightful.testing.blob_simulator import BlobSimulator, Break, Fault

Prepare = Callable[[BlobSimulator, BlobSimulator], str]
"""Makes the service ready and returns the location; the second one is where nobody must be led."""


def _faulty(fault: Fault) -> Prepare:
    def prepare(service: BlobSimulator, _elsewhere: BlobSimulator) -> str:
        service.fail_from_now(fault)
        return service.sas_url("exports", "aw")

    return prepare


def _redirected(code: int) -> Prepare:
    def prepare(service: BlobSimulator, elsewhere: BlobSimulator) -> str:
        service.fail_from_now(Fault.redirect(elsewhere.sas_url("exports", "aw"), code))
        return service.sas_url("exports", "aw")

    return prepare


def _without_container(service: BlobSimulator, _elsewhere: BlobSimulator) -> str:
    location = service.sas_url("exports", "aw")
    service.delete_container("exports")
    return location


def _revoked(service: BlobSimulator, _elsewhere: BlobSimulator) -> str:
    location = service.sas_url("exports", "aw")
    service.revoke()
    return location


def _claiming(permissions: str) -> Prepare:
    """The URL says that it may write and add; what was granted is less: a changed text, or a policy that was changed since."""

    def prepare(service: BlobSimulator, _elsewhere: BlobSimulator) -> str:
        service.fail_from_now(Fault.status(403, "AuthorizationPermissionMismatch"))
        return service.sas_url("exports", permissions)

    return prepare


# In strict, a location that breaks off may be marked now: that is 429, and the next equal request takes it up (test_submit_location).
CASES: dict[str, tuple[str, str, Prepare]] = {
    "a signature that is refused": ("both", "SharedAccessSignatureTokenInvalid", _revoked),
    "a container that is not there": ("both", "StorageLocationInvalid", _without_container),
    "a right that is not there": ("both", "StorageLocationNeedsWriteAddPermissions", _claiming("aw")),
    "no append blobs": ("strict", "StorageLocationShouldSupportAppendBlobs", _faulty(Fault.status(400, "BlobTypeNotSupported"))),
    "busy": ("both", "StorageLocationInvalid", _faulty(Fault.status(503, "ServerBusy"))),
    "a silent one": ("standard", "StorageLocationInvalid", _faulty(Fault.broken(Break.RESET_BEFORE_BODY))),
    "an account that is disabled": ("both", "StorageLocationInvalid", _faulty(Fault.status(403, "AccountIsDisabled"))),
    **{f"redirect {code}": ("both", "StorageLocationInvalid", _redirected(code)) for code in (301, 302, 303, 307, 308)},
}


def world_of(folder: Path, service: BlobSimulator, checks: Literal["standard", "strict"]) -> World:
    source = Scripted(yields())
    world = World(folder, PEOPLE, {"orders": source}, storage=StorageSettings(allow=(service.host,), checks=checks))
    world.clock.advance((SystemClock().now() - world.clock.now()) / timedelta(seconds=1))  # the simulator's SAS know the real time
    return world


@pytest.mark.parametrize("checks", ["standard", "strict"])
@pytest.mark.parametrize(("when", "code", "prepare"), CASES.values(), ids=CASES)
def test_location_of_no_use_is_refused_and_leaves_nothing(
    tmp_path: Path, checks: Literal["standard", "strict"], when: str, code: str, prepare: Prepare
) -> None:  # GRAPH-42 and the table before it
    if when not in {"both", checks}:
        return
    with BlobSimulator() as service, BlobSimulator() as elsewhere:
        world = world_of(tmp_path, service, checks)
        location = prepare(service, elsewhere)
        with pytest.raises(InvalidRequest) as refused:
            world.submit("1", location)
        assert (refused.value.code, refused.value.target) == (code, "storageLocation")
        assert "sig=" not in f"{refused.value.message} {refused.value.hint}"
        assert elsewhere.requests == []
        assert {request.method for request in service.requests} == {"PUT"}  # a SAS may be write-only: nothing is read or listed
        assert world.store.count_open(TENANT) == 0
        service.sas_url("exports")  # makes the container where it is missing
        assert service.blobs("exports") == {}
        world.stop()


@pytest.mark.parametrize("checks", ["standard", "strict"])
def test_strict_container_is_used_once_and_standard_again(tmp_path: Path, checks: Literal["standard", "strict"]) -> None:  # GRAPH-42
    with BlobSimulator() as service:
        world = world_of(tmp_path, service, checks)
        world.submit("1", service.sas_url("exports", "aw"))
        if checks == "standard":
            assert world.submit("2", service.sas_url("exports", "aw")).prefix
        else:
            with pytest.raises(InvalidRequest) as refused:
                world.submit("2", service.sas_url("exports", "aw"))
            assert refused.value.code == "StorageLocationAlreadyUsed"
        assert len(service.blobs("exports")) == (2 if checks == "standard" else 1)
        world.stop()


class _Inside(Storages):
    """Every name leads into the machine's own network."""

    def __init__(self, **options: object) -> None:
        super().__init__(resolve=lambda _host, _port: ["127.0.0.1", "169.254.169.254"], **options)  # type: ignore[arg-type] # the clock


def test_allowed_name_that_leads_inside_is_refused_with_the_code_of_the_table(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"orders": Scripted(yields())}, storage=StorageSettings(), storages_type=_Inside)
    with pytest.raises(InvalidRequest, match="not public") as refused:
        world.submit("1", "https://contoso.blob.core.windows.net/exports?sr=c&sp=cw&se=2099-01-01&sig=x")
    assert refused.value.code == "StorageLocationInvalid"
    assert world.store.count_open(TENANT) == 0
