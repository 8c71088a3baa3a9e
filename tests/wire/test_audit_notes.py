"""Every call of a known caller is recorded: what it looked at, what it was refused, who it was; those of unknown ones are counted."""

from collections.abc import Iterator

import msgspec
import pytest
from tests.wire.world import ADDRESS, ANN, GUEST_PROFILE, LOCATION, NOBODY, TENANT, World, new_location, world

from rightful.audit.record import Action, Actor, Target
from rightful.errors import SourceUnavailable
from rightful.export.interface import Note
from rightful.ids import PERSONAL_ACCOUNTS, OperationId, TenantId
from rightful.subject.model import DataSubject
from rightful.testing.memory_exports import MemoryExports

OPERATIONS = "/v1.0/dataPolicyOperations"
PROFILES = "/beta/directory/inboundSharedUserProfiles"
CORRELATION = "0f8fad5b-d9cb-469f-a165-70867728950e"


@pytest.fixture
def fresh() -> Iterator[World]:
    with world() as opened:
        yield opened


def facts(note: Note) -> tuple[object, ...]:
    return note.action, note.outcome, note.target, note.target_id, note.subject_id


def test_each_read_is_noted_with_who_where_and_whose(fresh: World) -> None:
    operation = fresh.operation(fresh.submit())
    path = f"{OPERATIONS}/{operation.operation_id}"
    answer = fresh.client.request("GET", path, token=fresh.token, headers=[("client-request-id", CORRELATION)])
    note = fresh.exports.notes.pop()
    assert not fresh.exports.notes
    assert facts(note) == (Action.READ_OPERATION, "ok", Target.OPERATION, operation.operation_id, ANN)
    caller = fresh.exports.submitted[0].caller
    expected = Actor(
        object_id=caller.object_id,
        app_id=caller.app_id,
        address=ADDRESS,
        request_id=answer.headers["request-id"],
        client_request_id=CORRELATION,
    )
    assert (note.tenant_id, note.actor) == (TENANT, expected)
    for asked in (f"{OPERATIONS}?$filter=userId eq '{ANN}'".replace(" ", "%20"), f"{OPERATIONS}/$count", OPERATIONS):
        assert fresh.get(asked).status == 200
    profiles = fresh.issuer.token(roles=["CrossTenantUserProfileSharing.Read.All"])
    assert fresh.get(PROFILES, token=profiles).status == 200
    assert fresh.get(f"{PROFILES}/{GUEST_PROFILE}", token=profiles).status == 200
    assert [facts(each) for each in fresh.exports.notes] == [
        (Action.LIST_OPERATIONS, "ok", Target.OPERATIONS, ANN, ANN),
        (Action.LIST_OPERATIONS, "ok", Target.OPERATIONS, "", ""),
        (Action.LIST_OPERATIONS, "ok", Target.OPERATIONS, "", ""),
        (Action.LIST_PROFILES, "ok", Target.INBOUND_PROFILES, "", ""),
        (Action.READ_PROFILE, "ok", Target.INBOUND_PROFILE, GUEST_PROFILE, GUEST_PROFILE),
    ]


def test_what_changes_something_carries_its_actor_and_is_not_noted_twice(fresh: World) -> None:
    operation = fresh.operation(fresh.submit())
    path = f"{OPERATIONS}/{operation.operation_id}"
    deleted = fresh.client.request("DELETE", path, token=fresh.token)
    fresh.client.request("POST", f"{path}/resume", token=fresh.token, headers=[("client-request-id", "ann@contoso.example")])
    assert fresh.exports.notes == []
    (_, _, submitted), (_, _, cancelled), (_, _, resumed) = fresh.exports.changed_by
    assert [action for action, _, _ in fresh.exports.changed_by] == [Action.SUBMIT, Action.CANCEL, Action.RESUME]
    assert {each.address for each in (submitted, cancelled, resumed)} == {ADDRESS}
    assert cancelled.request_id == deleted.headers["request-id"]
    assert resumed.request_id == operation.operation_id  # GRAPH-12: as the answer carries it
    assert resumed.client_request_id.startswith("sha256:")  # what a client writes may be a name
    assert len(resumed.client_request_id) == 7 + 32


def test_each_refusal_is_noted_with_the_code_that_was_answered(fresh: World) -> None:
    weak = fresh.issuer.token(roles=["Mail.Read"])
    operation = fresh.operation(fresh.submit())
    path = f"{OPERATIONS}/{operation.operation_id}"
    fresh.client.request("DELETE", path, token=fresh.token)
    refusals = [
        fresh.submit(token=weak),
        fresh.submit(NOBODY),
        fresh.submit(location="http://nowhere"),
        fresh.client.request("POST", f"/v1.0/users/{ANN}/exportPersonalData", token=fresh.token, body=b"{"),
        fresh.get(f"{OPERATIONS}/{NOBODY}"),
        fresh.get(f"{OPERATIONS}?$filter=x"),
        fresh.client.request("DELETE", path, token=fresh.token),
        fresh.get("/v1.0/groups"),
        fresh.client.request("PATCH", OPERATIONS, token=fresh.token),
    ]
    assert [answer.status for answer in refusals] == [403, 404, 400, 400, 404, 400, 409, 400, 405]
    assert [facts(note) for note in fresh.exports.notes] == [
        (Action.SUBMIT, "Authorization_RequestDenied", Target.USER, ANN, ""),
        (Action.SUBMIT, "Request_ResourceNotFound", Target.USER, NOBODY, ""),
        (Action.SUBMIT, "StorageLocationInvalid", Target.USER, ANN, ANN),
        (Action.SUBMIT, "BadRequest", Target.USER, ANN, ANN),
        (Action.READ_OPERATION, "Request_ResourceNotFound", Target.OPERATION, NOBODY, ""),
        (Action.LIST_OPERATIONS, "BadRequest", Target.OPERATIONS, "", ""),
        (Action.CANCEL, "Request_Conflict", Target.OPERATION, operation.operation_id, ANN),
        (Action.CALL, "BadRequest", Target.SERVICE, "", ""),
        (Action.LIST_OPERATIONS, "Request_BadRequest", Target.OPERATIONS, "", ""),
    ]
    assert [answer.code for answer in refusals] == [note.outcome for note in fresh.exports.notes]
    assert [answer.headers["request-id"] for answer in refusals] == [note.actor.request_id for note in fresh.exports.notes]


def test_each_request_of_a_batch_is_noted_by_itself(fresh: World) -> None:
    operation = fresh.operation(fresh.submit())
    asked = [("1", f"/dataPolicyOperations/{operation.operation_id}"), ("2", f"/dataPolicyOperations/{NOBODY}"), ("3", "/nothing")]
    batch = {"requests": [{"id": name, "method": "GET", "url": url} for name, url in asked]}
    answer = fresh.client.request("POST", "/v1.0/$batch", token=fresh.token, body=batch)
    ids = {each["id"]: each["headers"]["request-id"] for each in answer.json["responses"]}
    noted = {note.actor.request_id: facts(note) for note in fresh.exports.notes}
    assert noted == {
        ids["1"]: (Action.READ_OPERATION, "ok", Target.OPERATION, operation.operation_id, ANN),
        ids["2"]: (Action.READ_OPERATION, "Request_ResourceNotFound", Target.OPERATION, NOBODY, ""),
        ids["3"]: (Action.CALL, "BadRequest", Target.SERVICE, "", ""),
        answer.headers["request-id"]: (Action.CALL, "ok", Target.SERVICE, "", ""),
    }
    assert {note.actor.address for note in fresh.exports.notes} == {ADDRESS}


def test_head_looks_and_options_does_not(fresh: World) -> None:
    fresh.client.request("HEAD", OPERATIONS, token=fresh.token)
    fresh.client.request("OPTIONS", OPERATIONS, token=fresh.token)
    assert [facts(note)[:2] for note in fresh.exports.notes] == [(Action.LIST_OPERATIONS, "ok")]


class Failing(MemoryExports):
    def __init__(self, error: Exception) -> None:
        super().__init__(())
        self.error = error

    def find_user(self, tenant_id: TenantId, key: str) -> DataSubject | None:
        del tenant_id, key
        raise self.error


@pytest.mark.parametrize(
    ("error", "outcome", "target_id"),
    [(SourceUnavailable("down", source_name="people"), "ServiceUnavailable", ""), (ZeroDivisionError(), "InternalServerError", ANN)],
    ids=["directory", "fault"],
)
def test_what_fails_is_noted_too(error: Exception, outcome: str, target_id: str) -> None:
    with world(exports=Failing(error)) as opened:
        answer = opened.submit()
        assert [facts(note) for note in opened.exports.notes] == [(Action.SUBMIT, outcome, Target.USER, target_id, "")]
        assert answer.code == outcome


def test_calls_that_prove_no_caller_are_counted_and_public_pages_are_not(fresh: World) -> None:
    assert fresh.client.request("GET", OPERATIONS).status == 401
    assert fresh.get(OPERATIONS, token="x.y.z").status == 401
    assert fresh.client.request("GET", "/healthz").status == 200
    personal = fresh.get(OPERATIONS, token=fresh.issuer.token(tid=PERSONAL_ACCOUNTS))
    assert personal.status == 403
    assert fresh.exports.unauthenticated == [(ADDRESS, "InvalidAuthenticationToken")] * 2 + [(ADDRESS, personal.code)]
    assert personal.code != "InvalidAuthenticationToken"
    assert fresh.exports.notes == []


def test_a_note_that_cannot_be_taken_fails_the_call_closed() -> None:
    class Full(MemoryExports):
        def note(self, note: Note) -> None:
            del note
            raise OSError("no room")

    with world(exports=Full(())) as opened:
        answer = opened.get(OPERATIONS)
        assert (answer.status, answer.code) == (500, "InternalServerError")


def test_no_note_holds_the_signature(fresh: World) -> None:
    fresh.submit()
    fresh.submit(location=new_location())
    fresh.submit(location=LOCATION.replace("https", "http"))
    fresh.get(f"{OPERATIONS}?$filter=userId%20eq%20'SECRETSIGNATURE'")
    assert len(fresh.exports.notes) == 2
    said = msgspec.json.encode([fresh.exports.notes[0], [actor for _, _, actor in fresh.exports.changed_by]])
    assert b"SECRETSIGNATURE" not in said
    listed = fresh.exports.notes[1]
    assert (listed.target_id, listed.subject_id) == ("SECRETSIGNATURE", "")  # the trail makes a digest of it: tests/unit/export
    assert OperationId(fresh.exports.changed_by[0][1]) in fresh.exports.operations
