"""Four eyes over the wire and by the commands: two people, kill -9 while an export waits, and a configuration changed meanwhile."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.acceptance.service import Document, RunningService, configure

from rightful.identity import local_issuer
from rightful.identity.model import CallerKind
from rightful.identity.permissions import USER_EXPORT
from rightful.sample.company import SampleCompany

pytestmark = pytest.mark.acceptance

FIRST, SECOND = (f"11111111-aaaa-4aaa-8aaa-00000000000{number}" for number in (1, 2))


def asking_for_approval(document: Document) -> None:
    document["tenants"][0]["export"] = {"approval": "required"}


def token(company: SampleCompany, person: str) -> str:
    return local_issuer.mint(
        folder=company.folder,
        tenant_id=company.tenant_id,
        audience=company.audience,
        kind=CallerKind.DELEGATED,
        permissions=(USER_EXPORT,),
        roles=("company_admin",),
        now=datetime.now(UTC),
        object_id=person,
    )


def decide(service: RunningService, verb: str, operation_id: str, given: str) -> int:
    return service.call("POST", f"/v1.0/dataPolicyOperations/{operation_id}/{verb}", token=given).status


def written(company: SampleCompany, operation_id: str) -> list[str]:
    folder = Path(company.folder, "exports", operation_id)
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_export_waits_for_a_second_person_through_a_kill(company: SampleCompany) -> None:
    with RunningService(company, configure(company, "four-eyes", asking_for_approval)) as service:
        first, second = token(company, FIRST), token(company, SECOND)
        approved, rejected, changed = (
            service.submit(company.person(name).upn, company.storage_account, token=first).operation_id for name in ("ann", "ann2", "ANN")
        )
        service.kill()
        service.start()
        again = service.submit(company.person("ann").upn, company.storage_account, token=first).operation_id
        assert again == approved  # GRAPH-15
        waiting = service.operation(approved, token=second)
        assert (waiting["status"], waiting["waitingFor"]["code"]) == ("notStarted", "approvalRequired")
        assert written(company, approved) == ["RequestInfo.json"]
        assert decide(service, "approve", approved, first) == 403
        arguments = ["requests", "approve", approved, "--server", f"https://localhost:{service.port}", "--token-file", "-"]
        assert service.command(*arguments, given=second).returncode == 0
        assert service.complete(approved, token=second)["approval"]["state"] == "given"
        assert decide(service, "reject", rejected, second) == 204
        assert service.operation(rejected, token=first)["failureReason"]["code"] == "rejected"
        service.stop()
        document = json.loads(service.config_path.read_text())
        del document["tenants"][0]["sources"][next(iter(document["tenants"][0]["sources"]))]
        service.config_path.write_text(json.dumps(document))
        service.start()
        assert service.operation(changed, token=second)["failureReason"]["code"] == "requestChanged"
        assert decide(service, "approve", changed, second) == 409
        assert (written(company, rejected), written(company, changed)) == (["RequestInfo.json"], ["RequestInfo.json"])
