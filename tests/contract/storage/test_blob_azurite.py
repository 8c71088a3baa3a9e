"""The blob writer against Azurite, opened the way the service opens it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest
from tests.servers.azurite import Azurite
from tests.unit.export.scripted import ROWS_HEADER, Scripted, batch, yields
from tests.unit.export.test_zip_layout import KilledBeforeTheEnd, zip_world

from rightful.config.model import StorageSettings
from rightful.errors import InvalidRequest, Refusal, StorageRefused
from rightful.storage.interface import Listing, Marking, Put, Reading
from rightful.storage.location import StoragePolicy, parse_location
from rightful.storage.registry import Storages, probe_error

pytestmark = pytest.mark.azurite
MIB = 1 << 20


@pytest.fixture
def storages() -> Iterator[Storages]:
    opened = Storages()
    yield opened
    opened.close()


def policy_for(azurite: Azurite, *, strict: bool = False) -> StoragePolicy:
    return StoragePolicy(allow=(azurite.host,), checks="strict" if strict else "standard")


def probe_code(storages: Storages, url: str, policy: StoragePolicy) -> tuple[Refusal, str]:
    storage = storages.open(url, policy)
    with pytest.raises(StorageRefused) as caught:
        storage.put("RequestInfo.json", [b""], size_bytes=0)
    assert "sig=" not in f"{caught.value} {caught.value.hint}"
    return caught.value.refusal, probe_error(caught.value, policy).code


def test_probe_tells_each_refusal_apart(azurite: Azurite, storages: Storages) -> None:
    policy = policy_for(azurite)
    container = azurite.container()
    good = azurite.sas_url(container, "c")
    tampered = good.replace("sig=", "sig=A")
    assert probe_code(storages, tampered, policy) == (Refusal.SIGNATURE, "SharedAccessSignatureTokenInvalid")
    expired = azurite.sas_url(container, "c", expires_in_s=-60)
    assert probe_code(storages, expired, policy) == (Refusal.EXPIRED, "StorageLocationInvalid")
    readable = azurite.sas_url(container, "rl")
    assert probe_code(storages, readable, policy) == (Refusal.PERMISSION, "StorageLocationNeedsWriteAddPermissions")
    gone = azurite.sas_url("nosuchcontainer", "cw")
    assert probe_code(storages, gone, policy) == (Refusal.MISSING, "StorageLocationInvalid")


@pytest.mark.parametrize(
    ("expires_in_s", "starts_in_s"),
    [(-60, None), (3600, 600)],
)
def test_sas_out_of_its_time_is_refused_without_a_request(azurite: Azurite, expires_in_s: float, starts_in_s: float | None) -> None:
    url = azurite.sas_url(azurite.container(), "cw", expires_in_s=expires_in_s, starts_in_s=starts_in_s)
    with pytest.raises(InvalidRequest) as caught:
        parse_location(url, policy_for(azurite), now=datetime.now(UTC))
    assert caught.value.code == "StorageLocationInvalid"


def test_account_sas_writes_too(azurite: Azurite, storages: Storages) -> None:
    container = azurite.container()
    url = azurite.sas_url(container, "cw", kind="account")
    parse_location(url, policy_for(azurite), now=datetime.now(UTC))
    assert storages.open(url, policy_for(azurite)).put("a/b", [b"x"], size_bytes=1) is Put.WRITTEN
    assert azurite.blobs(container) == {"a/b": b"x"}


def test_strict_marks_a_container_once(azurite: Azurite, storages: Storages) -> None:  # GRAPH-42
    container = azurite.container()
    policy = policy_for(azurite, strict=True)
    url = azurite.sas_url(container, "aw")
    parse_location(url, policy, now=datetime.now(UTC))
    storage = storages.open(url, policy)
    assert isinstance(storage, Marking)
    assert not isinstance(storage, Reading)
    assert storage.put_append("RequestInfo.json", b'{"a": 1}') is Put.WRITTEN
    assert storage.put_append("RequestInfo.json", b'{"a": 2}') is Put.ALREADY_THERE
    assert [storage.append("RequestInfo.json", b"\n", at=length) for length in (7, 9, 8)] == [Put.ALREADY_THERE] * 2 + [Put.WRITTEN]
    assert storage.put("data/a", [b"x"], size_bytes=1) is Put.WRITTEN
    assert azurite.blobs(container) == {"RequestInfo.json": b'{"a": 1}\n', "data/a": b"x"}


def test_large_entry_goes_by_blocks_and_is_read_back(azurite: Azurite, storages: Storages) -> None:
    url = azurite.sas_url(azurite.container(), "rlw")
    storage = storages.open(url, policy_for(azurite))
    content = bytes(range(256)) * (20 * 4096) + b"end"
    chunks = [content[start : start + 3 * MIB + 1] for start in range(0, len(content), 3 * MIB + 1)]
    assert storage.put("large", chunks, size_bytes=len(content)) is Put.WRITTEN
    assert storage.put("large", [b"other"], size_bytes=5) is Put.ALREADY_THERE
    assert isinstance(storage, Reading)
    assert b"".join(storage.read("large")) == content
    assert isinstance(storage, Listing)
    assert list(storage.list("")) == [("large", len(content))]


def test_container_that_is_deleted_half_way_is_missing(azurite: Azurite, storages: Storages) -> None:
    container = azurite.container()
    storage = storages.open(azurite.sas_url(container, "w"), policy_for(azurite))
    storage.put("1", [b"x"], size_bytes=1)
    azurite.delete_container(container)
    with pytest.raises(StorageRefused) as caught:
        storage.put("2", [b"x"], size_bytes=1)
    assert caught.value.refusal is Refusal.MISSING
    assert caught.value.is_curable


@pytest.mark.parametrize(("layout", "permissions"), [("zip", "rw"), ("zip", "wl"), ("folder", "rc"), ("folder", "cl")])
def test_blob_of_a_stranger_is_not_taken_for_ours_after_a_kill(
    tmp_path: Path, azurite: Azurite, layout: Literal["folder", "zip"], permissions: str
) -> None:
    container = azurite.container()
    sources = {"orders": Scripted(yields(ROWS_HEADER, batch((1, "ann@contoso.example", 0))))}
    world = zip_world(tmp_path, sources, StorageSettings(allow=(azurite.host,)), layout)
    world.clock.advance((datetime.now(UTC) - world.clock.now()).total_seconds())
    operation = world.submit("1", azurite.sas_url(container, permissions))
    world.stop()
    world.start(KilledBeforeTheEnd)
    assert isinstance(world.store, KilledBeforeTheEnd)
    world.store.is_armed = True
    with pytest.raises(KeyboardInterrupt):
        world.run()
    path = f"{operation.operation_id}/" + (f"{operation.operation_id}.zip" if layout == "zip" else "manifest-sha256.txt")
    assert azurite.blob(container, path) is None
    azurite.put(container, path, b"something else")
    world.stop()
    world.start()
    world.run()
    failure = world.get(operation).failure
    assert failure is not None
    assert failure.code == "EntryConflict"
    assert azurite.blob(container, path) == b"something else"
    world.stop()
