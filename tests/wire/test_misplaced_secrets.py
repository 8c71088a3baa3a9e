"""A storage location that went to the wrong place of a request is not repeated: answers lie in clients' logs, and in front of people."""

import json
from urllib.parse import quote

import pytest
import structlog
from tests.wire.world import ANN, BEN, GUEST_PROFILE, World

SIGNATURE = "mRz9KvXtQeWjHbYcLpNsUaFdGoIiJkTq4u5w6x7y8z0"
ACCOUNT, CONTAINER = "kanarienvogel", "voliere"
SAS = f"https://{ACCOUNT}.blob.core.windows.net/{CONTAINER}?sv=2024-11-04&sp=rcw&sig={SIGNATURE}%3D"
BEARER = f"Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.{SIGNATURE}"
MARKS = (SIGNATURE, SIGNATURE[:8], f"{ACCOUNT}.blob", f"/{CONTAINER}")

NAMES = (
    "$filter",
    "$orderby",
    "$select",
    "$top",
    "$skip",
    "$count",
    "$skiptoken",
    "$expand",
    "$search",
    "$format",
    "$apply",
    "$deltatoken",
)
PATHS = (
    "dataPolicyOperations",
    "dataPolicyOperations/$count",
    f"dataPolicyOperations/{ANN}",
    f"users/{ANN}/exportPersonalData",
    "directory/inboundSharedUserProfiles",
    f"directory/inboundSharedUserProfiles/{GUEST_PROFILE}",
    f"directory/inboundSharedUserProfiles/{GUEST_PROFILE}/exportPersonalData",
    "$metadata",
    "$batch",
    "nowhere",
)
FORMS = (
    "{}",
    "'{}",
    "({}",
    "status eq {}",
    "{} eq 'x'",
    "userId eq {}",
    "userId in ({}",
    "submittedDateTime gt {}",
    "status {} 'failed'",
    "contains(userId,{})",
    "{}(userId,'a')",
    "status desc,{}",
    "{} desc",
    "status {}",
    "id,{}",
    "1{}",
)


def silent(answer: object, logged: object, asked: object) -> None:
    said = f"{answer}\n{logged}"
    assert [mark for mark in MARKS if mark.casefold() in said.casefold()] == [], asked


@pytest.mark.parametrize("version", ["v1.0", "beta"])
@pytest.mark.parametrize("path", PATHS)
def test_no_query_option_is_repeated(shared: World, version: str, path: str) -> None:
    queries = [
        f"{name}={quote(form.format(secret))}"
        for name in NAMES
        for form in (FORMS if name in {"$filter", "$orderby", "$select"} else FORMS[:1])
        for secret in (SAS, BEARER)
    ]
    queries += [f"${quote(SAS)}=1", f"{quote(SAS)}=1", f"$orderby={SAS}", SAS, f"storageLocation={quote(SAS)}", f"$top=1&$top={quote(SAS)}"]
    for query in queries:
        for method in ("GET", "POST"):
            with structlog.testing.capture_logs() as logged:
                answer = shared.client.request(method, f"/{version}/{path}?{query}", token=shared.token)
            assert answer.status < 500
            silent((answer.headers, answer.body), logged, (method, query))


@pytest.mark.parametrize(
    "secret", [SAS, SAS.replace("https://", ""), f"{SIGNATURE}=", BEARER], ids=["sas", "without scheme", "sig", "token"]
)
def test_no_segment_header_or_member_is_repeated(shared: World, secret: str) -> None:
    coded = quote(secret, safe="")
    texts = (
        json.dumps({secret: 1}),
        json.dumps({"storageLocation": [secret]}),
        json.dumps(secret),
        f'{{"{secret}":1,"{secret}":2}}',
        secret,
    )
    paths = (
        f"/{coded}",
        f"/v1.0/{coded}",
        f"/v1.0/users/{coded}/exportPersonalData",
        f"/v1.0/users('{coded}')/exportPersonalData",
        f"/v1.0/dataPolicyOperations/{coded}",
        f"/v1.0/dataPolicyOperations/{ANN}/{coded}",
        f"/beta/directory/inboundSharedUserProfiles/{coded}",
    )
    with structlog.testing.capture_logs() as logged:
        answers = [shared.client.request(method, path, token=shared.token) for path in paths for method in ("GET", "POST", "DELETE")]
        for path in (f"/v1.0/users/{ANN}/exportPersonalData", "/v1.0/$batch"):
            answers += [shared.client.request("POST", path, token=shared.token, body=text.encode()) for text in texts]
        batch = {"requests": [{"id": "1", "method": "GET", "url": f"/dataPolicyOperations?$orderby={coded}", "headers": {"x": secret}}]}
        answers.append(shared.client.request("POST", "/v1.0/$batch", token=shared.token, body=json.dumps(batch).encode()))
        batch = {"requests": [{"id": "1", "method": secret, "url": secret, "dependsOn": [secret]}]}
        answers.append(shared.client.request("POST", "/v1.0/$batch", token=shared.token, body=json.dumps(batch).encode()))
    for answer in answers:
        assert answer.status < 500
        silent((answer.headers, answer.body), logged, answer.body)


@pytest.mark.parametrize(
    "person",
    [
        ANN,
        ANN.replace("-", ""),
        f"microsoft.graph.{ANN}",
        "ann@contoso.example",
        "ann.smith",
        "ann_smith",
        "ben_fabrikam.example#EXT#@contoso.example",
        "+442079460123",
        "442079460123",
        "tel442079460123",
        "v442079460123",
        "v44.2079460123",
        "E1234567",
        "microsoft.graph.E1234567",
        f"{ACCOUNT}.blob.core.windows.net",
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.x",
    ],
)
def test_nobody_is_named_by_what_is_repeated(shared: World, person: str) -> None:
    coded = quote(person, safe="")
    paths = [f"/{coded}", f"/{coded}/users", f"/v1.0/{coded}", f"/v1.0/{coded}/{ANN}", f"/v1.0/me/{coded}", f"/beta/directory/{coded}"]
    paths += [f"/v1.0/users/{BEN}/{coded}", f"/v1.0/users/{BEN}/exportPersonalData/{coded}", f"/v1.0/dataPolicyOperations/{BEN}/{coded}"]
    for option in (coded, f"$orderby={coded}", f"$select={coded}", f"$filter={coded}%20eq%201", f"$filter=status%20{coded}%201"):
        paths += [f"/v1.0/dataPolicyOperations?{option}", f"/v1.0/dataPolicyOperations?${option}=1"]
    for path in paths:
        answer = shared.client.request("POST" if "?" not in path else "GET", path, token=shared.token)
        assert person.casefold() not in answer.body.decode().casefold(), path


@pytest.mark.parametrize(
    "name", ["nonsense", "v2.0", "v1", "microsoft.graph.foo", "Microsoft.Graph.security.foo2", "rightful.export", "x15"]
)
def test_segments_that_are_names_are_repeated(shared: World, name: str) -> None:
    for path in (f"/{name}/users", f"/v1.0/{name}", f"/v1.0/me/{name}", f"/v1.0/dataPolicyOperations/{BEN}/{name}"):
        message = shared.client.request("POST", path, token=shared.token).json["error"]["message"]
        assert message == f"Resource not found for the segment '{name}'."


def test_names_are_repeated(shared: World) -> None:
    for query, said in (
        ("$orderby=nonsense", "'nonsense'"),
        ("$select=nonsense", "Could not find a property named 'nonsense' on type"),
        ("$expand=x", "'$expand'"),
        ("$select=@odata.id", "'@odata.id'"),
        ("$orderby=microsoft.graph.foo", "'microsoft.graph.foo'"),
        ("$filter=nonsense eq 1".replace(" ", "%20"), "'nonsense'"),
    ):
        assert said in shared.get(f"/v1.0/dataPolicyOperations?{query}").json["error"]["message"]
