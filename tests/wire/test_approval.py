"""Approving and rejecting over raw HTTP, and how an export that waits for it looks to clients of Graph."""

from collections.abc import Iterator

import pytest
from tests.wire.world import ANN, BEN, GUEST_PROFILE, OTHER_ANN, Answer, World, new_location, world

from rightful.audit.record import Action, Target
from rightful.ids import OperationId, new_operation_id

READ_PROFILES = "CrossTenantUserProfileSharing.Read.All"


@pytest.fixture
def fresh() -> Iterator[World]:
    with world() as opened:
        yield opened


def held(opened: World) -> OperationId:
    """Submit as an application, and let it wait."""
    operation_id = OperationId(opened.submit(location=new_location()).headers["request-id"])
    opened.exports.hold(operation_id)
    return operation_id


def decide(opened: World, operation_id: str, action: str, token: str) -> Answer:
    return opened.client.request("POST", f"/v1.0/dataPolicyOperations/{operation_id}/{action}", token=token)


def second(opened: World, **changes: object) -> str:
    return opened.issuer.person(oid=BEN, azp="portal-app", **changes)


def test_export_that_waits_is_not_started_and_says_why(fresh: World) -> None:
    # GRAPH-03, GRAPH-35
    operation_id = held(fresh)
    seen = fresh.get(f"/v1.0/dataPolicyOperations/{operation_id}").json
    assert (seen["status"], seen["waitingFor"]["code"]) == ("notStarted", "approvalRequired")
    key = fresh.exports.operations[operation_id].caller_key.partition("/")[2]
    assert (seen["approval"]["state"], seen["approval"]["requestedBy"], seen["approval"]["decidedBy"]) == ("waiting", key, None)
    assert seen["approval"]["until"].endswith("Z")


@pytest.mark.parametrize("action", ["approve", "Approve", "rightful.approve"])
def test_second_person_approves(fresh: World, action: str) -> None:
    # GRAPH-12
    operation_id = held(fresh)
    answer = decide(fresh, operation_id, action, second(fresh))
    assert (answer.status, answer.body, answer.headers["request-id"]) == (202, b"", operation_id)
    assert answer.headers["location"].endswith(f"/v1.0/dataPolicyOperations/{operation_id}")
    seen = fresh.get(f"/v1.0/dataPolicyOperations/{operation_id}").json
    assert (seen["approval"]["state"], seen["approval"]["decidedBy"], "waitingFor" in seen) == ("given", f"portal-app/{BEN}", False)
    assert fresh.exports.changed_by[-1][:2] == (Action.APPROVE, operation_id)


def test_second_person_rejects(fresh: World) -> None:
    operation_id = held(fresh)
    answer = decide(fresh, operation_id, "reject", second(fresh))
    assert (answer.status, answer.body) == (204, b"")
    seen = fresh.get(f"/v1.0/dataPolicyOperations/{operation_id}").json
    assert (seen["status"], seen["failureReason"]["code"], seen["approval"]["state"]) == ("failed", "rejected", "notGiven")
    assert fresh.exports.changed_by[-1][:2] == (Action.REJECT, operation_id)


@pytest.mark.parametrize("action", ["approve", "reject"])
def test_who_may_not_is_403_before_anything_else(fresh: World, action: str) -> None:
    # GRAPH-75
    operation_id = held(fresh)
    asking = fresh.exports.operations[operation_id].caller_key.split("/")
    refused = {
        "an application": fresh.issuer.token(oid=BEN, azp="portal-app"),
        "who asked": fresh.issuer.person(oid=asking[2], azp="portal-app"),
        "by the application that asked": fresh.issuer.person(oid=BEN, azp=asking[1]),
        "without a role": second(fresh, wids=[]),
        "without the permission": second(fresh, scp="User.Read.All"),
    }
    answers = {name: decide(fresh, operation_id, action, token) for name, token in refused.items()}
    assert {name: (answer.status, answer.code) for name, answer in answers.items()} == dict.fromkeys(
        refused, (403, "Authorization_RequestDenied")
    )
    unknown = [decide(fresh, new_operation_id(), action, token).status for token in (refused["an application"], refused["without a role"])]
    assert unknown == [403, 403]
    assert fresh.exports.operations[operation_id].waiting_for is not None


def test_profiles_export_is_approved_by_who_may_export_profiles(fresh: World) -> None:
    path = f"/beta/directory/inboundSharedUserProfiles/{GUEST_PROFILE}/exportPersonalData"
    token = fresh.issuer.token(roles=[READ_PROFILES])
    operation_id = fresh.client.request("POST", path, token=token, body={"storageLocation": new_location()}).headers["request-id"]
    fresh.exports.hold(OperationId(operation_id))
    assert decide(fresh, operation_id, "approve", second(fresh)).status == 403
    assert decide(fresh, operation_id, "approve", second(fresh, scp=READ_PROFILES)).status == 202


def test_what_there_is_not_or_waits_for_nothing_is_refused(fresh: World) -> None:
    person = second(fresh)
    assert decide(fresh, new_operation_id(), "approve", person).status == 404
    assert decide(fresh, held(fresh), "approve", fresh.other_issuer.person(oid=OTHER_ANN, azp="portal-app")).status == 404
    running = fresh.submit(location=new_location()).headers["request-id"]
    assert (decide(fresh, running, "approve", person).status, decide(fresh, running, "reject", person).status) == (409, 409)
    assert fresh.client.request("GET", f"/v1.0/dataPolicyOperations/{running}/approve", token=person).status == 405
    assert decide(fresh, running, "approves", person).status == 400
    assert decide(fresh, running, "approve", "no token").status == 401
    assert decide(fresh, held(fresh), "approve", second(fresh, scp=READ_PROFILES)).status == 404  # it is not seen


def test_refusals_are_noted_and_decisions_are_not_noted_twice(fresh: World) -> None:
    operation_id = held(fresh)
    decide(fresh, operation_id, "reject", fresh.issuer.person(oid=ANN, scp="User.Read.All"))
    noted = [(note.action, note.outcome, note.target) for note in fresh.exports.notes]
    assert noted == [(Action.REJECT, "Authorization_RequestDenied", Target.OPERATION)]
    decide(fresh, operation_id, "approve", second(fresh))
    assert len(fresh.exports.notes) == 1
