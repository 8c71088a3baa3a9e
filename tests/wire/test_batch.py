"""`$batch` over raw HTTP."""

import base64
import gzip
import json
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.wire.world import ANN, BEN, GUEST_PROFILE, HOST, NOBODY, OTHER_ANN, ROOT, SUBJECTS, Answer, World, new_location, world

from rightful.config.model import LimitSettings, ServerSettings
from rightful.errors import InvalidRequest
from rightful.export.interface import SubmitRequest
from rightful.graph import batch
from rightful.graph.bodies import MAX_BODY_BYTES
from rightful.ids import OperationId
from rightful.operation.model import DataPolicyOperation
from rightful.testing.memory_exports import MemoryExports

JSON = {"Content-Type": "application/json"}


def send(opened: World, *requests: Any, root: str = "/v1.0", token: str = "", headers: list[tuple[str, str]] | None = None) -> Answer:
    return opened.client.request("POST", f"{root}/$batch", token=token or opened.token, body={"requests": requests}, headers=headers)


def answered(answer: Answer) -> dict[str, Any]:
    assert answer.status == 200, answer
    return {each["id"]: each for each in answer.json["responses"]}


def get(name: str, url: str, **more: object) -> dict[str, object]:
    return {"id": name, "method": "GET", "url": url, **more}


def submit(name: str, user: str = ANN, **more: Any) -> dict[str, object]:
    body = {"storageLocation": more.pop("location", None) or new_location()}
    return {"id": name, "method": "POST", "url": f"/users/{user}/exportPersonalData", "headers": JSON, "body": body, **more}


def test_requests_are_answered_as_if_each_had_come_alone(shared: World) -> None:
    # GRAPH-50
    alone = shared.submit(location=new_location())
    answer = send(
        shared, submit("a", BEN), get("b", f"/dataPolicyOperations/{alone.headers['request-id']}"), get("c", "/users"), submit("d", NOBODY)
    )
    found = answered(answer)
    assert list(found) == ["a", "b", "c", "d"]
    assert answer.headers["content-type"].startswith("application/json;odata")
    assert [each["status"] for each in found.values()] == [202, 200, 400, 404]
    accepted = found["a"]["headers"]
    assert accepted["Location"] == f"{ROOT}/v1.0/dataPolicyOperations/{accepted['request-id']}"
    assert set(accepted) == {"Location", "Operation-Location", "Retry-After", "request-id", "client-request-id", "Cache-Control"}
    assert "body" not in found["a"]
    assert shared.exports.operations[OperationId(accepted["request-id"])].subject_id == BEN
    assert found["b"]["body"] == shared.get(f"/v1.0/dataPolicyOperations/{alone.headers['request-id']}").json
    assert found["b"]["headers"]["OData-Version"] == "4.0"
    error = found["d"]["body"]["error"]
    assert error["code"] == "Request_ResourceNotFound"
    assert error["innerError"]["request-id"] == found["d"]["headers"]["request-id"] != answer.headers["request-id"]


@pytest.mark.parametrize("root", ["/v1.0", "/beta"])
@pytest.mark.parametrize(
    ("url", "version"),
    [
        (f"/users/{ANN}/exportPersonalData", ""),
        (f"users/{ANN}/exportPersonalData", ""),
        (f"/v1.0/users/{ANN}/exportPersonalData", "v1.0"),
        (f"/beta/users/{ANN}/exportPersonalData", "beta"),
        (f"v1.0/users('{ANN}')/microsoft.graph.exportPersonalData", "v1.0"),
        (f"{ROOT}/v1.0/users/{ANN}/exportPersonalData", "v1.0"),
        (f"{ROOT.upper()}/BETA/users/ann%40contoso.example/exportPersonalData", "beta"),
        (f"https://{HOST}/v1.0/users/{ANN}/exportPersonalData", "v1.0"),
    ],
)
def test_url_comes_in_every_form(shared: World, root: str, url: str, version: str) -> None:
    # GRAPH-51
    found = answered(send(shared, submit("1", url=url), root=root))["1"]
    assert found["status"] == 202, found
    assert found["headers"]["Location"].startswith(f"{ROOT}/{version or root[1:]}/dataPolicyOperations/")


def test_url_may_have_a_query_with_spaces_and_other_letters(shared: World) -> None:
    shared.submit(location=new_location())
    for query in ("$filter=userId eq 'é' or userId ne 'x'&$top=1", quote("$filter=userId ne 'x'", safe="$=") + "&$top=1"):
        found = answered(send(shared, get("1", f"/dataPolicyOperations?{query}")))["1"]
        assert (found["status"], len(found["body"]["value"])) == (200, 1)


def test_absolute_url_below_the_published_path_is_known() -> None:
    with world(server=ServerSettings(listen="127.0.0.1:0", base_url="https://api.contoso.example/privacy/")) as opened:
        root = "https://api.contoso.example/privacy"
        found = answered(send(opened, submit("1", url=f"{root}/v1.0/users/{ANN}/exportPersonalData")))["1"]
        assert (found["status"], found["headers"]["Location"].startswith(f"{root}/v1.0/dataPolicyOperations/")) == (202, True)
        relative = answered(send(opened, submit("1")))["1"]
        assert relative["headers"]["Location"].startswith(f"{root}/v1.0/dataPolicyOperations/")


def test_dependents_come_after_and_fail_with_what_they_depend_on(shared: World) -> None:
    # GRAPH-50, GRAPH-51
    found = answered(
        send(
            shared,
            get("last", "/dataPolicyOperations/$count", dependsOn=["Bad"]),
            submit("good", depends_on=[]),
            get("count", "/dataPolicyOperations/$count", depends_on=["GOOD"], dependsOn=["good"]),
            submit("bad", NOBODY, dependsOn=["good"]),
            submit("also", dependsOn=["last"]),
        )
    )
    assert {name: each["status"] for name, each in found.items()} == {"last": 424, "good": 202, "count": 200, "bad": 404, "also": 424}
    assert int(base64.b64decode(found["count"]["body"])) == len(shared.exports.operations)
    error = found["last"]["body"]["error"]
    assert (error["code"], error["innerError"]["request-id"]) == ("FailedDependency", found["last"]["headers"]["request-id"])


class Meeting(MemoryExports):
    """Submits that go on only when two of them are there."""

    def __init__(self) -> None:
        super().__init__(SUBJECTS)
        self.barrier = threading.Barrier(2, timeout=20)

    def submit(self, request: SubmitRequest) -> DataPolicyOperation:
        self.barrier.wait()
        return super().submit(request)


def test_independent_requests_run_side_by_side() -> None:
    with world(exports=Meeting()) as opened:
        found = answered(send(opened, submit("1"), submit("2", BEN), submit("3", dependsOn=["1"]), submit("4", BEN, dependsOn=["2"])))
        assert [each["status"] for each in found.values()] == [202] * 4


def test_each_request_is_authorized_by_itself_for_the_caller_of_the_batch(shared: World) -> None:
    # An Authorization of its own is passed over: it neither adds nor takes a right.
    person = shared.issuer.token(roles=["CrossTenantUserProfileSharing.Read.All"])
    own = {"Authorization": f"Bearer {shared.token}", "Host": "elsewhere.example", **JSON}
    profile = submit("2", url=f"/directory/inboundSharedUserProfiles/{GUEST_PROFILE}/exportPersonalData")
    found = answered(send(shared, submit("1", headers=own), profile, get("3", "/dataPolicyOperations"), root="/beta", token=person))
    assert [each["status"] for each in found.values()] == [403, 202, 200]
    strong = answered(send(shared, submit("1", headers={"authorization": "Bearer nonsense"}), submit("2", OTHER_ANN)))
    assert [each["status"] for each in strong.values()] == [202, 404]
    assert send(shared, submit("1", headers=own), token="nonsense").code == "InvalidAuthenticationToken"


def test_each_request_is_throttled_by_itself() -> None:
    with world(limits=LimitSettings(writes_per_second=2, writes_per_second_per_app=2)) as opened:
        found = answered(send(opened, *(submit(str(number)) for number in range(6)), get("read", "/dataPolicyOperations")))
        refused = [each for each in found.values() if each["status"] == 429]
        assert 1 <= len(refused) < 6
        assert {each["status"] for each in found.values()} == {202, 429, 200}
        assert found["read"]["status"] == 200
        assert all(1 <= int(each["headers"]["Retry-After"]) <= 60 for each in refused)
        assert {each["body"]["error"]["code"] for each in refused} == {"TooManyRequests"}


def test_ids_of_clients_are_passed_on(shared: World) -> None:
    # GRAPH-15, GRAPH-18
    own = {"client-request-id": "own", "Idempotency-Key": "key", **JSON}
    found = answered(send(shared, submit("1", headers=own), submit("2", dependsOn=["1"]), headers=[("client-request-id", "outer")]))
    assert [each["headers"]["client-request-id"] for each in found.values()] == ["own", "outer"]
    first, second = shared.exports.submitted[-2:]
    assert (first.client_request_id, first.idempotency_key) == ("own", "key")
    assert (second.client_request_id, second.idempotency_key) == ("outer", "")


def test_same_export_twice_in_a_batch_is_one_operation(shared: World) -> None:
    location = new_location()
    found = answered(send(shared, submit("1", location=location), submit("2", location=location)))
    assert found["1"]["headers"]["Location"] == found["2"]["headers"]["Location"]


def test_get_with_a_body_delete_head_and_options_work_in_a_batch(shared: World) -> None:
    operation_id = shared.submit(location=new_location()).headers["request-id"]
    path = f"/dataPolicyOperations/{operation_id}"
    found = answered(
        send(
            shared,
            {"id": "1", "method": "HEAD", "url": path},
            {"id": "2", "method": "options", "url": path},
            {"id": "3", "method": "delete", "url": path, "dependsOn": ["1"]},
            {"id": "4", "method": "PATCH", "url": path},
        )
    )
    assert [each["status"] for each in found.values()] == [200, 204, 204, 405]
    assert [each["headers"].get("Allow") for each in found.values()] == [
        None,
        "GET, HEAD, DELETE, OPTIONS",
        None,
        "GET, HEAD, DELETE, OPTIONS",
    ]
    assert ["body" in each for each in found.values()] == [False, False, False, True]


def test_bodies_that_are_not_json_objects_get_their_own_answer(shared: World) -> None:
    text = base64.urlsafe_b64encode(b"plain?>").decode().rstrip("=")
    big = {"storageLocation": "x" * MAX_BODY_BYTES}
    found = answered(
        send(
            shared,
            submit("1", body="a text"),
            submit("2", body=[]),
            submit("3", body=text, headers={"Content-Type": "text/plain"}),
            submit("4", body=None),
            submit("5", headers={}),
            submit("6", body=big),
            submit("7", body=base64.b64encode(json.dumps({"storageLocation": new_location()}).encode()).decode(), headers={}),
        )
    )
    assert [each["status"] for each in found.values()] == [400, 400, 415, 400, 202, 413, 202]


MALFORMED: dict[str, Any] = {
    "no requests": {},
    "requests null": {"requests": None},
    "requests an object": {"requests": {}},
    "requests empty": {"requests": []},
    "a request that is none": {"requests": [7]},
    "21 requests": {"requests": [get(str(number), "/x") for number in range(21)]},
    "no id": {"requests": [{"method": "GET", "url": "/x"}]},
    "a number for an id": {"requests": [get(7, "/x")]},  # type: ignore[arg-type]
    "an empty id": {"requests": [get("", "/x")]},
    "an id that is no text": {"requests": [get("\ud800", "/x")]},
    "a long id": {"requests": [get("x" * 257, "/x")]},
    "no method": {"requests": [{"id": "1", "url": "/x"}]},
    "no word for a method": {"requests": [{"id": "1", "method": "G T", "url": "/x"}]},
    "no url": {"requests": [{"id": "1", "method": "GET"}]},
    "an empty url": {"requests": [get("1", "")]},
    "two ids": {"requests": [get("1", "/x"), get("1", "/y")]},
    "two ids in other case": {"requests": [get("a", "/x"), get("A", "/y")]},
    "an unknown dependency": {"requests": [get("1", "/x", dependsOn=["2"])]},
    "itself as dependency": {"requests": [get("1", "/x", dependsOn=["1"])]},
    "a circle": {"requests": [get("1", "/x", dependsOn=["2"]), get("2", "/x", depends_on=["1"])]},
    "dependencies in a text": {"requests": [get("1", "/x", dependsOn="2")]},
    "dependencies by number": {"requests": [get("1", "/x", dependsOn=[2])]},
    "headers in a list": {"requests": [get("1", "/x", headers=[])]},
    "a header that is a number": {"requests": [get("1", "/x", headers={"A": 1})]},
    "a header with a line end": {"requests": [get("1", "/x", headers={"A": "x\r\nB: y"})]},
    "a header with a bad name": {"requests": [get("1", "/x", headers={"A B": "x"})]},
    "a body that is no base64": {"requests": [submit("1", body="*", headers={"Content-Type": "image/png"})]},
    "another host": {"requests": [get("1", "https://graph.microsoft.com/v1.0/dataPolicyOperations")]},
    "another port": {"requests": [get("1", f"{ROOT}:8443/v1.0/dataPolicyOperations")]},
    "a host with a name before it": {"requests": [get("1", f"https://a@{HOST}/v1.0/dataPolicyOperations")]},
    "no host": {"requests": [get("1", "https:///v1.0/dataPolicyOperations")]},
    "a broken host": {"requests": [get("1", "https://[/v1.0/dataPolicyOperations")]},
    "a lone surrogate": {"requests": [get("1", "/\ud800")]},
    "a group": {"requests": [get("1", "/x", atomicityGroup="g")]},
    "no object": [],
    "no JSON": b"{",
    "a member twice": b'{"requests": [], "requests": [1]}',
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_batch_is_400_and_nothing_of_it_is_done(shared: World, body: Any) -> None:
    before = len(shared.exports.submitted)
    if isinstance(body, dict) and isinstance(body.get("requests"), list) and 0 < len(body["requests"]) <= 20:
        body = {"requests": [submit("good"), *body["requests"]]}
    answer = shared.client.request("POST", "/v1.0/$batch", token=shared.token, body=body)
    assert (answer.status, answer.code) == (400, "BadRequest")
    assert len(shared.exports.submitted) == before


@pytest.mark.parametrize("url", ["/$batch", "/v1.0/$batch", "$BATCH", f"{ROOT}/beta/%24batch"])
def test_batch_within_a_batch_is_refused(shared: World, url: str) -> None:
    inner = {"id": "1", "method": "POST", "url": url, "headers": JSON, "body": {"requests": [get("1", "/dataPolicyOperations")]}}
    found = answered(send(shared, inner, get("2", "/dataPolicyOperations")))
    assert [each["status"] for each in found.values()] == [400, 200]


@pytest.mark.parametrize("url", ["/healthz", "/../healthz", "//healthz", "?x", "/", "/metrics", "/v1.0", "#"])
def test_what_is_outside_the_service_roots_is_not_reached(shared: World, url: str) -> None:
    assert answered(send(shared, get("1", url)))["1"]["status"] == 400


def test_batch_has_a_limit_and_other_methods_are_405(shared: World) -> None:
    padding = {"requests": [get("1", "/dataPolicyOperations")], "x": "x" * (batch.MAX_BYTES - 200)}
    packed = gzip.compress(json.dumps(padding).encode())
    path = "/v1.0/$batch"
    assert shared.client.request("POST", path, token=shared.token, body=padding).status == 200
    assert shared.client.request("POST", path, token=shared.token, body=packed, headers=[("content-encoding", "gzip")]).status == 200
    padding["x"] = "x" * batch.MAX_BYTES
    packed = gzip.compress(json.dumps(padding).encode())
    assert shared.client.request("POST", path, token=shared.token, body=padding).code == "RequestEntityTooLarge"
    assert shared.client.request("POST", path, token=shared.token, body=packed, headers=[("content-encoding", "gzip")]).status == 413
    assert shared.client.request("POST", path, token=shared.token, body=b"{}", headers=[("content-type", "text/plain")]).status == 415
    for method in ("GET", "HEAD", "PATCH"):
        answer = shared.client.request(method, path, token=shared.token)
        assert (answer.status, answer.headers["allow"]) == (405, "POST, OPTIONS")
    assert shared.client.request("POST", path, body={"requests": []}).status == 401
    assert shared.client.request("POST", f"{path}/x", token=shared.token, body={}).status == 400


def test_secret_in_a_batch_is_not_shown() -> None:
    raw = json.dumps({"requests": [submit("1", location="https://a.blob.core.windows.net/c?sig=SECRET")]}).encode()
    parts = batch.parse(raw, version="v1.0", hosts=[])
    assert "SECRET" in parts[0].body.decode()
    assert "SECRET" not in repr(parts)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=12)
    | st.just("\ud800")
    | st.sampled_from(["1", "GET", "/users", "https://h/v1.0/users"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
members = st.sampled_from(["id", "method", "url", "headers", "body", "dependsOn", "depends_on"])
requests_ = st.lists(
    st.dictionaries(members, values, max_size=7).map(lambda found: {"id": "1", "method": "GET", "url": "/users"} | found), max_size=4
)


@pytest.fixture(scope="module")
def opened() -> Iterator[World]:
    with world() as one:
        yield one


@given(found=requests_)
@settings(max_examples=200, deadline=None)
def test_any_batch_is_carried_out_or_refused(opened: World, found: list[dict[str, Any]]) -> None:
    answer = opened.client.request("POST", "/beta/$batch", token=opened.token, body={"requests": found})
    assert answer.status in {200, 400}
    if answer.status == 200:
        assert [each["id"] for each in answer.json["responses"]] == [each["id"] for each in found]
        assert all(each["status"] < 500 for each in answer.json["responses"])


@given(raw=st.binary(max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_a_batch_or_refused(raw: bytes) -> None:
    with pytest.raises(InvalidRequest):
        batch.parse(raw, version="v1.0", hosts=[])
