"""Answers have the properties and types that `$metadata` gives them, all of them, and no other."""

import datetime as dt
import json
import re
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import msgspec
import pytest
from tests.wire.world import ANN, BEN, GUEST_PROFILE, TENANT, World, new_location, world

from rightful.graph import csdl
from rightful.operation import deadline
from rightful.operation.model import Failure, SourceProgress, SourceState, Written

EDM = "{http://docs.oasis-open.org/odata/ns/edm}"
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{6})?Z")  # GRAPH-05


class Metadata:
    """What a service root says of itself."""

    def __init__(self, text: bytes) -> None:
        self.types: dict[str, ET.Element] = {}
        for schema in ET.fromstring(text).iter(f"{EDM}Schema"):
            for element in schema:
                self.types[f"{schema.attrib['Namespace']}.{element.attrib['Name']}"] = element

    def check(self, value: Any, type_: str, *, nullable: bool, seen: set[str]) -> None:
        """Hold a value of an answer to its type; notes each property that was there."""
        if value is None:
            assert nullable, type_
            return
        if type_.startswith("Collection("):
            assert isinstance(value, list)
            for each in value:
                self.check(each, type_[11:-1], nullable=False, seen=seen)
            return
        match type_:
            case "Edm.String":
                assert isinstance(value, str)
            case "Edm.DateTimeOffset":
                assert MOMENT.fullmatch(value)
            case "Edm.Date":
                assert dt.date.fromisoformat(value).isoformat() == value
            case "Edm.Boolean":
                assert isinstance(value, bool)
            case "Edm.Double":
                assert isinstance(value, float)
            case "Edm.Int64" | "Edm.Int32":
                assert isinstance(value, int)
            case _ if self.types[type_].tag == f"{EDM}EnumType":
                assert value in {each.attrib["Name"] for each in self.types[type_].iter(f"{EDM}Member")}
            case _:
                self._check_members(value, type_, seen)

    def _check_members(self, value: Any, type_: str, seen: set[str]) -> None:
        properties = {each.attrib["Name"]: each.attrib for each in self.types[type_].iter(f"{EDM}Property")}
        for name, member in value.items():
            if not name.startswith("@odata."):
                seen.add(f"{type_}/{name}")
                self.check(member, properties[name]["Type"], nullable=properties[name]["Nullable"] == "true", seen=seen)

    def said(self, *types: str) -> set[str]:
        return {f"{name}/{each.attrib['Name']}" for name in types for each in self.types[name].iter(f"{EDM}Property")}


SHOWN = (
    "microsoft.graph.dataPolicyOperation",
    "microsoft.graph.inboundSharedUserProfile",
    "rightful.failure",
    "rightful.approval",
    "rightful.deadline",
    "rightful.source",
    "rightful.package",
    "rightful.left",
    "rightful.exportPreview",
    "rightful.previewedSource",
    "rightful.identifier",
    "rightful.refusedIdentifier",
)


@pytest.fixture
def opened() -> Any:
    """A world with operations in every state, whose progress says all that there is to say."""
    with world() as one:
        first, second, third = (one.operation(one.submit(user, location=new_location())) for user in (ANN, BEN, ANN))
        one.exports.run(first.operation_id)
        one.exports.complete(first.operation_id)
        one.exports.run(second.operation_id)
        one.exports.fail(second.operation_id, Failure(code="SourceUnavailable", message="m", source_name="orders"))
        one.exports.hold(one.operation(one.submit(BEN, location=new_location())).operation_id)
        waits = Failure(code="StorageRefused", message="m")
        progress = tuple(SourceProgress(source_name=state.value, state=state, rows=1) for state in SourceState)
        running = one.exports.operations[third.operation_id]
        gdpr, days = deadline.regulations()["gdpr"], deadline.Calendar(dt.UTC)
        failed = one.exports.operations[second.operation_id]
        due = deadline.deadline(failed.submitted_at, gdpr, days)
        left = Written(prefix=failed.prefix, entries=2, size_bytes=7)
        one.exports.put(msgspec.structs.replace(failed, deadline=due, left=left))
        extension = deadline.Extension(at=running.submitted_at, reason=deadline.Reason.COMPLEXITY)
        one.exports.put(
            type(running)(
                **{name: getattr(running, name) for name in running.__struct_fields__}
                | {
                    "waiting_for": waits,
                    "sources": progress,
                    "language": "de",
                    "recipient": "age1",
                    "deadline": deadline.deadline(running.submitted_at, gdpr, days, extension),
                    "since": "e0000000-0000-4000-8000-000000000000",
                }
            )
        )
        yield one


def test_each_property_of_an_answer_is_in_the_metadata_and_the_other_way_round(opened: World) -> None:
    # GRAPH-02, GRAPH-04, GRAPH-22, GRAPH-30
    answer = opened.client.request("GET", "/beta/$metadata")
    assert (answer.status, answer.headers["content-type"], answer.headers["odata-version"]) == (200, "application/xml", "4.0")
    metadata = Metadata(answer.body)
    seen: set[str] = set()
    operations = opened.get("/beta/dataPolicyOperations").json
    metadata.check(operations["value"], "Collection(microsoft.graph.dataPolicyOperation)", nullable=False, seen=seen)
    for each in operations["value"]:
        one = opened.get(f"/beta/dataPolicyOperations/{each['id']}").json
        metadata.check(one, "microsoft.graph.dataPolicyOperation", nullable=False, seen=seen)
    profiles = opened.get(
        "/beta/directory/inboundSharedUserProfiles", token=opened.issuer.token(roles=["CrossTenantUserProfileSharing.Read.All"])
    ).json
    metadata.check(profiles["value"], "Collection(microsoft.graph.inboundSharedUserProfile)", nullable=False, seen=seen)
    preview = opened.get(f"/beta/users/{ANN}/exportPersonalData/preview").json
    metadata.check(preview, "rightful.exportPreview", nullable=False, seen=seen)
    assert seen == metadata.said(*SHOWN)


READER = """
const csdl = require("odata-csdl");
const problems = [];
const read = csdl.xml2json(require("fs").readFileSync(0, "utf8"), { strict: true }, problems);
process.stdout.write(JSON.stringify({ problems, read }));
"""


@pytest.mark.node
@pytest.mark.parametrize("version", ["v1.0", "beta"])
def test_reader_of_the_standards_committee_finds_nothing_wrong_with_the_metadata(version: str) -> None:
    folder = Path(__file__).parents[1] / "servers"
    if not (folder / "node_modules" / "odata-csdl").exists():
        pytest.skip("odata-csdl is not installed: `make test` installs it")
    done = subprocess.run(["node", "-e", READER], cwd=folder, input=csdl.document(version), capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    found = json.loads(done.stdout)
    assert found["problems"] == []
    assert found["read"]["$Version"] == "4.0"
    graph = found["read"]["microsoft.graph"]
    assert graph["dataPolicyOperation"]["$Key"] == ["id"]
    assert graph["dataPolicyOperation"]["sources"]["$Type"] == "rightful.source"
    assert ("inboundSharedUserProfile" in graph) == (version == "beta")


def test_context_of_an_answer_leads_to_the_metadata_and_names_what_is_in_it(opened: World) -> None:
    # GRAPH-30, GRAPH-31
    context = opened.get("/v1.0/dataPolicyOperations").json["@odata.context"]
    path, _, fragment = context.partition("#")
    metadata = opened.client.request("GET", "/" + path.split("/", 3)[3])
    assert metadata.status == 200
    assert f'<EntitySet Name="{fragment}"' in metadata.body.decode()


@pytest.mark.parametrize("path", ["/v1.0/$metadata", "/beta/%24metadata", "/V1.0/$Metadata", "/openapi.json", "/docs"])
def test_description_needs_no_token_and_says_nothing_of_this_installation(opened: World, path: str) -> None:
    answer = opened.client.request("GET", path)
    assert answer.status == 200
    text = answer.body.decode()
    assert not any(word in text for word in (TENANT, ANN, GUEST_PROFILE, "contoso", "login.microsoftonline"))
    answer = opened.client.request("POST", path)
    assert (answer.status, answer.code) == (405, "Request_BadRequest")


def test_openapi_is_served_as_it_is(opened: World) -> None:
    document = json.loads(opened.client.request("GET", "/openapi.json").body)
    assert document["openapi"] == "3.1.0"


def test_page_asks_for_nothing_and_its_policy_allows_its_style_alone(opened: World) -> None:
    answer = opened.client.request("GET", "/docs")
    text = answer.body.decode()
    policy = answer.headers["content-security-policy"]
    assert re.fullmatch(
        r"default-src 'none'; style-src 'sha256-[A-Za-z0-9+/]{43}='; base-uri 'none'; form-action 'none'; frame-ancestors 'none'", policy
    )
    assert not re.search(r"<(?:script|link|img|iframe|form|object|base)\b|\bon\w+=|style=|url\(|@import|javascript:", text)
    assert set(re.findall(r'href="([^"#]+)', text)) == {"openapi.json", "v1.0/$metadata", "beta/$metadata"}
    named = set(re.findall(r'href="#([^"]+)"', text))
    assert named <= set(re.findall(r'id="([^"]+)"', text))
