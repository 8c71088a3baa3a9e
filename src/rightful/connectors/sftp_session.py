"""An SSH connection to a server and SFTP over it, for threads that wait.

asyncssh runs on an event loop in a thread of its own, begun when it is first asked. One connection serves all threads; it is made anew
where it was lost, and let go of when nobody asked for a while. Nothing but the settings says whom to trust and who we are: no file of the
service's user, no agent, no environment.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from typing import Any, TypeVar

import asyncssh

from rightful.connectors import tree
from rightful.connectors.tree_place import Access, RemoteRoot
from rightful.errors import ConfigurationError, SourceError, SourceRefused, SourceUnavailable

T = TypeVar("T")
Ask = Callable[[asyncssh.SFTPClient], Coroutine[Any, Any, T]]

_PORT = 22
_CONNECT_S = 20.0
_ANSWER_S = 60.0
_KEEPALIVE_S = 15.0
"""A server that does not answer three of these is gone."""
_IDLE_S = 600.0
_STOP_S = 1.5
# Not the certificates that a server may have too: a fingerprint is a key's.
_HOST_KEYS = "ssh-ed25519,ssh-ed448,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,rsa-sha2-512,rsa-sha2-256"

_REFUSALS: tuple[tuple[tuple[type[Exception], ...], str, str], ...] = (
    (
        (asyncssh.HostKeyNotVerifiable,),
        "has a host key or certificate that is not to be trusted",
        "compare access.known_hosts with what the server's operator says",
    ),
    (
        (asyncssh.PermissionDenied, asyncssh.IllegalUserName),
        "does not accept the credentials",
        "correct user, password or private_key in access",
    ),
    (
        (asyncssh.KeyExchangeFailed, asyncssh.ProtocolNotSupported),
        "has no way of encrypting that is safe, or no host key of the pinned kind",
        "correct known_hosts or fingerprint in access, or renew the server's software",
    ),
    (
        (asyncssh.ChannelOpenError, asyncssh.SFTPError, ValueError),
        "gives no SFTP",
        "let the account use the subsystem sftp, and print nothing when it logs in",
    ),
)


class SftpSession:
    """A connection, made when it is needed."""

    def __init__(self, root: RemoteRoot) -> None:
        """Prepare it; no I/O yet. Raises `ConfigurationError` where a key cannot be read or the host's is not among those given."""
        self._source_name = root.source_name
        self._host, self._port = root.host.strip("[]"), root.port or _PORT
        assert isinstance(root.access, Access)
        self._pinned = frozenset(root.access.fingerprint.split())
        self._options = self._chosen(root.access)
        self._guard = threading.Lock()
        self._is_closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        # Of the loop's thread alone.
        self._ending = asyncio.Event()
        self._connecting = asyncio.Lock()
        self._connection: asyncssh.SSHClientConnection | None = None
        self._client: asyncssh.SFTPClient | None = None
        self._used_at = 0.0
        self._under_way: set[asyncio.Task[Any]] = set()
        self._shown = ""

    def run(self, ask: Ask[T], *, within_s: float | None = None) -> T:
        """Ask the server, from any thread, and wait.

        Raises `OSError` where the server refuses what was asked for, `TimeoutError` (one of these) where it takes longer than `within_s`,
        `SourceError` where the server as a whole is at fault, or does not answer at all.
        """
        future = self._submit(ask)
        try:
            return future.result(_CONNECT_S + _ANSWER_S if within_s is None else within_s)
        except CancelledError:
            raise self._unavailable("reading was ended", "it is tried again") from None
        except TimeoutError:
            future.cancel()
            if within_s is not None:
                raise
            self._call(self._drop)
            raise self._unavailable("the server does not answer in time") from None

    def forget(self, ask: Ask[object]) -> None:
        """Tell the server something without waiting; nothing is told where it is not there any more."""
        with suppress(SourceUnavailable):
            self._submit(ask)

    def close(self) -> None:
        """End what is under way, from any thread: who waits gets `SourceUnavailable`."""
        with self._guard:
            self._is_closed, thread = True, self._thread
        self._call(self._ending.set)
        if thread is not None and thread is not threading.current_thread():
            thread.join(_STOP_S)

    # -- any thread ---------------------------------------------------------------------------------------------------
    def _submit(self, ask: Ask[T]) -> "Future[T]":
        with self._guard:
            if self._is_closed:
                raise self._unavailable("the connector is closed", "it is tried again")
            if self._loop is None:
                self._begin()
            assert self._loop is not None
            return asyncio.run_coroutine_threadsafe(self._asked(ask), self._loop)

    def _begin(self) -> None:
        is_ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(is_ready)), name=f"sftp {self._source_name}", daemon=True)
        self._thread.start()
        is_ready.wait()

    def _call(self, act: Callable[[], object]) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # it has ended
                self._loop.call_soon_threadsafe(act)

    # -- the loop's thread --------------------------------------------------------------------------------------------
    async def _serve(self, is_ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        is_ready.set()
        while not self._ending.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), _IDLE_S)
            if self._ending.is_set() or self._loop.time() - self._used_at > _IDLE_S:
                self._drop()
        # What is under way ends by the loss of the connection: cancelled instead, it would close files, and wait for the answer.
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=_STOP_S / 2)

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.abort()
        self._connection = self._client = None

    async def _asked(self, ask: Ask[T]) -> T:
        task = asyncio.current_task()
        assert task is not None
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        client = await self._connected()
        try:
            return await ask(client)
        except asyncssh.SFTPNoSuchFile:
            raise FileNotFoundError(2, "no longer there") from None
        except asyncssh.SFTPPermissionDenied:
            raise PermissionError(13, "permission denied") from None
        except (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection, asyncssh.DisconnectError):
            self._lose(client)
            raise self._unavailable("the connection was lost") from None
        except asyncssh.SFTPError as error:
            # What else it says in words may be a path.
            raise OSError(5, f"the server refuses to give it: SFTP status {error.code}") from None
        except OSError as error:
            if isinstance(error, ConnectionError) or tree.is_down(error):
                self._lose(client)
                raise self._unavailable("the connection was lost") from None
            raise
        except (asyncssh.Error, ValueError):
            self._lose(client)
            raise self._refused("gives an answer that is not SFTP", "ask whoever runs the server") from None
        finally:
            self._used_at = asyncio.get_running_loop().time()

    def _lose(self, client: asyncssh.SFTPClient) -> None:
        """Let go of a connection, unless another one has taken its place."""
        if self._client is client:
            self._drop()

    async def _connected(self) -> asyncssh.SFTPClient:
        async with self._connecting:
            if self._client is None or self._connection is None or self._connection.is_closed():
                self._drop()
                self._client = await self._connect()
            return self._client

    async def _connect(self) -> asyncssh.SFTPClient:
        logging.getLogger("asyncssh").setLevel(logging.WARNING)  # below that it names users
        try:
            async with asyncio.timeout(_CONNECT_S):
                self._connection = await asyncssh.connect(
                    self._host, self._port, client_factory=lambda: _Client(self), login_timeout=_CONNECT_S, **self._options
                )
                return await self._connection.start_sftp_client(path_encoding=None)
        except (asyncssh.Error, OSError, ValueError, asyncio.IncompleteReadError) as error:
            self._drop()
            raise self._unconnected(error) from None

    def _unconnected(self, error: Exception) -> SourceError:
        if isinstance(error, asyncssh.HostKeyNotVerifiable) and self._shown:
            return self._refused(
                f"shows a host key that is not the pinned one: {self._shown}",
                "compare with what the server's operator says, and correct access.known_hosts or access.fingerprint",
            )
        for kinds, what, hint in _REFUSALS:
            if isinstance(error, kinds):
                return self._refused(what, hint)
        if isinstance(error, TimeoutError):
            return self._unavailable("the server does not answer in time")
        return self._unavailable("no connection to the server" if isinstance(error, OSError) else "the server ended the connection")

    def is_pinned(self, key: asyncssh.SSHKey) -> bool:
        """Say whether a host key is one whose fingerprint was given."""
        self._shown = key.get_fingerprint()
        return self._shown in self._pinned

    # -- settings -----------------------------------------------------------------------------------------------------
    def _chosen(self, access: Access) -> dict[str, Any]:
        return {
            "config": None,
            "known_hosts": self._known_hosts(access.known_hosts),
            "server_host_key_algs": _HOST_KEYS if self._pinned else (),
            "x509_trusted_certs": None,
            "username": access.user,
            "password": access.password or None,
            "client_keys": [_private_key(access.private_key)] if access.private_key else None,
            "agent_path": None,
            "gss_host": None,
            "compression_algs": None,
            "client_version": "rightful",
            "keepalive_interval": _KEEPALIVE_S,
        }

    def _known_hosts(self, lines: str) -> asyncssh.SSHKnownHosts:
        try:
            known = asyncssh.import_known_hosts(lines)
            keys, authorities, *_ = known.match(self._host, "", None if self._port == _PORT else self._port)
        except ValueError:
            raise ConfigurationError("access.known_hosts cannot be read", hint="give lines as ssh-keyscan writes them") from None
        if lines and not (keys or authorities):
            raise ConfigurationError("access.known_hosts has no key of the host in url", hint="give lines as ssh-keyscan writes them")
        return known

    def _unavailable(self, what: str, hint: str = "see that it is up, and reachable from here") -> SourceUnavailable:
        return SourceUnavailable(what, source_name=self._source_name, hint=hint)

    def _refused(self, what: str, hint: str) -> SourceRefused:
        return SourceRefused(f"the server {what}", source_name=self._source_name, hint=hint)


class _Client(asyncssh.SSHClient):
    """Asked about host keys that are not in known_hosts."""

    def __init__(self, session: SftpSession) -> None:
        self._session = session

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """Trust what is pinned, and nothing else."""
        del host, addr, port
        return self._session.is_pinned(key)


def _private_key(text: str) -> asyncssh.SSHKey:
    try:
        return asyncssh.import_private_key(text.strip() + "\n")
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError):
        raise ConfigurationError(
            "access.private_key holds no private key that can be read",
            hint="give one as ssh-keygen writes it, without a passphrase (`ssh-keygen -p`)",
        ) from None
