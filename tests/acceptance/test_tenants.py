"""Two tenants on one service: what is one's is not there for the other."""

import json
import re
from collections.abc import Iterator

import pytest
from tests.acceptance import delivered
from tests.acceptance.service import Answer, RunningService, configure

from rightful.sample.company import SampleCompany
from rightful.sample.oracle import Oracle

pytestmark = pytest.mark.acceptance

NOWHERE = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def service(company: SampleCompany) -> Iterator[RunningService]:
    with RunningService(company, configure(company, "tenants")) as running:
        yield running


def bare(answer: Answer) -> tuple[int, str]:
    """Return an answer without what differs each time: ids and times."""
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", answer.body.decode())
    return answer.status, re.sub(r"\d{4}-\d\d-\d\dT[0-9:.]+Z?", "TIME", text)


def test_other_tenants_operation_is_answered_like_one_that_does_not_exist(service: RunningService, company: SampleCompany) -> None:
    # GRAPH-75
    fabrikam = service.token(company.fabrikam_id)
    operation_id = service.submit(company.person("ann").upn, company.storage_account).operation_id
    service.complete(operation_id)
    for method, suffix in (("GET", ""), ("DELETE", ""), ("POST", "/resume")):
        answers = [
            service.call(method, f"/v1.0/dataPolicyOperations/{each}{suffix}", {} if suffix else None, token=fabrikam)
            for each in (operation_id, NOWHERE)
        ]
        assert bare(answers[0]) == bare(answers[1]), method
        assert (answers[0].status, answers[0].error_code) == (404, "Request_ResourceNotFound")
    assert service.listed(token=fabrikam) == []
    assert service.call("GET", "/v1.0/dataPolicyOperations/$count", token=fabrikam).body == b"0"
    filtered = service.call("GET", f"/v1.0/dataPolicyOperations?$filter=userId%20eq%20'{company.person('ann').object_id}'", token=fabrikam)
    assert filtered.json["value"] == []
    assert service.operation(operation_id)["status"] == "complete"


def test_other_tenants_people_and_profiles_are_not_found(service: RunningService, company: SampleCompany) -> None:
    fabrikam = service.token(company.fabrikam_id)
    ann = company.person("ann")
    nobody = bare(service.submit("nobody@contoso.example", company.storage_account, token=fabrikam))
    for user in (ann.upn, ann.object_id):
        refused = service.submit(user, company.storage_account, token=fabrikam)
        assert (refused.status, bare(refused)) == (404, nobody)
    profiles = "/beta/directory/inboundSharedUserProfiles"
    assert len(service.call("GET", profiles).json["value"]) == len(company.profiles)
    assert service.call("GET", profiles, token=fabrikam).json["value"] == []
    assert service.call("GET", f"{profiles}/{company.profiles[0].user_id}", token=fabrikam).status == 404


def test_same_name_same_account_same_key_in_both_tenants_stay_apart(
    service: RunningService, company: SampleCompany, oracle: Oracle
) -> None:
    fabrikam = service.token(company.fabrikam_id)
    ours, theirs = company.person("ann"), company.person("fabrikam/ann")
    headers = {"Idempotency-Key": "the-same", "client-request-id": NOWHERE}
    first = service.submit(ours.upn, company.storage_account, headers=headers).operation_id
    second = service.submit(theirs.upn, company.storage_account, headers=headers, token=fabrikam).operation_id
    assert first != second
    service.complete(first)
    service.complete(second, token=fabrikam)
    packages = {ours: company.exports / first, theirs: company.folder / "fabrikam" / "exports" / second}
    for person, package in packages.items():
        assert delivered.read(package) == oracle.expected(person.object_id)
        assert delivered.canaries(package, "onedrive", "employees", "activity") <= {person.canary}
    assert not (company.exports / second).exists()
    assert not (company.folder / "fabrikam" / "exports" / first).exists()
    assert service.listed(token=fabrikam) == [second]
    assert second not in service.listed()


def test_token_of_a_tenant_with_another_ones_id_is_no_token(service: RunningService, company: SampleCompany) -> None:
    # GRAPH-74: the key isolates nothing, iss and tid must. A token is signed, so its payload cannot be exchanged either.
    head, _, signature = service.token().split(".")
    other = service.token(company.fabrikam_id).split(".")[1]
    answer = service.call("GET", "/v1.0/dataPolicyOperations", token=f"{head}.{other}.{signature}")
    assert (answer.status, answer.error_code) == (401, "InvalidAuthenticationToken")
    assert json.loads(answer.body)["error"]["message"]
