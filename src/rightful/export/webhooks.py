"""Tells the tenants' webhooks what becomes of operations: from the store, in which it is put down with the change itself.

Each endpoint has a thread, so that one that hangs holds up no other. What is not taken is tried again, less and less often, for three days;
a receiver may get an event twice, and knows it by its id. What came of a post is put down before anything more is posted to the endpoint:
where the store cannot take it, a full disk under it, the event is not posted again for that. Addresses are those of the configuration: no
redirect is followed.
"""

import hashlib
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Protocol
from urllib.parse import urlsplit

import structlog

from rightful import __version__, signing_secret
from rightful.clock import Clock
from rightful.config.model import Config, TenantConfig, WebhookSettings
from rightful.errors import ExportError, StorageError
from rightful.export import webhook_message
from rightful.faults import describe
from rightful.ids import TenantId
from rightful.meters import Meters
from rightful.pinned import DEFAULT_PORTS, Answer, PinnedHost
from rightful.store.interface import Store
from rightful.store.values import Announcing, EventKind, OutgoingEvent

_log = structlog.get_logger(__name__)

WAITS_S = (5, 60, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Before each further try: some three days in all, as Standard Webhooks proposes."""
_PATIENCE_S = 15.0
_STOP_S = 2.0
_LOOK_S = 1.0
_MOST_DOUBLINGS = 6
"""How much longer it is waited while the store cannot take what came of a post: a minute at most."""
_BATCH = 50


def key_of(tenant_id: TenantId, webhook: WebhookSettings) -> str:
    """Return what a tenant's endpoint is called in the store: nothing of its address, which may hold a secret; tenants may share it."""
    return hashlib.sha256(f"{tenant_id} {webhook.url}".encode()).hexdigest()[:16]


def announcing(tenants: tuple[TenantConfig, ...]) -> Announcing:
    """Return who is told what, for the store."""
    return {tenant.id: tuple((key_of(tenant.id, each), _kinds(each)) for each in tenant.webhooks) for tenant in tenants if tenant.webhooks}


def _kinds(webhook: WebhookSettings) -> frozenset[EventKind]:
    return frozenset(map(EventKind, webhook.events)) or frozenset(EventKind)


def open_host(webhook: WebhookSettings, tls: ssl.SSLContext | None = None) -> tuple[PinnedHost, str]:
    """Return the host of a webhook, and what is asked of it. The operator has named it: it may be in a private network."""
    parts = urlsplit(webhook.url)
    port = parts.port or DEFAULT_PORTS[parts.scheme]
    host = PinnedHost(parts.scheme, parts.hostname or "", port, may_be_private=True, tls=tls, answer_timeout_s=_PATIENCE_S, kept=1)
    return host, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


class Host(Protocol):
    """What events are posted over: `pinned.PinnedHost`, or what stands in for it."""

    origin: str

    def exchange(
        self,
        method: str,
        target: str,
        headers: Sequence[tuple[str, str]] = (),
        body: Iterable[bytes | memoryview] = (),
        size_bytes: int = 0,
        *,
        within_s: float,
    ) -> Answer:
        """Send a request, and return its answer; raises `StorageError`."""
        ...

    def close(self) -> None:
        """End all exchanges, for good."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Endpoint:
    key: str
    tenant_id: TenantId
    host: Host
    target: str
    secret: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """What came of posting an event, for the store."""

    event: OutgoingEvent
    word: str
    again_at: datetime | None = None
    """When it is posted again; None where it never is."""


class Webhooks:
    """Posts events, once started."""

    def __init__(
        self,
        config: Config,
        store: Store,
        clock: Clock,
        meters: Meters | None = None,
        *,
        hosts: Callable[[WebhookSettings], tuple[Host, str]] = open_host,
    ) -> None:
        """`hosts` opens what a webhook is posted over, and says what is asked of it."""
        self._store = store
        self._clock = clock
        self._meters = meters or Meters()
        self._base_url = config.server.base_url
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._unsaid: dict[str, _Outcome] = {}
        """By endpoint: what the store could not take yet."""
        self.look_s = _LOOK_S
        """How often it is looked for what is due."""
        self._endpoints = [_endpoint(tenant.id, webhook, *hosts(webhook)) for tenant in config.tenants for webhook in tenant.webhooks]

    def start(self) -> None:
        """Forget what is for endpoints that there are no more, and begin."""
        self.tidy()
        self._threads = [
            threading.Thread(target=self._run, args=(each,), name=f"webhook-{number}", daemon=True)
            for number, each in enumerate(self._endpoints)
        ]
        for thread in self._threads:
            thread.start()

    def tidy(self) -> None:
        """Forget what is for endpoints that there are no more."""
        self._store.keep_events(frozenset(each.key for each in self._endpoints))

    def stop(self) -> None:
        """End; what is being posted is cut off, and posted again after the next start."""
        self._stopping.set()
        for each in self._endpoints:
            each.host.close()
        until_s = time.monotonic() + _STOP_S
        for thread in self._threads:
            thread.join(max(0.0, until_s - time.monotonic()))  # one that connects cannot be cut off

    def deliver(self, endpoint: str) -> int:
        """Post what is due to an endpoint; return how much of it was taken. The first that is not taken ends it."""
        return self._deliver(next(each for each in self._endpoints if each.key == endpoint))

    def _deliver(self, endpoint: _Endpoint) -> int:
        self._put_down(endpoint)
        taken = 0
        for event in self._store.outgoing(endpoint.tenant_id, endpoint.key, limit=_BATCH):
            if self._stopping.is_set() or not self._post(endpoint, event):
                break
            taken += 1
        return taken

    def _run(self, endpoint: _Endpoint) -> None:
        failures = 0
        while not self._stopping.is_set():
            taken = 0
            try:
                taken = self._deliver(endpoint)
                failures = 0
            except Exception as error:  # noqa: BLE001 - a full disk under the store must not end the thread
                failures = min(failures + 1, _MOST_DOUBLINGS)
                _log.error("events could not be posted", endpoint=endpoint.host.origin, error=describe(error))
            if taken < _BATCH:
                self._stopping.wait(self.look_s * 2**failures)

    def _post(self, endpoint: _Endpoint, event: OutgoingEvent) -> bool:
        content = webhook_message.body(event, self._source(event.tenant_id))
        at_s = int(self._clock.now().timestamp())
        headers = (
            ("Content-Type", webhook_message.CONTENT_TYPE),
            ("User-Agent", f"Rightful/{__version__}"),
            *webhook_message.signed(event.event_id, content, secret=endpoint.secret, at_s=at_s),
        )
        status = 0
        try:
            answer = endpoint.host.exchange("POST", endpoint.target, headers, (content,), len(content), within_s=_PATIENCE_S)
            status, reason = answer.status, f"it answered {answer.status}"
        except StorageError as error:
            if self._stopping.is_set():
                return False  # cut off by the stop: no try
            reason = error.message
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            self._put_down(endpoint, _Outcome(event=event, word="delivered"))
            return True
        self._put_off(endpoint, event, reason, is_gone=status == HTTPStatus.GONE)
        return False

    def _put_off(self, endpoint: _Endpoint, event: OutgoingEvent, reason: str, *, is_gone: bool) -> None:
        if is_gone or event.attempts >= len(WAITS_S):
            _log.error(
                "an event is given up",
                endpoint=endpoint.host.origin,
                reason=reason,
                kind=event.kind.value,
                operation_id=event.operation_id,
                tries=event.attempts + 1,
            )
            self._put_down(endpoint, _Outcome(event=event, word="dropped"))
            return
        wait_s = WAITS_S[event.attempts]
        _log.warning("an event is posted again later", endpoint=endpoint.host.origin, reason=reason, wait_s=wait_s)
        again_at = self._clock.now() + timedelta(seconds=wait_s)
        self._put_down(endpoint, _Outcome(event=event, word="retried", again_at=again_at))

    def _put_down(self, endpoint: _Endpoint, outcome: _Outcome | None = None) -> None:
        """Put down what came of a post; without one, what the store could not take then. Raises `StoreFault`: then it is tried again."""
        if outcome is not None:
            self._unsaid[endpoint.key] = outcome
        outcome = self._unsaid.get(endpoint.key)
        if outcome is None:
            return
        if outcome.again_at is None:
            self._store.forget_event(outcome.event)
        else:
            self._store.put_off_event(outcome.event, at=outcome.again_at)
        del self._unsaid[endpoint.key]
        self._meters.posted(outcome.word)

    def _source(self, tenant_id: TenantId) -> str:
        return f"{self._base_url}/v1.0/dataPolicyOperations" if self._base_url else f"urn:rightful:tenant:{tenant_id}"


def _endpoint(tenant_id: TenantId, webhook: WebhookSettings, host: Host, target: str) -> _Endpoint:
    return _Endpoint(
        key=key_of(tenant_id, webhook), tenant_id=tenant_id, host=host, target=target, secret=signing_secret.parse(webhook.secret)
    )


def reach(webhook: WebhookSettings) -> str:
    """Ask whether a webhook's host answers, without an event; return what it says. Raises `StorageError` where it does not."""
    host, target = open_host(webhook)
    try:
        answer = host.exchange("HEAD", target, within_s=_PATIENCE_S)
    finally:
        host.close()
    if HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST:
        raise ExportError(
            f"{host.origin} answers with a redirect ({answer.status})", code="CheckFailed", hint="name the address that it leads to"
        )
    return f"{host.origin} answers"
