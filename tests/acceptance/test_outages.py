"""What can go wrong while an export runs, and what becomes of it: files that can't be read, a full disk, locations that refuse or redirect."""

import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tests.acceptance import delivered
from tests.acceptance.judges import refusals, unpack
from tests.acceptance.large import FILES, ROWS, SECOND_GROUP, SlowSimulator, checkpointed, configured
from tests.acceptance.service import Document, Operation, RunningService, configure, eventually

from rightful.package.readers import FolderReader
from rightful.package.verify import PackageState, verify
from rightful.sample.company import SampleCompany
from rightful.testing.blob_simulator import Fault

pytestmark = pytest.mark.acceptance

OBEYS_PERMISSIONS = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
"""Root reads every file; without these two capabilities it is held to permissions like everybody."""


def is_waiting(operation: Operation) -> bool:
    return "waitingFor" in operation


def is_whole(package: Path) -> bool:
    return verify(FolderReader(package)).state is PackageState.WHOLE


# -- sources -----------------------------------------------------------------------------------------------------------------
def test_unreadable_files_are_in_the_ledger_with_their_reasons_and_all_others_delivered(company: SampleCompany, tmp_path: Path) -> None:
    drive = tmp_path / "drive" / company.person("zoe").upn
    (drive / "closed").mkdir(parents=True)
    (drive / "closed" / "hidden.txt").write_text("behind a closed door")
    (drive / "good.txt").write_text("good")
    (drive / "secret.txt").write_text("nobody may read this")
    (drive / "link").symlink_to("/etc/passwd")
    os.mkfifo(drive / "pipe")
    bound = socket.socket(socket.AF_UNIX)
    folder = os.open(drive, os.O_PATH)
    bound.bind(f"/proc/self/fd/{folder}/socket")  # its own path is longer than a socket's may be
    os.close(folder)
    (drive / "secret.txt").chmod(0)
    (drive / "closed").chmod(0)

    def served(name: str, policy: str) -> Path:
        def change(document: Document) -> None:
            source = {"connector": "files", "url": f"file://{tmp_path}/drive", "path": "{upn}/", "on_unreadable_item": policy}
            document["tenants"][0]["sources"] = {"drive": source}

        return configure(company, name, change)

    try:
        with RunningService(company, served("recording", "record"), wrapper=OBEYS_PERMISSIONS) as service:
            operation_id = service.submit(company.person("zoe").upn, company.storage_account).operation_id
            operation = service.complete(operation_id)
        with RunningService(company, served("failing", "fail"), wrapper=OBEYS_PERMISSIONS) as service:
            failed = service.wait(service.submit(company.person("zoe").upn, company.storage_account).operation_id)
    finally:
        bound.close()
        (drive / "closed").chmod(0o700)
    package = company.exports / operation_id
    said = {item["path"]: item["reason"] for item in delivered.ledger(package)["drive"]["skipped"]}
    assert said == {
        "closed": "permission denied",
        "link": "symbolic link, not followed",
        "pipe": "named pipe, not a regular file",
        "secret.txt": "permission denied",
        "socket": "socket, not a regular file",
    }
    assert operation["sources"][0]["skipped"] == 5
    assert set(delivered.read(package)["drive"]) == {"good.txt"}
    assert is_whole(package)
    assert refusals(package) == []
    assert (failed["status"], failed["failureReason"]["source"], failed["failureReason"]["code"]) == ("failed", "drive", "ItemUnreadable")


# -- a full disk ---------------------------------------------------------------------------------------------------------------
@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """Mount a file system of this size."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def grow(folder: Path, size: str) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", str(folder)], check=True)


def test_full_disk_failed_with_the_cause_then_resumed_whole(company: SampleCompany, readings: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()

    def change(tenant: Document) -> None:
        tenant["storage"]["accounts"]["SmallDisk"] = {"url": f"file://{disk}"}

    with small_disk(disk, "3m"), RunningService(company, configured(company, "full", readings, change=change)) as service:
        operation_id = service.submit(company.person("zoe").upn, "SmallDisk").operation_id
        failed = service.wait(operation_id)
        assert (failed["status"], failed["completedDateTime"] is not None, "package" in failed) == ("failed", True, False)
        assert "No space left on device" in failed["failureReason"]["message"]
        assert verify(FolderReader(disk / operation_id)).state is PackageState.INCOMPLETE
        grow(disk, "64m")
        resumed = service.resume(operation_id)
        assert (resumed.returncode, json.loads(resumed.stdout)["status"]) == (0, "complete"), resumed.stderr
        assert is_whole(disk / operation_id)
        ledger = delivered.ledger(disk / operation_id)
        assert (ledger["readings"]["rows"], ledger["albums"]["files"]) == (ROWS, FILES)


def test_full_disk_under_the_store_nothing_accepted_nothing_lost_and_all_goes_on_when_there_is_room(
    company: SampleCompany, readings: Path, simulator: SlowSimulator, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    config = configured(company, "full-store", readings, simulator.host)
    store = f"sqlite:///{disk}/rightful.db"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"store": store}))
    with small_disk(disk, "2m"), RunningService(company, config) as service:
        simulator.on_awaited, simulator.awaited = lambda: fill(disk / "filler"), "/readings/part-00000-00001.jsonl"
        operation_id = service.submit(company.person("zoe").upn, simulator.sas_url("early", "c")).operation_id
        eventually(lambda: "StoreFault" in service.log(), "the store is full")
        assert service.submit(company.person("jose").upn, simulator.sas_url("late", "c")).status == 500
        assert simulator.blobs("late") == {}
        eventually(lambda: service.call("GET", "/readyz").status == 503, "the service says so")
        assert service.operation(operation_id)["status"] == "running"
        assert service.listed() == [operation_id]
        (disk / "filler").unlink()
        eventually(lambda: service.call("GET", "/readyz").status == 200, "there is room again")
        service.complete(operation_id)
        service.complete(service.submit(company.person("jose").upn, simulator.sas_url("late", "c")).operation_id)
    assert is_whole(unpack(simulator.blobs("early"), tmp_path / "package", f"{operation_id}/"))


def fill(path: Path) -> None:
    """Write a file that takes all the room there is."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


# -- a storage location that takes the right away ------------------------------------------------------------------------------
FORBIDDEN = Fault.status(403, "AuthorizationFailure")
"""What the account's firewall says, for instance."""


def test_location_that_refuses_half_way_is_waited_for_and_goes_on_when_the_right_is_back(
    company: SampleCompany, readings: Path, simulator: SlowSimulator, tmp_path: Path
) -> None:
    with RunningService(company, configured(company, "waiting", readings, simulator.host)) as service:
        simulator.fail(FORBIDDEN, times=1 << 60, path="/albums/")
        operation_id = service.submit(company.person("zoe").upn, simulator.sas_url("waits", "c")).operation_id
        waiting = service.wait(operation_id, lambda operation: is_waiting(operation) and operation["progress"] > 0)
        assert (waiting["status"], waiting["waitingFor"]["code"]) == ("running", "StorageRefused")
        assert "AuthorizationFailure" in waiting["waitingFor"]["message"]
        assert waiting["progress"] < 100
        simulator.recover()
        complete = service.complete(operation_id)
        assert "waitingFor" not in complete
    assert is_whole(unpack(simulator.blobs("waits"), tmp_path / "package", f"{operation_id}/"))


def test_location_whose_sas_is_revoked_goes_on_with_a_new_one_of_the_same_container(
    company: SampleCompany, readings: Path, simulator: SlowSimulator, tmp_path: Path
) -> None:
    service = RunningService(company, configured(company, "revoked", readings, simulator.host))
    with service:
        simulator.on_awaited, simulator.awaited = simulator.revoke, SECOND_GROUP
        operation_id = service.submit(company.person("zoe").upn, simulator.sas_url("revoked", "c")).operation_id
        assert service.wait(operation_id, is_waiting)["status"] == "running"
        before = simulator.blobs("revoked")
        service.kill()  # waiting outlives the process
        durable, seen = checkpointed(service, [operation_id]), len(simulator.requests)
        assert durable
        service.start()
        assert service.wait(operation_id, is_waiting)["status"] == "running"
        elsewhere = service.resume(operation_id, location=simulator.sas_url("elsewhere", "c"))
        assert (elsewhere.returncode, json.loads(elsewhere.stderr)["error"]["code"]) == (1, "StorageLocationInvalid")
        assert simulator.blobs("elsewhere") == {}
        resumed = service.resume(operation_id, location=simulator.sas_url("revoked", "w"))
        assert (resumed.returncode, json.loads(resumed.stdout)["status"]) == (0, "complete"), resumed.stderr
        again = service.resume(operation_id, location=simulator.sas_url("revoked", "w"))
        assert (again.returncode, json.loads(again.stderr)["error"]["code"]) == (1, "Request_Conflict")
    assert not durable & {request.path for request in simulator.requests[seen:]}, "what was checkpointed was sent again"
    assert {path: content for path, content in simulator.blobs("revoked").items() if path in before} == before
    assert is_whole(unpack(simulator.blobs("revoked"), tmp_path / "package", f"{operation_id}/"))


def test_deleted_container_is_waited_for_and_a_cancelled_export_ends(
    company: SampleCompany, readings: Path, simulator: SlowSimulator
) -> None:
    # GRAPH-33
    with RunningService(company, configured(company, "deleted", readings, simulator.host)) as service:
        simulator.on_awaited, simulator.awaited = lambda: simulator.delete_container("gone"), SECOND_GROUP
        operation_id = service.submit(company.person("zoe").upn, simulator.sas_url("gone", "c")).operation_id
        assert service.wait(operation_id, is_waiting)["status"] == "running"
        assert service.call("DELETE", f"/v1.0/dataPolicyOperations/{operation_id}").status == 204
        ended = service.operation(operation_id)
        assert (ended["status"], ended["failureReason"]["code"], is_waiting(ended)) == ("failed", "cancelled", False)


# -- redirects -------------------------------------------------------------------------------------------------------------------
class Trap:
    """Where a redirect would lead to: notes whoever connects."""

    def __init__(self) -> None:
        self.visitors: list[object] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/take/it"
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while True:
            try:
                connection, address = self._socket.accept()
            except OSError:
                return
            self.visitors.append(address)
            connection.close()

    def close(self) -> None:
        """Look whether somebody stands in the queue, then end."""
        probe = socket.create_connection(self._socket.getsockname())
        eventually(lambda: probe.getsockname() in self.visitors, "the trap watches")
        self.visitors.remove(probe.getsockname())
        probe.close()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


def test_redirects_are_never_followed(company: SampleCompany, readings: Path, simulator: SlowSimulator) -> None:
    trap = Trap()
    upn = company.person("zoe").upn
    with RunningService(company, configured(company, "redirect", readings, simulator.host)) as service:
        for code in (301, 302, 303, 307, 308):
            simulator.fail(Fault.redirect(trap.url, code), path="RequestInfo.json")
            refused = service.submit(upn, simulator.sas_url("redirect", "cw"))
            assert (refused.status, refused.error_code) == (400, "StorageLocationInvalid")
        assert service.listed() == []
        for code, entry in ((301, "part-00000-00001"), (307, "005.jpg"), (308, "ledger.json")):
            simulator.fail(Fault.redirect(trap.url, code), path=entry)
            failed = service.wait(service.submit(upn, simulator.sas_url("redirect", "cw")).operation_id)
            assert (failed["status"], failed["failureReason"]["code"]) == ("failed", "StorageRefused")
            assert "a redirect, which is never followed" in failed["failureReason"]["message"]
            assert trap.url not in json.dumps(dict(failed))
    trap.close()
    assert trap.visitors == []
