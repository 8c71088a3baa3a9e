"""`/metrics` for Prometheus, on a port of its own (`server.metrics`): counts and times, never a person, a path or a tenant's name.

Labels are bounded: methods, kinds of route, status, sources of the configuration, codes and reasons of the program. What a third party's
connector makes up of codes is bounded too.
"""

import contextlib
import http.server
import ipaddress
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from rightful.errors import ConfigurationError
from rightful.meters import Backlog, Meters
from rightful.store.values import PurgeKind

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_MOST_CODES = 100
_PATIENCE_S = 5.0
"""How long somebody may take to ask: one is answered at a time, so that nobody can make this the service's work."""


class _BacklogCollector(Collector):
    """Asks the store when somebody asks."""

    def __init__(self, backlog: Callable[[], Backlog]) -> None:
        self._backlog = backlog

    def collect(self) -> Iterator[Metric]:
        """Yield how much has not ended and how much is recorded; nothing where the store cannot be read."""
        try:
            found = self._backlog()
        except OSError:  # what else there is to tell is told all the same
            return
        opened = GaugeMetricFamily("rightful_operations_open", "Operations that have not ended", labels=["tenant"])
        for tenant_id, number in found.open_by_tenant.items():
            opened.add_metric([tenant_id], number)
        yield opened
        yield GaugeMetricFamily("rightful_operations_not_started", "Operations that wait for their first read", value=found.not_started)
        reads = GaugeMetricFamily("rightful_reads_open", "Reads that are not done", labels=["state"])
        for state, number in found.reads.items():
            reads.add_metric([state], number)
        yield reads
        records = CounterMetricFamily("rightful_audit_records", "Records of the audit trail", labels=["tenant"])
        for tenant_id, number in found.recorded_by_tenant.items():
            records.add_metric([tenant_id], number)
        yield records


class _DirectoryCollector(Collector):
    """Asks the directories when somebody asks."""

    def __init__(self, stale: Callable[[], Mapping[str, bool]]) -> None:
        self._stale = stale

    def collect(self) -> Iterator[Metric]:
        """Yield 1 for each directory whose files changed and cannot be used."""
        found = GaugeMetricFamily(
            "rightful_directory_stale", "Whether a directory's files changed and could not be read again", labels=["tenant"]
        )
        for tenant_id, is_stale in self._stale().items():
            found.add_metric([tenant_id], int(is_stale))
        yield found


class PrometheusMeters(Meters):
    """Counts what happens, from any thread."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=registry)
        self._requests = Counter("rightful_requests", "Requests answered", ["route", "method", "status"], registry=registry)
        self._seconds = Histogram(
            "rightful_request_seconds", "How long requests took", ["route", "method"], buckets=_SECONDS, registry=registry
        )
        self._tokens = Counter("rightful_tokens_refused", "Tokens that were refused", ["reason"], registry=registry)
        self._accepted = Counter("rightful_operations_accepted", "Operations accepted", registry=registry)
        self._ended = Counter("rightful_operations_ended", "Operations that ended", ["status", "code"], registry=registry)
        self._package_entries = Counter("rightful_package_entries", "Entries of complete packages", registry=registry)
        self._package_bytes = Counter("rightful_package_bytes", "Bytes of complete packages", registry=registry)
        self._entries = Counter("rightful_source_entries", "Entries written to storage locations", ["source"], registry=registry)
        self._rows = Counter("rightful_source_rows", "Rows written to storage locations, in whatever forms", ["source"], registry=registry)
        self._bytes = Counter("rightful_source_bytes", "Bytes written to storage locations", ["source"], registry=registry)
        self._skipped = Counter("rightful_source_items_skipped", "Items that could not be read", ["source"], registry=registry)
        self._leaks = Counter(
            "rightful_source_leaks_found", "Exports that failed since records named others", ["source"], registry=registry
        )
        self._retried = Counter("rightful_source_retries", "Reads that are tried again", ["source"], registry=registry)
        self._waited = Counter("rightful_storage_waits", "Times that a storage location was waited for", ["code"], registry=registry)
        self._due_soon = Gauge("rightful_requests_due_soon", "Requests whose last day is near", ["tenant"], registry=registry)
        self._overdue = Gauge("rightful_requests_overdue", "Requests that are not answered in time", ["tenant"], registry=registry)
        self._posted = Counter("rightful_webhook_events", "Events posted to webhooks", ["outcome"], registry=registry)
        self._purged = Counter("rightful_purged", "What was kept long enough and is erased", ["kind"], registry=registry)
        for kind in PurgeKind:
            self._purged.labels(kind.value)  # from nothing on: weeks may go by before the first
        # Looking a child up by its labels costs more than counting.
        self._answered: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._codes: set[str] = set()
        self._asked: list[Collector] = []

    def watch(self, backlog: Callable[[], Backlog]) -> None:
        """Have the store asked whenever somebody asks."""
        self._ask(_BacklogCollector(backlog))

    def watch_directories(self, stale: Callable[[], Mapping[str, bool]]) -> None:
        """Have the directories asked whenever somebody asks."""
        self._ask(_DirectoryCollector(stale))

    def _ask(self, collector: Collector) -> None:
        self._asked.append(collector)
        self.registry.register(collector)

    def leave(self) -> None:
        """Say nothing of the store: sums over the services of one would count it twice, and what was due here once would be for ever."""
        while self._asked:
            self.registry.unregister(self._asked.pop())
        for gauge in (self._due_soon, self._overdue):
            gauge.clear()

    def due(self, tenant_id: str, *, soon: int, over: int) -> None:
        """Take how many there are now."""
        self._due_soon.labels(tenant_id).set(soon)
        self._overdue.labels(tenant_id).set(over)

    def posted(self, outcome: str) -> None:
        """Count an event."""
        self._posted.labels(outcome).inc()

    def purged(self, kind: str, number: int) -> None:
        """Count what was erased."""
        self._purged.labels(kind).inc(number)

    def request(self, method: str, route: str, status: int, elapsed_s: float) -> None:
        """Count a request."""
        key = (route, method, status)
        found = self._answered.get(key)
        if found is None:
            found = self._answered[key] = (self._requests.labels(route, method, status), self._seconds.labels(route, method))
        found[0].inc()
        found[1].observe(elapsed_s)

    def token_refused(self, reason: str) -> None:
        """Count a token."""
        self._tokens.labels(reason).inc()

    def accepted(self) -> None:
        """Count an operation."""
        self._accepted.inc()

    def ended(self, status: str, code: str = "") -> None:
        """Count an operation's end."""
        self._ended.labels(status, self._code(code) if code else "").inc()

    def packaged(self, entries: int, size_bytes: int) -> None:
        """Count a package."""
        self._package_entries.inc(entries)
        self._package_bytes.inc(size_bytes)

    def written(self, source: str, *, entries: int, rows: int, size_bytes: int) -> None:
        """Count what was written."""
        self._entries.labels(source).inc(entries)
        self._rows.labels(source).inc(rows)
        self._bytes.labels(source).inc(size_bytes)

    def skipped(self, source: str, items: int) -> None:
        """Count items."""
        self._skipped.labels(source).inc(items)

    def leak_found(self, source: str) -> None:
        """Count a finding."""
        self._leaks.labels(source).inc()

    def retried(self, source: str) -> None:
        """Count a retry."""
        self._retried.labels(source).inc()

    def waited(self, code: str) -> None:
        """Count a wait."""
        self._waited.labels(self._code(code)).inc()

    def _code(self, code: str) -> str:
        if code not in self._codes:
            if len(self._codes) >= _MOST_CODES or not _WORD.fullmatch(code):
                return "other"
            self._codes.add(code)
        return code


class MetricsServer:
    """Answers `GET /metrics` on its own port, in a thread of its own: also while the service is busy, and never in its way."""

    def __init__(self, listen: str, registry: CollectorRegistry) -> None:
        """Bind; raises `ConfigurationError` where that cannot be done."""
        host, _, port = listen.rpartition(":")
        host = host.strip("[]")

        class Server(http.server.HTTPServer):
            address_family = socket.AF_INET6 if ipaddress.ip_address(host).version == 6 else socket.AF_INET  # noqa: PLR2004 - IP's

            def handle_error(self, request: object, client_address: object) -> None:
                """Say nothing: somebody hung up."""

        class Handler(_Handler):
            found = registry

        try:
            self._server = Server((host, int(port)), Handler)
        except OSError as error:
            raise ConfigurationError(
                f"server.metrics: the service cannot listen on {listen} ({error.strerror})",
                hint="stop what listens there, or choose another port",
            ) from error
        self.port: int = self._server.server_address[1]
        """The port that was bound, also where the configuration says 0."""
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Answer nobody any more."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    found: ClassVar[CollectorRegistry]

    def setup(self) -> None:
        """Begin to wait: the time is for the whole request, not for each byte."""
        super().setup()
        self._timer = threading.Timer(_PATIENCE_S, self._give_up)
        self._timer.start()

    def finish(self) -> None:
        """Wait no more."""
        self._timer.cancel()
        super().finish()

    def _give_up(self) -> None:
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def do_GET(self) -> None:
        """Answer a scrape."""
        if self.path.partition("?")[0] != "/metrics":
            self.send_error(http.HTTPStatus.NOT_FOUND)
            return
        body = generate_latest(self.found)
        self.send_response(http.HTTPStatus.OK)
        self.send_header("Content-Type", CONTENT_TYPE_LATEST)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def end_headers(self) -> None:
        """Add what every answer has."""
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def send_response(self, code: int, message: str | None = None) -> None:
        """Answer without naming the software, as the standard library's would."""
        self.send_response_only(code, message)
        self.send_header("Date", self.date_time_string())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        """Write nothing to stderr: a scrape is no event."""
