"""Sends what is traced to an OTLP receiver (`server.traces`), over HTTP, from a thread of its own.

Each operation has a trace of its own, whose id is the operation's without hyphens: it goes on after a stop, and can be looked up by who
knows the operation. It begins with `submit`, which links to the request that asked for it, in the caller's trace. Spans are made when
they end, with ids that were chosen when they began, so that nothing is held of what a kill cuts short.
"""

import secrets
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from hashlib import blake2b

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)
from opentelemetry.util.types import Attributes

from rightful import __version__, traces
from rightful.traces import RequestSpan, SpanPlace, Step

_STOP_S = 3.0
"""How long a stop waits for what is still to be sent."""
_FIRST_ERROR = 500
"""Of HTTP: below, the server did what it should (OpenTelemetry's conventions for servers)."""


class _ChosenIds(IdGenerator):
    """Gives the ids that this thread chose."""

    def __init__(self) -> None:
        self._chosen = threading.local()

    def choose(self, trace_id: int, span_id: int) -> None:
        """Choose the ids of the span that this thread makes next."""
        self._chosen.ids = (trace_id, span_id)

    def generate_trace_id(self) -> int:
        """Return the chosen one."""
        found: int = self._chosen.ids[0]
        return found

    def generate_span_id(self) -> int:
        """Return the chosen one."""
        found: int = self._chosen.ids[1]
        return found


class _EvenSampler(Sampler):
    """Lets a sampler decide on a hash of the trace's id.

    Two bits of a random GUID are always the same, in the very half of the id that shares of traces are taken by.
    """

    def __init__(self, inner: Sampler) -> None:
        self._inner = inner

    def should_sample(  # noqa: PLR0917 - the library's signature
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Decide."""
        even = int.from_bytes(blake2b(trace_id.to_bytes(16, "big"), digest_size=16).digest(), "big")
        return self._inner.should_sample(parent_context, even, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        """Say what decides."""
        return self._inner.get_description()


class OtelTraces(traces.Traces):
    """Traces what happens, from any thread."""

    is_on = True

    def __init__(self, endpoint: str, *, exporter: SpanExporter | None = None) -> None:
        """Send to the receiver at a base address; headers, certificates, the share that is sampled and names are OTEL_*'s."""
        self._exporter = exporter or OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
        named = {"service.name": "rightful", "service.version": __version__, "service.instance.id": str(uuid.uuid4())}
        # The library's other detectors would send the command line, which holds paths.
        resource = Resource(named).merge(OTELResourceDetector().detect())
        self._ids = _ChosenIds()
        self._provider = TracerProvider(resource=resource, id_generator=self._ids, shutdown_on_exit=False)
        self._sampler = self._provider.sampler = _EvenSampler(self._provider.sampler)
        self._processor = BatchSpanProcessor(self._exporter)
        self._provider.add_span_processor(self._processor)
        self._tracer = self._provider.get_tracer("rightful", __version__)

    def close(self) -> None:
        """Send what is left, for some seconds at most, and nothing afterwards."""
        ending = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
        ending.start()
        ending.join(_STOP_S)
        if ending.is_alive():
            self._exporter.shutdown()

    def begin(self, parent: SpanPlace | None) -> SpanPlace:
        """Choose a request's place: in the caller's trace, where there is one."""
        if parent is not None:
            return SpanPlace(parent.trace_id, _new_span_id(), is_sampled=parent.is_sampled)
        trace_id = _new_trace_id()
        return SpanPlace(trace_id, _new_span_id(), is_sampled=self._is_sampled(trace_id))

    def request(self, asked: RequestSpan, *, elapsed_s: float, request_id: str, tenant_id: str) -> None:
        """Make a request's span."""
        said: dict[str, str | int] = {
            "http.request.method": asked.method,
            "http.response.status_code": asked.status,
            "rightful.route": asked.route,
            "rightful.request_id": request_id,
        }
        if tenant_id:
            said["rightful.tenant_id"] = tenant_id
        error = str(asked.status) if asked.status >= _FIRST_ERROR else ""
        name = f"{asked.method} {asked.route}"
        self._make(name, asked.place, asked.parent, said, kind=SpanKind.SERVER, elapsed_s=elapsed_s, error=error)

    def submitted(self, operation_id: str, tenant_id: str, *, elapsed_s: float, place: SpanPlace | None) -> None:
        """Begin an operation's trace."""
        links = (Link(_span_context(place)),) if place is not None and place.is_sampled else ()
        said = {"rightful.operation_id": operation_id, "rightful.tenant_id": tenant_id}
        self._make("submit", self._root(operation_id), None, said, kind=SpanKind.PRODUCER, elapsed_s=elapsed_s, links=links)

    def claimed(self, name: str, steps: Sequence[Step], *, tenant_id: str, source: str = "") -> AbstractContextManager[None]:
        """Trace each operation's share of claimed work in the operation's trace."""
        return self._claimed(name, steps, tenant_id, source)

    @contextmanager
    def _claimed(self, name: str, steps: Sequence[Step], tenant_id: str, source: str) -> Iterator[None]:
        roots = [self._root(step.operation_id) for step in steps]
        shares = {
            step.operation_id: SpanPlace(root.trace_id, _new_span_id(), is_sampled=root.is_sampled)
            for step, root in zip(steps, roots, strict=True)
        }
        claim = _TracedClaim(self, shares)
        began = time.perf_counter()
        try:
            with traces.at(claim):
                yield
        finally:
            elapsed_s = time.perf_counter() - began
            common: dict[str, str | int] = {"rightful.tenant_id": tenant_id, "rightful.shared_by": len(steps)}
            if source:
                common["rightful.source"] = source
            for step, root in zip(steps, roots, strict=True):
                said = {**common, "rightful.operation_id": step.operation_id, "rightful.attempt": step.attempt}
                if source:
                    said["rightful.partition"] = step.partition
                error = claim.errors.get(step.operation_id, "")
                self._make(name, shares[step.operation_id], root, said, kind=SpanKind.CONSUMER, elapsed_s=elapsed_s, error=error)

    def step(self, name: str, within: SpanPlace, said: Mapping[str, str | int], *, kind: SpanKind, elapsed_s: float, error: str) -> None:
        """Make the span of a part of claimed work."""
        place = SpanPlace(within.trace_id, _new_span_id(), is_sampled=within.is_sampled)
        self._make(name, place, within, said, kind=kind, elapsed_s=elapsed_s, error=error)

    def _root(self, operation_id: str) -> SpanPlace:
        """Return the place of an operation's first span: the same each time, by whichever process."""
        trace_id = uuid.UUID(operation_id).int
        span_id = int.from_bytes(blake2b(operation_id.encode(), digest_size=8).digest(), "big") or 1
        return SpanPlace(trace_id, span_id, is_sampled=self._is_sampled(trace_id))

    def _is_sampled(self, trace_id: int) -> bool:
        return self._sampler.should_sample(None, trace_id, "").decision is Decision.RECORD_AND_SAMPLE

    def _make(
        self,
        name: str,
        place: SpanPlace,
        parent: SpanPlace | None,
        said: Attributes,
        *,
        kind: SpanKind,
        elapsed_s: float,
        links: Sequence[Link] = (),
        error: str = "",
    ) -> None:
        """Make a span that ends now."""
        if not place.is_sampled:
            return
        ended_ns = time.time_ns()
        within = set_span_in_context(NonRecordingSpan(_span_context(parent)), _NO_CONTEXT) if parent is not None else _NO_CONTEXT
        self._ids.choose(place.trace_id, place.span_id)
        span = self._tracer.start_span(
            name, within, kind, said, links, ended_ns - int(elapsed_s * 1e9), record_exception=False, set_status_on_exception=False
        )
        if error:
            span.set_attribute("error.type", error)
            span.set_status(Status(StatusCode.ERROR, error))
        span.end(ended_ns)


@contextmanager
def _timed(tell: Callable[[float, str], None]) -> Iterator[None]:
    """Tell afterwards how long a block took, in seconds, and the type of the error that ended it: empty where none did."""
    began, error = time.perf_counter(), ""
    try:
        yield
    except BaseException as caught:
        error = type(caught).__name__
        raise
    finally:
        tell(time.perf_counter() - began, error)


class _TracedClaim:
    def __init__(self, owner: OtelTraces, shares: Mapping[str, SpanPlace]) -> None:
        self._owner = owner
        self._shares = shares
        self.errors: dict[str, str] = {}

    def plan(self) -> AbstractContextManager[None]:
        def tell(elapsed_s: float, error: str) -> None:
            for share in self._shares.values():
                self._owner.step("plan", share, {}, kind=SpanKind.INTERNAL, elapsed_s=elapsed_s, error=error)

        return _timed(tell)

    def put(self, operation_id: str, size_bytes: int) -> AbstractContextManager[None]:
        def tell(elapsed_s: float, error: str) -> None:
            said = {"rightful.size_bytes": size_bytes}
            self._owner.step("put", self._shares[operation_id], said, kind=SpanKind.CLIENT, elapsed_s=elapsed_s, error=error)

        return _timed(tell)

    def ended_badly(self, operation_id: str, code: str) -> None:
        self.errors[operation_id] = code

    def place(self) -> SpanPlace:
        return next(iter(self._shares.values()))


_NO_CONTEXT = set_span_in_context(NonRecordingSpan(SpanContext(0, 0, is_remote=False)))


def _span_context(place: SpanPlace) -> SpanContext:
    flags = TraceFlags(TraceFlags.SAMPLED if place.is_sampled else TraceFlags.DEFAULT)
    return SpanContext(place.trace_id, place.span_id, is_remote=True, trace_flags=flags)


def _new_trace_id() -> int:
    return secrets.randbits(128) or 1


def _new_span_id() -> int:
    return secrets.randbits(64) or 1
