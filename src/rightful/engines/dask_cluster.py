"""Workers of a Dask cluster, over TLS with certificates on both sides. With `dask_worker` all that knows Dask's library."""

import threading
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

import dask
import msgspec
import structlog
from distributed import Client, Future
from distributed.security import Security

from rightful.engines.cluster import Member, Sent
from rightful.engines.dask_member import parse_name
from rightful.engines.dask_task import deal, version
from rightful.faults import describe

_log = structlog.get_logger(__name__)

LOOK_S = 0.25
_CONNECT_S = 5.0
_ANSWER_S = 5.0
"""How long what a worker says may take from there to here."""
_COMPARED = ("dask", "distributed", "msgpack", "tornado")
"""What both ends of a connection should have in one version."""

QUIET: Mapping[str, Any] = {
    "distributed.worker.profile.enabled": False,  # it looks at the stack of every thread, all the time, for a page that nobody sees
    "distributed.admin.large-graph-warning-threshold": "1GiB",
    "distributed.comm.timeouts.connect": f"{_CONNECT_S}s",
}
"""Settings of Dask that hold for whatever is ours."""


class TlsFiles(msgspec.Struct, frozen=True, kw_only=True):
    """Paths of PEM files."""

    ca: Path
    """Whose certificates count, for nothing but this cluster: who has one runs what they like on it."""
    cert: Path
    key: Path

    def security(self) -> Security:
        """Return it as Dask wants it, for every part that one may play; nothing is sent without TLS."""
        cert, key = str(self.cert), str(self.key)
        return Security(
            tls_ca_file=str(self.ca),
            tls_client_cert=cert,
            tls_client_key=key,
            tls_worker_cert=cert,
            tls_worker_key=key,
            require_encryption=True,
        )


def connect(scheduler: str, files: TlsFiles) -> Client:
    """Connect to a scheduler; raises `OSError` where that cannot be done."""
    with dask.config.set(QUIET):
        return Client(scheduler, security=files.security(), timeout=_CONNECT_S, set_as_default=False, name="rightful")


def members_of(workers: Mapping[str, Mapping[str, Any]]) -> tuple[Member, ...]:
    """Return those of a scheduler's workers that are ours and take work."""
    found = []
    for address, said in workers.items():
        named = parse_name(str(said.get("name", "")))
        if named is not None and said.get("status") == "running":
            found.append(Member(address=address, recipient=named[1], threads=int(said.get("nthreads", 1)), version=named[0]))
    return tuple(sorted(found, key=lambda member: member.address))


class DaskCluster:
    """See `engines.cluster.Cluster`."""

    def __init__(self, scheduler: str, files: TlsFiles) -> None:
        self._scheduler = scheduler
        self._files = files
        self._client: Client | None = None
        self._members: tuple[Member, ...] | None = None
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_told = False

    def start(self, on_change: Callable[[], None]) -> None:
        """Connect as soon as there is a scheduler, and look who is there, all the time."""
        self._thread = threading.Thread(target=self._watch, args=(on_change,), name="cluster", daemon=True)
        self._thread.start()

    def members(self) -> tuple[Member, ...] | None:
        """Return who was there a moment ago."""
        return self._members

    def send(self, sealed: bytes, to: Member, on_end: Callable[[bytes | None], None]) -> Sent:
        """Have a worker do something, this one alone, once."""
        client = self._client
        if client is None:
            on_end(None)
            return _Nothing()
        try:
            future = client.submit(
                deal, sealed, key=f"rightful-{uuid.uuid4().hex}", pure=False, retries=0, workers=[to.address], allow_other_workers=False
            )
        except Exception as error:  # noqa: BLE001 - whatever the library says of a connection that is lost
            _log.warning("the scheduler takes nothing", error=describe(error))
            on_end(None)
            return _Nothing()

        def ended(future: "Future[Any]") -> None:
            try:
                said = future.result(timeout=_ANSWER_S) if future.status == "finished" else None
            except Exception:  # noqa: BLE001 - a worker that is gone with its answer
                said = None
            on_end(said if isinstance(said, bytes) else None)

        future.add_done_callback(ended)
        return _Sent(future)

    def differences(self) -> list[str]:
        """Say what of the scheduler is another version than here; raises `OSError` where it cannot be asked."""
        client = self._client
        if client is None:
            raise ConnectionError
        try:
            there = {"rightful": client.run_on_scheduler(version)}
        except ImportError:
            there = {"rightful": "not installed"}
        said: Any = client.get_versions()
        there |= {name: str(found) for name, found in said["scheduler"]["packages"].items() if name in _COMPARED}
        here = {"rightful": version(), **{name: metadata.version(name) for name in _COMPARED}}
        return [f"{name} is {there[name]}, here {here[name]}" for name in here if there.get(name, here[name]) != here[name]]

    def close(self) -> None:
        """Disconnect."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(_CONNECT_S * 2)
        self._disconnect()

    def _watch(self, on_change: Callable[[], None]) -> None:
        while not self._closing.wait(LOOK_S):
            before = self._members
            try:
                self._members = self._look()
            except BaseException as error:  # noqa: BLE001 - without this thread nobody would ever connect again
                _log.error("the scheduler cannot be asked", error=describe(error))
                self._members = None
            if self._members != before:
                on_change()
            if self._members is None:
                self._disconnect()
                self._closing.wait(LOOK_S)

    def _look(self) -> tuple[Member, ...] | None:
        if self._client is None:
            try:
                self._client = connect(self._scheduler, self._files)
            except (OSError, TimeoutError) as error:
                if not self._is_told:
                    _log.error("the scheduler cannot be reached", scheduler=self._scheduler, error=type(error).__name__)
                self._is_told = True
                return None
            _log.info("connected to the scheduler", scheduler=self._scheduler)
            self._is_told = False
        if self._client.status != "running":
            _log.error("the connection to the scheduler is lost", scheduler=self._scheduler)
            return None
        return members_of(self._client.scheduler_info(n_workers=-1)["workers"])

    def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with suppress(Exception):  # it is given up, whatever it says of that
                client.close(timeout=1)


class _Sent:
    """A task that Dask has."""

    def __init__(self, future: "Future[Any]") -> None:
        self._future = future

    def drop(self) -> None:
        """Let go of it, and of what came of it."""
        with suppress(Exception):  # the connection may be lost
            self._future.release()


class _Nothing:
    """What was never sent."""

    def drop(self) -> None:
        """Do nothing."""
