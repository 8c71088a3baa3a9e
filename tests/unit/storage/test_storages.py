"""Opening locations, and what a failed probe means."""

import gc
import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from rightful.errors import EntryConflict, Refusal, StorageError, StorageRefused, StorageUnavailable
from rightful.storage.interface import Listing, Marking, Reading
from rightful.storage.local import LocalStorage
from rightful.storage.location import StoragePolicy
from rightful.storage.object_account import AccountAccess
from rightful.storage.registry import Storages, probe_error


def url(sp: str = "cw", sig: str = "x", container: str = "exports") -> str:
    return f"https://contoso.blob.core.windows.net/{container}?sr=c&sp={sp}&se=2020-01-01&sig={sig}"


def test_equal_locations_share_one_object(tmp_path: Path) -> None:
    policy = StoragePolicy(accounts={"A": f"file://{tmp_path}/a", "B": f"file://{tmp_path}/b", "C": f"file://{tmp_path}/%61"})
    storages = Storages()
    assert storages.open(url(), policy) is storages.open(url(), policy)
    assert storages.open(url(), policy) is not storages.open(url(sig="y"), policy)
    assert storages.open("A", policy) is storages.open("A", policy)
    assert storages.open("A", policy) is storages.open("C", policy)
    assert storages.open("A", policy) is not storages.open("B", policy)
    storages.close()


def test_same_name_of_two_tenants_leads_to_two_folders(tmp_path: Path) -> None:
    storages = Storages()
    one = storages.open("A", StoragePolicy(accounts={"A": f"file://{tmp_path}/one"}))
    assert one is not storages.open("A", StoragePolicy(accounts={"A": f"file://{tmp_path}/two"}))
    storages.close()


def test_containers_that_were_not_asked_for_lately_are_let_go() -> None:
    storages = Storages()
    first = storages.open(url(container="c000"), StoragePolicy())
    for number in range(1, 300):
        storages.open(url(container=f"c{number:03d}"), StoragePolicy())
    assert storages.open(url(container="c000"), StoragePolicy()) is not first
    storages.close()


def test_folder_that_failed_is_opened_anew(tmp_path: Path) -> None:
    policy = StoragePolicy(accounts={"A": f"file://{tmp_path}/a"})
    storages = Storages()
    storage = storages.open("A", policy)
    assert isinstance(storage, LocalStorage)
    storage.put("x", [b"x"], size_bytes=1)
    storage.close()
    assert storage.is_broken
    again = storages.open("A", policy)
    again.put("x", [b"x"], size_bytes=1)
    again.sync()
    assert (tmp_path / "a" / "x").read_bytes() == b"x"
    storages.close()


def test_folder_that_failed_fails_alike_as_long_as_somebody_uses_it_and_is_closed_then(tmp_path: Path) -> None:
    policy = StoragePolicy(accounts={"A": f"file://{tmp_path}/a"})
    storages = Storages()
    storage = storages.open("A", policy)
    storage.put("x", [b"x"], size_bytes=1)
    shutil.rmtree(tmp_path / "a")
    calls: list[Callable[[], object]] = [storage.sync, storage.sync, partial(storage.put, "y", [b"y"], size_bytes=1)]
    refusals = []
    for call in calls:
        with pytest.raises(StorageRefused) as refused:
            call()
        refusals.append(refused.value.refusal)
        storages.open("A", policy).put("x", [b"x"], size_bytes=1)
        assert len(_open_deleted(tmp_path)) == 1
    assert refusals == [Refusal.MISSING] * 3
    calls.clear()
    del storage, call, refused
    gc.collect()
    assert _open_deleted(tmp_path) == []
    storages.close()


def test_folder_that_failed_is_closed_at_once_though_a_service_collects_seldom(tmp_path: Path) -> None:
    policy = StoragePolicy(accounts={"A": f"file://{tmp_path}/a"})
    storages = Storages()

    def fail() -> None:
        storage = storages.open("A", policy)
        storage.put("x", [b"x"], size_bytes=1)
        shutil.rmtree(tmp_path / "a")
        with suppress(StorageRefused):
            storage.sync()
        storages.open("A", policy)

    gc.disable()
    try:
        working = threading.Thread(target=fail)  # as a service works: not in its main thread
        working.start()
        working.join()
        assert _open_deleted(tmp_path) == []
    finally:
        gc.enable()
        storages.close()


def test_folder_that_is_closed_at_a_stop_is_worth_another_try(tmp_path: Path) -> None:
    storages = Storages()
    storage = storages.open("A", StoragePolicy(accounts={"A": f"file://{tmp_path}/a"}))
    storage.put("x", [b"x"], size_bytes=1)
    storages.close()
    for call in (storage.sync, lambda: storage.put("y", [b"y"], size_bytes=1)):
        with pytest.raises(StorageUnavailable):
            call()


def _open_deleted(folder: Path) -> list[str]:
    """Return which deleted folders below one are open."""
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found.append(str(descriptor.readlink()))
    return [name for name in found if name.startswith(str(folder)) and name.endswith("a (deleted)")]


@pytest.mark.parametrize(("sp", "reads", "lists"), [("cw", False, False), ("cwr", True, False), ("cwl", False, True), ("rl", True, True)])
def test_container_has_the_abilities_that_its_sas_gives(sp: str, reads: bool, lists: bool) -> None:  # noqa: FBT001 - a table
    storage = Storages().open(url(sp), StoragePolicy())
    assert (isinstance(storage, Reading), isinstance(storage, Listing), isinstance(storage, Marking)) == (reads, lists, True)


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("Gone", StoragePolicy()),
        (url(), StoragePolicy(allow=())),
        ("A", StoragePolicy(accounts={"A": "ftp://server/share"})),
        ("A", StoragePolicy(accounts={"A": "gs://bucket"}, access={"A": AccountAccess(service_account="sig")})),
        ("A", StoragePolicy(accounts={"A": "file://server/share"})),
        ("A", StoragePolicy(accounts={"A": "file:exports"})),
    ],
)
def test_location_that_is_no_longer_allowed_is_refused(text: str, policy: StoragePolicy) -> None:
    with pytest.raises(StorageRefused) as caught:
        Storages().open(text, policy)
    assert "sig" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "checks", "expected"),
    [
        (StorageUnavailable("no answer"), "standard", "StorageLocationInvalid"),
        (StorageRefused("no", refusal=Refusal.SIGNATURE), "standard", "SharedAccessSignatureTokenInvalid"),
        (StorageRefused("no", refusal=Refusal.EXPIRED), "standard", "StorageLocationInvalid"),
        (StorageRefused("no", refusal=Refusal.PERMISSION), "standard", "StorageLocationNeedsWriteAddPermissions"),
        (StorageRefused("no", refusal=Refusal.MISSING), "standard", "StorageLocationInvalid"),
        (StorageRefused("no", refusal=Refusal.UNSUPPORTED), "strict", "StorageLocationShouldSupportAppendBlobs"),
        (StorageRefused("no", refusal=Refusal.UNSUPPORTED), "standard", "StorageLocationInvalid"),
        (StorageRefused("no", refusal=Refusal.FULL), "standard", "StorageLocationInvalid"),
        (EntryConflict("there"), "strict", "StorageLocationAlreadyUsed"),
    ],
)
def test_failed_probe_has_the_documented_code(error: StorageError, checks: str, expected: str) -> None:  # GRAPH-42 and the table before it
    refused = probe_error(error, StoragePolicy(checks="strict" if checks == "strict" else "standard"))
    assert (refused.code, refused.target, refused.http_status) == (expected, "storageLocation", 400)


def test_buckets_are_shared_by_who_reaches_them_alike() -> None:
    access = {"A": AccountAccess(region="eu-1"), "B": AccountAccess(region="eu-1"), "C": AccountAccess(region="eu-2")}
    policy = StoragePolicy(accounts=dict.fromkeys(access, "s3://bucket/prefix"), access=access)
    storages = Storages()
    storage = storages.open("A", policy)
    assert storages.open("B", policy) is storage
    assert storages.open("C", policy) is not storage
    assert storage.properties.is_remote
    assert isinstance(storage, Reading)
    assert isinstance(storage, Listing)
    storages.close()
