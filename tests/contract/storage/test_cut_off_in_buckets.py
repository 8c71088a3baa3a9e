"""What is sent to a bucket that hangs ends when its leash is pulled, with its connection; so a cancelled export does."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.servers.gcs import GcsServer
from tests.unit.export.scripted import PEOPLE, ROWS_HEADER, Scripted, batch, yields
from tests.unit.export.world import TENANT, World

from rightful.config.model import AccountSettings, StorageSettings
from rightful.errors import StorageError, StorageRefused, StorageUnavailable
from rightful.leash import Leash
from rightful.storage.interface import Put
from rightful.storage.object_account import AccountAccess, bucket_of
from rightful.storage.object_storage import ObjectStorage

BIG = 17 << 20


@pytest.fixture
def server(gcs_server: GcsServer) -> Iterator[GcsServer]:
    """A store in front of moto that hangs where it is told to; it lets those of S3 pass as they are."""
    gcs_server.hung.clear()
    gcs_server.cut = 0
    yield gcs_server
    gcs_server.hangs = ""


def access_of(kind: str, server: GcsServer) -> AccountAccess:
    keys = {"access_key_id": "key", "secret_access_key": "secret"} if kind == "s3" else {}
    return AccountAccess(endpoint=server.url, **keys)


@pytest.fixture(params=["s3", "gs"])
def storage(request: pytest.FixtureRequest, server: GcsServer) -> Iterator[ObjectStorage]:
    one = ObjectStorage(bucket_of(f"{request.param}://{server.s3.bucket()}/of us"), access_of(request.param, server))
    yield one
    one.close()


SOON_S = 25.0
"""Promised are 2 s, and a machine may be busy; a store that hangs and is not cut off is waited for 60 s."""


def wait(condition: Callable[[], bool], timeout_s: float = 60.0) -> float:
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < timeout_s
        time.sleep(0.01)
    return time.monotonic() - begun


def endless() -> Iterator[bytes]:
    while True:
        yield b"a" * (1 << 20)


class Putting(threading.Thread):
    """Puts an entry on a leash."""

    def __init__(self, storage: ObjectStorage, chunks: Iterator[bytes], size_bytes: int) -> None:
        super().__init__(daemon=True)
        self.leash = Leash()
        self.outcome: Put | StorageError | None = None
        self._storage, self._chunks, self._size_bytes = storage.on(self.leash), chunks, size_bytes
        self.start()

    def run(self) -> None:
        try:
            self.outcome = self._storage.put("a/one", self._chunks, size_bytes=self._size_bytes)
        except StorageError as error:
            self.outcome = error

    def end(self) -> float:
        """Pull the leash; return how long it took to end."""
        begun = time.monotonic()
        self.leash.pull()
        self.join(2 * SOON_S)
        assert not self.is_alive()
        return time.monotonic() - begun


def test_small_entry_whose_put_hangs_is_cut_off_and_does_not_arrive(storage: ObjectStorage, server: GcsServer) -> None:
    server.hangs = "PUT"
    putting = Putting(storage, iter([b"x"]), 1)
    wait(lambda: len(server.hung) == 1)
    assert putting.end() < SOON_S
    assert isinstance(putting.outcome, StorageRefused)
    wait(lambda: server.cut == 1)
    server.hangs = ""
    assert storage.put("a/one", [b"other"], size_bytes=5) is Put.WRITTEN


def test_large_entry_of_which_a_block_hangs_is_cut_off(storage: ObjectStorage, server: GcsServer) -> None:
    server.hangs = "partNumber"
    putting = Putting(storage, endless(), 1 << 30)
    wait(lambda: bool(server.hung))
    assert putting.end() < SOON_S
    assert isinstance(putting.outcome, StorageRefused)
    wait(lambda: server.cut == len(server.hung))
    server.hangs = ""
    assert list(storage._list("of us")) == []


def test_upload_of_a_large_entry_is_aborted_where_its_store_answers(storage: ObjectStorage, server: GcsServer) -> None:
    has_begun = threading.Event()

    def slow() -> Iterator[bytes]:
        yield from [b"a" * (1 << 20)] * 40
        has_begun.set()
        while True:
            time.sleep(0.02)
            yield b"a"

    bucket = storage._bucket.name
    putting = Putting(storage, slow(), 1 << 30)
    assert has_begun.wait(60.0)
    wait(lambda: b"<UploadId>" in server.s3.get(bucket, "?uploads"))
    assert putting.end() < SOON_S
    assert isinstance(putting.outcome, StorageRefused)
    assert b"<UploadId>" not in server.s3.get(bucket, "?uploads")
    assert list(storage._list("of us")) == []


@pytest.mark.parametrize("hangs", ["uploadId", "DELETE", "COPY"])
def test_large_entry_ends_in_time_wherever_its_store_hangs(storage: ObjectStorage, server: GcsServer, hangs: str) -> None:
    server.hangs = {"COPY": "PUT /" + storage._bucket.name + "/of us/a/one"}.get(hangs, hangs)
    chunks = iter([b"a" * (1 << 20)] * 17)
    putting = Putting(storage, chunks, BIG)
    if hangs == "DELETE":
        wait(lambda: bool(server.hung) or putting.outcome is not None)
    else:
        wait(lambda: bool(server.hung))
    assert putting.end() < SOON_S


def test_entry_is_put_on_a_leash_as_without(storage: ObjectStorage, server: GcsServer) -> None:
    for chunks, size in (([b"x"], 1), ([b"a" * (1 << 20)] * 17, BIG)):
        on = storage.on(Leash())
        assert on.put(f"of/{size}", iter(chunks), size_bytes=size) is Put.WRITTEN
        assert on.put(f"of/{size}", iter(chunks), size_bytes=size) is Put.ALREADY_THERE
        assert b"".join(on.read(f"of/{size}")) == b"".join(chunks)
    assert server.hung == []


def test_nothing_is_asked_for_when_the_leash_was_pulled_before(storage: ObjectStorage) -> None:
    leash = Leash()
    leash.pull()
    for size in (1, BIG):
        with pytest.raises(StorageRefused):
            storage.on(leash).put("a/one", iter([b"a" * size]), size_bytes=size)
    assert list(storage._list("of us")) == []


@pytest.mark.parametrize("size", [1, 1 << 30], ids=["small", "large"])
def test_what_hangs_ends_when_the_storage_is_closed(storage: ObjectStorage, server: GcsServer, size: int) -> None:
    server.hangs = "PUT"
    putting = Putting(storage, iter([b"x"]) if size == 1 else endless(), size)
    wait(lambda: bool(server.hung))
    storage.close()
    wait(lambda: putting.outcome is not None, SOON_S)
    assert isinstance(putting.outcome, StorageUnavailable)
    with pytest.raises(StorageUnavailable):
        storage.on(Leash()).put("a/two", [b"x"], size_bytes=1)


def test_deletion_that_hangs_ends_by_itself(storage: ObjectStorage, server: GcsServer) -> None:
    storage.put("a/one", [b"x"], size_bytes=1)
    server.hangs = "a/one"
    begun = time.monotonic()
    with pytest.raises(StorageUnavailable):
        storage.remove("a/one")
    assert time.monotonic() - begun < SOON_S


@pytest.mark.parametrize("kind", ["s3", "gs"])
@pytest.mark.parametrize("name", ["part-", "manifest-sha256"], ids=["in a read", "while it is finished"])
def test_export_to_a_bucket_that_hangs_is_cancelled_in_time_and_leaves_nothing(
    tmp_path: Path, server: GcsServer, kind: str, name: str
) -> None:
    bucket = server.s3.bucket()
    account = AccountSettings(url=f"{kind}://{bucket}/of%20us", access=access_of(kind, server))
    rows = Scripted(yields(ROWS_HEADER, batch((1, "ann@contoso.example", 0))))
    world = World(tmp_path, PEOPLE, {"orders": rows}, storage=StorageSettings(accounts={"Local": account}))
    world.service.remover.again_s = 0.1
    operation = world.submit("1")
    server.hangs = name
    if name != "part-":
        assert world.step()
    working = threading.Thread(target=world.step)
    working.start()
    wait(lambda: bool(server.hung))
    server.hangs = ""
    world.service.cancel(TENANT, operation.operation_id)
    assert wait(lambda: not working.is_alive()) < SOON_S
    wait(lambda: server.cut == len(server.hung))
    wait(lambda: world.get(operation).left is None)
    there = ObjectStorage(bucket_of(f"{kind}://{bucket}/of%20us"), access_of(kind, server))
    assert [path for path, _ in there.list("")] == [f"{operation.operation_id}/RequestInfo.json"]
