"""Write limits over the wire: 429 after 403 and before 404, an honest Retry-After, reads and others never held up."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from tests.wire.world import ANN, GUEST_PROFILE, NOBODY, OTHER_ANN, Answer, World, new_location, world

from rightful.config.model import LimitSettings
from rightful.ids import new_operation_id
from rightful.testing.clock import ManualClock

LIMITS = LimitSettings(writes_per_second=20, writes_per_second_per_app=2)
BURST = 3
"""Of one application: the tokens of a second and one more."""


class Scene:
    def __init__(self, opened: World, clock: ManualClock) -> None:
        self.world, self.clock = opened, clock

    def exhaust(self, token: str = "") -> None:
        answers = [self.world.submit(location=new_location(), token=token) for _ in range(BURST + 1)]
        assert [answer.status for answer in answers] == [202] * BURST + [429]

    def write(self, method: str, path: str, token: str = "") -> Answer:
        return self.world.client.request(method, path, token=token or self.world.token, body={"storageLocation": new_location()})


@pytest.fixture
def scene() -> Iterator[Scene]:
    clock = ManualClock(datetime.now(UTC))  # tokens are of now
    with world(limits=LIMITS, clock=clock) as opened:
        yield Scene(opened, clock)


def test_write_over_the_limit_is_429_and_passes_after_retry_after(scene: Scene) -> None:
    # GRAPH-15: SDKs send it again after Retry-After
    scene.exhaust()
    refused = scene.world.submit()
    assert (refused.status, refused.code) == (429, "TooManyRequests")
    assert int(refused.headers["retry-after"]) == 1
    known = len(scene.world.exports.operations)
    scene.clock.advance(1)
    assert scene.world.submit().status == 202
    assert len(scene.world.exports.operations) == known + 1


WRITES = {
    "user": ("POST", f"/v1.0/users/{ANN}/exportPersonalData"),
    "nobody": ("POST", f"/v1.0/users/{NOBODY}/exportPersonalData"),
    "profile": ("POST", f"/beta/directory/inboundSharedUserProfiles/{GUEST_PROFILE}/exportPersonalData"),
    "profile, by GET": ("GET", f"/beta/directory/inboundSharedUserProfiles/{GUEST_PROFILE}/exportPersonalData"),
    "cancel": ("DELETE", f"/v1.0/dataPolicyOperations/{new_operation_id()}"),
    "resume": ("POST", f"/v1.0/dataPolicyOperations/{new_operation_id()}/resume"),
}


@pytest.mark.parametrize(("method", "path"), WRITES.values(), ids=WRITES.keys())
def test_every_write_counts_and_who_may_not_is_403_before_429(scene: Scene, method: str, path: str) -> None:
    # GRAPH-75: 401 and 403 come first, and take no token; 404 comes after
    everything = ["User.Export.All", "CrossTenantUserProfileSharing.ReadWrite.All"]
    token = scene.world.issuer.token(roles=everything)
    for _ in range(BURST + 2):
        assert scene.write(method, path, scene.world.issuer.token(roles=[])).status == 403
        assert scene.write(method, path, "no token").status == 401
    assert [scene.write(method, path, token).status == 429 for _ in range(BURST + 1)] == [False] * BURST + [True]


def test_reads_are_not_held_up_by_writes(scene: Scene) -> None:
    scene.exhaust()
    for _ in range(50):
        assert scene.world.get("/v1.0/dataPolicyOperations").status == 200


def test_one_application_and_one_tenant_cost_the_others_nothing(scene: Scene) -> None:
    tokens = [scene.world.issuer.token(azp=f"app-{number}") for number in range(8)]
    statuses = []
    for _ in range(10):  # two seconds
        statuses += [scene.world.submit(location=new_location(), token=token).status for token in tokens for _ in range(2)]
        scene.clock.advance(0.2)
    assert 40 <= statuses.count(202) <= 61
    assert scene.world.submit(token=scene.world.issuer.token(azp="asks-little")).status == 202
    other = scene.world.other_issuer.token()
    path = f"/v1.0/users/{OTHER_ANN}/exportPersonalData"
    assert [scene.write("POST", path, other).status for _ in range(BURST)] == [202] * BURST


def test_each_request_of_a_batch_takes_a_token_of_its_own(scene: Scene) -> None:
    # GRAPH-50
    path = WRITES["user"][1].removeprefix("/v1.0")
    requests = [
        {
            "id": str(number),
            "method": "POST",
            "url": path,
            "body": {"storageLocation": new_location()},
            "headers": {"Content-Type": "application/json"},
        }
        for number in range(BURST + 2)
    ]
    answer = scene.world.client.request("POST", "/v1.0/$batch", token=scene.world.token, body={"requests": requests})
    assert answer.status == 200
    responses = answer.json["responses"]
    assert sorted(response["status"] for response in responses) == [202] * BURST + [429] * 2
    for refused in (response for response in responses if response["status"] == 429):
        assert refused["body"]["error"]["code"] == "TooManyRequests"
        assert int({name.lower(): value for name, value in refused["headers"].items()}["retry-after"]) >= 1
