"""kill -9 of the service in the middle of exports, again and again: nothing lost, nothing done twice, packages as if nothing had happened."""

import http.client
import os
import random
import secrets
import ssl
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.acceptance import delivered
from tests.acceptance.judges import refusals, unpack
from tests.acceptance.large import FILES, ROWS, SECOND_GROUP, SlowSimulator, checkpointed, configured, half_way
from tests.acceptance.service import RunningService
from tests.servers.azurite import Azurite

from rightful.package.readers import FolderReader
from rightful.package.verify import PackageState, verify
from rightful.sample.company import SampleCompany
from rightful.sample.people import Person
from rightful.testing.blob_simulator import BlobSimulator

pytestmark = [pytest.mark.acceptance, pytest.mark.azurite, pytest.mark.timeout(300)]

KILLS = 10
_LONGEST_S = 0.7
"""A kill comes at a random moment of this time after the service listens; an export that is left alone takes several times as long."""


@dataclass
class Crowd:
    """Exports of several people at once, to three kinds of storage location."""

    service: RunningService
    company: SampleCompany
    locations: dict[str, str]
    """Person's key to where that person's exports go."""
    accepted: dict[str, str] = field(default_factory=dict)
    """Operation id to person's key."""

    def person(self, key: str) -> Person:
        return self.company.person(key)

    def submit(self, key: str) -> str:
        operation_id = self.service.submit(self.person(key).upn, self.locations[key]).operation_id
        self.accepted[operation_id] = key
        return operation_id

    def open(self) -> list[str]:
        return [each for each in self.accepted if self.service.operation(each)["status"] in {"notStarted", "running"}]

    def fill(self) -> list[str]:
        """See that everybody has an export under way; returns the operations that have not ended."""
        for key in sorted(self.locations.keys() - {self.accepted[each] for each in self.open()}):
            self.submit(key)
        return self.open()


def submit_while_dying(crowd: Crowd, key: str, idempotency_key: str) -> threading.Thread:
    """Send a request whose answer may never come; who sent it repeats it later (GRAPH-15)."""

    def run() -> None:
        try:
            headers = {"Idempotency-Key": idempotency_key}
            answer = crowd.service.submit(crowd.person(key).upn, crowd.locations[key], headers=headers)
            if answer.status == 202:
                crowd.accepted[answer.operation_id] = key
        except (OSError, http.client.HTTPException, ssl.SSLError):
            return

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_killed_ten_times_in_the_middle_packages_whole_and_equal_nothing_lost_nothing_twice(
    company: SampleCompany, readings: Path, azurite: Azurite, simulator: SlowSimulator, tmp_path: Path
) -> None:
    seed = int(os.environ.get("RIGHTFUL_TEST_SEED", "0")) or secrets.randbits(32)
    print(f"RIGHTFUL_TEST_SEED={seed}")  # noqa: T201 - shown where the test fails, to repeat it
    chance = random.Random(seed)
    container = azurite.container()
    locations = {
        "ann": company.storage_account,
        "ann2": company.storage_account,
        "sato.hanako": azurite.sas_url(container, "c"),
        "e1": azurite.sas_url(container, "c"),
        "zoe": simulator.sas_url("slow", "c"),
        "jose": simulator.sas_url("slow", "c"),
    }
    service = RunningService(company, configured(company, "kill", readings, azurite.host, simulator.host))
    crowd = Crowd(service, company, locations)
    durable: dict[str, int] = {}
    kills_half_way = 0
    filled, dead = threading.Event(), threading.Event()

    def die() -> None:
        filled.wait(60)
        service.kill()
        dead.set()

    simulator.delay_s = 0.01
    simulator.on_awaited, simulator.awaited = die, SECOND_GROUP
    with service:
        for number in range(KILLS):
            in_flight = crowd.fill()
            assert len(in_flight) >= 3
            key = chance.choice(list(locations))
            dying = submit_while_dying(crowd, key, f"kill-{number}")
            if number == 0:  # for certain in the middle of a source, which is short
                filled.set()
                assert dead.wait(60)
            else:
                time.sleep(chance.uniform(0, _LONGEST_S))  # the random moment itself, not a wait for something
                service.kill()
            dying.join()
            kills_half_way += bool(half_way(service))
            for path in checkpointed(service, [each for each, who in crowd.accepted.items() if who in {"zoe", "jose"}]):
                durable.setdefault(path, len(simulator.requests))
            if chance.random() < 0.3:  # again, before it listens
                service.begin()
                time.sleep(chance.uniform(0.5, 1.5))
                service.kill()
            service.start()
            repeated = service.submit(crowd.person(key).upn, locations[key], headers={"Idempotency-Key": f"kill-{number}"})
            crowd.accepted[repeated.operation_id] = key
        simulator.delay_s = 0.0
        for operation_id in list(crowd.accepted):
            assert service.complete(operation_id, timeout_s=120)["progress"] == 100
        assert sorted(service.listed()) == sorted(crowd.accepted)
        again = [request.path for number, request in enumerate(simulator.requests) if number >= durable.get(request.path, 1 << 60)]
        assert durable
        assert kills_half_way, "no kill came in the middle of a source"
        assert not again, "what was checkpointed was sent again"
        # What an export that is left alone gives, for each person.
        manifests = {key: alone(crowd, key) for key in locations}
        blobs = azurite.blobs(container)
        for operation_id, key in crowd.accepted.items():
            package = found_package(crowd, operation_id, blobs, simulator, tmp_path)
            verdict = verify(FolderReader(package))
            assert verdict.state is PackageState.WHOLE, (key, verdict.findings)
            assert (package / "manifest-sha256.txt").read_bytes() == manifests[key], key
            ledger = delivered.ledger(package)
            assert (ledger["readings"]["rows"], ledger["albums"]["files"]) == (ROWS, FILES)
            assert not any(source["superseded"] for source in ledger.values())
        assert refusals(package) == []


def alone(crowd: Crowd, key: str) -> bytes:
    """Return the manifest of an uninterrupted export of a person into a folder."""
    answer = crowd.service.submit(crowd.person(key).upn, crowd.company.storage_account)
    crowd.service.complete(answer.operation_id)
    return (crowd.company.exports / answer.operation_id / "manifest-sha256.txt").read_bytes()


def found_package(crowd: Crowd, operation_id: str, blobs: dict[str, bytes], simulator: BlobSimulator, folder: Path) -> Path:
    """Return a package's folder, fetched from where it was sent."""
    location = crowd.locations[crowd.accepted[operation_id]]
    if location == crowd.company.storage_account:
        return crowd.company.exports / operation_id
    return unpack(simulator.blobs("slow") if "/slow?" in location else blobs, folder / operation_id, f"{operation_id}/")


def test_killed_at_each_step_of_one_export_a_single_operation_ends_whole(
    company: SampleCompany, readings: Path, azurite: Azurite, simulator: SlowSimulator, tmp_path: Path
) -> None:
    location, upn = simulator.sas_url("steps", "c"), company.person("zoe").upn
    service = RunningService(company, configured(company, "steps", readings, azurite.host, simulator.host))
    steps = [
        "/RequestInfo.json",
        "/part-00000-00002.jsonl",
        SECOND_GROUP,
        "/ledger.json",
        "/manifest-sha256.txt",
        "/tagmanifest-sha256.txt",
    ]
    deaths = threading.Semaphore(0)

    def die() -> None:
        service.kill()
        simulator.awaited = steps.pop(0) if steps else ""
        deaths.release()

    def submit() -> str:
        return service.submit(upn, location, headers={"Idempotency-Key": "steps"}).operation_id

    simulator.on_awaited, simulator.awaited = die, steps.pop(0)
    with service:
        for _ in range(len(steps) + 1):
            with suppress(OSError, http.client.HTTPException):
                submit()
            assert deaths.acquire(timeout=30), f"nothing came after {simulator.awaited} was awaited"
            service.begin()
            service.listens()  # or dies before, since work is taken up first
        operation_id = submit()
        service.complete(operation_id)
        assert service.listed() == [operation_id]
        package = unpack(simulator.blobs("steps"), tmp_path / "package", f"{operation_id}/")
        assert {path.partition("/")[0] for path in simulator.blobs("steps")} == {operation_id}
        assert verify(FolderReader(package)).state is PackageState.WHOLE
        assert (package / "manifest-sha256.txt").read_bytes() == alone(Crowd(service, company, {"zoe": location}), "zoe")
