"""Packages that lie as one ZIP file in a container or a bucket, checked there: Azurite, S3 (moto), Google Cloud Storage (a stand-in)."""

import json
import random
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Protocol

import pytest
from tests.contract.storage.test_object_storage import access_s3
from tests.servers.azurite import Azurite
from tests.servers.gcs import GcsServer
from tests.servers.s3 import S3Server
from tests.unit.cli.test_unseal import contents, lay

from rightful.cli import main
from rightful.cli.exits import Exit
from rightful.errors import ConfigurationError, PackageError, StorageUnavailable
from rightful.package.opening import open_stored
from rightful.package.packed_file import BLOCK_BYTES
from rightful.package.readers import ReadableInParts
from rightful.package.verify import PackageState, verify
from rightful.pinned import PinnedHost
from rightful.storage.azure_blob import open_container
from rightful.storage.interface import Listing, Reading, ReadingAt, Storage
from rightful.storage.object_account import AccountAccess, bucket_of
from rightful.storage.object_storage import ObjectStorage
from rightful.storage.retrying import RetryingReading
from rightful.storage.sas import parse_sas_url
from rightful.testing.blob_simulator import BlobSimulator, Break, Fault
from rightful.testing.clock import ManualClock
from rightful.testing.memory_storage import MemoryStorage
from rightful.testing.package_builder import SampleSource, package_entries, write_zip

LARGE = random.Random(7).randbytes(3 * BLOCK_BYTES)
ENTRIES = package_entries(SampleSource(name="drive", product="OneDrive", files={"a é.txt": b"one" * 1000, "b.zip": LARGE}))
OPERATION = json.loads(ENTRIES["RequestInfo.json"])["CommandId"]
CHANGED = "data/OneDrive/drive/a é.txt"
Located = dict[str, bytes]
Locate = Callable[[Located], ReadableInParts]
"""Puts entries into a new location, and opens it for reading."""


class Readable(Storage, ReadableInParts, Protocol):
    """What all of them are."""


def open_sas(url: str) -> Readable:
    sas = parse_sas_url(url)
    storage = open_container(sas, PinnedHost(sas.scheme, sas.host, sas.port, may_be_private=True))
    assert isinstance(storage, Reading)
    assert isinstance(storage, ReadingAt)
    assert isinstance(storage, Listing)
    return storage


@pytest.fixture(params=["memory", "simulator", pytest.param("azurite", marks=pytest.mark.azurite), "s3", "gs"])
def locate(request: pytest.FixtureRequest) -> Iterator[Locate]:
    opened: list[Readable] = []

    def empty() -> Readable:
        match request.param:
            case "memory":
                return MemoryStorage()
            case "simulator":
                return open_sas(request.getfixturevalue("simulator").sas_url("packed", "cwrl"))
            case "azurite":
                azurite: Azurite = request.getfixturevalue("azurite")
                return open_sas(azurite.sas_url(azurite.container(), "cwrl"))
            case "s3":
                s3: S3Server = request.getfixturevalue("s3_server")
                return ObjectStorage(bucket_of(f"s3://{s3.bucket()}/exports/of%20us"), access_s3(s3))
            case _:
                gcs: GcsServer = request.getfixturevalue("gcs_server")
                return ObjectStorage(bucket_of(f"gs://{gcs.s3.bucket()}/x"), AccountAccess(endpoint=gcs.url))

    def made(entries: Located) -> ReadableInParts:
        storage = empty()
        opened.append(storage)
        for path, content in entries.items():
            storage.put(path, [content], size_bytes=len(content))
        storage.sync()
        return storage

    yield made
    for storage in opened:
        storage.close()


@pytest.fixture
def simulator() -> Iterator[BlobSimulator]:
    with BlobSimulator() as service:
        yield service


def packed(folder: Path, entries: Located) -> bytes:
    return write_zip(folder / "p.zip", entries).read_bytes()


def check(storage: ReadableInParts, prefix: str = "") -> tuple[PackageState, set[tuple[str, str]]]:
    with open_stored(storage, prefix) as reader:
        found = verify(reader)
    return found.state, {(finding.kind.value, finding.path) for finding in found.findings}


def test_zip_file_is_checked_where_it_was_delivered(locate: Locate, tmp_path: Path) -> None:
    there = {f"{OPERATION}/RequestInfo.json": ENTRIES["RequestInfo.json"], f"{OPERATION}/{OPERATION}.zip": packed(tmp_path, ENTRIES)}
    storage = locate(there)
    for prefix in ("", OPERATION, f"{OPERATION}/", f"{OPERATION}/{OPERATION}.zip"):
        assert check(storage, prefix) == (PackageState.WHOLE, set())


def test_damage_is_named_and_a_zip_file_alone_is_found(locate: Locate, tmp_path: Path) -> None:
    entries = {path: content for path, content in ENTRIES.items() if path != "README.txt"} | {CHANGED: b"2", "data/x": b""}
    storage = locate({"copied.zip": packed(tmp_path, entries), "notes/other.zip": b"x"})
    assert check(storage) == (PackageState.DAMAGED, {("missing", "README.txt"), ("changed", CHANGED), ("extra", "data/x")})


def test_strict_container_and_what_somebody_packed_by_hand(locate: Locate, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "hand.zip", "w", zipfile.ZIP_BZIP2) as file:
        for path, content in ENTRIES.items():
            file.writestr(f"my export/{path}", content)
    mark = {"RequestInfo.json": ENTRIES["RequestInfo.json"]}
    assert check(locate(mark | {f"{OPERATION}.zip": (tmp_path / "hand.zip").read_bytes()}))[0] is PackageState.WHOLE


def test_sealed_package_that_somebody_packed_is_sealed(locate: Locate, tmp_path: Path) -> None:
    lay(tmp_path / "sealed")
    sealed = contents(tmp_path / "sealed")
    assert check(locate({"sealed.zip": packed(tmp_path, sealed)})) == (PackageState.SEALED, set())


def test_what_is_no_zip_file_or_not_there_is_said(locate: Locate, tmp_path: Path) -> None:
    storage = locate({"a.zip": b"PK", "empty.zip": b"", "cut.zip": packed(tmp_path, ENTRIES)[:-1], "b/RequestInfo.json": b"{}"})
    for name in ("a.zip", "empty.zip", "cut.zip"):
        with pytest.raises(PackageError, match=rf"{name} is no ZIP file"):
            check(storage, name)
    with pytest.raises(PackageError, match=r"no none\.zip"):
        check(storage, "none.zip")
    assert check(storage)[0] is PackageState.INCOMPLETE, "a folder comes first"


def test_several_are_told_apart_by_prefix(locate: Locate, tmp_path: Path) -> None:
    content = packed(tmp_path, ENTRIES)
    with pytest.raises(ConfigurationError) as told:
        check(locate({"a.zip": content, "b.zip": content}))
    assert (told.value.code, told.value.hint) == ("PrefixNeeded", "say which with --prefix: a.zip, b.zip")


@pytest.mark.parametrize("fault", [Fault.status(503, "ServerBusy"), Fault.broken(Break.RESET), Fault.status(500)])
def test_check_goes_on_after_an_answer_that_did_not_come(simulator: BlobSimulator, tmp_path: Path, fault: Fault) -> None:
    url = simulator.sas_url("packed", "cwrl")
    with closing(open_sas(url)) as storage:
        content = packed(tmp_path, ENTRIES)
        storage.put("p.zip", [content], size_bytes=len(content))
        simulator.fail(fault, after=2, times=3, path="p.zip")
        clock = ManualClock()
        with open_stored(RetryingReading(storage, clock), "p.zip") as reader:
            assert verify(reader).state is PackageState.WHOLE
        assert clock.monotonic() > 0
        simulator.fail_from_now(fault)
        with pytest.raises(StorageUnavailable), open_stored(RetryingReading(storage, clock), "p.zip"):
            pass
    whole = [request for request in simulator.requests if request.method == "GET" and request.path and "x-ms-range" not in request.headers]
    assert not whole, "nothing but parts was asked for"


@pytest.mark.parametrize(
    "fault", [Fault.status(503, "ServerBusy"), Fault.broken(Break.RESET), Fault.broken(Break.TRUNCATED), Fault.status(500)]
)
def test_check_of_a_folder_goes_on_after_an_answer_that_did_not_come(simulator: BlobSimulator, fault: Fault) -> None:
    with closing(open_sas(simulator.sas_url("packed", "cwrl"))) as storage:
        for path, content in ENTRIES.items():
            storage.put(f"p/{path}", [content], size_bytes=len(content))
        simulator.fail(fault, times=2)  # where the package is looked for
        simulator.fail(fault, after=2, times=3, path="p/data/")
        clock = ManualClock()
        with open_stored(RetryingReading(storage, clock)) as reader:
            assert verify(reader).state is PackageState.WHOLE
        assert clock.monotonic() > 0
        simulator.fail_from_now(fault, after=5)
        with pytest.raises(StorageUnavailable), open_stored(RetryingReading(storage, clock)) as reader:
            verify(reader)


def test_command_takes_a_container_with_a_zip_file(simulator: BlobSimulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(open_sas(simulator.sas_url("packed", "cwrl"))) as storage:
        for path, content in (("RequestInfo.json", ENTRIES["RequestInfo.json"]), (f"{OPERATION}.zip", packed(tmp_path, ENTRIES))):
            storage.put(f"{OPERATION}/{path}", [content], size_bytes=len(content))
    reading = simulator.sas_url("packed", "rl")
    assert main(["verify", reading]) == Exit.OK
    assert capsys.readouterr().out.startswith(f"whole: {len(ENTRIES)} entries")
    assert main(["verify", reading, "--prefix", f"{OPERATION}/{OPERATION}.zip"]) == Exit.OK
    assert main(["verify", reading, "--prefix", "../x"]) == Exit.USAGE
    assert "--prefix" in capsys.readouterr().err
