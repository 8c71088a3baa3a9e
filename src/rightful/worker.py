"""A worker of a Dask cluster, in this process: it takes the tasks of a service that leads, and knows nothing but its certificate.

There is no nanny: whatever starts this process starts it again where it dies, and what it was doing is done by another meanwhile. A
scheduler that is away is waited for. Dask neither stops a worker for the memory that it uses nor writes anything to a disk: what is
personal is bounded by the work itself, and is nowhere else.
"""

import asyncio
import contextlib
import resource
import signal
import tempfile
from importlib import import_module

import dask
import structlog
from distributed import Worker
from distributed.core import Status
from distributed.diagnostics.plugin import WorkerPlugin

from rightful.allocation import return_memory_soon
from rightful.engines.dask_cluster import QUIET, TlsFiles
from rightful.engines.dask_member import name_of
from rightful.engines.dask_task import PLUGIN
from rightful.faults import describe
from rightful.worksite import Worksite

_log = structlog.get_logger(__name__)

_AGAIN_S = 1.0
_CHECKPOINT_S = 5.0
"""How long what runs may take to come to its next checkpoint when the worker is told to stop."""
_TOLD_S = 0.5
"""How long what came of it may take to the scheduler after that."""
_CLOSE_S = 2.0
_SETTINGS = {**QUIET, "distributed.worker.http.routes": []}


class _Plugin(WorkerPlugin):
    """By this a task finds what does the work."""

    name = PLUGIN

    def __init__(self, site: Worksite) -> None:
        self._site = site

    def setup(self, worker: Worker) -> None:
        """Do nothing: it is there already."""

    def teardown(self, worker: Worker) -> None:
        """Drop what runs: without a scheduler nobody is told what comes of it, and others do it by now."""
        del worker
        self._site.interrupt()

    def deal(self, sealed: bytes) -> bytes:
        """Do what a task says."""
        return self._site.deal(sealed)


def run(scheduler: str, files: TlsFiles, *, threads: int, host: str = "", port: int = 0) -> None:
    """Work until SIGINT or SIGTERM; then let what runs come to its next checkpoint."""
    return_memory_soon()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold every secret that came with a task (DESIGN rule 6)
    import_module("rightful.package.bulk")  # else the first task waits for it
    with dask.config.set(_SETTINGS):
        asyncio.run(_run(scheduler, files, threads=threads, host=host, port=port))


async def _run(scheduler: str, files: TlsFiles, *, threads: int, host: str, port: int) -> None:
    site = Worksite()
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sign, stopping.set)
    with tempfile.TemporaryDirectory(prefix="rightful-worker-") as folder:
        is_told = False
        while not stopping.is_set():
            worker = Worker(
                scheduler,
                nthreads=threads,
                name=name_of(site.recipient),
                security=files.security(),
                protocol="tls",
                host=host or None,
                port=port,
                plugins=(_Plugin(site),),
                memory_limit=0,
                local_directory=folder,
                dashboard_address="127.0.0.1:0",
                dashboard=False,
                death_timeout=None,
            )
            try:
                await _until(worker, stopping)
            except Exception as error:  # noqa: BLE001 - also where the scheduler has not noticed that an earlier connection is gone
                if not is_told:
                    _log.error("the scheduler cannot be reached", scheduler=scheduler, error=describe(error))
                is_told = True
            else:
                is_told = False
            await _leave(worker, site if stopping.is_set() else None)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), _AGAIN_S)
    _log.info("the worker has ended")


async def _until(worker: Worker, stopping: asyncio.Event) -> None:
    """Be a worker until the scheduler is gone, or we are to stop; raises `OSError` where there is no scheduler."""
    stopped = asyncio.create_task(stopping.wait())
    begun = asyncio.ensure_future(worker)
    await asyncio.wait({stopped, begun}, return_when=asyncio.FIRST_COMPLETED)
    if not begun.done():
        begun.cancel()
        return
    begun.result()
    _log.info("connected to the scheduler", address=worker.address, threads=worker.state.nthreads)
    finished = asyncio.create_task(worker.finished())
    await asyncio.wait({stopped, finished}, return_when=asyncio.FIRST_COMPLETED)
    for task in (stopped, finished):
        task.cancel()
    if not stopping.is_set():
        _log.error("the connection to the scheduler is lost")


async def _leave(worker: Worker, site: Worksite | None) -> None:
    """End a worker; where the process ends with it, what runs is put down first, and told."""
    if site is not None:
        await asyncio.to_thread(site.close, _CHECKPOINT_S)
        await asyncio.sleep(_TOLD_S)
    if worker.status not in {Status.closed, Status.closing}:
        with contextlib.suppress(Exception):  # it goes, whatever it says of that
            await asyncio.wait_for(worker.close(timeout=_CLOSE_S, executor_wait=False), 2 * _CLOSE_S)
