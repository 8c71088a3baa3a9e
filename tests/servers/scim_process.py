"""The process that scim2-server runs in.

It is scim2-server's own parts, but `userName` need not be unique (two people of one name must be refused, not impossible), a resource's `id`
is its `externalId` where it has one, and tenants whose name begins with `cursor-` turn pages by RFC 9865 alone.
"""

import os
import secrets
import sys
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from scim2_models import Pagination, Resource, ResourceType, ScimProvider, Uniqueness
from scim2_server.applications.wsgi import TenantDispatcher
from scim2_server.memory import InMemoryStorage
from scim2_server.service import ScimService
from scim2_server.testserver.application import BearerTokenApplication
from scim2_server.testserver.cli import ThreadingWSGIServer
from scim2_server.utils import load_default_resource_types, load_default_schemas, load_default_service_provider_config


class _Storage(InMemoryStorage):
    def generate_id(self, resource_type: ResourceType, resource: Resource[Any]) -> str:
        return resource.external_id or super().generate_id(resource_type, resource)


class _Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: Any) -> None:
        pass


def _provider(*, by_cursor: bool) -> ScimProvider:
    schemas = load_default_schemas()
    for schema in schemas.values():
        for attribute in schema.attributes or ():
            if attribute.name == "userName":
                attribute.uniqueness = Uniqueness.none
    config = load_default_service_provider_config()
    if by_cursor:
        config.pagination = Pagination(cursor=True, index=False, default_pagination_method=Pagination.DefaultPaginationMethod.cursor)
    return ScimProvider.from_discovery(schemas.values(), load_default_resource_types().values(), config=config)


def _serve(port: int, token: str) -> None:
    providers = {by_cursor: _provider(by_cursor=by_cursor) for by_cursor in (False, True)}
    services = {by_cursor: ScimService(each, secret=secrets.token_urlsafe(32)) for by_cursor, each in providers.items()}

    def make(tenant: str) -> BearerTokenApplication:
        by_cursor = tenant.startswith("cursor-")
        return BearerTokenApplication(_Storage(), providers[by_cursor], service=services[by_cursor], bearer_tokens=[token])

    with make_server("127.0.0.1", port, TenantDispatcher(make), server_class=ThreadingWSGIServer, handler_class=_Handler) as server:
        server.serve_forever()


if __name__ == "__main__":
    _serve(int(sys.argv[1]), os.environ["SCIM_TOKEN"])
