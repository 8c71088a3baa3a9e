"""Drives the service with Microsoft's Graph SDKs for Python; prints what it saw as one JSON document. Runs in .venv-sdk.

Environment: BASE (https://host:port/), TOKEN, WEAK_TOKEN, PROFILE_TOKEN, USER, PROFILE, LOCATION; SSL_CERT_FILE names the authority.
"""

import asyncio
import json
import os
import time
from collections.abc import Awaitable
from datetime import datetime
from typing import Any

from kiota_abstractions.authentication import AccessTokenProvider, AllowedHostsValidator, BaseBearerTokenAuthenticationProvider
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_http.middleware.options import HeadersInspectionHandlerOption
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.data_policy_operations.data_policy_operations_request_builder import DataPolicyOperationsRequestBuilder
from msgraph.generated.models.data_policy_operation_collection_response import DataPolicyOperationCollectionResponse
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.users.item.export_personal_data.export_personal_data_post_request_body import ExportPersonalDataPostRequestBody
from msgraph_beta import GraphRequestAdapter as BetaAdapter
from msgraph_beta import GraphServiceClient as BetaClient
from msgraph_beta.generated.directory.inbound_shared_user_profiles.item.export_personal_data.export_personal_data_post_request_body import (
    ExportPersonalDataPostRequestBody as ProfileBody,
)
from msgraph_core.requests.batch_request_content import BatchRequestContent
from msgraph_core.requests.batch_request_item import BatchRequestItem
from msgraph_core.tasks.page_iterator import PageIterator

BASE = os.environ["BASE"]
USER = os.environ["USER"]
LOCATION = os.environ["LOCATION"]
Query = DataPolicyOperationsRequestBuilder.DataPolicyOperationsRequestBuilderGetQueryParameters


class Tokens(AccessTokenProvider):  # type: ignore[misc]  # it is installed elsewhere
    """One token, for one host (GRAPH-60)."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def get_authorization_token(self, uri: str, additional_authentication_context: dict[str, Any] | None = None) -> str:
        del uri, additional_authentication_context
        return self._token

    def get_allowed_hosts_validator(self) -> AllowedHostsValidator:
        return AllowedHostsValidator(["localhost"])


def connect(token: str) -> GraphServiceClient:
    adapter = GraphRequestAdapter(BaseBearerTokenAuthenticationProvider(Tokens(token)))
    adapter.base_url = f"{BASE}v1.0"
    return GraphServiceClient(request_adapter=adapter)


def place(number: int) -> ExportPersonalDataPostRequestBody:
    return ExportPersonalDataPostRequestBody(storage_location=LOCATION.replace("?", f"{number}?"))


async def refused(call: Awaitable[object]) -> dict[str, object]:
    try:
        await call
    except ODataError as error:
        return {"status": error.response_status_code, "code": error.error and error.error.code}
    return {"status": 0}


async def submit(graph: GraphServiceClient, number: int) -> dict[str, str | None]:
    inspected = HeadersInspectionHandlerOption()
    await graph.users.by_user_id(USER).export_personal_data.post(place(number), RequestConfiguration(options=[inspected]))
    found = {name: inspected.response_headers.try_get(name) for name in ("location", "request-id", "retry-after")}
    return {name: next(iter(values), None) if values else None for name, values in found.items()}


async def listed(graph: GraphServiceClient, **query: Any) -> DataPolicyOperationCollectionResponse:
    found = await graph.data_policy_operations.get(RequestConfiguration(query_parameters=Query(**query)))
    assert found is not None
    return found


async def batched(graph: GraphServiceClient) -> dict[str, Any]:
    first = BatchRequestItem(graph.users.by_user_id(USER).export_personal_data.to_post_request_information(place(1)), id="submit")
    missing = graph.users.by_user_id("nobody@contoso.example").export_personal_data.to_post_request_information(place(1))
    second = BatchRequestItem(missing, id="missing", depends_on=["submit"])
    operations = graph.data_policy_operations.to_get_request_information(RequestConfiguration(query_parameters=Query(top=1)))
    third = BatchRequestItem(operations, id="list")
    fourth = BatchRequestItem(operations, id="after", depends_on=["missing"])
    content = BatchRequestContent()
    for item in (first, second, third, fourth):
        content.add_request(item.id, item)
    answer = await graph.batch.post(content)
    # The bodies of answers are not looked at: msgraph-core 1.5 reads none that is an object with kiota 1.16, from Graph neither.
    accepted = answer.get_response_by_id("submit")
    return {"statuses": answer.get_response_status_codes(), "location": accepted.headers.get("Location")}


async def inbound() -> dict[str, Any]:
    adapter = BetaAdapter(BaseBearerTokenAuthenticationProvider(Tokens(os.environ["PROFILE_TOKEN"])))
    adapter.base_url = f"{BASE}beta"
    profiles = BetaClient(request_adapter=adapter).directory.inbound_shared_user_profiles
    profile = profiles.by_inbound_shared_user_profile_user_id(os.environ["PROFILE"])
    inspected = HeadersInspectionHandlerOption()
    await profile.export_personal_data.post(ProfileBody(storage_location=LOCATION), RequestConfiguration(options=[inspected]))
    found = await profiles.get()
    shown = await profile.get()
    return {
        "location": next(iter(inspected.response_headers.try_get("location"))),
        "listed": [each.user_id for each in found.value],
        "name": shown.display_name,
    }


async def main() -> dict[str, Any]:
    graph = connect(os.environ["TOKEN"])
    seen: dict[str, Any] = {"accepted": await submit(graph, 0)}
    operation_id = seen["accepted"]["request-id"]
    seen["statuses"] = []
    while True:
        operation = await graph.data_policy_operations.by_data_policy_operation_id(operation_id).get()
        assert operation is not None
        seen["statuses"].append(operation.status and operation.status.value)
        if seen["statuses"][-1] in {"complete", "failed"}:
            break
    seen["operation"] = {
        "progress": operation.progress,
        "userId": operation.user_id,
        "times": [isinstance(at, datetime) for at in (operation.submitted_date_time, operation.completed_date_time)],
        "extra": sorted(operation.additional_data),
    }
    complete = await listed(graph, filter="status eq 'complete' and completedDateTime ne null", count=True)
    seen["filtered"] = {"count": complete.odata_count, "ids": [each.id for each in complete.value or []]}
    seen["batch"] = await batched(graph)
    seen["inbound"] = await inbound()

    await submit(graph, 2)
    await submit(graph, 3)
    first = await listed(graph, top=2, orderby=["submittedDateTime"])
    seen["paged"] = []

    def collect(each: Any) -> bool:
        seen["paged"].append(each.id)
        return True

    await PageIterator(first, graph.request_adapter).iterate(collect)

    began = time.monotonic()
    await asyncio.gather(*(submit(graph, number) for number in range(20, 44)))
    seen["retriedS"] = time.monotonic() - began
    # GRAPH-16: after a retry it may have lost Location; the list has the operation.
    newest = await listed(graph, filter=f"userId eq '{operation.user_id}'", orderby=["submittedDateTime desc"], top=24)
    seen["newest"] = sorted(each.storage_location.rpartition("/")[2] for each in newest.value or [])

    nobody = graph.users.by_user_id("nobody@contoso.example")
    seen["errors"] = {
        "unauthenticated": await refused(listed(connect("nonsense"))),
        "forbidden": await refused(listed(connect(os.environ["WEAK_TOKEN"]))),
        "missing": await refused(nobody.export_personal_data.post(place(0))),
        "location": await refused(graph.users.by_user_id(USER).export_personal_data.post(ExportPersonalDataPostRequestBody())),
        "filter": await refused(listed(graph, filter="nothing")),
    }
    return seen


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main())))  # noqa: T201 - its answer
