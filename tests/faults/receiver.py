"""Whom a service under test tells of changes: it outlives the service, keeps what it took, and each third time it takes nothing."""

import json
from collections.abc import Iterable, Sequence
from http.client import HTTPMessage
from typing import Any

from rightful.pinned import Answer

_BUSY_EACH = 3


class Receiver:
    """See `export.webhooks.Host`."""

    origin = "https://hooks.contoso.example"

    def __init__(self) -> None:
        self.events: dict[str, Any] = {}
        """What was taken, by its id."""
        self.posts = 0

    def exchange(
        self,
        method: str,
        target: str,  # noqa: ARG002 - the contract's
        headers: Sequence[tuple[str, str]] = (),
        body: Iterable[bytes | memoryview] = (),
        size_bytes: int = 0,
        *,
        within_s: float,
    ) -> Answer:
        """Take an event, or say that it cannot be taken now."""
        assert method == "POST"
        assert within_s > 0
        content = b"".join(body)
        assert len(content) == size_bytes
        self.posts += 1
        if self.posts % _BUSY_EACH == 0:
            return Answer(503, HTTPMessage(), b"")
        event = json.loads(content)
        assert dict(headers)["webhook-id"] == event["id"]
        assert self.events.setdefault(event["id"], event) == event, "an event that is told again is the same"
        return Answer(204, HTTPMessage(), b"")

    def close(self) -> None:
        """Do nothing: it is no part of the service."""
