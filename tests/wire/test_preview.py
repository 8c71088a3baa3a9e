"""The preview of an export over the wire."""

import asyncio
import threading
from collections.abc import Iterator
from xml.etree import ElementTree as ET

import pytest
from tests.wire.world import ANN, GUEST_PROFILE, LOCATION, NOBODY, SUBJECTS, Answer, World, world

from rightful.audit.record import Action, Target
from rightful.export.preview import Preview
from rightful.graph import csdl
from rightful.subject.model import DataSubject
from rightful.testing.memory_exports import MemoryExports

PREVIEW = f"/beta/users/{ANN}/exportPersonalData/preview"
EDM = "{http://docs.oasis-open.org/odata/ns/edm}"


@pytest.fixture
def opened() -> Iterator[World]:
    with world() as one:
        yield one


def test_a_preview_says_what_the_service_found(opened: World) -> None:
    answer = opened.get(PREVIEW)
    assert answer.status == 200
    found = answer.json
    assert found["@odata.context"].endswith("/beta/$metadata#rightful.exportPreview")
    assert (found["userId"], found["rows"], found["files"], found["bytes"], found["isExact"]) == (ANN, 3, 0, 300, False)
    orders, mails = found["sources"]
    assert (orders["rows"], orders["isExact"], orders["files"], orders["unlabelledColumns"]) == (3, True, None, ["note"])
    assert (found["unstated"], orders["unstated"], mails["unstated"]) == (["contact"], ["retention"], [])
    assert (mails["rows"], mails["problem"]["code"]) == (None, "SourceUnavailable")
    assert found["identifiers"][1] == {
        "kind": "device_id", "value": "d1", "place": "devices.id", "over": ["orders", "customers"], "round": 1, "fromKind": "id", "fromValue": ANN
    }  # fmt: skip
    assert found["refusedIdentifiers"][0]["reason"] == "shared"
    assert opened.exports.operations == {}


@pytest.mark.parametrize(
    "path",
    [
        f"/v1.0/users/{ANN}/exportPersonalData/preview",
        f"/beta/users('{ANN}')/EXPORTPERSONALDATA/PREVIEW",
        f"/beta/users/{ANN}/microsoft.graph.exportPersonalData/preview",
        f"/beta/users('{ANN}')/rightful.preview()",
        "/beta/users/ann@contoso.example/exportPersonalData/preview/",
    ],
)
def test_it_is_found_under_every_spelling_of_its_path(opened: World, path: str) -> None:
    assert opened.get(path).json["userId"] == ANN


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"/beta/users/{NOBODY}/exportPersonalData/preview", 404),
        ("GET", f"{PREVIEW}?$select=rows", 400),
        ("GET", f"{PREVIEW}/more", 400),
        ("GET", f"/beta/users/{ANN}/preview", 400),
        ("GET", "/beta/me/exportPersonalData/preview", 400),
        ("POST", PREVIEW, 405),
        ("DELETE", PREVIEW, 405),
        ("HEAD", PREVIEW, 200),
        ("OPTIONS", PREVIEW, 204),
    ],
)
def test_what_it_takes(opened: World, method: str, path: str, status: int) -> None:
    assert opened.client.request(method, path, token=opened.token).status == status


def test_a_preview_is_recorded_as_a_look_at_somebody(opened: World) -> None:
    opened.get(PREVIEW)
    opened.client.request("GET", PREVIEW, token=opened.issuer.token(roles=["User.Read.All"]))
    done, refused = opened.exports.notes
    assert (done.action, done.outcome, done.target, done.target_id, done.subject_id) == (Action.PREVIEW, "ok", Target.USER, ANN, ANN)
    assert (refused.action, refused.outcome) == (Action.PREVIEW, "Authorization_RequestDenied")


def test_a_profile_has_a_preview_too(opened: World) -> None:
    token = opened.issuer.token(roles=["CrossTenantUserProfileSharing.Read.All"])
    path = f"/beta/directory/inboundSharedUserProfiles/{GUEST_PROFILE}"
    for way in ("exportPersonalData/preview", "rightful.preview()"):
        assert opened.client.request("GET", f"{path}/{way}", token=token).json["userId"] == GUEST_PROFILE
    assert opened.exports.notes[0].target is Target.INBOUND_PROFILE
    assert opened.client.request("GET", f"{path}/exportPersonalData/preview", token=opened.token).status == 403
    assert opened.client.request("GET", path.replace("beta", "v1.0") + "/exportPersonalData/preview", token=token).status == 400


@pytest.mark.parametrize("version", ["v1.0", "beta"])
def test_the_metadata_has_functions_that_lead_to_it(opened: World, version: str) -> None:
    token = opened.issuer.token(roles=["User.Export.All", "CrossTenantUserProfileSharing.Read.All"])
    root = ET.fromstring(csdl.document(version))
    found = {}
    for schema in root.iter(f"{EDM}Schema"):
        for function in schema.iter(f"{EDM}Function"):
            binding, returned = function.find(f"{EDM}Parameter"), function.find(f"{EDM}ReturnType")
            assert binding is not None
            assert returned is not None
            found[binding.attrib["Type"]] = f"{schema.attrib['Namespace']}.{function.attrib['Name']}()", returned.attrib["Type"]
    paths = {"microsoft.graph.user": f"users('{ANN}')"}
    if version == "beta":
        paths["microsoft.graph.inboundSharedUserProfile"] = f"directory/inboundSharedUserProfiles('{GUEST_PROFILE}')"
    assert found.keys() == paths.keys()
    for bound_to, (name, type_) in found.items():
        answer = opened.client.request("GET", f"/{version}/{paths[bound_to]}/{name}", token=token)
        assert answer.json["@odata.context"].endswith(f"#{type_}")


class Slow(MemoryExports):
    """Whose sources take their time."""

    gate = threading.Event()

    def preview(self, subject: DataSubject) -> Preview:
        self.gate.wait(60)
        return super().preview(subject)


def test_previews_that_take_their_time_hold_up_no_submit_and_one_too_many_is_told_so() -> None:
    async def ask(opened: World) -> tuple[Answer, Answer, list[Answer]]:
        asked = [asyncio.create_task(opened.client.get(PREVIEW, opened.token)) for _ in range(7)]
        (too_many,), begun = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        submitted = await opened.client.post(f"/v1.0/users/{ANN}/exportPersonalData", opened.token, {"storageLocation": LOCATION})
        assert not any(task.done() for task in begun)
        exports.gate.set()
        return too_many.result(), submitted, await asyncio.gather(*begun)

    exports = Slow(SUBJECTS)
    with world(exports=exports) as opened:
        too_many, submitted, previews = opened.client.run(ask(opened))
    assert (too_many.status, too_many.headers["retry-after"]) == (429, "1")
    assert submitted.status == 202
    assert [answer.status for answer in previews] == [200] * 6
