"""The service on a Dask cluster, every part a process of its own: packages, secrets, and whatever dies in the middle."""

import json
import threading
import time
from pathlib import Path

import psutil
import pytest
from tests.acceptance.large import SECOND_GROUP, SlowSimulator, configured
from tests.acceptance.service import Document, RunningService
from tests.acceptance.test_postgres_store import LATER, check_package, check_trail, readiness, until
from tests.acceptance.test_worksite import comparable, marks
from tests.servers.dask import DaskProcesses, dask_cluster
from tests.servers.postgres import PASSWORD, PostgresServer

from rightful.sample.company import SampleCompany

pytestmark = [pytest.mark.acceptance, pytest.mark.postgres, pytest.mark.timeout(400)]

TAKEN_OVER_S = 12.0
"""As in `test_postgres_store`."""
CUT_S = 20.0
"""Promised are 2 s, and a machine may be busy; what is not cut off is waited for 60 s."""
READY_S = 90.0


def service_on(  # noqa: PLR0917 - what a world is made of
    url: str, company: SampleCompany, name: str, readings: Path, simulator: SlowSimulator, cluster: DaskProcesses | None
) -> RunningService:
    path = configured(company, name, readings, simulator.host)
    document: Document = json.loads(path.read_text(encoding="utf-8"))
    if cluster is not None:
        document |= {"store": url, "engine": "dask", "dask": cluster.settings}
    path.write_text(json.dumps(document), encoding="utf-8")
    return RunningService(company, path)


SPY = """
import pickle
from distributed.diagnostics.plugin import SchedulerPlugin

class Spy(SchedulerPlugin):
    def __init__(self, scheduler):
        self.scheduler = scheduler

    def transition(self, key, start, finish, *args, **kwargs):
        task = self.scheduler.tasks.get(key)
        with open("seen", "ab") as file:
            file.write(pickle.dumps([key, start, finish, args, kwargs, None if task is None else task.run_spec]))

def dask_setup(scheduler):
    scheduler.add_plugin(Spy(scheduler))
"""
"""Writes down all that a scheduler is told of a task."""


def is_ready(service: RunningService) -> bool:
    return readiness(service) == (200, "")


def package_of(simulator: SlowSimulator, container: str, operation_id: str, folder: Path) -> str:
    """Return what is equal for packages that hold the same; this one is unpacked into a folder."""
    check_package(simulator, container, operation_id, folder)
    return comparable(folder / "package")


def embedded(company: SampleCompany, readings: Path, simulator: SlowSimulator, folder: Path) -> str:
    """Return the same of the package that the engine in the service's own process makes."""
    with service_on("", company, "alone", readings, simulator, None) as service:
        operation_id = service.submit(company.person("zoe").upn, simulator.sas_url("alone", "c")).operation_id
        service.complete(operation_id, timeout_s=120)
        service.stop()
    return package_of(simulator, "alone", operation_id, folder)


def test_packages_are_those_of_the_embedded_engine_and_no_secret_lies_anywhere(
    postgres: PostgresServer, company: SampleCompany, readings: Path, simulator: SlowSimulator, tmp_path: Path
) -> None:
    expected = embedded(company, readings, simulator, tmp_path / "alone")
    url, before = postgres.own_database(), marks(company)
    (tmp_path / "spy.py").write_text(SPY)
    with (
        dask_cluster(tmp_path, preload=str(tmp_path / "spy.py")) as cluster,
        service_on(url, company, "ondask", readings, simulator, cluster) as service,
    ):
        until(lambda: is_ready(service), READY_S)
        operation_id = service.submit(company.person("zoe").upn, simulator.sas_url("ondask", "c")).operation_id
        service.complete(operation_id, timeout_s=180)
        assert package_of(simulator, "ondask", operation_id, tmp_path / "ondask") == expected
        check_trail(service)
        found = service.command("doctor")
        assert "workers: 2 workers, 4 threads, of this version" in found.stdout, found.stdout
        assert "certificate of the cluster: lasts until" in found.stdout, found.stdout
        seal_key = (company.folder / "seal.key").read_text(encoding="ascii").strip()
        for worker in cluster.workers:
            process = psutil.Process(worker.pid)
            told = json.dumps([process.cmdline(), process.environ()])
            assert all(secret not in told for secret in (PASSWORD, seal_key, "postgresql://", "sig="))
        begun = time.monotonic()
        service.stop()
        assert time.monotonic() - begun < 10
        assert all(secret not in cluster.logs() + service.log() for secret in (PASSWORD, seal_key, "sig=", company.person("zoe").upn))
        assert operation_id not in cluster.log("scheduler")
        seen = (tmp_path / "seen").read_bytes()
        assert seen.count(b"age-encryption.org/v1") >= len(cluster.workers)
        for telling in (PASSWORD, "postgresql://", "sig=", operation_id, company.person("zoe").object_id, company.person("zoe").upn):
            assert telling.encode() not in seen
        assert bytes.fromhex(seal_key) not in seen
    assert marks(company) == before


def sending(cluster: DaskProcesses, simulator: SlowSimulator) -> list[int]:
    """Return how many connections each worker has to the storage location."""
    port = int(simulator.host.rpartition(":")[2])
    found = []
    for worker in cluster.workers:
        connections = psutil.Process(worker.pid).net_connections() if worker.poll() is None else []
        found.append(sum(each.raddr[1:] == (port,) and each.status == psutil.CONN_ESTABLISHED for each in connections))
    return found


def sender(cluster: DaskProcesses, simulator: SlowSimulator) -> int:
    """Return the number of the worker that sends something to the storage location now."""
    found = sending(cluster, simulator)
    assert any(found)
    return found.index(max(found))


def test_worker_is_killed_and_then_the_scheduler_and_the_package_is_that_of_the_embedded_engine(
    postgres: PostgresServer, company: SampleCompany, readings: Path, simulator: SlowSimulator, tmp_path: Path
) -> None:
    expected = embedded(company, readings, simulator, tmp_path / "alone")
    url = postgres.own_database()
    done = threading.Semaphore(0)
    killed: list[int] = []
    with dask_cluster(tmp_path) as cluster, service_on(url, company, "killed", readings, simulator, cluster) as service:

        def kill_worker() -> None:
            killed.append(sender(cluster, simulator))
            simulator.on_awaited, simulator.awaited = kill_scheduler, LATER
            cluster.kill_worker(killed[0])
            done.release()

        def kill_scheduler() -> None:
            cluster.kill_scheduler()
            done.release()

        until(lambda: is_ready(service), READY_S)
        simulator.on_awaited, simulator.awaited = kill_worker, SECOND_GROUP
        operation_id = service.submit(company.person("zoe").upn, simulator.sas_url("killed", "c")).operation_id
        assert done.acquire(timeout=120)
        assert done.acquire(timeout=120)
        until(lambda: readiness(service) == (503, "engine"), 20)
        cluster.start_scheduler()
        until(lambda: is_ready(service), READY_S)
        service.complete(operation_id, timeout_s=180)
        assert service.listed() == [operation_id]
        assert package_of(simulator, "killed", operation_id, tmp_path / "killed") == expected
        check_trail(service)
        service.stop()


def test_leader_is_killed_and_the_one_that_stands_by_goes_on_with_the_same_workers(
    postgres: PostgresServer, company: SampleCompany, readings: Path, simulator: SlowSimulator, tmp_path: Path
) -> None:
    expected = embedded(company, readings, simulator, tmp_path / "alone")
    url, before = postgres.own_database(), marks(company)
    dead = threading.Event()
    with (
        dask_cluster(tmp_path) as cluster,
        service_on(url, company, "leads", readings, simulator, cluster) as first,
        service_on(url, company, "waits", readings, simulator, cluster) as second,
    ):

        def kill() -> None:
            first.kill()
            dead.set()

        until(lambda: is_ready(first), READY_S)
        simulator.on_awaited, simulator.awaited = kill, SECOND_GROUP
        operation_id = first.submit(company.person("zoe").upn, simulator.sas_url("taken", "c")).operation_id
        assert dead.wait(120)
        begun = time.monotonic()
        assert second.listens()  # anew, as the one that works
        until(lambda: is_ready(second), 60)
        assert time.monotonic() - begun < TAKEN_OVER_S
        assert len(marks(company) - before) == 1  # that of who was killed is gone
        second.complete(operation_id, timeout_s=180)
        assert package_of(simulator, "taken", operation_id, tmp_path / "taken") == expected
        check_trail(second)
        second.stop()


def test_what_a_worker_sends_for_an_operation_ends_when_that_is_cancelled(
    postgres: PostgresServer, company: SampleCompany, readings: Path, simulator: SlowSimulator, tmp_path: Path
) -> None:
    hangs, may_end = threading.Event(), threading.Event()

    def hang() -> None:
        hangs.set()
        may_end.wait(60)

    with (
        dask_cluster(tmp_path, workers=1) as cluster,
        service_on(postgres.own_database(), company, "ends", readings, simulator, cluster) as service,
    ):
        until(lambda: is_ready(service), READY_S)
        simulator.on_awaited, simulator.awaited = hang, SECOND_GROUP
        operation_id = service.submit(company.person("zoe").upn, simulator.sas_url("ends", "c")).operation_id
        assert hangs.wait(120)
        (before,) = sending(cluster, simulator)
        assert before
        assert service.call("DELETE", f"/v1.0/dataPolicyOperations/{operation_id}").status == 204
        # The others, which are kept to be used again, stay.
        until(lambda: sending(cluster, simulator)[0] < before, CUT_S)
        may_end.set()
        assert service.operation(operation_id)["status"] == "failed"
        service.stop()


def test_worker_that_is_told_to_stop_gives_back_what_it_does(
    postgres: PostgresServer, company: SampleCompany, readings: Path, simulator: SlowSimulator, tmp_path: Path
) -> None:
    with (
        dask_cluster(tmp_path) as cluster,
        service_on(postgres.own_database(), company, "gives", readings, simulator, cluster) as service,
    ):
        stopped: list[int] = []
        told = threading.Event()

        def stop() -> None:
            stopped.append(sender(cluster, simulator))
            cluster.workers[stopped[0]].terminate()
            told.set()

        until(lambda: is_ready(service), READY_S)
        simulator.on_awaited, simulator.awaited = stop, SECOND_GROUP
        operation_id = service.submit(company.person("zoe").upn, simulator.sas_url("gives", "c")).operation_id
        assert told.wait(120)
        assert cluster.workers[stopped[0]].wait(30) == 0
        service.complete(operation_id, timeout_s=180)
        check_package(simulator, "gives", operation_id, tmp_path)
        service.stop()
