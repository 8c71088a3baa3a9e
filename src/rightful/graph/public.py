"""What anybody may read without a token: it says nothing of people, tenants or settings, and costs next to nothing."""

import functools
from collections.abc import Awaitable, Callable, Mapping

from rightful.graph import csdl, docs_page, openapi
from rightful.graph.bodies import encode
from rightful.graph.handlers import Service
from rightful.graph.headers import ODATA_VERSION, Header
from rightful.graph.reply import Reply

METHODS = ("GET", "HEAD", "OPTIONS")

Page = Callable[[Service], Awaitable[Reply]]

_JSON: tuple[Header, ...] = ((b"content-type", b"application/json"),)
_XML: Header = (b"content-type", b"application/xml")
_HTML: Header = (b"content-type", b"text/html;charset=utf-8")


async def _alive(_service: Service) -> Reply:
    """Say that the process answers; restart it where it doesn't."""
    return Reply(body=encode({"status": "ok"}), headers=_JSON)


async def _ready(service: Service) -> Reply:
    """Say whether the service can take work; send it none where it can't."""
    reason = await service.probes.run("anybody", service.exports.unready)
    if reason is None:
        return Reply(body=encode({"status": "ok"}), headers=_JSON)
    return Reply(status=503, body=encode({"status": "unready", "reason": reason.value}), headers=_JSON)


def _metadata(version: str) -> Page:
    async def page(_service: Service) -> Reply:
        """Say what a service root serves; Graph's own needs no token either, and generators of clients have none."""
        return Reply(body=csdl.document(version), headers=(_XML, ODATA_VERSION))

    return page


async def _openapi(service: Service) -> Reply:
    """Say what is served: it is the same in every installation, and stands in the documentation."""
    return Reply(body=_openapi_text(service.settings.beta_submit_status), headers=_JSON)


@functools.cache
def _openapi_text(beta_submit_status: int) -> bytes:
    return encode(openapi.document(beta_submit_status))


async def _docs(service: Service) -> Reply:
    """Show that to people."""
    text, policy = docs_page.page(service.settings.beta_submit_status)
    return Reply(body=text, headers=(_HTML,), policy=policy)


PAGES: Mapping[bytes, Page] = {
    b"/healthz": _alive,
    b"/readyz": _ready,
    b"/openapi.json": _openapi,
    b"/docs": _docs,
    b"/v1.0/$metadata": _metadata("v1.0"),
    b"/beta/$metadata": _metadata("beta"),
}


def find(raw_path: bytes) -> Page | None:
    """Return what a path names, None where it is nothing for everybody."""
    if raw_path[-8:].lower() == b"metadata":  # as Graph's paths are: in any case, with the dollar sign escaped or not
        raw_path = raw_path.lower().replace(b"%24", b"$")
    return PAGES.get(raw_path)
