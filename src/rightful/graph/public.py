"""What anybody may read without a token: it says nothing of people, tenants or settings, and costs next to nothing."""

from collections.abc import Awaitable, Callable, Mapping

from rightful.graph.bodies import encode
from rightful.graph.handlers import Service
from rightful.graph.headers import Header
from rightful.graph.reply import Reply

METHODS = ("GET", "HEAD")

Page = Callable[[Service], Awaitable[Reply]]

_JSON: tuple[Header, ...] = ((b"content-type", b"application/json"),)


async def _alive(_service: Service) -> Reply:
    """Say that the process answers; restart it where it doesn't."""
    return Reply(body=encode({"status": "ok"}), headers=_JSON)


async def _ready(service: Service) -> Reply:
    """Say whether the service can take work; send it none where it can't."""
    reason = await service.probes.run("anybody", service.exports.unready)
    if reason is None:
        return Reply(body=encode({"status": "ok"}), headers=_JSON)
    return Reply(status=503, body=encode({"status": "unready", "reason": reason.value}), headers=_JSON)


PAGES: Mapping[bytes, Page] = {b"/healthz": _alive, b"/readyz": _ready}


def find(raw_path: bytes) -> Page | None:
    """Return what a path names, None where it is nothing for everybody."""
    return PAGES.get(raw_path)
