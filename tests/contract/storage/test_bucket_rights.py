"""Buckets that do not give every right: what is done beside the entries fails no entry, and a package that needs the right is refused at once."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.servers.gcs import GcsServer
from tests.unit.export.scripted import PEOPLE, ROWS_HEADER, Scripted, batch, yields
from tests.unit.export.world import World

from rightful.clock import SystemClock
from rightful.config.model import AccountSettings, ExportSettings, StorageSettings
from rightful.errors import InvalidRequest, Refusal, StorageRefused
from rightful.export.mark import Mark
from rightful.storage.interface import Put
from rightful.storage.local import LocalStorage
from rightful.storage.object_account import AccountAccess, bucket_of
from rightful.storage.object_storage import ObjectStorage
from rightful.testing.clock import ManualClock

BIG = 17 << 20
DELETES = ("?delete", "DELETE ")
LISTS = ("list-type",)


@pytest.fixture
def server(gcs_server: GcsServer) -> Iterator[GcsServer]:
    """A store in front of moto that refuses what it is told to; it lets requests of S3 pass as they are."""
    gcs_server.refused.clear()
    yield gcs_server
    gcs_server.refuses = ()


@pytest.fixture(params=["s3", "gs"])
def account(request: pytest.FixtureRequest, server: GcsServer) -> AccountSettings:
    keys = {"access_key_id": "key", "secret_access_key": "secret"} if request.param == "s3" else {}
    return AccountSettings(url=f"{request.param}://{server.s3.bucket()}/of%20us", access=AccountAccess(endpoint=server.url, **keys))


def opened(account: AccountSettings, clock: ManualClock | None = None) -> ObjectStorage:
    return ObjectStorage(bucket_of(account.url), account.access, clock=clock)


def film() -> Iterator[bytes]:
    return iter([b"a" * (1 << 20)] * 17)


def everything(account: AccountSettings) -> list[str]:
    """Return the names below the prefix, hidden ones too."""
    return sorted(meta["path"].removeprefix("of us/") for meta in opened(account)._list("of us"))


@pytest.mark.parametrize("refuses", [LISTS, DELETES], ids=["no listing", "no deleting"])
def test_large_entry_is_put_where_what_others_left_cannot_be_tidied(
    account: AccountSettings, server: GcsServer, refuses: tuple[str, ...]
) -> None:
    clock = ManualClock(SystemClock().now())
    storage = opened(account, clock)
    assert storage.put(".rightful/left", [b"x"], size_bytes=1) is Put.WRITTEN
    clock.advance(4 * 86_400.0)
    server.refuses = refuses
    assert storage.put("one.bin", film(), size_bytes=BIG) is Put.WRITTEN
    assert server.refused
    listed = sum("list-type" in line for line in server.refused)
    assert storage.put("two.bin", film(), size_bytes=BIG) is Put.WRITTEN
    assert sum("list-type" in line for line in server.refused) == listed, "who was refused does not ask with each entry"
    server.refuses = ()
    assert {"one.bin", "two.bin", ".rightful/left"} <= set(everything(account))
    clock.advance(86_400.0)
    assert storage.put("three.bin", film(), size_bytes=BIG) is Put.WRITTEN
    assert ".rightful/left" not in everything(account), "a day later it is tried again"


def mark_in(account: AccountSettings) -> Mark:
    return Mark(opened(account), SystemClock(), "id/RequestInfo.json", b"{}\n", may_be_ours=False)


def test_piece_that_is_put_to_see_whether_pieces_can_be_is_deleted(account: AccountSettings, server: GcsServer) -> None:
    server.refuses = DELETES
    with pytest.raises(StorageRefused) as refused:
        mark_in(account).try_pieces("id/id.zip")
    assert refused.value.refusal is Refusal.PERMISSION
    [piece] = everything(account)
    assert piece.startswith("id/id.zip.pieces/")
    server.refuses = ()
    mark_in(account).try_pieces("id/id.zip")  # the piece that lies there already says nothing of the file
    assert everything(account) == []


def test_bucket_that_takes_no_pieces_is_told_what_it_lacks(account: AccountSettings, server: GcsServer) -> None:
    server.refuses = ("PUT ",)
    with pytest.raises(StorageRefused, match="does not let us") as refused:
        mark_in(account).try_pieces("id/id.zip")
    assert refused.value.refusal is Refusal.PERMISSION
    assert everything(account) == []


def test_no_piece_is_tried_in_a_folder_of_this_machine(tmp_path: Path) -> None:
    with_nothing = LocalStorage(tmp_path)
    Mark(with_nothing, SystemClock(), "id/RequestInfo.json", b"{}\n", may_be_ours=False).try_pieces("id/id.zip")
    with_nothing.sync()
    assert [path for path in tmp_path.rglob("*") if "pieces" in path.name] == []
    with_nothing.close()


def test_request_for_a_zip_file_is_refused_before_anything_is_marked_where_pieces_cannot_be_deleted(
    tmp_path: Path, account: AccountSettings, server: GcsServer
) -> None:
    rows = Scripted(yields(ROWS_HEADER, batch((1, "ann@contoso.example", 0))))
    settings = StorageSettings(accounts={"Local": account})
    world = World(tmp_path, PEOPLE, {"orders": rows}, export=ExportSettings(layout="zip"), storage=settings)
    server.refuses = DELETES
    with pytest.raises(InvalidRequest):
        world.submit("1")
    assert not any(path.endswith("RequestInfo.json") for path in everything(account))
    server.refuses = ()
    operation = world.submit("1")
    assert [path for path in everything(account) if operation.operation_id in path] == [f"{operation.operation_id}/RequestInfo.json"]
