"""A webhook is told of an export of the real service, also where it was killed before the receiver took anything."""

import base64
import json
import time

import pytest
from tests.acceptance.service import Document, RunningService, configure
from tests.unit.export.test_webhooks import SECRET, Receiver, verify

from rightful.sample.company import SampleCompany

pytestmark = pytest.mark.acceptance


def test_what_a_killed_service_could_not_tell_is_told_after_its_start(company: SampleCompany) -> None:
    receiver = Receiver()
    receiver.status = 503

    def told(document: Document) -> None:
        secret = f"whsec_{base64.b64encode(SECRET).decode()}"
        document["tenants"][0]["webhooks"] = [{"url": receiver.url, "secret": secret}]

    def types() -> list[str]:
        return [json.loads(body)["type"].rpartition(".")[2] for _, _, body in receiver.taken]

    try:
        with RunningService(company, configure(company, "told", told)) as service:
            operation_id = service.submit(company.person("ann").upn, company.storage_account).operation_id
            service.complete(operation_id)
            service.wait(operation_id, lambda _: bool(receiver.taken))
            service.kill()
            receiver.status = 204
            receiver.taken.clear()
            service.start()
            service.wait(operation_id, lambda _: sorted(types()) == ["completed", "submitted"], timeout_s=30)
            for _, headers, body in receiver.taken:
                verify(headers, body)
                assert json.loads(body)["data"]["operationId"] == operation_id
            receiver.hangs.set()
            later = service.submit(company.person("ann2").upn, company.storage_account).operation_id
            service.complete(later)
            begun = time.monotonic()
            service.stop()  # a receiver that hangs holds up no stop
            assert time.monotonic() - begun < 12, "it waited for the receiver, which has 15 s"
            assert "canary" not in service.log()
    finally:
        receiver.close()
