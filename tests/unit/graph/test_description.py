"""What is said to be served is what is served: the router's table, the CSDL and the OpenAPI document agree."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from rightful.errors import InvalidRequest
from rightful.graph import csdl, openapi, public, routes
from rightful.graph.closed_list import CODES
from rightful.graph.endpoints import ENDPOINTS
from rightful.graph.handlers import HANDLERS
from rightful.graph.routes import METHODS, PATHS, RouteKind

EDM = "{http://docs.oasis-open.org/odata/ns/edm}"
ROOT = Path(__file__).parents[3]


def filled(path: str) -> str:
    return path.replace("{id}", "a%2Fb").replace("{userId}", "a%2Fb")


# -- routes ------------------------------------------------------------------------------------------------------------


def test_every_method_of_every_route_is_described_and_served_and_nothing_else() -> None:
    table = {(kind, method) for kind, methods in METHODS.items() for method in methods if method not in DERIVED}
    assert table == set(HANDLERS) == set(ENDPOINTS), "describe it in graph/endpoints.py"


DERIVED = {"HEAD", "OPTIONS"}
"""Methods that follow from others, and are described by them."""


@pytest.mark.parametrize("kind", RouteKind)
def test_path_that_describes_a_kind_leads_to_it(kind: RouteKind) -> None:
    for version in routes.VERSIONS:
        path = f"/{version}{filled(PATHS[kind])}".encode()
        if version in routes.versions(kind):
            route = routes.match(path)
            assert (route.kind, route.version, route.key) == (kind, version, "a/b" if "{" in PATHS[kind] else "")
        else:  # GRAPH-01
            with pytest.raises(InvalidRequest):
                routes.match(path)


def test_openapi_has_every_route_and_page_and_nothing_else() -> None:
    document = openapi.document(202)
    said = {(path, method.upper()) for path, item in document["paths"].items() for method in item}
    served = {(f"/{version}{PATHS[kind]}", method) for kind in RouteKind for version in routes.versions(kind) for method in METHODS[kind]}
    assert said == served | {(path.decode(), method) for path in public.PAGES for method in public.METHODS}


def test_operations_have_names_of_their_own() -> None:
    names = [operation["operationId"] for item in openapi.document(202)["paths"].values() for operation in item.values()]
    assert len(names) == len(set(names))


# -- OpenAPI -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 202])
def test_openapi_is_valid_and_beta_says_what_the_setting_makes_it_answer(status: int) -> None:
    # GRAPH-13
    document = openapi.document(status)
    OpenAPIV31SpecValidator(document).validate()
    for version, expected in (("v1.0", 202), ("beta", status)):
        responses = document["paths"][f"/{version}/users/{{id}}/exportPersonalData"]["post"]["responses"]
        assert [code for code in responses if code.startswith("2")] == [str(expected)]


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for each in node.values():
            yield from references(each)
    elif isinstance(node, list):
        for each in node:
            yield from references(each)


def test_openapi_refers_to_what_there_is_and_has_no_part_that_nothing_refers_to() -> None:
    document = openapi.document(202)
    parts = {f"#/components/{kind}/{name}" for kind, found in document["components"].items() for name in found if kind != "securitySchemes"}
    assert parts - set(references(document)) == {
        "#/components/responses/Error405",
        "#/components/responses/Error424",
        "#/components/headers/Allow",
    } - set(references(document))
    assert set(references(document)) <= parts


def test_status_and_code_of_errors_are_in_openapi_and_in_the_reference() -> None:
    page = (ROOT / "docs/reference/error-codes.md").read_text(encoding="utf-8").partition("## Why an operation failed")[0]
    rows = re.findall(r"^\| `(\w+)` \| (?:(\d{3}) \| )?", page, re.MULTILINE)
    assert {(int(status or 400), code) for code, status in rows} == {(status, code) for status, codes in CODES.items() for code in codes}
    responses = openapi.document(202)["components"]["responses"]
    said = {
        name: response["content"]["application/json"]["schema"]["allOf"][1]["properties"]["error"]["properties"]["code"]["enum"]
        for name, response in responses.items()
    }
    assert said == {f"Error{status}": list(codes) for status, codes in CODES.items()}


# -- CSDL --------------------------------------------------------------------------------------------------------------


def schemas(version: str) -> dict[str, ET.Element]:
    """Return every type by its qualified name; actions and functions may share one, bound to several types."""
    root = ET.fromstring(csdl.document(version))
    assert root.attrib["Version"] == "4.0"
    found: dict[str, ET.Element] = {}
    for schema in root.iter(f"{EDM}Schema"):
        for element in schema:
            if element.tag not in {f"{EDM}Action", f"{EDM}Function"}:
                name = f"{schema.attrib['Namespace']}.{element.attrib['Name']}"
                assert name not in found
                found[name] = element
    return found


@pytest.mark.parametrize("version", ["v1.0", "beta"])
def test_csdl_names_only_types_that_there_are_and_each_set_has_its_key(version: str) -> None:
    found = schemas(version)
    root = ET.fromstring(csdl.document(version))
    for element in root.iter():
        name = element.get("EntityType") or element.get("Type")
        if name is not None:
            inner = name.removeprefix("Collection(").removesuffix(")")
            assert inner.startswith("Edm.") or inner in found, name
        names = [child.attrib["Name"] for child in element if child.tag in {f"{EDM}Property", f"{EDM}NavigationProperty", f"{EDM}Member"}]
        assert len(names) == len(set(names))
    for name, element in found.items():
        if element.tag == f"{EDM}EntityType":
            key = element.find(f"{EDM}Key/{EDM}PropertyRef")
            assert key is not None
            properties = {each.attrib["Name"]: each for each in element.iter(f"{EDM}Property")}
            assert properties[key.attrib["Name"]].attrib["Nullable"] == "false", name
    container = found["microsoft.graph.GraphService"]
    sets = {each.attrib["Name"] for each in container if each.tag in {f"{EDM}EntitySet", f"{EDM}Singleton"}}
    assert sets == {"users", "me", "dataPolicyOperations"} | ({"directory"} if version == "beta" else set())


OURS = {(name, "microsoft.graph.dataPolicyOperation") for name in ("resume", "approve", "reject", "extend", "forget")}


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("v1.0", {("exportPersonalData", "microsoft.graph.user"), *OURS}),
        (
            "beta",
            {
                ("exportPersonalData", "microsoft.graph.user"),
                ("exportPersonalData", "microsoft.graph.inboundSharedUserProfile"),
                *OURS,
            },
        ),
    ],
)
def test_csdl_has_the_actions_of_its_root_and_their_names_lead_to_the_routes(version: str, expected: set[tuple[str, str]]) -> None:
    # GRAPH-01, GRAPH-10
    root = ET.fromstring(csdl.document(version))
    found = set()
    sets = {
        "microsoft.graph.user": "users",
        "microsoft.graph.dataPolicyOperation": "dataPolicyOperations",
        "microsoft.graph.inboundSharedUserProfile": "directory/inboundSharedUserProfiles",
    }
    for schema in root.iter(f"{EDM}Schema"):
        for action in schema.iter(f"{EDM}Action"):
            binding, *taken = action.findall(f"{EDM}Parameter")
            bound_to = binding.attrib["Type"]
            found.add((action.attrib["Name"], bound_to))
            expected_names = {
                "exportPersonalData": ["storageLocation", "language", "since", "recipient", "passphrase", "receivedDateTime"],
                "extend": ["reason"],
                "resume": ["storageLocation"],
            }.get(action.attrib["Name"], [])
            assert [each.attrib["Name"] for each in taken] == expected_names
            path = f"/{version}/{sets[bound_to]}('x')/{schema.attrib['Namespace']}.{action.attrib['Name']}"
            assert routes.match(path.encode()).key == "x"
    assert found == expected


def test_csdl_has_the_names_and_types_of_graph() -> None:
    # GRAPH-02, GRAPH-03, GRAPH-04
    found = schemas("beta")

    def properties(name: str) -> dict[str, tuple[str, str]]:
        return {each.attrib["Name"]: (each.attrib["Type"], each.attrib["Nullable"]) for each in found[name].iter(f"{EDM}Property")}

    operation = properties("microsoft.graph.dataPolicyOperation")
    assert (
        operation.items()
        >= {
            "id": ("Edm.String", "false"),
            "completedDateTime": ("Edm.DateTimeOffset", "true"),
            "progress": ("Edm.Double", "false"),
            "status": ("microsoft.graph.dataPolicyOperationStatus", "true"),
            "storageLocation": ("Edm.String", "true"),
            "submittedDateTime": ("Edm.DateTimeOffset", "false"),
            "userId": ("Edm.String", "false"),
        }.items()
    )
    assert properties("microsoft.graph.inboundSharedUserProfile") == dict.fromkeys(
        ("userId", "displayName", "userPrincipalName", "homeTenantId"), ("Edm.String", "false")
    )
    members = [each.attrib["Name"] for each in found["microsoft.graph.dataPolicyOperationStatus"].iter(f"{EDM}Member")]
    assert members == ["notStarted", "running", "complete", "failed", "unknownFutureValue"]
    assert "microsoft.graph.inboundSharedUserProfile" not in schemas("v1.0")
