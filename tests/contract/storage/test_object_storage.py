"""Buckets as storage locations: S3 (moto) and Google Cloud Storage (a stand-in), exports into them, and what is particular to them."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest
from tests.servers.gcs import GcsServer
from tests.servers.s3 import S3Server
from tests.unit.export.interrupted import KilledStore
from tests.unit.export.scripted import FILES_HEADER, PEOPLE, ROWS_HEADER, Scripted, batch, file, yields
from tests.unit.export.world import TENANT, World

from rightful.age.keys import Identity
from rightful.clock import SystemClock
from rightful.config.model import AccountSettings, ExportSettings, StorageSettings
from rightful.errors import EntryConflict, Refusal, StorageRefused, StorageUnavailable
from rightful.operation.model import OperationStatus
from rightful.package.readers import FolderReader, StorageReader
from rightful.package.unseal import unseal
from rightful.package.verify import PackageState, verify
from rightful.storage.interface import Put, Storage
from rightful.storage.local import LocalStorage
from rightful.storage.object_account import AccountAccess, bucket_of
from rightful.storage.object_storage import ObjectStorage
from rightful.storage.sealing import SealingStorage, sealing
from rightful.store.sqlite import SqliteStore
from rightful.testing.clock import ManualClock
from rightful.testing.storage_suite import StorageSuite

SECRET = "canary-secret"
RIGHTFUL = str(Path(sys.executable).with_name("rightful"))
KEY = Identity(bytes(range(32)))
PREFIX = "/exports/of us"
BIG = 17 << 20
"""More than one put takes."""


def access_s3(server: S3Server) -> AccountAccess:
    return AccountAccess(endpoint=server.url, access_key_id="key", secret_access_key=SECRET)


def open_s3(server: S3Server, bucket: str, prefix: str = PREFIX) -> ObjectStorage:
    return ObjectStorage(bucket_of(f"s3://{bucket}{prefix}"), access_s3(server))


class TestS3(StorageSuite):
    @pytest.fixture(autouse=True)
    def world(self, s3_server: S3Server) -> None:
        self.server = s3_server

    def storage(self) -> Storage:
        return open_s3(self.server, self.server.bucket())


class TestS3WithoutPrefix(TestS3):
    def storage(self) -> Storage:
        return open_s3(self.server, self.server.bucket(), "")


class TestGcs(StorageSuite):
    @pytest.fixture(autouse=True)
    def world(self, gcs_server: GcsServer) -> None:
        self.server = gcs_server

    def storage(self) -> Storage:
        return ObjectStorage(bucket_of(f"gs://{self.server.s3.bucket()}{PREFIX}"), AccountAccess(endpoint=self.server.url))


class TestSealedS3(TestS3):
    can_join = False

    def storage(self) -> Storage:
        return sealed(super().storage())


@pytest.fixture(params=["s3", "gs"])
def storage(request: pytest.FixtureRequest) -> ObjectStorage:
    s3: S3Server = request.getfixturevalue("s3_server")
    if request.param == "s3":
        return open_s3(s3, s3.bucket())
    gcs: GcsServer = request.getfixturevalue("gcs_server")
    return ObjectStorage(bucket_of(f"gs://{s3.bucket()}{PREFIX}"), AccountAccess(endpoint=gcs.url))


def _blocks(letter: bytes, size_bytes: int = BIG) -> Iterator[bytes]:
    for start in range(0, size_bytes, 1 << 20):
        yield letter * min(1 << 20, size_bytes - start)


def sealed(inner: Storage) -> SealingStorage:
    return sealing(inner, prefix="", recipient=KEY.recipient, secret=bytes(32))


def _everything(storage: ObjectStorage) -> list[str]:
    """Return the names below the prefix, hidden ones too."""
    return sorted(meta["path"].removeprefix("exports/of us/") for meta in storage._list("exports/of us"))


def test_large_entry_is_never_replaced_and_leaves_nothing_beside_it(storage: ObjectStorage) -> None:
    assert storage.put("film.bin", _blocks(b"a"), size_bytes=BIG) is Put.WRITTEN
    assert storage.put("film.bin", _blocks(b"a"), size_bytes=BIG) is Put.ALREADY_THERE
    with pytest.raises(EntryConflict):
        storage.put("film.bin", _blocks(b"b"), size_bytes=BIG)
    with pytest.raises(EntryConflict):
        storage.put("film.bin", _blocks(b"a", BIG + 1), size_bytes=BIG + 1)
    assert b"".join(storage.read("film.bin")) == b"a" * BIG
    assert _everything(storage) == ["film.bin"]


def test_large_entry_that_somebody_makes_meanwhile_is_theirs(storage: ObjectStorage) -> None:
    def meanwhile() -> Iterator[bytes]:
        yield from _blocks(b"a")
        storage.put("film.bin", [b"theirs"], size_bytes=6)

    with pytest.raises(EntryConflict):
        storage.put("film.bin", meanwhile(), size_bytes=BIG)
    assert b"".join(storage.read("film.bin")) == b"theirs"
    assert _everything(storage) == ["film.bin"]


@pytest.mark.parametrize("fault", [KeyboardInterrupt, OSError])
def test_large_entry_whose_source_breaks_leaves_nothing(s3_server: S3Server, fault: type[BaseException]) -> None:
    bucket = s3_server.bucket()
    storage = open_s3(s3_server, bucket)

    def chunks() -> Iterator[bytes]:
        yield from _blocks(b"a")
        raise fault("the source broke")

    with pytest.raises(fault, match="the source broke"):
        storage.put("film.bin", chunks(), size_bytes=2 * BIG)
    assert _everything(storage) == []
    assert b"<UploadId>" not in s3_server.get(bucket, "?uploads")


@pytest.mark.parametrize("storage", ["gs"], indirect=True)  # moto itself looks first and writes then
def test_threads_that_put_one_large_entry_make_one(storage: ObjectStorage) -> None:
    found: list[Put] = []
    threads = [threading.Thread(target=lambda: found.append(storage.put("f", _blocks(b"a"), size_bytes=BIG))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(each.value for each in found) == ["already_there", "already_there", "written"]
    assert _everything(storage) == ["f"]


def test_large_entry_may_come_out_of_another_bucket(storage: ObjectStorage, s3_server: S3Server) -> None:
    source = open_s3(s3_server, s3_server.bucket())
    source.put("film.bin", _blocks(b"a"), size_bytes=BIG)
    assert storage.put("copy.bin", source.read("film.bin"), size_bytes=BIG) is Put.WRITTEN
    assert b"".join(storage.read("copy.bin")) == b"a" * BIG


def test_large_entry_of_which_the_store_refuses_a_block_is_given_up() -> None:
    for endpoint in _answering("403 No"):
        access = AccountAccess(endpoint=endpoint, access_key_id="key", secret_access_key=SECRET)
        storage = ObjectStorage(bucket_of("s3://the-bucket"), access)
        taken = 0

        def chunks() -> Iterator[bytes]:
            nonlocal taken
            for chunk in _blocks(b"a", 1 << 30):
                taken += len(chunk)
                yield chunk

        with pytest.raises(StorageRefused):
            storage.put("film.bin", chunks(), size_bytes=1 << 30)
        assert taken < 1 << 28, "nobody takes them any more"


@pytest.mark.parametrize("size", [5 << 20, BIG], ids=["one put", "blocks"])
def test_sealed_stream_that_is_put_again_is_there_already_and_stays_as_it_was(storage: ObjectStorage, size: int) -> None:
    inside = sealed(storage)
    assert inside.put("film.bin", _blocks(b"a", size), size_bytes=size) is Put.WRITTEN
    before = b"".join(storage.read(inside.name_of("film.bin")))
    assert inside.put("film.bin", _blocks(b"a", size), size_bytes=size) is Put.ALREADY_THERE
    assert b"".join(storage.read(inside.name_of("film.bin"))) == before


def test_sealed_stream_does_not_take_what_another_put_there_for_its_own(storage: ObjectStorage) -> None:
    inside = sealed(storage)
    storage.put(inside.name_of("film.bin"), [b"theirs"], size_bytes=6)
    with pytest.raises(EntryConflict):
        inside.put("film.bin", _blocks(b"a"), size_bytes=BIG)


def _asking(endpoint: str) -> ObjectStorage:
    return ObjectStorage(bucket_of("s3://the-bucket"), AccountAccess(endpoint=endpoint, access_key_id="key", secret_access_key=SECRET))


@pytest.mark.parametrize("said", ["409 Conflict", "412 Precondition Failed"])
def test_entry_that_is_said_to_be_there_and_is_not_is_tried_again(said: str) -> None:
    for endpoint in _answering(said, HEAD="404 No"):  # S3 says 409 while a put whose answer was not waited for is under way
        with pytest.raises(StorageUnavailable) as raised:
            _asking(endpoint).put("a", [b"x"], size_bytes=1)
        assert raised.value.may_have_arrived


def test_entry_whose_size_may_not_be_known_is_there() -> None:
    for endpoint in _answering("412 Precondition Failed", HEAD="403 No"):
        assert _asking(endpoint).put("a", [b"x"], size_bytes=1) is Put.ALREADY_THERE


@pytest.mark.parametrize(("status", "refusal"), [("403 No", None), ("401 No", Refusal.SIGNATURE), ("400 No", Refusal.OTHER)])
def test_entry_that_may_not_be_read_is_there_and_other_refusals_are_said(status: str, refusal: Refusal | None) -> None:
    for endpoint in _answering("412 Precondition Failed", "x", HEAD="200 OK", GET=status):
        if refusal is None:
            assert _asking(endpoint).put("a", [b"x"], size_bytes=1) is Put.ALREADY_THERE
            continue
        with pytest.raises(StorageRefused) as refused:
            _asking(endpoint).put("a", [b"x"], size_bytes=1)
        assert refused.value.refusal is refusal


@pytest.mark.parametrize("refusal", [Refusal.PERMISSION, Refusal.OTHER])
def test_refusal_by_what_is_put_is_no_entry_that_is_there(storage: ObjectStorage, refusal: Refusal) -> None:
    def chunks() -> Iterator[bytes]:
        yield from _blocks(b"a", 1 << 20)
        raise StorageRefused("the source's storage refuses", refusal=refusal)

    storage.put("film.bin", _blocks(b"a"), size_bytes=BIG)
    with pytest.raises(StorageRefused, match="the source's"):
        storage.put("film.bin", chunks(), size_bytes=BIG)


@pytest.mark.parametrize(("status", "error"), [(409, StorageUnavailable), (412, StorageUnavailable), (404, StorageRefused)])
def test_copy_to_its_place_that_fails_is_said(gcs_server: GcsServer, status: int, error: type[Exception]) -> None:
    storage = ObjectStorage(bucket_of(f"gs://{gcs_server.s3.bucket()}{PREFIX}"), AccountAccess(endpoint=gcs_server.url))
    gcs_server.copies_answered.append(status)
    with pytest.raises(error):
        storage.put("film.bin", _blocks(b"a"), size_bytes=BIG)
    assert gcs_server.copies_answered == []
    assert _everything(storage) == []
    assert storage.put("film.bin", _blocks(b"a"), size_bytes=BIG) is Put.WRITTEN


def test_what_a_killed_process_left_is_deleted_by_one_that_goes_on_running(s3_server: S3Server) -> None:
    clock = ManualClock(SystemClock().now())
    storage = ObjectStorage(bucket_of(f"s3://{s3_server.bucket()}{PREFIX}"), access_s3(s3_server), clock=clock)
    storage.put("one.bin", _blocks(b"a"), size_bytes=BIG)
    storage._put_small(storage._key(".rightful/left"), b"x")
    clock.advance(4 * 86_400.0)
    storage.put("two.bin", _blocks(b"a"), size_bytes=BIG)
    assert _everything(storage) == ["one.bin", "two.bin"]


@pytest.mark.parametrize("layout", ["folder", "zip"])
@pytest.mark.parametrize("is_bucket", [True, False], ids=["bucket", "local folder"])
def test_what_a_cancelled_export_wrote_is_deleted(
    tmp_path: Path,
    s3_server: S3Server,
    layout: Literal["folder", "zip"],
    is_bucket: bool,  # noqa: FBT001
) -> None:
    bucket = s3_server.bucket()
    account = AccountSettings(url=f"s3://{bucket}/exports/of%20us", access=access_s3(s3_server))
    settings = StorageSettings(accounts={"Local": account}) if is_bucket else None
    rows = Scripted(yields(ROWS_HEADER, batch((1, "ann@contoso.example", 0))))
    world = World(tmp_path, PEOPLE, {"orders": rows}, export=ExportSettings(layout=layout), storage=settings)
    storage = open_s3(s3_server, bucket) if is_bucket else LocalStorage(world.exports)
    operation = world.submit("1")
    mark = [f"{operation.operation_id}/RequestInfo.json"]
    assert [path for path, _ in storage.list("")] == mark
    assert world.step()
    assert len(list(storage.list(""))) > 1
    world.service.cancel(TENANT, operation.operation_id)
    world.service.remover.rest()
    assert [path for path, _ in storage.list("")] == mark
    assert world.get(operation).left is None


def test_deleting_a_folder_leaves_what_only_begins_like_it(storage: ObjectStorage) -> None:
    for path in ("a/b", "a/c/d", "ab", "b/a"):
        storage.put(path, [b"x"], size_bytes=1)
    storage.delete("a")
    storage.delete("nothing")
    assert [path for path, _ in storage.list("")] == ["ab", "b/a"]


def test_check_leaves_nothing_behind_and_tells_the_stores_time(storage: ObjectStorage) -> None:
    assert abs((storage.check() - datetime.now(UTC)).total_seconds()) < 60
    assert _everything(storage) == []


def _answering(status: str, body: str = "", **others: str) -> Iterator[str]:
    """Yield the URL of a server that answers every request alike, but for those of other methods."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    method = connection.recv(65536).split(b" ")[0].decode()
                    head = f"HTTP/1.1 {others.get(method, status)}\r\nLocation: https://elsewhere.example/x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
                    connection.sendall((head + (body if method != "HEAD" else "")).encode())

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
    thread.join(10)


@pytest.mark.parametrize(
    ("status", "refusal"),
    [
        ("401 No", Refusal.SIGNATURE),
        ("403 No", Refusal.PERMISSION),
        ("404 No", Refusal.MISSING),
        ("301 Elsewhere", Refusal.OTHER),
        ("307 Elsewhere", Refusal.OTHER),
        ("400 No", Refusal.OTHER),
        ("500 Broken", None),
        ("503 Slow Down", None),
        ("429 Too Many", None),
    ],
)
def test_what_a_store_says_is_told_without_names_and_secrets(status: str, refusal: Refusal | None) -> None:
    for endpoint in _answering(status, "<Error><Code>Canary</Code><Key>personal-name</Key></Error>"):
        storage = ObjectStorage(
            bucket_of("s3://the-bucket/there"), AccountAccess(endpoint=endpoint, access_key_id="key", secret_access_key=SECRET)
        )
        with pytest.raises(StorageRefused if refusal else StorageUnavailable) as raised:
            storage.put("ann/personal-name", [b"x"], size_bytes=1)
        if isinstance(raised.value, StorageRefused):
            assert raised.value.refusal is refusal
        told = f"{raised.value}{raised.value.hint}{raised.value.__cause__}{storage!r}"
        for word in (SECRET, "personal-name", "Canary", "127.0.0.1", "elsewhere"):
            assert word not in told


def test_store_that_does_not_answer_is_unavailable_and_asked_no_longer_than_is_waited() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        access = AccountAccess(endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}", access_key_id="key", secret_access_key=SECRET)
        storage = ObjectStorage(bucket_of("s3://the-bucket"), access).within(0.5)
        with pytest.raises(StorageUnavailable):
            storage.put("a", [b"x"], size_bytes=1)


def test_missing_bucket_is_said(s3_server: S3Server) -> None:
    with pytest.raises(StorageRefused) as refused:
        open_s3(s3_server, "there-is-none").put("a", [b"x"], size_bytes=1)
    assert refused.value.refusal is Refusal.MISSING


def test_what_is_no_key_is_refused_and_not_shown() -> None:
    with pytest.raises(StorageRefused) as refused:
        ObjectStorage(bucket_of("gs://bucket"), AccountAccess(service_account='{"private_key": "canary-secret"}'))
    assert SECRET not in f"{refused.value}{refused.value.hint}{refused.value.__cause__}"
    assert SECRET not in repr(AccountAccess(secret_access_key=SECRET))


# -- exports ----------------------------------------------------------------------------------------------------------------
def _export(folder: Path, storage: StorageSettings | None, layout: Literal["folder", "zip"]) -> tuple[World, str]:
    folder.mkdir()
    rows = Scripted(yields(ROWS_HEADER, batch((1, "ann@contoso.example", 0), (2, "ann@contoso.example", 0))))
    files = (file(f"{number:03}.txt", b"%d" % number * 100) for number in range(5))
    drive = Scripted(yields(FILES_HEADER, *files, file("film.bin", b"film" * (5 << 20)), file("z", b"")))
    export = ExportSettings(retry_s=1.0, layout=layout)
    world = World(folder, PEOPLE, {"orders": rows, "drive": drive}, export=export, storage=storage)
    operation = world.submit("1")
    world.run()
    done = world.get(operation)
    assert (done.status, done.failure) == (OperationStatus.COMPLETE, None)
    return world, operation.operation_id


def test_package_in_a_bucket_is_the_one_of_a_folder(tmp_path: Path, s3_server: S3Server) -> None:
    bucket = s3_server.bucket()
    account = AccountSettings(url=f"s3://{bucket}/exports/of%20us", access=access_s3(s3_server))
    _, there = _export(tmp_path / "bucket", StorageSettings(accounts={"Local": account}), "folder")
    world, here = _export(tmp_path / "folder", None, "folder")
    storage = open_s3(s3_server, bucket)
    found = verify(StorageReader(storage, there))
    assert (found.state, found.findings) == (PackageState.WHOLE, ())
    package = world.exports / here
    local = {str(path.relative_to(package)): path.stat().st_size for path in package.rglob("*") if path.is_file()}
    assert {path.removeprefix(f"{there}/") for path, _ in storage.list("")} == local.keys()
    assert b"".join(storage.read(f"{there}/data/Product/drive/film.bin")) == b"film" * (5 << 20)


def test_zip_file_is_put_together_in_a_bucket(tmp_path: Path, s3_server: S3Server) -> None:
    bucket = s3_server.bucket()
    account = AccountSettings(url=f"s3://{bucket}/exports/of%20us", access=access_s3(s3_server))
    _export(tmp_path / "bucket", StorageSettings(accounts={"Local": account}), "zip")
    world, here = _export(tmp_path / "folder", None, "zip")
    storage = open_s3(s3_server, bucket)
    [name] = [path for path, _ in storage.list("") if path.endswith(".zip")]
    assert not [path for path in _everything(storage) if ".pieces" in path]
    local = next((world.exports / here).glob("*.zip")).stat().st_size
    content = b"".join(storage.read(name))
    assert abs(len(content) - local) < 1000, "two operations differ in their ids and times"
    packed = tmp_path / "there.zip"
    packed.write_bytes(content)
    said = subprocess.run([RIGHTFUL, "verify", str(packed)], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr


@pytest.mark.parametrize("is_changed", [False, True], ids=["the same", "changed"])
def test_large_file_of_a_sealed_package_in_a_bucket_survives_a_kill(tmp_path: Path, s3_server: S3Server, is_changed: bool) -> None:  # noqa: FBT001
    account = AccountSettings(url=f"s3://{s3_server.bucket()}/exports", access=access_s3(s3_server))
    film = [b"film" * (2 << 20)]
    drive = Scripted(lambda _subjects, _cursor: iter((FILES_HEADER, file("film.bin", film[0]))))
    world = World(
        tmp_path,
        PEOPLE,
        {"drive": drive},
        export=ExportSettings(retry_s=1.0),
        storage=StorageSettings(accounts={"Local": account}),
        store_type=KilledStore,
    )
    operation = world.submit("1", recipient=str(KEY.recipient))
    assert isinstance(world.store, KilledStore)
    world.store.left = 1
    with pytest.raises(KeyboardInterrupt):
        world.run()
    world.stop()
    if is_changed:
        film[0] = b"moon" * (2 << 20)
    world.start(KilledStore)
    world.run()
    done = world.get(operation)
    assert (done.status, done.failure) == (OperationStatus.COMPLETE, None)
    package, opened = LocalStorage(tmp_path / "package"), LocalStorage(tmp_path / "opened")
    bucket = ObjectStorage(bucket_of(account.url), access_s3(s3_server))
    for path, size in bucket.list(operation.prefix):
        package.put(path.removeprefix(operation.prefix), bucket.read(path), size_bytes=size)
    package.sync()

    def write(path: str, chunks: Iterator[bytes], size_bytes: int) -> None:
        opened.put(path, chunks, size_bytes=size_bytes)

    assert list(unseal(FolderReader(tmp_path / "package"), [KEY], write)) == []
    opened.sync()
    found = verify(FolderReader(tmp_path / "opened"))
    assert (found.state, found.findings) == (PackageState.WHOLE, ())
    assert film[0] in [path.read_bytes() for path in (tmp_path / "opened/data").rglob("film*.bin")]


def test_command_verifies_a_package_in_a_bucket(tmp_path: Path, s3_server: S3Server) -> None:
    bucket = s3_server.bucket()
    account = AccountSettings(url=f"s3://{bucket}/exports/of%20us", access=access_s3(s3_server))
    _, there = _export(tmp_path / "bucket", StorageSettings(accounts={"Local": account}), "folder")
    run = [RIGHTFUL]
    subprocess.run([*run, "init"], cwd=tmp_path, check=True, capture_output=True)
    config = tmp_path / "rightful.yaml"
    (tmp_path / "var").mkdir(exist_ok=True)
    SqliteStore(tmp_path / "var/rightful.db", SystemClock()).close()
    line = next(line for line in config.read_text().splitlines() if "LocalExports: {url" in line)
    access = f'{{endpoint: "{s3_server.url}", access_key_id: key, secret_access_key: {SECRET}}}'
    config.write_text(config.read_text().replace(line, f'        Bucket: {{url: "s3://{bucket}/exports/of%20us", access: {access}}}'))

    def said(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*run, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False, env={**os.environ, **environment}, timeout=120
        )

    whole = said("verify", f"s3://{bucket}/exports/of%20us", "--config", "rightful.yaml")
    assert (whole.returncode, whole.stdout.split(":")[0]) == (0, "whole"), whole.stderr
    named = said("verify", f"s3://{bucket}/exports/of%20us/{there}", "--config", "rightful.yaml")
    assert named.returncode == 0, named.stderr
    doctor = said("doctor", "--config", "rightful.yaml")
    assert "takes entries, replaces none" in doctor.stdout
    assert SECRET not in whole.stdout + whole.stderr + doctor.stdout + doctor.stderr
    config.write_text(config.read_text().replace(f", access_key_id: key, secret_access_key: {SECRET}", ""))
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": SECRET}
    by_environment = said("verify", f"s3://{bucket}/exports/of%20us", "--config", "rightful.yaml", **keys)
    assert by_environment.returncode == 0, by_environment.stderr
    _, packed = _export(tmp_path / "packed", StorageSettings(accounts={"Local": account}), "zip")
    for address in (packed, f"{packed}/{packed}.zip"):
        checked = said("verify", f"s3://{bucket}/exports/of%20us/{address}", "--config", "rightful.yaml", **keys)
        assert (checked.returncode, checked.stdout.split(":")[0]) == (0, "whole"), checked.stderr
    open_s3(s3_server, bucket).delete(f"{there}/data")
    assert said("verify", f"s3://{bucket}/exports/of%20us/{there}", "--config", "rightful.yaml", **keys).returncode == 1
