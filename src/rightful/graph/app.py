"""The HTTP surface as one ASGI application: authenticate, read the path, hand over, answer.

There is no middleware: what every answer needs (ids, Date, the error envelope) is done here, once (ADR 0006 has the costs).
"""

import asyncio
from contextlib import suppress
from functools import partial

import structlog

from rightful.clock import Clock, SystemClock
from rightful.config.model import Config
from rightful.errors import Forbidden, RequestError, SourceError, Unauthenticated
from rightful.export.interface import Exports
from rightful.faults import describe
from rightful.graph import errors, headers, noting, public, reply, routes, throttle
from rightful.graph.asking import Asking
from rightful.graph.authentication import authorization_uri, build_verifier
from rightful.graph.handlers import HANDLERS, Service
from rightful.graph.introducing import Introductions
from rightful.graph.reply import Answer, Reply
from rightful.graph.request import Disconnected, Message, Receive, Request, Scope, Send
from rightful.graph.seen import Seen
from rightful.graph.threads import Threads
from rightful.identity.model import Caller
from rightful.identity.verifier import Verifier, parse_authorization
from rightful.meters import Meters
from rightful.traces import SpanPlace, Traces, parse_traceparent

_log = structlog.get_logger(__name__)


class GraphApp:
    """Graph's personal data export over ASGI. Made by `create_app`."""

    def __init__(
        self,
        *,
        service: Service,
        verifier: Verifier,
        base_url: str,
        authorization_uri: str,
        introductions: Introductions,
        meters: Meters,
        traces: Traces,
    ) -> None:
        self._meters = meters
        self._traces = traces
        self._service = service
        self._verifier = verifier
        self._base_url = base_url
        self._authorization_uri = authorization_uri
        self._introductions = introductions
        self._asking = Asking()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request (ASGI 3)."""
        if scope["type"] != "http":
            raise RuntimeError(f"this application answers http, not {scope['type']}")
        await self._tell(self._introductions.read(scope), receive, send)

    async def refuse(self, error: RequestError, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request with an error, where its caller may be told."""
        await self._tell(scope, receive, send, error)

    async def _tell(self, scope: Scope, receive: Receive, send: Send, refused: RequestError | None = None) -> None:
        try:
            answer = await self._answer(scope, receive, refused)
        except Disconnected:
            return
        await deliver(answer, send)

    async def _answer(self, scope: Scope, receive: Receive, refused: RequestError | None = None, *, batch: Seen | None = None) -> Answer:
        """Answer a request, whatever comes of it: one that came by itself, or (then its caller is known) one of a batch."""
        request_id = headers.new_request_id()
        seen = Seen(scope["method"], self._meters, self._traces, self._parent(scope, batch) if self._traces.is_on else None)
        client_request_id = headers.client_request_id(scope["headers"]) or request_id  # GRAPH-18
        try:
            answer = await self._reply(scope, receive, seen, request_id, refused=refused, batch=batch)
        except Disconnected:
            seen.gone(request_id)
            raise
        except RequestError as error:
            answer = self._refuse(error, request_id, client_request_id)
        except SourceError as error:
            _log.warning("directory not read", request_id=request_id, code=error.code, source=error.source_name)
            answer = self._refuse(errors.translate(error), request_id, client_request_id)
        except asyncio.CancelledError:
            # The service stops, and has waited long enough. What this asked for may be done all the same, so it is nothing that SDKs send
            # again by themselves (GRAPH-15). Where nothing was begun, the error is another one already.
            _log.warning("request cut off by the stop: it may be done all the same", request_id=request_id)
            answer = self._refuse(errors.CutOff(), request_id, client_request_id)
        except Exception as error:  # noqa: BLE001 - outermost loop: whatever happens, the caller gets an answer and the log its place
            _log.error("request failed", request_id=request_id, error=describe(error))
            answer = self._refuse(errors.Unexpected(), request_id, client_request_id)
        common = headers.common(
            request_id=answer.request_id or request_id,
            client_request_id=client_request_id,
            now=self._service.clock.now(),
            is_tls=scope.get("scheme") == "https",
            policy=answer.policy,
        )
        seen.answered(answer.status, answer.request_id or request_id)
        return reply.complete(answer, common, is_head=scope["method"] == "HEAD")

    @staticmethod
    def _parent(scope: Scope, batch: Seen | None) -> SpanPlace | None:
        return batch.place if batch else parse_traceparent(headers.values(scope["headers"], b"traceparent"))

    def _refuse(self, error: RequestError, request_id: str, client_request_id: str) -> Reply:
        return errors.reply(
            error,
            request_id=request_id,
            client_request_id=client_request_id,
            now=self._service.clock.now(),
            authorization_uri=self._authorization_uri,
        )

    async def _reply(
        self, scope: Scope, receive: Receive, seen: Seen, request_id: str, *, refused: RequestError | None, batch: Seen | None
    ) -> Reply:
        raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
        page = public.find(raw_path)
        if page is not None:
            seen.route = "public"
            if scope["method"] not in public.METHODS:
                raise errors.MethodNotAllowed(public.METHODS)
            if scope["method"] == "OPTIONS":
                return reply.empty(204, (headers.allow(public.METHODS),))
            return await page(self._service)
        seen.caller = caller = (batch.caller if batch else None) or await self._authenticate(scope)
        actor = noting.actor(caller, scope, request_id)
        with noting.Noting(self._service.exports, caller, actor, scope["method"]) as noted:
            if refused is not None:
                raise refused
            route = routes.match(raw_path)
            seen.route = route.kind.value
            address = headers.service_address(
                scope["headers"],
                scheme=scope.get("scheme", "http"),
                version=scope.get("http_version", ""),
                listening=scope.get("server"),
                base_url=self._base_url,
            )
            carry_out = None if batch else partial(self._answer, batch=seen)
            noted.request = request = Request(
                scope, receive, caller=caller, actor=actor, route=route, address=address, carry_out=carry_out, place=seen.place
            )
            methods = routes.METHODS[route.kind]
            if scope["method"] not in methods:
                raise errors.MethodNotAllowed(methods)
            if scope["method"] == "OPTIONS":  # for who may call at all: it is no preflight, since no browser's page calls here
                return reply.empty(204, (headers.allow(methods),))
            return await HANDLERS[route.kind, "GET" if scope["method"] == "HEAD" else scope["method"]](self._service, request)

    async def _authenticate(self, scope: Scope) -> Caller:
        try:
            text = parse_authorization(headers.values(scope["headers"], b"authorization"))
            while not isinstance(found := self._verifier.try_verify(text), Caller):
                await self._asking.ask(found)
        except RequestError as error:
            if isinstance(error, Unauthenticated | Forbidden):
                self._meters.token_refused(error.reason if isinstance(error, Unauthenticated) else "personal_account")
            self._service.exports.note_unauthenticated(noting.client_address(scope), error.code)
            raise
        return found

    def close(self) -> None:
        """Begin no more calls; those that have begun end by themselves, or with the service behind the wire."""
        self._asking.close()
        self._service.reads.close()
        self._service.submits.close()
        self._service.changes.close()
        self._service.previews.close()
        self._service.probes.close()


async def deliver(answer: Answer, send: Send) -> None:
    """Send an answer, as far as the service's stop leaves time for it."""
    start: Message = {"type": "http.response.start", "status": answer.status, "headers": answer.headers}
    with suppress(asyncio.CancelledError):  # nobody waits for this task: uvicorn would log that it was cancelled, with a traceback
        await send(start)
        await send({"type": "http.response.body", "body": answer.body})


def create_app(
    *,
    config: Config,
    exports: Exports,
    verifier: Verifier | None = None,
    clock: Clock | None = None,
    meters: Meters | None = None,
    traces: Traces | None = None,
) -> GraphApp:
    """Return the application; `close` it in the end.

    Args:
        config: Whose tokens count, and how Graph's documents are read.
        exports: The service behind the wire.
        verifier: What checks tokens; made from the configuration where it is not given.
        clock: Tells the time; the machine's where it is not given.
        meters: Count what is answered.
        traces: Trace it.
    """
    clock = clock or SystemClock()
    service = Service(
        exports=exports,
        settings=config.graph,
        clock=clock,
        throttle=throttle.build(config, clock),
        reads=Threads("reads", threads=8, waiting=2000, askers=len(config.tenants)),
        submits=Threads("submits", threads=48, waiting=2000, askers=len(config.tenants)),
        changes=Threads("changes", threads=8, waiting=2000, askers=len(config.tenants)),
        previews=Threads("previews", threads=4, waiting=8, askers=len(config.tenants)),
        probes=Threads("probes", threads=2, waiting=100),
    )
    return GraphApp(
        service=service,
        verifier=verifier or build_verifier(config, clock),
        base_url=config.server.base_url,
        authorization_uri=authorization_uri(config),
        introductions=Introductions(config.seal_key, clock),
        meters=meters or Meters(),
        traces=traces or Traces(),
    )
