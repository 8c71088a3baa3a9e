"""Submitting exports over raw HTTP: forms of the path, the body, the answer's headers."""

import gzip
import json
import re
import zlib
from typing import Any

import pytest
from tests.wire.world import ANN, BEN, GUEST_PROFILE, HOST, LOCATION, NOBODY, ROOT, SUBJECTS, Answer, Client, World, new_location, world

from rightful.config.model import GraphSettings, ServerSettings
from rightful.errors import InvalidRequest, SourceRefused, SourceUnavailable, Throttled
from rightful.export.interface import SubmitRequest
from rightful.graph.bodies import MAX_BODY_BYTES
from rightful.ids import TenantId
from rightful.operation.model import DataPolicyOperation
from rightful.subject.model import DataSubject
from rightful.testing.memory_exports import MemoryExports

GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
BODY = {"storageLocation": LOCATION}


def post(shared: World, path: str, body: object = BODY, **options: Any) -> Answer:
    return shared.client.request("POST", path, token=options.pop("token", shared.token), body=body, **options)


def test_submit_is_accepted_with_the_headers_of_graph(shared: World) -> None:
    # GRAPH-12, GRAPH-41
    answer = shared.submit()
    operation_id = answer.headers["request-id"]
    assert (answer.status, answer.body) == (202, b"")
    assert GUID.fullmatch(operation_id)
    assert answer.headers["location"] == answer.headers["operation-location"] == f"{ROOT}/v1.0/dataPolicyOperations/{operation_id}"
    assert answer.headers["content-length"] == "0"
    assert re.fullmatch(r"[1-9][0-9]?", answer.headers["retry-after"])
    assert GUID.fullmatch(answer.headers["client-request-id"])
    assert answer.headers["date"].endswith(" GMT")
    assert "strict-transport-security" not in answer.headers
    assert "server" not in answer.headers
    assert shared.operation(answer).subject_id == ANN


@pytest.mark.parametrize(
    ("path", "subject_id"),
    [
        (f"/v1.0/users/{ANN}/exportPersonalData", ANN),
        (f"/beta/users/{ANN}/exportPersonalData", ANN),
        ("/v1.0/users/ann@contoso.example/exportPersonalData", ANN),
        ("/v1.0/users/ann%40contoso.example/exportPersonalData", ANN),
        ("/v1.0/users/ANN%40Contoso.Example/exportPersonalData", ANN),
        ("/v1.0/users/ben_fabrikam.example%23EXT%23%40contoso.example/exportPersonalData", BEN),
        ("/v1.0/users/ben_fabrikam.example%23EXT%23@contoso.example/exportPersonalData", BEN),
        (f"/v1.0/users('{ANN}')/exportPersonalData", ANN),
        (f"/v1.0/users(%27{ANN}%27)/exportPersonalData", ANN),
        (f"/v1.0/users(id='{ANN}')/exportPersonalData", ANN),
        (f"/v1.0/users(ID%3D'{ANN}')/microsoft.graph.exportPersonalData", ANN),
        ("/v1.0/users('ann%40contoso.example')/exportPersonalData", ANN),
        (f"/v1.0/users/{ANN}/microsoft.graph.exportPersonalData", ANN),
        (f"/v1.0/users('{ANN}')/microsoft.graph.exportPersonalData", ANN),
        (f"/v1.0/Users/{ANN}/exportpersonaldata", ANN),
        (f"/v1.0/users/{ANN}/exportPersonalData()", ANN),
        (f"/v1.0/users/{ANN}/microsoft.graph.exportPersonalData%28%29", ANN),
        (f"/v1.0/users/{ANN}/exportPersonalData/", ANN),
    ],
)
def test_every_form_of_the_path_is_known(shared: World, path: str, subject_id: str) -> None:
    # GRAPH-10, GRAPH-11
    answer = post(shared, path)
    assert answer.status == 202, answer
    assert shared.operation(answer).subject_id == subject_id
    version = path.split("/")[1]
    assert answer.headers["location"].startswith(f"{ROOT}/{version}/dataPolicyOperations/")


@pytest.mark.parametrize("user", [NOBODY, "nobody@contoso.example", "me-token-to-replace", "%00", "%0A", "%20", "x" * 2000, "%25", "''"])
def test_unknown_subject_is_404(shared: World, user: str) -> None:
    answer = shared.submit(user)
    assert (answer.status, answer.code) == (404, "Request_ResourceNotFound")


def test_me_is_the_person_of_the_token(shared: World) -> None:
    # GRAPH-11
    for path in ("/v1.0/me/exportPersonalData", "/beta/me/microsoft.graph.exportPersonalData"):
        answer = post(shared, path, token=shared.issuer.person(oid=ANN))
        assert answer.status == 202
        assert shared.operation(answer).subject_id == ANN
    assert post(shared, "/v1.0/me/exportPersonalData", token=shared.issuer.person(oid=NOBODY)).status == 404


def test_me_with_an_application_token_is_400_and_403_without_the_permission(shared: World) -> None:
    assert post(shared, "/v1.0/me/exportPersonalData").code == "BadRequest"
    assert post(shared, "/v1.0/me/exportPersonalData", token=shared.issuer.token(roles=[])).status == 403


@pytest.mark.parametrize(("asked", "language"), [("de", "de"), ("de-AT", "de"), ("ZH-cn", "zh-Hans"), (None, "")])
def test_language_of_the_package_is_asked_for_in_the_body(shared: World, asked: str | None, language: str) -> None:
    for name in ("language", "Language"):
        answer = post(shared, f"/v1.0/users/{ANN}/exportPersonalData", {"storageLocation": new_location(), name: asked})
        assert answer.status == 202
        shown = shared.get(f"/v1.0/dataPolicyOperations/{answer.headers['request-id']}").json
        assert shown.get("language", "") == language
        assert (
            shared.get(f"/v1.0/dataPolicyOperations/{answer.headers['request-id']}?$select=language").json.get("language", "") == language
        )


def test_language_of_who_calls_is_not_the_persons(shared: World) -> None:
    path = f"/v1.0/users/{ANN}/exportPersonalData"
    answer = post(shared, path, {"storageLocation": new_location()}, headers=[("Accept-Language", "de")])
    assert "language" not in shared.get(f"/v1.0/dataPolicyOperations/{answer.headers['request-id']}").json


@pytest.mark.parametrize("asked", ["pt-BR", "zh-TW", "", "German", 7, ["de"], {"de": 1}, True, "\ud800"])
def test_language_that_packages_are_not_written_in_is_refused(shared: World, asked: object) -> None:
    before = len(shared.exports.submitted)
    answer = post(shared, f"/v1.0/users/{ANN}/exportPersonalData", {"storageLocation": new_location(), "language": asked})
    error = answer.json["error"]
    assert (answer.status, error["code"], error["target"]) == (400, "BadRequest", "language")
    assert "zh-Hans" in error["message"]
    assert len(shared.exports.submitted) == before


RECIPIENT = "age14g70hls6h8xn682kg4s67397nu5ktr8ffyrljhu8e8n5nfpnmcks4qfujy"


@pytest.mark.parametrize(
    ("wish", "sealed_to"),
    [
        ({"recipient": RECIPIENT}, RECIPIENT),
        ({"Recipient": f" {RECIPIENT.upper()} "}, RECIPIENT),
        ({"passphrase": "correct horse"}, "passphrase"),
        ({"passphrase": None, "recipient": None}, None),
    ],
)
def test_recipient_and_passphrase_of_the_package_are_in_the_body(shared: World, wish: dict[str, object], sealed_to: str | None) -> None:
    answer = post(shared, f"/v1.0/users/{ANN}/exportPersonalData", {"storageLocation": new_location()} | wish)
    assert answer.status == 202
    shown = shared.get(f"/v1.0/dataPolicyOperations/{answer.headers['request-id']}").json
    assert shown.get("sealedTo") == sealed_to
    assert "correct" not in str(shown)


@pytest.mark.parametrize(
    ("wish", "target"),
    [
        ({"recipient": RECIPIENT[:-1]}, "recipient"),
        ({"recipient": ""}, "recipient"),
        ({"recipient": 7}, "recipient"),
        ({"recipient": "\ud800"}, "recipient"),
        ({"recipient": [RECIPIENT]}, "recipient"),
        ({"passphrase": ""}, "passphrase"),
        ({"passphrase": "correct hor"}, "passphrase"),
        ({"passphrase": "correct\nhorse battery"}, "passphrase"),
        ({"passphrase": "correct horse \ud800"}, "passphrase"),
        ({"passphrase": 123456789012}, "passphrase"),
        ({"passphrase": "correct horse", "recipient": RECIPIENT}, "passphrase"),
    ],
)
def test_what_cannot_seal_a_package_is_refused_and_not_repeated(shared: World, wish: dict[str, object], target: str) -> None:
    before = len(shared.exports.submitted)
    answer = post(shared, f"/v1.0/users/{ANN}/exportPersonalData", {"storageLocation": new_location()} | wish)
    error = answer.json["error"]
    assert (answer.status, error["code"], error["target"]) == (400, "BadRequest", target)
    assert "correct" not in str(error)
    assert RECIPIENT[:-1] not in str(error)
    assert len(shared.exports.submitted) == before


def test_body_without_content_type_or_in_other_case_is_read(shared: World) -> None:
    # GRAPH-10
    for body in ({"storagelocation": LOCATION}, {"StorageLocation": LOCATION, "other": 1}):
        assert post(shared, f"/v1.0/users/{ANN}/exportPersonalData", body).status == 202
    for content_type in (
        "application/json",
        "application/json; charset=utf-8",
        'Application/JSON;charset="UTF-8"',
        "application/json;odata=verbose",
    ):
        assert post(shared, f"/v1.0/users/{ANN}/exportPersonalData", headers=[("Content-Type", content_type)]).status == 202


BAD_BODIES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "BadRequest"),
    "no JSON": (b"{", "BadRequest"),
    "a list": (b"[]", "BadRequest"),
    "a string": (b'"x"', "BadRequest"),
    "null": (b"null", "BadRequest"),
    "no UTF-8": (b'{"storageLocation": "\xff"}', "BadRequest"),
    "UTF-16": (json.dumps(BODY).encode("utf-16"), "BadRequest"),
    "NaN": (b'{"storageLocation": NaN}', "BadRequest"),
    "deep": (b"[" * 60_000, "BadRequest"),
    "33 levels": (b'{"x":' + b"[" * 32 + b"]" * 32 + b',"storageLocation":"LocalExports"}', "BadRequest"),
    "long number": (b'{"x": ' + b"9" * 5000 + b"}", "BadRequest"),
    "given twice": (b'{"storageLocation": "a", "storageLocation": "b"}', "BadRequest"),
    "given twice in other case": (b'{"storageLocation": "a", "storagelocation": "b"}', "BadRequest"),
    "location missing": (b"{}", "StorageLocationInvalid"),
    "location null": (b'{"storageLocation": null}', "StorageLocationInvalid"),
    "location a number": (b'{"storageLocation": 7}', "StorageLocationInvalid"),
    "location an object": (b'{"storageLocation": {}}', "StorageLocationInvalid"),
    "location empty": (b'{"storageLocation": ""}', "StorageLocationInvalid"),
    "location a lone surrogate": (b'{"storageLocation": "\\ud800"}', "StorageLocationInvalid"),
    "location http": (b'{"storageLocation": "http://acct.blob.core.windows.net/c?sig=x"}', "StorageLocationInvalid"),
}


@pytest.mark.parametrize(("body", "code"), BAD_BODIES.values(), ids=BAD_BODIES.keys())
def test_bad_body_is_400(shared: World, body: bytes, code: str) -> None:
    before = len(shared.exports.operations)
    answer = post(shared, f"/v1.0/users/{ANN}/exportPersonalData", body)
    assert (answer.status, answer.code) == (400, code)
    assert len(shared.exports.operations) == before


@pytest.mark.parametrize(
    "code",
    [
        "StorageLocationInvalid",
        "SharedAccessSignatureTokenInvalid",
        "StorageLocationNotServiceSAS",
        "StorageLocationNotAzureBlob",
        "StorageLocationNeedsWriteAddPermissions",
        "StorageLocationShouldNotAllowReadAccess",
        "StorageLocationShouldNotAllowListAccess",
        "StorageLocationAlreadyUsed",
        "StorageLocationShouldSupportAppendBlobs",
    ],
)
def test_refused_storage_location_is_400_with_its_own_code(shared: World, code: str) -> None:
    location = new_location()
    shared.exports.refusals[location.partition("?")[0]] = InvalidRequest(
        "It is refused", code=code, hint="use another", target="storageLocation"
    )
    answer = shared.submit(location=location)
    assert answer.status == 400
    error = answer.json["error"]
    assert (error["code"], error["target"], error["message"]) == (code, "storageLocation", "It is refused; use another")
    assert "SECRETSIGNATURE" not in answer.body.decode()


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip"])
def test_gzip_body_is_read(shared: World, encoding: str) -> None:
    # GRAPH-14
    packed = gzip.compress(json.dumps(BODY).encode())
    answer = post(shared, f"/v1.0/users/{ANN}/exportPersonalData", packed, headers=[("Content-Encoding", encoding)])
    assert answer.status == 202


BAD_GZIP: dict[str, tuple[bytes, int, str]] = {
    "no gzip": (b"{}", 400, "BadRequest"),
    "cut": (gzip.compress(json.dumps(BODY).encode())[:-6], 400, "BadRequest"),
    "something behind": (gzip.compress(b"{}") + b"x", 400, "BadRequest"),
    "zlib": (zlib.compress(b"{}"), 400, "BadRequest"),
    "two members": (gzip.compress(json.dumps(BODY).encode()[:9]) + gzip.compress(json.dumps(BODY).encode()[9:]), 400, "BadRequest"),
    "nothing": (b"", 400, "BadRequest"),
    "bomb in a second member": (gzip.compress(json.dumps(BODY).encode()) + gzip.compress(b" " * 10_000_000), 400, "BadRequest"),
    "bomb in a bomb": (gzip.compress(gzip.compress(b" " * 50_000_000)), 400, "BadRequest"),
    "bomb": (gzip.compress(b" " * 10_000_000), 413, "RequestEntityTooLarge"),
}


@pytest.mark.parametrize(("body", "status", "code"), BAD_GZIP.values(), ids=BAD_GZIP.keys())
def test_bad_gzip_body_is_refused(shared: World, body: bytes, status: int, code: str) -> None:
    answer = post(shared, f"/v1.0/users/{ANN}/exportPersonalData", body, headers=[("Content-Encoding", "gzip")])
    assert (answer.status, answer.code) == (status, code)


@pytest.mark.parametrize(
    "header",
    [
        ("Content-Encoding", "br"),
        ("Content-Encoding", "gzip, gzip"),
        ("Content-Type", "text/plain"),
        ("Content-Type", "application/xml"),
        ("Content-Type", "application/json; charset=utf-16"),
        ("Content-Type", "multipart/form-data"),
    ],
    ids=str,
)
def test_other_media_are_415(shared: World, header: tuple[str, str]) -> None:
    answer = post(shared, f"/v1.0/users/{ANN}/exportPersonalData", headers=[header])
    assert (answer.status, answer.code) == (415, "UnsupportedMediaType")


def test_body_over_the_limit_is_413_and_not_read_to_its_end(shared: World) -> None:
    path = f"/v1.0/users/{ANN}/exportPersonalData"
    answer = post(shared, path, b" " * (MAX_BODY_BYTES + 1))
    assert (answer.status, answer.code, answer.headers["connection"]) == (413, "RequestEntityTooLarge", "close")
    assert post(shared, path, chunks=[b" " * 40_000] * 100).status == 413
    fits = json.dumps(BODY).encode().ljust(MAX_BODY_BYTES)
    assert post(shared, path, chunks=[fits[:30_000], fits[30_000:]]).status == 202


def test_client_that_leaves_gets_no_answer_and_nothing_happens(shared: World) -> None:
    before = len(shared.exports.submitted)
    with pytest.raises(ValueError, match="not enough values"):  # no message was sent
        post(shared, f"/v1.0/users/{ANN}/exportPersonalData", chunks=[])
    assert len(shared.exports.submitted) == before


def test_order_of_answers_is_403_then_404_then_400(shared: World) -> None:
    # GRAPH-75
    nobody = f"/v1.0/users/{NOBODY}/exportPersonalData"
    assert post(shared, nobody, b"{", token=shared.issuer.token(roles=[])).status == 403
    assert post(shared, nobody, b"{").status == 404
    assert post(shared, nobody, b" " * 100_000, headers=[("Content-Type", "text/plain")]).status == 404
    assert post(shared, nobody, b"{", token="x").status == 401
    assert post(shared, f"/v1.0/users/{ANN}/exportPersonalData", b" " * 100_000, token=shared.issuer.token(roles=[])).status == 403


def test_ids_that_the_client_gives_are_echoed_and_passed_on(shared: World) -> None:
    # GRAPH-15, GRAPH-18
    sent = [("client-request-id", "my-id-1"), ("Idempotency-Key", "key 1")]
    answer = post(shared, f"/v1.0/users/{ANN}/exportPersonalData", headers=sent)
    assert answer.headers["client-request-id"] == "my-id-1"
    submitted = shared.exports.submitted[-1]
    assert (submitted.client_request_id, submitted.idempotency_key) == ("my-id-1", "key 1")
    shared.submit()
    assert shared.exports.submitted[-1].client_request_id == ""


@pytest.mark.parametrize("value", ["", "a b", "x" * 129, "é", "a\tb"])
def test_client_request_id_that_cannot_be_echoed_is_replaced(shared: World, value: str) -> None:
    answer = post(shared, f"/v1.0/users/{ANN}/exportPersonalData", headers=[("client-request-id", value)])
    assert GUID.fullmatch(answer.headers["client-request-id"])
    assert shared.exports.submitted[-1].client_request_id == ""


def test_bad_idempotency_key_is_400(shared: World) -> None:
    for headers in ([("Idempotency-Key", "x" * 256)], [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]):
        assert post(shared, f"/v1.0/users/{ANN}/exportPersonalData", headers=headers).code == "BadRequest"


def test_repeated_submit_gets_the_same_location(shared: World) -> None:
    location = new_location()
    assert shared.submit(location=location).headers["location"] == shared.submit(location=location).headers["location"]


def test_named_account_is_passed_on(shared: World) -> None:
    # GRAPH-23
    answer = shared.submit(location="LocalExports")
    assert answer.status == 202
    assert shared.exports.submitted[-1].storage_location == "LocalExports"


def inbound(shared: World, body: object, *, method: str = "POST", profile: str = GUEST_PROFILE) -> Answer:
    token = shared.issuer.token(roles=["CrossTenantUserProfileSharing.Read.All"])
    path = f"/beta/directory/inboundSharedUserProfiles/{profile}/exportPersonalData"
    return shared.client.request(method, path, token=token, body=body)


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_inbound_profile_is_accepted_in_headers_and_body(shared: World, method: str) -> None:
    # GRAPH-20, GRAPH-21
    answer = inbound(shared, BODY, method=method)
    assert answer.status == 202
    assert answer.json == {"Location": answer.headers["location"], "Retry-After": int(answer.headers["retry-after"])}
    assert answer.headers["location"].startswith(f"{ROOT}/beta/dataPolicyOperations/")
    assert shared.operation(answer).subject_id == GUEST_PROFILE


@pytest.mark.parametrize(
    ("parameter", "status"),
    [
        (GUEST_PROFILE, 202),
        (GUEST_PROFILE.upper(), 202),
        ({"userId": GUEST_PROFILE, "displayName": "Guest"}, 202),
        (None, 202),
        (ANN, 400),
        ({"userId": ANN}, 400),
        ({}, 400),
        ([], 400),
        (7, 400),
        ("", 400),
        ({"userId": GUEST_PROFILE, "userid": GUEST_PROFILE}, 400),
    ],
    ids=str,
)
def test_binding_parameter_must_name_the_profile(shared: World, parameter: object, status: int) -> None:
    # GRAPH-20
    assert inbound(shared, BODY | {"bindingParameter": parameter}).status == status


def test_unknown_profile_is_404_before_the_body_is_read(shared: World) -> None:
    assert inbound(shared, b"{", profile=ANN).status == 404


def test_profiles_are_beta_only(shared: World) -> None:
    # GRAPH-01
    answer = post(shared, f"/v1.0/directory/inboundSharedUserProfiles/{GUEST_PROFILE}/exportPersonalData")
    assert (answer.status, answer.code) == (400, "BadRequest")
    assert answer.json["error"]["message"] == "Resource not found for the segment 'inboundSharedUserProfiles'."


def test_beta_submit_status_is_a_setting() -> None:
    # GRAPH-13
    with world(graph=GraphSettings(beta_submit_status=200)) as opened:
        answer = opened.submit(root="/beta")
        assert (answer.status, answer.body) == (200, b"")
        assert {"location", "operation-location", "retry-after"} <= answer.headers.keys()
        assert opened.submit(root="/v1.0").status == 202
        assert inbound(opened, BODY).status == 202


def test_user_read_all_exports_is_a_setting() -> None:
    # GRAPH-70
    with world(graph=GraphSettings(user_read_all_exports=True)) as opened:
        token = opened.issuer.token(roles=["User.Read.All"])
        answer = opened.submit(token=token)
        assert answer.status == 202
        path = f"/v1.0/dataPolicyOperations/{answer.headers['request-id']}"
        assert opened.client.request("DELETE", path, token=token).status == 204


def test_links_come_from_the_address_that_the_client_used(shared: World) -> None:
    # GRAPH-12
    client = Client(shared.app, scheme="https")
    answer = client.request("POST", f"/v1.0/users/{ANN}/exportPersonalData", token=shared.token, body=BODY)
    client.close()
    assert answer.headers["location"].startswith(f"https://{HOST}/v1.0/dataPolicyOperations/")
    assert answer.headers["strict-transport-security"] == "max-age=31536000"


def test_links_come_from_base_url_where_it_is_set() -> None:
    with world(server=ServerSettings(listen="127.0.0.1:0", base_url="https://privacy.contoso.example/")) as opened:
        assert opened.submit().headers["location"].startswith("https://privacy.contoso.example/v1.0/dataPolicyOperations/")


@pytest.mark.parametrize("host", ["a b", "a/b", "user@host", "a,b", "[::1", "host:port", "host:123456", "", 'x"y', "a\r\nb", "é.example"])
def test_host_that_is_none_is_400(shared: World, host: str) -> None:
    scope_host = [("host", host)]
    client = shared.client
    path = f"/v1.0/users/{ANN}/exportPersonalData"
    sent = [*scope_host, ("authorization", f"Bearer {shared.token}")]
    answer = client._runner.run(client._request("POST", path, sent, [json.dumps(BODY).encode()]))
    assert (answer.status, answer.code) == (400, "BadRequest")


def test_request_without_host_gets_links_to_the_listening_address(shared: World) -> None:
    client = shared.client
    sent = [("authorization", f"Bearer {shared.token}")]
    answer = client._runner.run(client._request("POST", f"/v1.0/users/{ANN}/exportPersonalData", sent, [json.dumps(BODY).encode()]))
    assert answer.headers["location"].startswith("http://127.0.0.1:8443/v1.0/")


class Failing(MemoryExports):
    """Exports that fail where a test says so."""

    on_find: Exception | None = None
    on_submit: Exception | None = None

    def find_user(self, tenant_id: TenantId, key: str) -> DataSubject | None:
        if self.on_find:
            raise self.on_find
        return super().find_user(tenant_id, key)

    def submit(self, request: SubmitRequest) -> DataPolicyOperation:
        if self.on_submit:
            raise self.on_submit
        return super().submit(request)


FAILURES: list[tuple[str, Exception, int, str]] = [
    ("on_find", SourceUnavailable("the directory ann@contoso.example is down", source_name="directory"), 503, "ServiceUnavailable"),
    ("on_find", SourceRefused("several people", source_name="directory", code="SubjectAmbiguous"), 409, "Request_Conflict"),
    ("on_submit", SourceUnavailable("the directory ann@contoso.example is down", source_name="directory"), 500, "InternalServerError"),
    ("on_submit", Throttled("Too many operations are queued", retry_after_s=30), 429, "TooManyRequests"),
    ("on_submit", RuntimeError("ann@contoso.example"), 500, "InternalServerError"),
    ("on_find", KeyError("ann@contoso.example"), 500, "InternalServerError"),
]


@pytest.mark.parametrize(("where", "error", "status", "code"), FAILURES, ids=lambda value: str(value) if isinstance(value, str) else "")
def test_failure_of_the_service_is_answered_without_personal_data(
    where: str, error: Exception, status: int, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # GRAPH-15: 503 only before anything can have been committed
    failing = Failing(SUBJECTS)
    setattr(failing, where, error)
    with world(exports=failing) as opened:
        answer = opened.submit()
    assert (answer.status, answer.code) == (status, code)
    assert ("retry-after" in answer.headers) == (status in {429, 503})
    out = capsys.readouterr()
    assert "contoso" not in answer.body.decode() + out.out + out.err
