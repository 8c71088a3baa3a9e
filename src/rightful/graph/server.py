"""Runs the application on a socket: uvicorn with uvloop and httptools, over TLS or on loopback."""

import asyncio
import contextlib
import ipaddress
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import structlog
import uvicorn

from rightful.clock import Clock, SystemClock
from rightful.config.model import Config, ServerSettings
from rightful.errors import ConfigurationError
from rightful.export.interface import Exports
from rightful.faults import describe
from rightful.graph.accepting import Accepting
from rightful.graph.app import create_app
from rightful.graph.http_protocol import LimitedHttpProtocol
from rightful.graph.introducing import Introductions
from rightful.graph.passing_on import PassingOn
from rightful.meters import Meters
from rightful.pinned import PinnedHost
from rightful.traces import Traces

KEEP_ALIVE_S = 75
GRACE_S = 5
"""How long requests that have begun may take once the service stops."""
BACKLOG = 2048

_log = structlog.get_logger(__name__)

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class _Server(uvicorn.Server):
    """Accepts connections as `Accepting` does.

    It ends by itself on SIGINT and SIGTERM: uvicorn's own raises the signal again, and what stands after `serve` would never run.
    """

    def __init__(self, config: uvicorn.Config, protocol: type[LimitedHttpProtocol], *, most: int) -> None:
        super().__init__(config)
        self._protocol = protocol
        self._most = most

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept."""
        await super().startup([])
        for listening in sockets or ():
            accepting = Accepting(
                listening,
                make_protocol=self._make_protocol,
                connections=cast("set[LimitedHttpProtocol]", self.server_state.connections),
                context=self.config.ssl,
                most=self._most,
            )
            self.servers.append(cast("asyncio.Server", accepting))  # it is closed and waited for as one

    def _make_protocol(self) -> LimitedHttpProtocol:
        return self._protocol(self.config, self.server_state, self.lifespan.state, asyncio.get_running_loop())

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ask the server to stop while the block runs; only in the main thread, where signals can be had."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._stop)
        try:
            yield
        finally:
            for number in _SIGNALS:
                loop.remove_signal_handler(number)

    def _stop(self) -> None:
        self.force_exit = self.should_exit  # the second time: at once
        self.should_exit = True


def _tell(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Tell an error that nobody waited for by its type and place; the event loop's own words hold its text."""
    error = context.get("exception")
    _log.error("an error that nobody waited for", error=describe(error) if isinstance(error, BaseException) else "unknown")


def _tls_context(settings: ServerSettings, folder: Path) -> ssl.SSLContext | None:
    if settings.tls is None:
        if not settings.is_loopback:
            raise ConfigurationError(
                f"the service would speak plain HTTP on {settings.listen}, an address that others reach",
                hint="set server.tls (`rightful dev-cert` makes a certificate for localhost), or listen on 127.0.0.1",
            )
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(folder / settings.tls.cert, folder / settings.tls.key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"server.tls: {settings.tls.cert} and {settings.tls.key} cannot be used ({error.strerror or type(error).__name__})",
            hint="give a PEM certificate chain and its private key",
        ) from error
    return context


def _listen(settings: ServerSettings) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ConfigurationError(
            f"server.listen: {settings.listen} is no address ({error.strerror})", hint="write it as 127.0.0.1:8443"
        ) from error
    if settings.is_loopback and not ipaddress.ip_address(address[0]).is_loopback:
        listening.close()
        raise ConfigurationError(
            f"server.listen: {settings.host} looks like loopback and is {address[0]}, which others reach", hint="write 127.0.0.1 or ::1"
        )
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
        listening.setblocking(False)  # noqa: FBT003 - the standard library's signature
    except OSError as error:
        listening.close()
        raise ConfigurationError(
            f"the service cannot listen on {settings.listen} ({error.strerror})", hint="stop what listens there, or choose another port"
        ) from error
    return listening


class Listening:
    """The service on its socket: bound once this exists, answering while `run` (or `answer`) runs.

    Raises `ConfigurationError` where it cannot listen or speak TLS as configured; plain HTTP is refused unless on loopback.
    """

    def __init__(
        self,
        config: Config,
        exports: Exports,
        *,
        clock: Clock | None = None,
        protocol: type[LimitedHttpProtocol] = LimitedHttpProtocol,
        meters: Meters | None = None,
        traces: Traces | None = None,
        leader: Callable[[], PinnedHost | None] | None = None,
    ) -> None:
        """Bind it; with `leader`, what that returns answers in this one's place."""
        context = _tls_context(config.server, config.folder)
        clock = clock or SystemClock()
        app = create_app(config=config, exports=exports, clock=clock, meters=meters, traces=traces)
        self._app = app if leader is None else PassingOn(app, Introductions(config.seal_key, clock), leader)
        try:
            self._socket = _listen(config.server)
        except ConfigurationError:
            self._app.close()
            raise
        self.port: int = self._socket.getsockname()[1]
        """The port that was bound, also where the configuration says 0."""
        host = f"[{config.server.host}]" if ":" in config.server.host else config.server.host
        self.address = f"{'https' if context else 'http'}://{host}:{self.port}"
        """Scheme, host and port, for people and links."""
        self._server = _Server(
            uvicorn.Config(
                self._app,
                loop="uvloop",
                http=protocol,
                ws="none",
                lifespan="off",
                interface="asgi3",
                access_log=False,  # its lines would hold paths and queries: people's names
                log_config=None,
                proxy_headers=False,  # links come from Host or base_url, nothing else (GRAPH-12)
                server_header=False,
                date_header=False,  # the application's own, on every answer (GRAPH-41)
                backlog=BACKLOG,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=GRACE_S,
                ssl_context_factory=(lambda _config, _default: context) if context else None,
            ),
            protocol,
            most=config.server.max_connections,
        )

    async def answer(self) -> None:
        """Answer until `stop`; then no connection is accepted, and requests that have begun may end."""
        asyncio.get_running_loop().set_exception_handler(_tell)
        try:
            await self._server.serve(sockets=[self._socket])
        finally:
            self._socket.close()
            self._app.close()

    def run(self) -> None:
        """Answer on an event loop of our own, blocking, until SIGINT, SIGTERM or `stop`."""
        with asyncio.Runner(loop_factory=self._server.config.get_loop_factory()) as runner:
            runner.run(self.answer())

    def stop(self) -> None:
        """Ask to stop; from any thread, at once, any number of times."""
        self._server.should_exit = True


def serve(
    config: Config,
    *,
    exports: Exports,
    clock: Clock | None = None,
    meters: Meters | None = None,
    traces: Traces | None = None,
    on_listening: Callable[[Listening], None] = lambda _listening: None,
) -> None:
    """Serve until SIGINT or SIGTERM; blocking. Returns once requests that had begun are answered.

    Args:
        config: The configuration.
        exports: The service behind the wire; the caller stops it afterwards.
        clock: Tells the time; the machine's where it is not given.
        meters: Count what is answered.
        traces: Trace it.
        on_listening: Called once the socket is bound: it knows the port and the address.

    Raises:
        ConfigurationError: It cannot listen or speak TLS as configured.
    """
    listening = Listening(config, exports, clock=clock, meters=meters, traces=traces)
    on_listening(listening)
    listening.run()
