"""The real service tells on a port of its own what it has done, and nobody's name."""

import http.client

import pytest
from tests.acceptance.service import Document, RunningService, configure, eventually
from tests.docs.test_dashboard import RULES, dashboard_expressions, plain
from tests.servers.port import free_port
from tests.servers.prometheus import scraping

from rightful.sample.company import SampleCompany

pytestmark = pytest.mark.acceptance


def scrape(port: int) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return text


def test_metrics_tell_what_the_service_did_and_nobodys_name(company: SampleCompany) -> None:
    port = free_port()

    def measure(document: Document) -> None:
        document["server"]["metrics"] = f"127.0.0.1:{port}"

    zoe = company.person("zoe")
    with RunningService(company, configure(company, "measured", measure)) as service:
        ended = service.complete(service.submit(zoe.upn, company.storage_account).operation_id)
        text = scrape(port)
        service.stop()
    lines = text.splitlines()
    assert 'rightful_operations_ended_total{code="",status="complete"} 1.0' in lines
    assert 'rightful_requests_total{method="POST",route="export_user",status="202"} 1.0' in lines
    for source in ended["sources"]:
        if source["rows"]:
            assert f'rightful_source_rows_total{{source="{source["name"]}"}} {float(source["rows"])}' in lines
    assert not any(word in text for word in (zoe.upn, zoe.object_id, "contoso", "Contoso", "sig="))
    with pytest.raises(ConnectionRefusedError):
        scrape(port)


def test_prometheus_shows_each_panel_of_the_dashboard(company: SampleCompany) -> None:
    port = free_port()

    def measure(document: Document) -> None:
        document["server"]["metrics"] = f"127.0.0.1:{port}"

    with RunningService(company, configure(company, "scraped", measure)) as service, scraping(f"127.0.0.1:{port}", RULES) as server:
        service.call("GET", "/v1.0/me", token="none")
        for name in ("zoe", "jose"):
            service.complete(service.submit(company.person(name).upn, company.storage_account).operation_id)

        def has_scraped_twice() -> bool:
            found = server.ask("query", query="count_over_time(rightful_package_entries_total[1m])")["result"]
            return bool(found) and float(found[0]["value"][1]) >= 2

        eventually(has_scraped_twice, "Prometheus has seen the end of an export twice", timeout_s=60)
        empty = [each for each in dashboard_expressions() if not server.ask("query", query=plain(each))["result"]]
        rules = [rule for group in server.ask("rules")["groups"] for rule in group["rules"]]
    rare = ("skipped", "leaks_found", "retries", "storage_waits", "overdue", "due_soon", 'status="failed"', "waiting", "stale", "webhook")
    assert not [each for each in empty if not any(word in each for word in rare)]
    assert {(rule["name"], rule.get("lastError", "")) for rule in rules} == {(rule["name"], "") for rule in rules}
    assert not [rule["name"] for rule in rules if rule["state"] == "firing"]
