"""The audit trail of the real service: whole after every kill, complete, signed at the stop, and without a secret."""

import http.client
import json
import random
import time
from collections import Counter
from threading import Thread
from typing import Any

import pytest
from tests.acceptance.service import RunningService, configure

from rightful.audit.record import AuditRecord, decode
from rightful.sample.company import SampleCompany

pytestmark = pytest.mark.acceptance

KILLS = 3
CALLERS = 4


def verified(service: RunningService, *arguments: str) -> tuple[int, dict[str, Any]]:
    ended = service.command("audit", "verify", "--json", *arguments)
    assert ended.returncode in {0, 1}, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return ended.returncode, found


def records(service: RunningService, company: SampleCompany) -> list[AuditRecord]:
    ended = service.command("audit", "export", "--tenant", company.tenant_id)
    assert ended.returncode == 0, ended.stderr
    return [decode(json.loads(line)["record"]) for line in ended.stdout.splitlines()]


def test_killed_at_random_moments_the_trail_is_whole_and_has_every_operation_once(company: SampleCompany) -> None:
    service, chance = RunningService(company, configure(company, "audit")), random.Random(7)
    accepted: list[str] = []

    def call(number: int) -> None:
        step = 0
        while service.is_running:
            step += 1
            try:
                person = company.person(("ann", "zoe", "jose")[step % 3])
                headers = {"Idempotency-Key": f"{number}-{service.pid}-{step}", "client-request-id": person.upn}
                answer = service.submit(person.upn, company.storage_account, headers=headers)
                if answer.status == 202:
                    accepted.append(answer.operation_id)
                    service.call("GET", f"/v1.0/dataPolicyOperations/{answer.operation_id}")
                service.call("GET", f"/v1.0/users/{person.upn}/nothing")
            except (OSError, http.client.HTTPException, AssertionError):
                return  # it was killed meanwhile

    with service:
        for _ in range(KILLS):
            threads = [Thread(target=call, args=(number,)) for number in range(CALLERS)]
            for thread in threads:
                thread.start()
            time.sleep(chance.uniform(0.3, 1.5))  # the random moment itself, not a wait for something
            service.kill()
            for thread in threads:
                thread.join()
            code, found = verified(service)
            assert (code, found["ok"]) == (0, True), found
            service.start()
        for operation_id in dict.fromkeys(accepted):
            service.complete(operation_id)
        refused = service.submit("nobody@contoso.example", company.storage_account)
        assert refused.status == 404
        assert service.call("GET", "/v1.0/dataPolicyOperations", token="none").status == 401
        service.stop()
        code, found = verified(service)
        assert (code, found["ok"]) == (0, True), found
        for chain in found["chains"]:
            assert chain["signed"] == chain["records"], "the stop signed it"
        # The log has the checkpoints: it is what proves a file that was put back.
        assert verified(service, "--checkpoint", str(service.log_path))[0] == 0
        everything = records(service, company)
    done = Counter((each.action.value, each.target_id) for each in everything if each.outcome == "ok" and each.target == "operation")
    assert accepted
    for operation_id in accepted:
        assert (done["submit", operation_id], done["complete", operation_id]) == (1, 1)
    submitted = [each for each in everything if (each.action, each.outcome) == ("submit", "ok")]
    assert all(each.object_id and each.app_id and each.address == "127.0.0.1" and each.subject_id for each in submitted)
    last = next(each for each in reversed(everything) if each.outcome == "Request_ResourceNotFound")
    assert (last.action, last.request_id) == ("submit", refused.headers["request-id"])
    assert last.target_id.startswith("digest:")
    assert any(each.action == "readOperation" for each in everything)
    said = service.command("audit", "export").stdout
    assert "InvalidAuthenticationToken" in said
    assert not [person.upn for person in company.people if person.upn in said]


def test_file_put_back_is_found_by_the_log(company: SampleCompany) -> None:
    service = RunningService(company, configure(company, "put-back"))
    path = company.folder / "var" / "put-back" / "rightful.db"
    with service:
        service.complete(service.submit(company.person("ann").upn, company.storage_account).operation_id)
        service.stop()
        old = path.read_bytes()
        service.start()
        service.complete(service.submit(company.person("zoe").upn, company.storage_account).operation_id)
        service.stop()
        assert verified(service, "--checkpoint", str(service.log_path))[0] == 0
        path.write_bytes(old)
        assert verified(service)[0] == 0
        code, found = verified(service, "--checkpoint", str(service.log_path))
    assert code == 1
    assert [finding["kind"] for chain in found["chains"] for finding in chain["findings"]] == ["cut"]
