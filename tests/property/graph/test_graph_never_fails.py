"""Whatever is sent, the answer is one of the documented ones: never a 500, never a token that was not signed."""

import gzip
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.wire.world import ANN, World, world

from rightful.errors import InvalidRequest, RequestError
from rightful.graph import bodies, routes
from rightful.graph.routes import RouteKind

DOCUMENTED = {200, 202, 204, 400, 401, 403, 404, 405, 409, 413, 415}

segments = st.one_of(
    st.sampled_from(
        [
            "v1.0",
            "beta",
            "users",
            "me",
            "directory",
            "dataPolicyOperations",
            "inboundSharedUserProfiles",
            "exportPersonalData",
            "$count",
            "$batch",
            ANN,
        ]
    ),
    st.text(max_size=12),
)
paths = st.lists(segments, max_size=6).map(lambda parts: "/" + "/".join(quote(part, safe="$'()@") for part in parts))
raw_paths = st.one_of(paths, st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), max_size=40).map(lambda text: "/" + text))
queries = st.dictionaries(
    st.sampled_from(["$filter", "$orderby", "$top", "$skip", "$skiptoken", "$select", "$count", "top", "x"]),
    st.text(max_size=30),
    max_size=4,
)


@pytest.fixture(scope="module")
def opened() -> Iterator[World]:
    with world() as one:
        yield one


@given(
    method=st.sampled_from(["GET", "POST", "DELETE", "PATCH", "PUT", "HEAD", "OPTIONS"]),
    path=raw_paths,
    query=queries,
    body=st.binary(max_size=60),
)
@settings(max_examples=300, deadline=None)
def test_any_request_gets_a_documented_answer(opened: World, method: str, path: str, query: dict[str, str], body: bytes) -> None:
    encoded = "&".join(f"{name}={quote(value)}" for name, value in query.items())
    path = path.replace("?", "%3F")
    answer = opened.client.request(method, f"{path}?{encoded}" if encoded else path, token=opened.token, body=body)
    assert answer.status in DOCUMENTED
    if answer.status >= 400 and method != "HEAD":
        assert set(answer.json["error"]) >= {"code", "message", "innerError"}


@given(raw=st.binary(max_size=200), encoding=st.sampled_from(["", "gzip", "identity", "x-gzip", "br"]))
@settings(max_examples=200, deadline=None)
def test_any_body_is_read_or_refused(raw: bytes, encoding: str) -> None:
    status = 200
    try:
        bodies.parse_export(bodies.inflate(raw, encoding))
    except RequestError as error:
        status = error.http_status
    assert status in {200, 400, 413, 415}


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(alphabet=st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet="abc", max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(value=json_values, packed=st.booleans())
@settings(max_examples=200, deadline=None)
def test_storage_location_comes_as_it_was_sent(value: object, *, packed: bool) -> None:
    raw = json.dumps({"storageLocation": value}).encode()
    body = bodies.inflate(gzip.compress(raw), "gzip") if packed else bodies.inflate(raw, "")
    assert bodies.parse_export(body).storage_location == value


keys = st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


@given(
    key=keys,
    version=st.sampled_from(["v1.0", "beta"]),
    parenthesised=st.booleans(),
    bound=st.booleans(),
    safe=st.sampled_from(["", "@", "@:'"]),
)
@settings(max_examples=400, deadline=None)
def test_every_key_arrives_in_every_form(key: str, version: str, *, parenthesised: bool, bound: bool, safe: str) -> None:
    # GRAPH-10, GRAPH-11: a key may hold a slash, a quote, a `#`, anything.
    if parenthesised:
        quoted = key.replace("'", "''")
        entity = quote(f"users('{quoted}')", safe=safe)
    else:
        entity = f"users/{quote(key, safe=safe)}"
    action = "microsoft.graph.exportPersonalData" if bound else "exportPersonalData"
    route = routes.match(f"/{version}/{entity}/{action}".encode())
    assert (route.kind, route.version, route.key) == (RouteKind.EXPORT_USER, version, key)


@given(raw=st.binary(max_size=60))
@settings(max_examples=400, deadline=None)
def test_any_path_is_known_or_refused(raw: bytes) -> None:
    said = ""
    try:
        routes.match(raw)
    except InvalidRequest as error:
        said = error.message
    assert said.isprintable()
