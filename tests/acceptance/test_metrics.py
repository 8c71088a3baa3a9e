"""The real service tells on a port of its own what it has done, and nobody's name."""

import http.client

import pytest
from tests.acceptance.service import Document, RunningService, configure
from tests.servers.port import free_port

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
