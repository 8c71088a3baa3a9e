"""The real service sends traces to an OTLP receiver: what happened to a request and to its operation, and nobody's name."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from tests.acceptance.large import SlowSimulator
from tests.acceptance.service import Document, RunningService, configure
from tests.servers.api import Api, Asked, Reply, serving

from rightful.sample.company import SampleCompany
from rightful.testing.blob_simulator import Fault

pytestmark = pytest.mark.acceptance

CALLER_TRACE, CALLER_SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = {"traceparent": f"00-{CALLER_TRACE}-{CALLER_SPAN}-01"}
SOON = {"OTEL_BSP_SCHEDULE_DELAY": "50"}


def receive(_asked: Asked) -> Reply:
    return Reply(ExportTraceServiceResponse().SerializeToString(), headers={"Content-Type": "application/x-protobuf"})


def _requests(receiver: Api) -> Iterator[ExportTraceServiceRequest]:
    for asked in receiver.asked:
        assert asked.target == "/v1/traces"
        assert asked.headers["content-type"] == "application/x-protobuf"
        body = gzip.decompress(asked.body) if asked.headers.get("content-encoding") == "gzip" else asked.body
        yield ExportTraceServiceRequest.FromString(body)


def spans(receiver: Api) -> list[Span]:
    return [
        span
        for request in _requests(receiver)
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def _said(span: Span) -> dict[str, Any]:
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}


def _service(company: SampleCompany, name: str, url: str, **environ: str) -> RunningService:
    def trace(document: Document) -> None:
        document["server"]["traces"] = url

    return RunningService(company, configure(company, name, trace), environ={**SOON, **environ})


def test_spans_tell_what_became_of_a_request_and_nobodys_name(company: SampleCompany) -> None:
    zoe = company.person("zoe")
    with serving(receive) as receiver:
        with _service(company, "traced", receiver.url) as service:
            accepted = service.submit(zoe.upn, company.storage_account, headers=TRACEPARENT)
            ended = service.complete(accepted.operation_id)
            service.call("GET", f"/v1.0/users/{quote(zoe.upn)}/exportPersonalData/preview?canary=canary-query")
            service.call("GET", "/v1.0/me", token="canary-token", headers={"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"})
            service.call("GET", "/v1.0/me", headers={"traceparent": f"00-{CALLER_TRACE.upper()}-{CALLER_SPAN}-01"})
            service.stop()  # what is left is sent then
        told = spans(receiver)
        resources = [
            {each.key: each.value.string_value for each in found.resource.attributes}
            for request in _requests(receiver)
            for found in request.resource_spans
        ]
        sent = b"".join(gzip.decompress(asked.body) if "content-encoding" in asked.headers else asked.body for asked in receiver.asked)
    assert {(found["service.name"], "process.command_args" in found) for found in resources} == {("rightful", False)}

    asked = [span for span in told if span.kind == Span.SPAN_KIND_SERVER]
    submit = next(span for span in asked if span.name == "POST export_user")
    assert (submit.trace_id.hex(), submit.parent_span_id.hex()) == (CALLER_TRACE, CALLER_SPAN)
    assert _said(submit)["http.response.status_code"] == 202
    assert _said(submit)["rightful.request_id"] == accepted.headers["request-id"]
    refused = next(span for span in asked if _said(span)["http.response.status_code"] == 401)
    assert not refused.parent_span_id, "a stranger chose the trace"
    assert refused.trace_id.hex() != "a" * 32
    assert all(not span.parent_span_id for span in asked if span is not submit)

    own = [span for span in told if span.trace_id.hex() == accepted.operation_id.replace("-", "")]
    root = next(span for span in own if not span.parent_span_id)
    assert root.name == "submit"
    assert [(link.trace_id.hex(), link.span_id) for link in root.links] == [(CALLER_TRACE, submit.span_id)]
    reads = [span for span in own if span.name == "read"]
    assert {_said(span)["rightful.source"] for span in reads} == {source["name"] for source in ended["sources"]}
    (finish,) = (span for span in own if span.name == "finish")
    assert {span.parent_span_id for span in (*reads, finish)} == {root.span_id}
    puts, plans = [span for span in own if span.name == "put"], [span for span in own if span.name == "plan"]
    assert {span.parent_span_id for span in plans} <= {span.span_id for span in reads}
    assert {span.parent_span_id for span in puts} <= {span.span_id for span in (*reads, finish)}
    assert len([span for span in puts if span.parent_span_id == finish.span_id]) >= 5
    assert len(puts) + 1 == ended["package"]["entries"]  # RequestInfo.json is put by submit
    assert len(plans) == len({span.parent_span_id for span in plans}) >= len(ended["sources"])
    assert all(span.start_time_unix_nano <= span.end_time_unix_nano for span in told)
    assert all(span.status.code == Status.STATUS_CODE_UNSET for span in own)

    words = [
        zoe.upn,
        zoe.object_id,
        zoe.upn.partition("@")[0],
        "contoso",
        "Contoso",
        "canary",
        "sig=",
        "/v1.0",
        "file:",
        "part-0",
        "exportPersonalData",
    ]
    assert not [word for word in words if word.encode() in sent]


def test_operation_goes_on_in_its_trace_after_a_kill_and_says_why_it_waited(company: SampleCompany, simulator: SlowSimulator) -> None:
    with serving(receive) as receiver:

        def trace(document: Document) -> None:
            document["server"]["traces"] = receiver.url
            document["tenants"][0]["storage"]["allow"] = [simulator.host]

        with RunningService(company, configure(company, "traced-kill", trace), environ=SOON) as service:
            operation_id = service.submit(company.person("zoe").upn, simulator.sas_url("traced", "c")).operation_id
            simulator.revoke()
            simulator.fail_from_now(Fault.status(403, "AuthenticationFailed"))
            service.wait(operation_id, lambda operation: "waitingFor" in operation)
            service.kill()
            simulator.recover()
            service.start()
            assert service.resume(operation_id, location=simulator.sas_url("traced", "cw")).returncode == 0
            service.complete(operation_id)
            service.stop()
            assert all(asked.headers.get("traceparent") is None for asked in receiver.asked)
        own = [span for span in spans(receiver) if span.trace_id.hex() == operation_id.replace("-", "")]
    (root,) = (span for span in own if span.name == "submit")
    (finish,) = (span for span in own if span.name == "finish" and span.status.code == Status.STATUS_CODE_UNSET)
    assert finish.parent_span_id == root.span_id
    refused = [span for span in own if span.status.code == Status.STATUS_CODE_ERROR]
    assert {_said(span)["error.type"] for span in refused if span.name == "put"} == {"StorageRefused"}
    assert {_said(span)["error.type"] for span in refused if span.name in {"read", "finish"}} == {"StorageRefused"}
    assert not [request for request in simulator.requests if "traceparent" in {name.lower() for name in request.headers}]


def test_api_of_the_operators_own_is_told_the_trace_and_no_other_is(company: SampleCompany) -> None:
    def orders(asked: Asked) -> Reply:
        upn = parse_qs(urlsplit(asked.target).query)["upn"][0]
        return Reply(json.dumps([{"upn": upn}]).encode())

    with serving(receive) as receiver, serving(orders) as own, serving(orders) as other:

        def trace(document: Document) -> None:
            document["server"]["traces"] = receiver.url
            common = {"connector": "http", "path": "/orders?upn={upn}", "match": {"/upn": "upn"}, "requests_per_second": 1000}
            document["tenants"][0]["sources"] = {
                "own": {**common, "url": own.url, "traceparent": True},
                "other": {**common, "url": other.url},
            }

        with RunningService(company, configure(company, "traced-api", trace), environ=SOON) as service:
            operation_id = service.submit(company.person("zoe").upn, company.storage_account).operation_id
            service.complete(operation_id)
            service.stop()
        sent = spans(receiver)
    (read,) = (span for span in sent if span.name == "read" and _said(span)["rightful.source"] == "own")
    told = {asked.headers["traceparent"] for asked in own.asked if "zoe" in asked.target}  # the check at the start is in no trace
    assert told == {f"00-{operation_id.replace('-', '')}-{read.span_id.hex()}-01"}
    assert other.asked
    assert not [asked for asked in other.asked if "traceparent" in asked.headers]


def test_receiver_that_is_down_holds_nothing_up(company: SampleCompany, tmp_path: Path) -> None:
    del tmp_path
    with serving(receive) as gone:
        pass
    with _service(company, "traced-down", gone.url) as service:
        service.complete(service.submit(company.person("zoe").upn, company.storage_account).operation_id)
        assert service.stop() < 10
        assert company.person("zoe").upn not in service.log()


@pytest.mark.parametrize(("share", "least", "most"), [("0", 0, 0), ("0.5", 5, 25)])
def test_share_of_traces_is_taken_whole(company: SampleCompany, share: str, least: int, most: int) -> None:
    with serving(receive) as receiver:
        environ = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": share}
        with _service(company, f"traced-{share.replace('.', '-')}", receiver.url, **environ) as service:
            ids = [service.submit(person.upn, company.storage_account).operation_id for person in company.people[:30]]
            for operation_id in ids:
                service.complete(operation_id)
            service.stop()
        told = spans(receiver)
    names: dict[str, set[str]] = {}
    for span in told:
        names.setdefault(span.trace_id.hex(), set()).add(span.name)
    kept = [names[operation_id.replace("-", "")] for operation_id in ids if operation_id.replace("-", "") in names]
    assert least <= len(kept) <= most
    assert all(found >= {"submit", "read", "put", "finish"} for found in kept)
