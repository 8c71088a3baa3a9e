"""The time to answer, with the real service: received before it was submitted, shown, extended, warned of, counted."""

import urllib.request

import pytest
from tests.acceptance.service import Document, RunningService, configure
from tests.servers.port import free_port

from rightful.sample.company import SampleCompany

pytestmark = pytest.mark.acceptance


def test_request_of_long_ago_is_warned_of_until_it_is_answered(company: SampleCompany) -> None:
    port = free_port()

    def under_the_gdpr(document: Document) -> None:
        document["server"]["metrics"] = f"127.0.0.1:{port}"
        tenant = document["tenants"][0]
        tenant["deadlines"] = {"regulation": "gdpr", "time_zone": "Europe/Berlin", "holidays": ["12-25"]}
        tenant["export"] = {"approval": "required"}  # it stays unanswered

    def metrics() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            return str(answer.read().decode())

    with RunningService(company, configure(company, "deadlines", under_the_gdpr)) as service:
        to = ["--server", f"https://localhost:{service.port}", "--tenant", "Contoso"]
        export = ["export", company.person("ann").upn, "--to", company.storage_account, "--no-wait"]
        assert service.command(*export, "--received", "2199-01-31", *to).returncode == 1
        accepted = service.command(*export, "--received", "2026-01-31", *to)
        assert accepted.returncode == 0, accepted.stderr
        operation_id = accepted.stdout.strip()
        other = service.submit(company.person("ann2").upn, company.storage_account).operation_id
        late = service.command("requests", "extend", operation_id, "--reason", "number", *to)
        assert (late.returncode, "the time to answer it is over" in late.stderr) == (1, True)
        assert service.command("requests", "extend", other, "--reason", "number", *to).returncode == 0
        shown = service.command("requests", "show", operation_id, *to).stdout
        assert "2026-03-02 (gdpr, received 2026-01-30T23:00:00Z, extendable to 2026-04-30, overdue)" in shown
        assert "extended: number" in service.command("requests", "show", other, *to).stdout
        service.stop()
        service.start()  # it looks when it starts
        service.wait(operation_id, lambda _: "a request is not answered in time" in service.log())
        assert f'rightful_requests_overdue{{tenant="{company.tenant_id}"}} 1.0' in metrics()
        assert service.call("DELETE", f"/v1.0/dataPolicyOperations/{operation_id}").status == 204
        trail = service.command("audit", "verify")
        assert trail.returncode == 0, trail.stderr
