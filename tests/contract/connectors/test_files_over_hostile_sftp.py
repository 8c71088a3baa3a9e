"""`files` believes nothing that a hostile SFTP server says, and waits for none that is silent."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import asyncssh
import pytest
from tests.servers.sftp import PASSWORD, USER, serving

from rightful.connectors.files import FilesConnector, FilesSettings
from rightful.connectors.interface import FileItem, Item, ItemChanged, Partition, ReadHeader, estimate
from rightful.connectors.tree_place import Access
from rightful.errors import SourceRefused, SourceUnavailable
from rightful.testing.connector_suite import identified

MODE = 0o100644
ANN = identified(folder=("ann",))


def name(text: bytes, mode: int | None = MODE, size: int | None = 5) -> asyncssh.SFTPName:
    told = {"permissions": mode, "size": size}
    return asyncssh.SFTPName(text, b"", asyncssh.SFTPAttrs(**{key: value for key, value in told.items() if value is not None}))


class Listing(asyncssh.SFTPServer):
    """Gives ann's folder these members."""

    members: tuple[asyncssh.SFTPName, ...] = ()

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        if path == b"/ann":
            for member in self.members:
                yield member
            return
        async for entry in super().scandir(path):
            yield entry


@contextmanager
def connected(server: type[asyncssh.SFTPServer], root: Path) -> Iterator[FilesConnector]:
    (root / "ann").mkdir(exist_ok=True)
    with serving(lambda channel: server(channel, chroot=str(root).encode())) as (port, host_key):
        access = Access(user=USER, password=PASSWORD, fingerprint=host_key.get_fingerprint())
        settings = FilesSettings(url=f"sftp://127.0.0.1:{port}/", path="{folder}/", access=access)
        connector = FilesConnector("share", settings, siblings={}, folder=Path("/"))
        try:
            yield connector
        finally:
            connector.close()


def listing(*members: asyncssh.SFTPName) -> type[asyncssh.SFTPServer]:
    return type("Members", (Listing,), {"members": members})


def items_of(connector: FilesConnector) -> list[Item]:
    return [item for item in connector.read(Partition(number=0, spec="tree"), [ANN]) if not isinstance(item, ReadHeader)]


def only_file(connector: FilesConnector) -> FileItem:
    [item] = items_of(connector)
    assert isinstance(item, FileItem)
    return item


def test_names_that_lead_elsewhere_are_no_names(tmp_path: Path) -> None:
    names = (b".", b"..", b"../ben/x", b"/etc/passwd", b"a\0b", b"", b"good", b"\xff")
    server = listing(*map(name, names), name(b"huge", size=(1 << 64) - 1), name(b"odd", mode=0o644), name(b"gone", mode=None, size=None))
    with connected(server, tmp_path) as connector:
        found = {getattr(item, "path", ""): getattr(item, "reason", "a file") for item in items_of(connector)}
    no_name = "its name cannot be a file's"
    assert found == {
        "..%2Fben%2Fx": no_name,
        "%2Fetc%2Fpasswd": no_name,
        "a%00b": no_name,
        "%00": no_name,
        "good": "a file",
        "\udcff": "a file",
        "huge": "the server does not say how large it is",
        "odd": "the server does not say what it is",
        "gone": "the server does not say what it is",
    }


def test_one_name_for_two_things_is_not_believed(tmp_path: Path) -> None:
    with (
        connected(listing(name(b"x"), name(b"x", mode=0o040755)), tmp_path) as connector,
        pytest.raises(SourceUnavailable, match="two things"),
    ):
        items_of(connector)


def test_a_link_that_is_listed_as_a_file_or_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/x").write_bytes(b"12345")
    (tmp_path / "ann").mkdir()
    (tmp_path / "ann/x").symlink_to("../secret/x")
    (tmp_path / "ann/folder").symlink_to("../secret")
    with connected(listing(name(b"x"), name(b"folder", mode=0o040755)), tmp_path) as connector:
        folder, file = items_of(connector)
        assert getattr(folder, "reason", "") == "symbolic link, not followed"
        assert isinstance(file, FileItem)
        with pytest.raises(ItemChanged):
            list(file.open())
        assert file.renew
        assert getattr(file.renew(), "reason", "") == "symbolic link, not followed"


def test_what_a_listing_leaves_out_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "ann").mkdir()
    (tmp_path / "ann/x").write_bytes(b"12345")
    with connected(listing(name(b"x", mode=None, size=None)), tmp_path) as connector:
        assert b"".join(only_file(connector).open()) == b"12345"


class Reading(asyncssh.SFTPServer):
    """Gives more or less than it was asked for."""

    factor = 1.0

    def read(self, file_obj: object, offset: int, size: int) -> bytes:
        data = super().read(file_obj, offset, max(1, int(size * min(self.factor, 1))))
        assert isinstance(data, bytes)
        return data * max(1, int(self.factor))


def test_short_reads_are_put_together(tmp_path: Path) -> None:
    content = bytes(range(256)) * 8_000
    (tmp_path / "ann").mkdir()
    (tmp_path / "ann/x").write_bytes(content)
    with connected(type("Short", (Reading,), {"factor": 0.3}), tmp_path) as connector:
        assert b"".join(only_file(connector).open()) == content


@pytest.mark.parametrize("size", [1, 5, 3 << 20])
def test_more_than_was_asked_for_is_not_taken(tmp_path: Path, size: int) -> None:
    (tmp_path / "ann").mkdir()
    (tmp_path / "ann/x").write_bytes(b"x" * size)
    with connected(type("Long", (Reading,), {"factor": 2.0}), tmp_path) as connector, pytest.raises(ItemChanged):
        list(only_file(connector).open())


def test_a_file_that_has_more_than_its_size_says_is_not_taken(tmp_path: Path) -> None:
    class Lying(asyncssh.SFTPServer):
        def read(self, file_obj: object, offset: int, size: int) -> bytes:
            del file_obj
            return (b"0123456789" * 2)[offset : offset + size]

    (tmp_path / "ann").mkdir()
    (tmp_path / "ann/x").write_bytes(b"01234")
    with connected(Lying, tmp_path) as connector, pytest.raises(ItemChanged):
        list(only_file(connector).open())


class Endless(Listing):
    """A folder without an end."""

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        if path != b"/ann":
            async for entry in super().scandir(path):
                yield entry
            return
        while True:
            yield name(b"x")
            await asyncio.sleep(0)


def test_an_estimate_gives_up_a_listing_that_does_not_end(tmp_path: Path) -> None:
    with connected(Endless, tmp_path) as connector:
        [said] = estimate(connector, [ANN], limit_s=0.5)  # without a limit it would go on for ever
    assert said.files is None or not said.files.is_exact


class Silent(asyncssh.SFTPServer):
    """Takes a request to read, and never answers it."""

    async def read(self, file_obj: object, offset: int, size: int) -> bytes:
        del offset, size
        super().close(file_obj)  # nobody will, as the server is ended before it
        await asyncio.sleep(60)
        return b""


def test_a_service_that_stops_waits_for_no_silent_server(tmp_path: Path) -> None:
    (tmp_path / "ann").mkdir()
    (tmp_path / "ann/x").write_bytes(b"1")
    with connected(Silent, tmp_path) as connector:
        item = only_file(connector)
        timer = threading.Timer(0.3, connector.interrupt)
        timer.start()
        begun = time.monotonic()
        with pytest.raises(SourceUnavailable):
            list(item.open())
        assert time.monotonic() - begun < 30, "it waited for the server"
        timer.join()
        with pytest.raises(SourceUnavailable, match="closed"):
            connector.check()


def test_a_connection_that_was_lost_is_made_anew(tmp_path: Path) -> None:
    lost: list[bytes] = []

    class Losing(asyncssh.SFTPServer):
        def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
            if not lost:
                lost.append(path)
                self.connection.abort()
            return super().open(path, pflags, attrs)

    (tmp_path / "ann").mkdir()
    (tmp_path / "ann/x").write_bytes(b"1")
    with connected(Losing, tmp_path) as connector:
        item = only_file(connector)
        with pytest.raises(SourceUnavailable, match="lost"):
            list(item.open())
        assert b"".join(item.open()) == b"1"


def test_a_server_without_sftp_is_refused(tmp_path: Path) -> None:
    del tmp_path
    with serving(None) as (port, host_key):
        access = Access(user=USER, password=PASSWORD, fingerprint=host_key.get_fingerprint())
        settings = FilesSettings(url=f"sftp://127.0.0.1:{port}/", path="{folder}/", access=access)
        connector = FilesConnector("share", settings, siblings={}, folder=Path("/"))
        with pytest.raises(SourceRefused, match="no SFTP"):
            connector.check()
        connector.close()


def test_many_threads_share_a_connection(tmp_path: Path) -> None:
    (tmp_path / "ann").mkdir()
    contents = {f"f{number}": bytes([number]) * (number << 14) for number in range(32)}
    for path, content in contents.items():
        (tmp_path / "ann" / path).write_bytes(content)
    with connected(asyncssh.SFTPServer, tmp_path) as connector:
        got: dict[str, bytes] = {}

        def take(items: list[FileItem]) -> None:
            got.update({item.path: b"".join(item.open()) for item in items})

        found = [item for item in items_of(connector) if isinstance(item, FileItem)]
        threads = [threading.Thread(target=partial(take, found[part::4])) for part in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert got == contents
