"""`files` passes the suite over SFTP, on OpenSSH's sshd and on asyncssh's server."""

import os
from pathlib import Path

import asyncssh
import msgspec
import pytest
from tests.contract.connectors.listed_trees import AWKWARD, ListedTreeSuite, Place, connect, items_of, only_file, write
from tests.servers.sftp import SftpServer
from tests.unit.export.world import World

from rightful.connectors.files import FilesConnector, FilesSettings
from rightful.connectors.interface import FileItem, ItemChanged
from rightful.connectors.tree_place import Access
from rightful.errors import ConfigurationError, SourceRefused
from rightful.operation.model import OperationStatus
from rightful.package.verify import PackageState

FILES = AWKWARD | {
    "\udcff\udc80 no UTF-8": b"bytes",
    "line\nbreak": b"\n",
    "as large as a block": b"b" * (255 << 10),
    "as large as a chunk": b"c" * (1 << 20),
}


def place_on(server: SftpServer) -> Place:
    return Place(*server.folder(), server.access)


@pytest.fixture(params=["openssh_server", "asyncssh_server"])
def server(request: pytest.FixtureRequest) -> SftpServer:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, SftpServer)
    return found


@pytest.fixture
def place(server: SftpServer) -> Place:
    return place_on(server)


class TestFilesOverSftp(ListedTreeSuite):
    files = FILES


def reasons_of(connector: FilesConnector, folder: str = "ann") -> dict[str, str]:
    return {getattr(item, "path", ""): getattr(item, "reason", "a file") for item in items_of(connector, folder)}


def test_links_and_pipes_are_told_and_never_followed(place: Place) -> None:
    write(place.folder, {"homes/ann/real": b"1", "secret/x": b"secret", "homes/ben/x": b"ben's"})
    ann = place.folder / "homes/ann"
    (ann / "file").symlink_to(place.folder / "secret/x")
    (ann / "folder").symlink_to(place.folder / "secret")
    (ann / "loop").symlink_to(".")
    (ann / "dangling").symlink_to("nowhere")
    (ann.parent / "eve").symlink_to("ben")
    os.mkfifo(ann / "pipe")
    connector = place.connect(below="/homes")
    link = "symbolic link, not followed"
    pipe = "named pipe, not a regular file"
    assert reasons_of(connector) == {"file": link, "folder": link, "loop": link, "dangling": link, "pipe": pipe, "real": "a file"}
    assert reasons_of(connector, "eve") == {".": link}


def test_a_root_may_be_a_link(place: Place) -> None:
    write(place.folder, {"disk/ann/x": b"1"})
    (place.folder / "homes").symlink_to("disk")
    assert reasons_of(place.connect(below="/homes")) == {"x": "a file"}


@pytest.mark.parametrize("swapped", ["ann", "ann/a", "ann/a/x"])
def test_what_became_a_link_after_it_was_listed_is_not_read(place: Place, swapped: str) -> None:
    same = {"ann/a/x": b"12345", "other/a/x": b"54321"}
    write(place.folder, same)
    for path in same:
        os.utime(place.folder / path, (1, 1))
    [item] = items_of(place.connect())
    assert isinstance(item, FileItem)
    (place.folder / swapped).rename(place.folder / "moved")
    (place.folder / swapped).symlink_to(place.folder / swapped.replace("ann", "other"))
    with pytest.raises(OSError, match=r"changed|symbolic link|not a folder"):
        list(item.open())


@pytest.mark.parametrize("change", ["grows", "shrinks", "older"])
def test_what_changes_while_it_is_read_is_told(place: Place, change: str) -> None:
    log = place.folder / "ann/log"
    write(place.folder, {"ann/log": b"x" * (6 << 20)})
    chunks = only_file(place.connect()).open()
    next(chunks)
    if change == "older":
        os.utime(log, (1, 1))
    else:
        os.truncate(log, (7 if change == "grows" else 2) << 20)
    with pytest.raises(ItemChanged):
        list(chunks)


def test_what_may_not_be_read_stands_in_the_ledger(openssh_server: SftpServer) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs another account for the server than ours")
    place = place_on(openssh_server)
    write(place.folder, {"ann/open": b"1", "ann/shut/x": b"2", "ann/closed": b"3"})
    (place.folder / "ann/shut").chmod(0o700)
    (place.folder / "ann/closed").chmod(0o600)
    connector = place.connect()
    assert reasons_of(connector) == {"open": "a file", "shut": "permission denied", "closed": "a file"}
    [closed] = [item for item in items_of(connector) if isinstance(item, FileItem) and item.path == "closed"]
    with pytest.raises(PermissionError, match="permission denied"):
        list(closed.open())
    place.folder.chmod(0o700)
    with pytest.raises(SourceRefused, match="permission denied"):
        connector.check()


def test_an_export_delivers_what_lies_there(place: Place, tmp_path: Path) -> None:
    write(place.folder / "ann", {"a/small": b"s", "large": b"0123456789" * (1 << 19), "empty": b""})
    world = World(tmp_path, {"1": {"folder": ("ann",)}}, {"share": place.connect()})
    operation = world.submit("1")
    world.run()
    assert world.get(operation).status is OperationStatus.COMPLETE
    assert world.ledger(operation)["share"]["skipped"] == []
    assert (world.package(operation) / "data/Product/share/large").read_bytes() == b"0123456789" * (1 << 19)
    assert world.verify(operation).state is PackageState.WHOLE
    world.stop()


def test_a_large_folder_comes_in_order(place: Place) -> None:
    names = [f"f{number}" for number in range(2_500)]
    write(place.folder / "ann", dict.fromkeys(names, b""))
    assert [getattr(item, "path", "") for item in items_of(place.connect())] == sorted(names)


def other(access: Access, **changes: str) -> Access:
    return msgspec.structs.replace(access, **changes)


STRANGER = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"


def test_a_host_key_that_is_not_pinned_is_refused_before_anything_is_told(place: Place, server: SftpServer) -> None:
    known = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    for access in (
        other(server.access, fingerprint=STRANGER, known_hosts=""),
        other(server.access, fingerprint="", known_hosts=f"127.0.0.1 {known}"),
        other(server.access, fingerprint="", known_hosts=f"* {server.public_key}\n@revoked * {server.public_key}"),
    ):
        with pytest.raises(SourceRefused, match="host key") as caught:
            connect(place.url, access).check()
        assert server.fingerprint in str(caught.value) or "revoked" in access.known_hosts


def test_each_way_of_pinning_lets_us_in(place: Place, server: SftpServer) -> None:
    write(place.folder, {"ann/x": b"1"})
    for access in (
        other(server.access, fingerprint=f"{STRANGER} {server.fingerprint}", known_hosts=""),
        other(server.access, fingerprint="", known_hosts=f"127.0.0.1 {server.public_key}"),
    ):
        assert reasons_of(connect(place.url, access)) == {"x": "a file"}


CANARY = "Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5"


def test_credentials_are_needed_and_never_told(place: Place, server: SftpServer) -> None:
    stranger = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
    for access in (
        other(server.access, password=CANARY, private_key=""),
        other(server.access, password="", private_key=stranger),
    ):
        with pytest.raises(SourceRefused, match="credentials") as caught:
            connect(place.url, access).check()
        assert CANARY not in f"{caught.value!r}{caught.value.hint}{access!r}"
        assert "PRIVATE" not in f"{caught.value!r}{caught.value.hint}{access!r}"


@pytest.mark.parametrize(
    ("url", "changes", "setting"),
    [
        ("sftp://user@files.contoso.example/x", {}, ("url",)),
        ("sftp://files.contoso.example/a/../b", {}, ("url",)),
        ("sftp:///x", {}, ("url",)),
        ("sftp://files.contoso.example/", {"token": "x"}, ("access", "token")),
        ("sftp://files.contoso.example/", {"user": ""}, ("access", "user")),
        ("sftp://files.contoso.example/", {"password": ""}, ("access", "private_key")),
        ("sftp://files.contoso.example/", {"fingerprint": ""}, ("access", "known_hosts")),
        ("sftp://files.contoso.example/", {"known_hosts": "x"}, ("access", "known_hosts")),
        ("sftp://files.contoso.example/", {"fingerprint": "MD5:0f"}, ("access", "fingerprint")),
    ],
)
def test_a_place_that_cannot_be_is_told_by_its_setting(url: str, changes: dict[str, str], setting: tuple[str, ...]) -> None:
    access = other(Access(user="reader", password="x", fingerprint=STRANGER), **changes)
    settings = FilesSettings(url=url, path="{upn}", access=access)
    assert [problem[0] for problem in FilesConnector.problems("x", settings, siblings={}, folder=Path("/"))] == [setting]


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"private_key": CANARY}, "access.private_key"),
        ({"private_key": asyncssh.generate_private_key("ecdsa-sha2-nistp256").export_private_key("pkcs8-pem", passphrase="p").decode()}, "access.private_key"),
        ({"fingerprint": "", "known_hosts": "elsewhere.example ssh-ed25519 AAAA"}, "access.known_hosts"),
        ({"fingerprint": "", "known_hosts": CANARY}, "access.known_hosts"),
    ],
)  # fmt: skip
def test_keys_that_are_none_are_told(changes: dict[str, str], setting: str) -> None:
    with pytest.raises(ConfigurationError, match=setting) as caught:
        connect("sftp://files.contoso.example/", other(Access(user="reader", password="x", fingerprint=STRANGER), **changes))
    assert CANARY not in f"{caught.value!r}{caught.value.hint}"
