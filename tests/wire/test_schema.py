"""Requests made up from the OpenAPI document itself, valid ones and broken ones: the answers keep to it, and none is a fault."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    ignored_auth,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from schemathesis.specs.openapi.schemas import OpenApiSchema
from tests.wire.world import ANN, BEN, GUEST_PROFILE, World, new_location, world

from rightful.graph import openapi
from rightful.operation.model import Failure

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
    allow_header_conformance,
    ignored_auth,
]
EXAMPLES = settings(derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))

OPERATIONS = [(path, method) for path, item in openapi.document(202)["paths"].items() for method in item]
ALL_ROLES = ["User.Export.All", "CrossTenantUserProfileSharing.ReadWrite.All"]


@pytest.fixture(scope="module")
def opened() -> Iterator[World]:
    with world() as one:
        one.submit(ANN)
        ended = one.operation(one.submit(BEN, location=new_location()))
        one.exports.run(ended.operation_id)
        one.exports.fail(ended.operation_id, Failure(code="SourceUnavailable", message="m"))
        yield one


@pytest.fixture(scope="module")
def described(opened: World) -> OpenApiSchema:
    return schemathesis.openapi.from_asgi("/openapi.json", opened.app)


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_made_up_requests_are_answered_as_described(opened: World, described: OpenApiSchema, path: str, method: str) -> None:
    operation = described[path][method]

    @settings(EXAMPLES, max_examples=3 if method in {"head", "options"} else 10)
    @given(case=st.one_of([operation.as_strategy(generation_mode=mode) for mode in GenerationMode]))
    def check(case: Any) -> None:
        sent = {"Authorization": f"Bearer {opened.issuer.token(roles=ALL_ROLES)}"}
        case.call_and_validate(headers=sent, checks=CHECKS)
        if not case.path_parameters:
            return
        if isinstance(case.body, dict) and isinstance(case.body.get("storageLocation"), str):
            case.body["storageLocation"] = new_location()
        for name in (ANN, GUEST_PROFILE, *opened.exports.operations):  # most of what is made up names nothing
            case.path_parameters = dict.fromkeys(case.path_parameters, name)
            case.call_and_validate(headers=sent, checks=CHECKS)

    check()
