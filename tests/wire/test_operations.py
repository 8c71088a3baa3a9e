"""Polling, listing, cancelling and resuming over raw HTTP."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from tests.wire.world import ANN, BEN, GUEST_PROFILE, ROOT, Answer, World, new_location, world

from rightful.ids import OperationId
from rightful.operation.model import Failure

ENTITY = "$metadata#dataPolicyOperations/$entity"
JSON_TYPE = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"


@pytest.fixture
def fresh() -> Iterator[World]:
    with world() as opened:
        yield opened


@pytest.fixture
def many(fresh: World) -> tuple[World, list[str]]:
    """Seven operations, oldest first; the users take turns, the third has failed."""
    ids = []
    for number in range(7):
        answer = fresh.submit((ANN, BEN)[number % 2], location=new_location())
        ids.append(answer.headers["request-id"])
    fresh.exports.fail(OperationId(ids[2]), Failure(code="SourceUnavailable", message="The source does not answer", source_name="shop"))
    return fresh, ids


def submitted(opened: World) -> OperationId:
    return OperationId(opened.submit(location=new_location()).headers["request-id"])


def listed(answer: Answer) -> list[str]:
    assert answer.status == 200, answer
    return [item["id"] for item in answer.json["value"]]


def test_new_operation_is_shown_as_graph_does(shared: World) -> None:
    # GRAPH-02, GRAPH-05, GRAPH-30, GRAPH-32, GRAPH-34, GRAPH-35
    operation_id = submitted(shared)
    answer = shared.get(f"/v1.0/dataPolicyOperations/{operation_id}")
    members = answer.json
    assert answer.status == 200
    assert (answer.headers["content-type"], answer.headers["odata-version"]) == (JSON_TYPE, "4.0")
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert list(members)[:8] == [
        "@odata.context",
        "id",
        "completedDateTime",
        "progress",
        "status",
        "storageLocation",
        "submittedDateTime",
        "userId",
    ]
    assert members["@odata.context"] == f"{ROOT}/v1.0/{ENTITY}"
    assert (members["id"], members["userId"], members["status"]) == (operation_id, ANN, "notStarted")
    assert members["completedDateTime"] is None
    assert isinstance(members["progress"], float)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", members["submittedDateTime"])
    assert "?" not in members["storageLocation"]
    assert "SECRETSIGNATURE" not in answer.body.decode()


@pytest.mark.parametrize(
    "path",
    [
        "/v1.0/dataPolicyOperations/{}",
        "/beta/dataPolicyOperations/{}",
        "/v1.0/dataPolicyOperations('{}')",
        "/v1.0/dataPolicyOperations(id='{}')",
        "/beta/datapolicyoperations(%27{}%27)",
    ],
)
def test_operation_answers_under_both_roots_and_in_both_forms(shared: World, path: str) -> None:
    # GRAPH-24, GRAPH-30
    operation_id = submitted(shared)
    for name in (operation_id, operation_id.upper()):
        answer = shared.get(path.format(name))
        assert answer.json["id"] == operation_id
        assert answer.json["@odata.context"] == f"{ROOT}/{path.split('/')[1]}/{ENTITY}"


def test_running_and_ended_operations_say_more(shared: World) -> None:
    # GRAPH-03
    running, complete, failed, waiting = (submitted(shared) for _ in range(4))
    shared.exports.run(running, 41.5)
    shared.exports.complete(complete)
    shared.exports.fail(failed, Failure(code="SourceUnavailable", message="The source does not answer", source_name="shop"))
    shared.exports.run(waiting)
    wait = Failure(code="StorageRefused", message="The SAS has expired")
    shared.exports.put(msgspec.structs.replace(shared.exports.operations[waiting], waiting_for=wait))
    shown = {name: shared.get(f"/v1.0/dataPolicyOperations/{name}") for name in (running, complete, failed, waiting)}
    assert [answer.json["status"] for answer in shown.values()] == ["running", "complete", "failed", "running"]
    assert shown[running].json["progress"] == 41.5
    assert shown[running].json["sources"] == [
        {"name": "shop", "state": "running", "rows": 3, "files": 0, "bytes": 0, "skipped": 0, "seconds": 0.0}
    ]
    assert shown[complete].json["package"] == {"prefix": f"{complete}/", "entries": 9, "bytes": 8192, "manifestSha256": "ab" * 32}
    assert shown[complete].json["completedDateTime"] is not None
    assert '"progress":100.0' in shown[complete].body.decode()
    assert shown[failed].json["failureReason"] == {"code": "SourceUnavailable", "message": "The source does not answer", "source": "shop"}
    assert shown[waiting].json["waitingFor"] == {"code": "StorageRefused", "message": "The SAS has expired", "source": None}
    assert "failureReason" not in shown[running].json
    assert ["retry-after" in answer.headers for answer in shown.values()] == [True, False, False, True]


def test_list_is_newest_first_and_ordered_as_asked(many: tuple[World, list[str]]) -> None:
    # GRAPH-31
    opened, ids = many
    answer = opened.get("/v1.0/dataPolicyOperations")
    assert answer.json["@odata.context"] == f"{ROOT}/v1.0/$metadata#dataPolicyOperations"
    assert answer.headers["content-type"] == JSON_TYPE
    assert "@odata.nextLink" not in answer.json
    assert listed(answer) == ids[::-1]
    for order, expected in (("", ids), (" asc", ids), (" desc", ids[::-1]), ("%20DESC", ids[::-1])):
        assert listed(opened.get(f"/v1.0/dataPolicyOperations?$orderby=submittedDateTime{order.replace(' ', '+')}")) == expected


FILTERS: list[tuple[str, str]] = [
    (f"userId eq '{ANN}'", "0246"),
    (f"userId eq '{BEN}'", "135"),
    (f"(userId eq '{ANN}')", "0246"),
    (f"userId eq '{ANN.swapcase()}'", "0246"),
    ("status eq 'failed'", "2"),
    ("status eq microsoft.graph.dataPolicyOperationStatus'failed'", "2"),
    ("status eq 'unknownFutureValue'", ""),
    ("status eq 'complete'", ""),
    (f"userId eq '{ANN}' and status eq 'notStarted'", "046"),
    (f"((status eq 'notStarted') and (userId eq '{ANN}'))", "046"),
    (f"userId eq '{ANN}' and userId eq '{BEN}'", ""),
    (f"userId eq '{ANN}' and userId eq '{ANN}'", "0246"),
    ("status eq 'failed' and status eq 'running'", ""),
    ("userId eq 'o''brien'", ""),
    ("USERID eq 'x'", ""),
    (f"userId ne '{ANN}'", "135"),
    (f"userId eq '{ANN}' or status eq 'failed' and userId eq '{BEN}'", "0246"),
    (f"(userId eq '{ANN}' or status eq 'failed') and userId eq '{BEN}'", ""),
    (f"not (userId eq '{ANN}') and not (status eq 'failed' or userId eq 'x')", "135"),
    (f"userId in ('x', '{ANN.upper()}')", "0246"),
    (f"userId gt '{ANN}'", "135"),
    (f"userId in ('{ANN}',null)", "0246"),
    ("userId eq null", ""),
    ("userId ne null", "0123456"),
    ("status in ('failed','running')", "2"),
    ("status ne 'failed'", "013456"),
    ("status gt 'complete'", "2"),
    ("status le microsoft.graph.dataPolicyOperationStatus'running'", "013456"),
    ("status lt 'unknownFutureValue'", "0123456"),
    ("status eq null", ""),
    ("completedDateTime eq null", "013456"),
    ("completedDateTime ne null", "2"),
    ("completedDateTime gt 2001-01-01T00:00:00Z", "2"),
    ("completedDateTime lt 9999-12-31T23:59:59.9999999Z", "2"),
    ("completedDateTime ne 2001-01-01T00:00:00Z", "0123456"),
    ("not (completedDateTime lt 9999-12-31T00:00:00Z)", "013456"),
    ("completedDateTime gt null", ""),
    ("submittedDateTime ge 2001-01-01", "0123456"),
    ("submittedDateTime eq null", ""),
    ("submittedDateTime lt 2001-01-01T00:00+14:00", ""),
    ("submittedDateTime lt 0001-01-01T00:00:00Z", ""),
]


@pytest.mark.parametrize(("text", "expected"), FILTERS, ids=[text for text, _ in FILTERS])
def test_list_is_filtered(many: tuple[World, list[str]], text: str, expected: str) -> None:
    # GRAPH-16, GRAPH-31
    opened, ids = many
    answer = opened.get(f"/v1.0/dataPolicyOperations?$orderby=submittedDateTime&$count=true&$filter={quote(text)}")
    assert listed(answer) == [ids[int(number)] for number in expected]
    assert answer.json["@odata.count"] == len(expected)
    assert opened.get(f"/v1.0/dataPolicyOperations/$count?$filter={quote(text)}").body == str(len(expected)).encode()


def test_times_that_were_shown_find_their_operation_again(many: tuple[World, list[str]]) -> None:
    # GRAPH-05, GRAPH-31: as shown, and as .NET writes it.
    opened, ids = many
    at = opened.get(f"/v1.0/dataPolicyOperations/{ids[3]}").json["submittedDateTime"]
    if "." not in at:
        at = at.replace("Z", ".000000Z")
    for operator, expected in (
        ("eq", ids[3:4]),
        ("le", ids[:4]),
        ("lt", ids[:3]),
        ("ge", ids[3:]),
        ("gt", ids[4:]),
        ("ne", ids[:3] + ids[4:]),
    ):
        for literal in (at, at.replace("Z", "0Z"), at.replace("Z", "+00:00")):
            query = quote(f"submittedDateTime {operator} {literal}")
            assert listed(opened.get(f"/v1.0/dataPolicyOperations?$orderby=submittedDateTime&$filter={query}")) == expected
    finer = quote(f"submittedDateTime le {at.replace('Z', '4Z')} and submittedDateTime ge {at.replace('Z', '4Z')}")
    assert listed(opened.get(f"/v1.0/dataPolicyOperations?$filter={finer}")) == []


ORDERS = [
    ("userId", "0246135"),
    ("userId desc", "5316420"),
    ("userId,submittedDateTime desc", "6420531"),
    ("status", "0134562"),
    ("status desc", "2654310"),
    ("completedDateTime desc", "2654310"),
    ("completedDateTime asc,userId desc", "5316402"),
]


@pytest.mark.parametrize(("order", "expected"), ORDERS, ids=[order for order, _ in ORDERS])
def test_list_is_ordered_by_several_properties_across_pages(many: tuple[World, list[str]], order: str, expected: str) -> None:
    # GRAPH-31
    opened, ids = many
    path = f"/v1.0/dataPolicyOperations?$top=2&$orderby={quote(order)}"
    found: list[str] = []
    while path:
        answer = opened.get(path)
        found += listed(answer)
        path = answer.json.get("@odata.nextLink", "").removeprefix(ROOT)
    assert found == [ids[int(number)] for number in expected]


def test_skiptoken_of_another_order_is_refused(many: tuple[World, list[str]]) -> None:
    opened, _ = many
    link = opened.get("/v1.0/dataPolicyOperations?$top=2&$orderby=userId").json["@odata.nextLink"].removeprefix(ROOT)
    assert opened.get(link).status == 200
    assert opened.get(link.replace("=userId", "=userId+desc")).code == "BadRequest"


WRONG_FILTERS = [
    ("", 1, "a comparison begins with one of status, userId, submittedDateTime and completedDateTime, found its end"),
    ("userId eq 'x' and", 18, "a comparison begins with one of"),
    ("userId eq 'ann", 11, "this text does not end"),
    ("userId eq ann", 11, "userId is compared with a 'text', found 'ann'"),
    ("status eq 'done'", 11, "status is compared with one of 'notStarted', 'running', 'complete', 'failed', 'unknownFutureValue'"),
    ("submittedDateTime gt '2026-01-01T00:00:00Z'", 22, "a date and time with its zone is compared with, found a text"),
    ("submittedDateTime gt 2026-02-30T00:00:00Z", 22, "there is no such date and time"),
    ("status eq 'failed' or not status eq 'running'", 23, "'not' stands before parentheses"),
    ("(status eq 'failed'", 20, "')' is missing for the '(' at character 1"),
    ("status eq 'failed') or status eq 'failed'", 19, "'and' or 'or' is missing before ')'"),
    ("startswith(userId,'a')", 1, "the function 'startswith' is not supported"),
    ("status in 'failed'", 11, "'in' is followed by values in parentheses, found a text"),
    ("status in ('failed' 'running')", 21, "',' or ')' is missing before a text"),
    ("status like 'failed'", 8, "eq, ne, gt, ge, lt, le or in is missing, found 'like'"),
]


@pytest.mark.parametrize(("text", "at", "said"), WRONG_FILTERS, ids=[text for text, _, _ in WRONG_FILTERS])
def test_message_says_what_is_wrong_with_a_filter_and_where(shared: World, text: str, at: int, said: str) -> None:
    answer = shared.get(f"/v1.0/dataPolicyOperations?$filter={quote(text)}")
    error = answer.json["error"]
    assert (answer.status, error["code"], error["target"]) == (400, "BadRequest", "$filter")
    assert error["message"].startswith(f"$filter, character {at}: {said}")


@pytest.mark.parametrize("root", ["/v1.0", "/beta"])
def test_pages_follow_each_other_by_absolute_links(many: tuple[World, list[str]], root: str) -> None:
    opened, ids = many
    path = f"{root}/dataPolicyOperations?$top=3&$orderby=submittedDateTime desc&$select=id,status&$count=true".replace(" ", "%20")
    pages = []
    while path:
        answer = opened.get(path)
        pages.append(listed(answer))
        assert ("@odata.count" in answer.json) == (len(pages) == 1)
        assert all(set(item) == {"id", "status"} for item in answer.json["value"])
        link = answer.json.get("@odata.nextLink", "")
        assert not link or link.startswith(f"{ROOT}{root}/dataPolicyOperations?")
        path = link.removeprefix(ROOT)
    assert pages == [ids[:3:-1], ids[3:0:-1], ids[:1]]


def test_page_that_is_exactly_full_is_the_last(many: tuple[World, list[str]]) -> None:
    opened, ids = many
    answer = opened.get("/v1.0/dataPolicyOperations?$top=7")
    assert listed(answer) == ids[::-1]
    assert "@odata.nextLink" not in answer.json


def test_operations_that_come_between_pages_do_not_shift_them(many: tuple[World, list[str]]) -> None:
    opened, ids = many
    first = opened.get("/v1.0/dataPolicyOperations?$top=4")
    submitted(opened)
    second = opened.get(first.json["@odata.nextLink"].removeprefix(ROOT))
    assert listed(first) + listed(second) == ids[::-1]


def test_skip_and_count(many: tuple[World, list[str]]) -> None:
    opened, ids = many
    answer = opened.get("/v1.0/dataPolicyOperations?$skip=2&$top=2&$orderby=submittedDateTime&$count=true")
    assert listed(answer) == ids[2:4]
    assert answer.json["@odata.count"] == 7
    assert listed(opened.get(answer.json["@odata.nextLink"].removeprefix(ROOT))) == ids[4:6]
    assert listed(opened.get("/v1.0/dataPolicyOperations?$skip=9")) == []
    for count in ("$count", "$Count", "%24COUNT"):
        counted = opened.get(f"/v1.0/dataPolicyOperations/{count}")
        assert (counted.headers.get("content-type"), counted.body) == ("text/plain", b"7")


def test_select_shows_what_is_asked(many: tuple[World, list[str]]) -> None:
    opened, ids = many
    answer = opened.get(f"/v1.0/dataPolicyOperations/{ids[2]}?$select=id,failureReason")
    assert list(answer.json) == ["@odata.context", "id", "failureReason"]
    assert answer.json["@odata.context"] == f"{ROOT}/v1.0/$metadata#dataPolicyOperations(id,failureReason)/$entity"
    assert set(opened.get(f"/v1.0/dataPolicyOperations/{ids[2]}?$select=*").json) > {"userId", "progress"}


def test_beta_takes_options_without_the_dollar_and_v1_passes_them_over(many: tuple[World, list[str]]) -> None:
    # GRAPH-31
    opened, ids = many
    assert listed(opened.get("/beta/dataPolicyOperations?top=1")) == ids[:5:-1]
    assert len(listed(opened.get("/v1.0/dataPolicyOperations?top=1&other=x"))) == 7


BAD_OPTIONS = [
    "$filter=",
    "$filter=userId",
    "$filter=userId eq",
    "$filter=userId eq x",
    "$filter=userId eq 7",
    "$filter=userId eq 'x",
    "$filter=userId eq 'x' or",
    "$filter=userId in ()",
    "$filter=userId in ('x',)",
    "$filter=userId in 'x'",
    "$filter=userId lt 2026-01-01",
    "$filter=status eq 0",
    "$filter=status eq userId",
    "$filter=completedDateTime eq 'x'",
    "$filter=completedDateTime gt 2026-01-01T00:00:00",
    "$filter=completedDateTime gt 0001-01-01T00:00:00%2B01:00",
    "$filter=completedDateTime gt 2026-01-01T00:00:00 01:00",
    "$filter=not (userId eq 'x'",
    "$filter=" + "not (" * 17 + "userId eq 'x'" + ")" * 17,
    "$filter=userId in (" + ",".join(["'x'"] * 600) + ")",
    "$filter=not userId eq 'x'",
    "$filter=(userId eq 'x'",
    "$filter=userId eq 'x')",
    "$filter=)userId eq 'x'(",
    "$filter=()",
    "$filter=userId eq 'x' and",
    "$filter=and userId eq 'x'",
    "$filter=userId eq 'x' userId eq 'x'",
    "$filter=status eq 'done'",
    "$filter=status eq 'Failed'",
    "$filter=storageLocation eq 'x'",
    "$filter=contains(userId,'x')",
    "$filter=userId eq 'x'%00",
    "$filter=" + "(" * 3000,
    "$filter=userId eq 'x'&$filter=userId eq 'y'",
    "$orderby=",
    "$orderby=progress",
    "$orderby=userId,",
    "$orderby=userId,userId desc",
    "$orderby=userId asc desc",
    "$orderby=submittedDateTime up",
    "$orderby=submittedDateTime,id",
    "$top=0",
    "$top=-1",
    "$top=1000",
    "$top=x",
    "$top=",
    "$top=1.5",
    "$top=٣",
    "$top=99999999999999999999",
    "$skip=-1",
    "$skip=10001",
    "$count=yes",
    "$select=",
    "$select=nothing",
    "$select=id,,status",
    "$skiptoken=",
    "$skiptoken=x",
    "$skiptoken=éé",
    "$skiptoken=OTk5OTk5OTk5OTk5OTk5OTk5Lng",
    "$expand=user",
    "$search=x",
    "$format=xml",
    "$apply=x",
    "$top=%zz",
    "$top=%ff",
    "%ff=1",
]


@pytest.mark.parametrize("query", BAD_OPTIONS)
def test_bad_option_is_400(shared: World, query: str) -> None:
    encoded = quote(query, safe="=&$%,()'")
    answer = shared.get(f"/v1.0/dataPolicyOperations?{encoded}")
    assert (answer.status, answer.code) == (400, "BadRequest"), answer


def test_bad_option_is_400_only_for_who_may_ask(shared: World) -> None:
    # GRAPH-75
    assert shared.get("/v1.0/dataPolicyOperations?$top=x", token=shared.issuer.token(roles=[])).status == 403
    assert shared.get(f"/v1.0/dataPolicyOperations/{GUEST_PROFILE}?$top=1").status == 404
    assert shared.get(f"/v1.0/dataPolicyOperations/{submitted(shared)}?$top=1").status == 400


def test_cancel_ends_an_operation_once(shared: World) -> None:
    # GRAPH-33
    operation_id = submitted(shared)
    path = f"/v1.0/dataPolicyOperations/{operation_id}"
    answer = shared.client.request("DELETE", path, token=shared.token)
    assert (answer.status, answer.body) == (204, b"")
    assert "content-length" not in answer.headers
    assert "content-type" not in answer.headers
    shown = shared.get(path).json
    assert (shown["status"], shown["failureReason"]["code"]) == ("failed", "cancelled")
    again = shared.client.request("DELETE", path, token=shared.token)
    assert (again.status, again.code) == (409, "Request_Conflict")


@pytest.mark.parametrize(
    ("body", "location"),
    [(None, None), ({}, None), ({"storageLocation": None}, None), ({"storageLocation": "LocalExports"}, "LocalExports")],
    ids=str,
)
def test_resume_leads_a_failed_operation_on(shared: World, body: object, location: str | None) -> None:
    operation_id = submitted(shared)
    path = f"/v1.0/dataPolicyOperations/{operation_id}"
    shared.exports.fail(operation_id, Failure(code="SourceUnavailable", message="down", source_name="shop"))
    answer = shared.client.request("POST", f"{path}/resume", token=shared.token, body=body)
    assert (answer.status, answer.body, answer.headers["request-id"]) == (202, b"", operation_id)
    assert answer.headers["location"] == f"{ROOT}{path}"
    assert shared.exports.resumed[-1] == (operation_id, location)
    assert shared.get(path).json["status"] == "running"


def test_resume_of_what_is_not_failed_or_with_a_bad_location_is_refused(shared: World) -> None:
    operation_id = submitted(shared)
    path = f"/v1.0/dataPolicyOperations/{operation_id}/resume"

    def code(body: object) -> tuple[int, str]:
        answer = shared.client.request("POST", path, token=shared.token, body=body)
        return answer.status, answer.code

    assert code(None) == (409, "Request_Conflict")
    assert code({"storageLocation": 7}) == (400, "StorageLocationInvalid")
    assert code(b"[]") == (400, "BadRequest")
    assert shared.client.request("POST", path.replace("/resume", "x/resume"), token=shared.token).status == 404


def test_profiles_are_listed_and_shown(shared: World) -> None:
    # GRAPH-04, GRAPH-22
    token = shared.issuer.token(roles=["CrossTenantUserProfileSharing.Read.All"])
    members = {
        "userId": GUEST_PROFILE,
        "displayName": "Guest",
        "userPrincipalName": "guest@fabrikam.example",
        "homeTenantId": "22222222-2222-2222-2222-222222222222",
    }
    base = "/beta/directory/inboundSharedUserProfiles"
    context = f"{ROOT}/beta/$metadata#directory/inboundSharedUserProfiles"
    assert shared.get(base, token=token).json == {"@odata.context": context, "value": [members]}
    for path in (f"{base}/{GUEST_PROFILE}", f"{base}('{GUEST_PROFILE}')"):
        assert shared.get(path, token=token).json == {"@odata.context": f"{context}/$entity"} | members
    assert list(shared.get(f"{base}?$select=displayName", token=token).json["value"][0]) == ["displayName"]
    for option in ("$top=1", "$skip=1", "$count=true", "$filter=userId eq 'x'", "$orderby=userId"):
        assert shared.get(f"{base}?{quote(option, safe='$=')}", token=token).code == "BadRequest"
    assert shared.get(f"{base}/{ANN}", token=token).status == 404
    assert shared.get(base).status == 403
    assert shared.get(f"{base}/{GUEST_PROFILE}").status == 403


ENVELOPE = {"code", "message", "innerError"}


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1.0/nothing", 400, "BadRequest"),
        ("GET", "/v1.0", 400, "BadRequest"),
        ("GET", "/", 400, "BadRequest"),
        ("GET", "/v2.0/dataPolicyOperations", 400, "BadRequest"),
        ("POST", f"/v1.0/users/{ANN}/messages", 400, "BadRequest"),
        ("POST", f"/v1.0/users/{ANN}", 400, "BadRequest"),
        ("POST", "/v1.0/users/a/b/exportPersonalData", 400, "BadRequest"),
        ("POST", f"/v1.0/users/{ANN}/exportPersonalData/more", 400, "BadRequest"),
        ("GET", "/v1.0/dataPolicyOperations/x/y", 400, "BadRequest"),
        ("GET", "/v1.0/users/%ff/exportPersonalData", 400, "BadRequest"),
        ("GET", "/v1.0/users/%zz/exportPersonalData", 400, "BadRequest"),
        ("GET", "/v1.0/me", 400, "BadRequest"),
        ("GET", "/beta/directory", 400, "BadRequest"),
        ("GET", "//v1.0/dataPolicyOperations", 400, "BadRequest"),
        ("GET", f"/v1.0/users/{ANN}/exportPersonalData", 405, "Request_BadRequest"),
        ("PUT", f"/v1.0/users/{ANN}/exportPersonalData", 405, "Request_BadRequest"),
        ("POST", "/v1.0/dataPolicyOperations", 405, "Request_BadRequest"),
        ("PATCH", f"/v1.0/dataPolicyOperations/{ANN}", 405, "Request_BadRequest"),
        ("PUT", "/v1.0/dataPolicyOperations", 405, "Request_BadRequest"),
        ("DELETE", f"/beta/directory/inboundSharedUserProfiles/{ANN}/exportPersonalData", 405, "Request_BadRequest"),
    ],
)
def test_unknown_path_and_method_get_the_envelope(shared: World, method: str, path: str, status: int, code: str) -> None:
    # GRAPH-40, GRAPH-41
    answer = shared.client.request(method, path, token=shared.token, headers=[("client-request-id", "mine")])
    error = answer.json["error"]
    assert (answer.status, error["code"]) == (status, code)
    assert set(error) == ENVELOPE
    inner = error["innerError"]
    assert inner["request-id"] == answer.headers["request-id"]
    assert inner["client-request-id"] == answer.headers["client-request-id"] == "mine"
    at = datetime.strptime(inner["date"], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    assert abs((at - datetime.now(UTC)).total_seconds()) < 60
    assert ("allow" in answer.headers) == (status == 405)
    assert shared.client.request(method, path).status == 401


def test_allow_names_the_methods(shared: World) -> None:
    answer = shared.client.request("PATCH", f"/v1.0/dataPolicyOperations/{ANN}", token=shared.token)
    assert answer.headers["allow"] == "GET, HEAD, DELETE, OPTIONS"
    answer = shared.client.request("PUT", f"/beta/directory/inboundSharedUserProfiles/{ANN}/exportPersonalData", token=shared.token)
    assert answer.headers["allow"] == "GET, POST, OPTIONS"


def test_segment_that_is_no_name_is_not_repeated(shared: World) -> None:
    answer = shared.get("/v1.0/%0A%1b" + "x" * 500)
    message: Any = answer.json["error"]["message"]
    assert message == "Resource not found for the segment that was given."


def test_unauthenticated_is_401_with_a_challenge_and_no_claims(shared: World) -> None:
    # GRAPH-17
    answer = shared.client.request("GET", "/v1.0/dataPolicyOperations")
    assert (answer.status, answer.code) == (401, "InvalidAuthenticationToken")
    challenge = answer.headers["www-authenticate"]
    assert re.fullmatch(r'Bearer realm="", authorization_uri="https://[^"]+"', challenge)
    assert "claims" not in challenge


def test_head_is_get_without_a_body(shared: World) -> None:
    # RFC 9110 9.3.2
    operation_id = submitted(shared)
    paths = ["/v1.0/dataPolicyOperations", "/v1.0/dataPolicyOperations/$count", f"/beta/dataPolicyOperations/{operation_id}"]
    profiles = "/beta/directory/inboundSharedUserProfiles"
    for path in (*paths, profiles, f"{profiles}/{GUEST_PROFILE}", f"{paths[0]}/{ANN}", f"{paths[0]}?$top=x", "/v1.0/nothing"):
        token = shared.issuer.token(roles=["CrossTenantUserProfileSharing.Read.All"]) if path.startswith(profiles) else shared.token
        got = shared.get(path, token=token)
        head = shared.client.request("HEAD", path, token=token)
        assert (head.status, head.body) == (got.status, b"")
        unsteady = {"request-id", "client-request-id", "date", "content-length"}
        assert {name: head.headers[name] for name in head.headers.keys() - unsteady} == {
            name: got.headers[name] for name in got.headers.keys() - unsteady
        }
        assert int(head.headers["content-length"]) == len(got.body)
    assert shared.client.request("HEAD", paths[0]).status == 401


ALLOWED = [
    (f"/v1.0/users/{ANN}/exportPersonalData", "POST, OPTIONS"),
    ("/v1.0/me/exportPersonalData", "POST, OPTIONS"),
    (f"/beta/directory/inboundSharedUserProfiles/{GUEST_PROFILE}/exportPersonalData", "GET, POST, OPTIONS"),
    ("/beta/directory/inboundSharedUserProfiles", "GET, HEAD, OPTIONS"),
    (f"/beta/directory/inboundSharedUserProfiles/{GUEST_PROFILE}", "GET, HEAD, OPTIONS"),
    ("/v1.0/dataPolicyOperations", "GET, HEAD, OPTIONS"),
    ("/v1.0/dataPolicyOperations/$count", "GET, HEAD, OPTIONS"),
    (f"/v1.0/dataPolicyOperations/{ANN}", "GET, HEAD, DELETE, OPTIONS"),
    (f"/v1.0/dataPolicyOperations/{ANN}/resume", "POST, OPTIONS"),
    (f"/v1.0/dataPolicyOperations/{ANN}/rightful.approve()", "POST, OPTIONS"),
    ("/beta/$batch", "POST, OPTIONS"),
]


@pytest.mark.parametrize(("path", "allow"), ALLOWED, ids=[path for path, _ in ALLOWED])
def test_options_and_every_other_method_say_what_a_path_takes(shared: World, path: str, allow: str) -> None:
    # GRAPH-33. OPTIONS is for callers alone, and says the same of people and operations that there are not.
    before = len(shared.exports.submitted)
    options = shared.client.request("OPTIONS", path, token=shared.token)
    assert (options.status, options.body, options.headers["allow"]) == (204, b"", allow)
    assert shared.client.request("OPTIONS", path.replace(ANN, BEN), token=shared.token).headers["allow"] == allow
    assert shared.client.request("OPTIONS", path).status == 401
    for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "get"} - set(allow.split(", ")):
        answer = shared.client.request(method, path, token=shared.token, body={"storageLocation": "x"})
        assert (answer.status, answer.headers["allow"]) == (405, allow)
        assert method == "HEAD" or answer.code == "Request_BadRequest"
    assert len(shared.exports.submitted) == before
