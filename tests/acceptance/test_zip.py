"""Packages as one ZIP file: killed in the middle, in a folder, in Azurite and in a slow container, and judged by others' tools."""

import os
import random
import secrets
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.acceptance import delivered
from tests.acceptance.judges import refusals
from tests.acceptance.large import FILES, ROWS, SlowSimulator, configured, half_way
from tests.acceptance.service import Document, RunningService, eventually, rightful
from tests.acceptance.test_kill import Crowd
from tests.servers.azurite import Azurite
from tests.unit.export.world import brought

from rightful.sample.company import SampleCompany
from rightful.sample.oracle import Oracle

pytestmark = [pytest.mark.acceptance, pytest.mark.azurite, pytest.mark.timeout(300)]

KILLS = 5
_LONGEST_S = 1.2
_DELAY_S = 0.2
"""Of each request to the slow container: an export has few, for what it brings is put in pieces of 8 MiB."""


def as_zip(contoso: Document) -> None:
    contoso["export"]["layout"] = "zip"


def found(crowd: Crowd, operation_id: str, azure: Mapping[str, bytes], slow: Mapping[str, bytes], folder: Path) -> Path:
    """Return a package's ZIP file, fetched from where it was sent; nothing but RequestInfo.json lies beside it."""
    location, name = crowd.locations[crowd.accepted[operation_id]], f"{operation_id}.zip"
    if location == crowd.company.storage_account:
        beside = crowd.company.exports / operation_id
        assert {path.name for path in beside.iterdir()} == {"RequestInfo.json", name}
        return beside / name
    blobs = slow if "/slow?" in location else azure
    assert {path for path in blobs if path.startswith(operation_id)} == {f"{operation_id}/RequestInfo.json", f"{operation_id}/{name}"}
    (folder / name).write_bytes(blobs[f"{operation_id}/{name}"])
    return folder / name


def unpacked(path: Path, folder: Path) -> Path:
    """Unpack by Info-ZIP's unzip, which checks every CRC-32."""
    folder.mkdir(parents=True)
    said = subprocess.run(["unzip", "-q", path, "-d", folder], check=False, capture_output=True, text=True)
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")
    return folder


def test_killed_again_and_again_zip_files_are_whole_and_the_same_bytes(  # noqa: PLR0917 - what is to be served, and where it goes
    company: SampleCompany, readings: Path, azurite: Azurite, simulator: SlowSimulator, oracle: Oracle, tmp_path: Path
) -> None:
    seed = int(os.environ.get("RIGHTFUL_TEST_SEED", "0")) or secrets.randbits(32)
    print(f"RIGHTFUL_TEST_SEED={seed}")  # noqa: T201 - shown where the test fails, to repeat it
    chance = random.Random(seed)
    container = azurite.container()
    locations = {
        "ann": company.storage_account,
        "sato.hanako": azurite.sas_url(container, "w"),
        "zoe": simulator.sas_url("slow", "w"),
        "jose": simulator.sas_url("slow", "cw"),
    }
    service = RunningService(company, configured(company, "zip", readings, azurite.host, simulator.host, change=as_zip))
    crowd = Crowd(service, company, locations)
    simulator.delay_s = _DELAY_S
    with service:
        for number in range(KILLS):
            crowd.fill()
            if number == 0:  # for certain in the middle of a source, which is short
                eventually(lambda: bool(half_way(service)), "a source is half way")
            else:
                time.sleep(chance.uniform(0, _LONGEST_S))  # the random moment itself, not a wait for something
            service.kill()
            assert number or half_way(service), "the first kill came in the middle of a source"
            service.start()
        simulator.delay_s = 0.0
        for operation_id in list(crowd.accepted):
            assert service.complete(operation_id, timeout_s=120)["progress"] == 100
        alone = {key: service.submit(company.person(key).upn, company.storage_account).operation_id for key in locations}
        blobs, slow = azurite.blobs(container), simulator.blobs("slow")
        for operation_id, key in crowd.accepted.items():
            service.complete(alone[key])
            path = found(crowd, operation_id, blobs, slow, tmp_path)
            assert brought(path) == brought(company.exports / alone[key] / f"{alone[key]}.zip"), key
            checked = rightful("verify", str(path))
            assert checked.returncode == 0, checked.stdout
            package = unpacked(path, tmp_path / "unpacked" / operation_id)
            assert refusals(package) == []
            ledger = delivered.ledger(package)
            assert (ledger["readings"]["rows"], ledger["albums"]["files"]) == (ROWS, FILES)
            assert not any(source["superseded"] for source in ledger.values())
            expected, read = oracle.expected(company.person(key).object_id), delivered.read(package)
            assert all(read[name] == expected[name] for name in ("customers", "orders", "activity"))
