"""The service on PostgreSQL: killed, cut off from its database, stood by for, stopped and continued."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.acceptance import delivered
from tests.acceptance.judges import unpack
from tests.acceptance.large import FILES, ROWS, SECOND_GROUP, SlowSimulator, checkpointed, configured
from tests.acceptance.service import Document, RunningService
from tests.servers.port import free_port
from tests.servers.postgres import PASSWORD, PostgresServer

from rightful.package.readers import FolderReader
from rightful.package.verify import PackageState, verify
from rightful.sample.company import SampleCompany

pytestmark = [pytest.mark.acceptance, pytest.mark.postgres, pytest.mark.timeout(300)]

TAKEN_OVER_S = 12.0
"""Promised are 5 s: that is so on a machine that has nothing else to do. Who takes over only because nobody heard of the leader takes 15 s."""
LATER = "/tagmanifest-sha256.txt"
"""Sent when everything else is delivered."""


def service_on(url: str, company: SampleCompany, name: str, readings: Path, simulator: SlowSimulator) -> RunningService:
    path = configured(company, name, readings, simulator.host)
    document: Document = json.loads(path.read_text(encoding="utf-8"))
    document["store"] = url
    path.write_text(json.dumps(document), encoding="utf-8")
    return RunningService(company, path)


def until(holds: Callable[[], bool], limit_s: float) -> float:
    """Wait until something holds; return how long it took."""
    begun = time.monotonic()
    while not holds():
        assert time.monotonic() - begun < limit_s, f"not within {limit_s} s"
        time.sleep(0.02)
    return time.monotonic() - begun


def readiness(service: RunningService) -> tuple[int, str]:
    try:
        answer = service.call("GET", "/readyz")
    except OSError:  # between standing by and working it listens anew
        return 0, ""
    return answer.status, answer.json.get("reason", "")


def check_package(simulator: SlowSimulator, container: str, operation_id: str, folder: Path) -> None:
    package = unpack(simulator.blobs(container), folder / "package", f"{operation_id}/")
    verdict = verify(FolderReader(package))
    assert verdict.state is PackageState.WHOLE, verdict.findings
    ledger = delivered.ledger(package)
    assert (ledger["readings"]["rows"], ledger["albums"]["files"]) == (ROWS, FILES)


def check_trail(service: RunningService) -> None:
    found = service.command("audit", "verify")
    assert found.returncode == 0, found.stdout + found.stderr


def test_service_is_killed_and_its_database_restarted_in_the_middle_and_the_export_is_whole(
    postgres: PostgresServer, company: SampleCompany, readings: Path, simulator: SlowSimulator, tmp_path: Path
) -> None:
    service = service_on(postgres.own_database(), company, "onpg", readings, simulator)
    done = threading.Semaphore(0)

    def kill() -> None:
        service.kill()
        simulator.on_awaited, simulator.awaited = restart, LATER
        done.release()

    def restart() -> None:
        postgres.kill()
        time.sleep(1.0)  # an outage that has a length
        postgres.start()
        done.release()

    simulator.on_awaited, simulator.awaited = kill, SECOND_GROUP
    with service:
        operation_id = service.submit(company.person("zoe").upn, simulator.sas_url("onpg", "c")).operation_id
        assert done.acquire(timeout=60)
        service.start()
        assert done.acquire(timeout=60)
        service.complete(operation_id, timeout_s=120)
        assert service.listed() == [operation_id]
        check_package(simulator, "onpg", operation_id, tmp_path)
        check_trail(service)
        assert service.command("doctor").returncode in {0, 1}
        service.stop()
        assert PASSWORD not in service.log()


def test_standby_says_so_and_takes_over_from_a_leader_that_is_killed(
    postgres: PostgresServer, company: SampleCompany, readings: Path, simulator: SlowSimulator, tmp_path: Path
) -> None:
    url = postgres.own_database()
    first = service_on(url, company, "first", readings, simulator)
    second = service_on(url, company, "second", readings, simulator)
    dead = threading.Event()

    def kill() -> None:
        first.kill()
        dead.set()

    simulator.on_awaited, simulator.awaited = kill, SECOND_GROUP
    with first, second:
        assert readiness(first) == (200, "")
        assert readiness(second) == (503, "standby")
        assert second.call("GET", "/healthz").status == 200
        refused = second.submit(company.person("zoe").upn, simulator.sas_url("lead", "c"))
        assert (refused.status, refused.error_code) == (503, "ServiceUnavailable")
        assert "stands by" in second.log()
        operation_id = first.submit(company.person("zoe").upn, simulator.sas_url("lead", "c")).operation_id
        assert dead.wait(60)
        begun = time.monotonic()
        assert second.listens()  # anew, as the one that works
        until(lambda: readiness(second) == (200, ""), 30)
        assert time.monotonic() - begun < TAKEN_OVER_S
        second.complete(operation_id, timeout_s=120)
        check_package(simulator, "lead", operation_id, tmp_path)
        check_trail(second)
        first.start()
        assert readiness(first) == (503, "standby")
        assert first.stop() < 10
        second.stop()


def reached(service: RunningService) -> RunningService:
    """Give a service a port of its own, at which the others of its store reach it."""
    document: Document = json.loads(service.config_path.read_text(encoding="utf-8"))
    port = free_port()
    document["server"] |= {"listen": f"127.0.0.1:{port}", "own_address": f"https://127.0.0.1:{port}"}
    service.config_path.write_text(json.dumps(document), encoding="utf-8")
    return service


def test_standby_passes_requests_on_to_the_leader_and_then_answers_itself(
    postgres: PostgresServer, company: SampleCompany, readings: Path, simulator: SlowSimulator, tmp_path: Path
) -> None:
    url = postgres.own_database()
    first = reached(service_on(url, company, "reached", readings, simulator))
    second = reached(service_on(url, company, "passing", readings, simulator))
    dead = threading.Event()

    def kill() -> None:
        first.kill()
        dead.set()

    simulator.on_awaited, simulator.awaited = kill, SECOND_GROUP
    with first, second:
        until(lambda: readiness(second) == (200, ""), 10)
        location = simulator.sas_url("passed", "c")
        accepted = second.submit(company.person("zoe").upn, location, headers={"client-request-id": "it-is-echoed"})
        operation_id = accepted.operation_id
        assert accepted.headers["client-request-id"] == "it-is-echoed"
        assert accepted.headers["location"].startswith(f"https://localhost:{second.port}/v1.0/")  # as the client addressed it
        assert first.operation(operation_id)["status"] == second.operation(operation_id)["status"]
        assert first.submit(company.person("zoe").upn, location).operation_id == operation_id
        unknown = second.call("GET", f"/v1.0/dataPolicyOperations/{'0' * 8}-0000-4000-8000-{'0' * 12}?$select=id")
        assert (unknown.status, unknown.error_code) == (404, "Request_ResourceNotFound")
        assert second.call("GET", "/v1.0/dataPolicyOperations", token="none").status == 401
        assert second.submit(company.person("zoe").upn, "nowhere").error_code == "StorageLocationInvalid"
        assert dead.wait(60)
        assert second.listens()
        until(lambda: readiness(second) == (200, ""), 30)
        second.complete(operation_id, timeout_s=120)
        check_package(simulator, "passed", operation_id, tmp_path)
        check_trail(second)
        first.start()
        until(lambda: readiness(first) == (200, ""), 10)
        assert first.listed() == [operation_id]  # by the other one
        assert first.stop() < 10
        second.stop()


def test_leader_that_stood_still_is_replaced_and_stands_by_when_it_goes_on(
    postgres: PostgresServer, company: SampleCompany, readings: Path, simulator: SlowSimulator, tmp_path: Path
) -> None:
    url = postgres.own_database()
    first = service_on(url, company, "stopped", readings, simulator)
    second = service_on(url, company, "other", readings, simulator)
    stopped = threading.Event()

    def stop() -> None:
        os.kill(first.pid, signal.SIGSTOP)
        stopped.set()

    simulator.on_awaited, simulator.awaited = stop, SECOND_GROUP
    with first, second:
        operation_id = first.submit(company.person("zoe").upn, simulator.sas_url("still", "c")).operation_id
        assert stopped.wait(60)
        assert second.listens()
        until(lambda: readiness(second) == (200, ""), 60)
        second.complete(operation_id, timeout_s=120)
        os.kill(first.pid, signal.SIGCONT)
        assert first.listens()
        until(lambda: readiness(first) == (503, "standby"), 30)
        assert "the lead is lost" in first.log()
        assert readiness(second) == (200, "")
        assert second.listed() == [operation_id]
        check_package(simulator, "still", operation_id, tmp_path)
        check_trail(second)
        first.stop()  # the one that stands by first: else it would be about to take over
        second.stop()


def test_store_is_moved_in_the_middle_of_an_export_which_goes_on_in_postgresql(
    postgres: PostgresServer, company: SampleCompany, readings: Path, simulator: SlowSimulator, tmp_path: Path
) -> None:
    url = postgres.own_database()
    service = RunningService(company, configured(company, "moved", readings, simulator.host))
    dead = threading.Event()

    def kill() -> None:
        service.kill()
        dead.set()

    simulator.on_awaited, simulator.awaited = kill, SECOND_GROUP
    with service:
        earlier = service.submit(company.person("ann").upn, company.storage_account).operation_id
        service.complete(earlier)
        refused = service.command("store", "migrate", "--to", "-", given=url)
        assert (refused.returncode, "another service works on" in refused.stderr) == (1, True)
        operation_id = service.submit(company.person("zoe").upn, simulator.sas_url("moved", "c")).operation_id
        assert dead.wait(60)
        sent = len(simulator.requests)
        durable = checkpointed(service, [operation_id])
        assert durable
        moved = service.command("--json", "store", "migrate", "--to", "-", given=url)
        assert moved.returncode == 0, moved.stderr
        assert (json.loads(moved.stdout)["openOperations"], json.loads(moved.stdout)["rows"]["operation"]) == (1, 2)
        assert PASSWORD not in moved.stdout + moved.stderr
        service.begin()
        assert not service.listens()  # on the file that was copied
        assert "StoreMoved" in service.log()
        document: Document = json.loads(service.config_path.read_text(encoding="utf-8"))
        document["store"] = url
        service.config_path.write_text(json.dumps(document), encoding="utf-8")
        service.start()
        service.complete(operation_id, timeout_s=120)
        assert sorted(service.listed()) == sorted([earlier, operation_id])
        assert not {request.path for request in simulator.requests[sent:]} & durable
        check_package(simulator, "moved", operation_id, tmp_path)
        check_trail(service)
        trail = service.command("audit", "export")
        assert trail.stdout.count("migrateStore") == 1
        service.stop()


def test_seal_key_is_replaced_in_the_middle_of_an_export_while_no_service_leads(
    postgres: PostgresServer, company: SampleCompany, readings: Path, simulator: SlowSimulator, tmp_path: Path
) -> None:
    service = service_on(postgres.own_database(), company, "rotated", readings, simulator)
    key = company.folder / "rotated.key"
    key.write_bytes((company.folder / "seal.key").read_bytes())
    document: Document = json.loads(service.config_path.read_text(encoding="utf-8"))
    document["seal_key"] = {"file": key.name}
    service.config_path.write_text(json.dumps(document), encoding="utf-8")
    dead = threading.Event()

    def kill() -> None:
        service.kill()
        dead.set()

    with service:
        refused = service.command("rotate-seal-key")
        assert (refused.returncode, "another service works on" in refused.stderr) == (1, True)
        simulator.on_awaited, simulator.awaited = kill, SECOND_GROUP
        operation_id = service.submit(company.person("zoe").upn, simulator.sas_url("rotated", "c")).operation_id
        assert dead.wait(60)
        before = key.read_bytes()
        rotated = service.command("rotate-seal-key")
        assert rotated.returncode == 0, rotated.stderr
        assert key.read_bytes() != before
        looked = service.command("store", "check")
        assert looked.returncode == 0, looked.stdout
        service.start()
        service.complete(operation_id, timeout_s=120)
        check_package(simulator, "rotated", operation_id, tmp_path)
        trail = service.command("audit", "export")
        assert trail.stdout.count("rotateSealKey") == 1
        verified = service.command("verify", str(unpack(simulator.blobs("rotated"), tmp_path / "again", f"{operation_id}/")))
        assert verified.returncode == 0, verified.stdout + verified.stderr
        assert service.command("audit", "export").stdout.count('\\"verify\\"') == 1
        service.stop()
