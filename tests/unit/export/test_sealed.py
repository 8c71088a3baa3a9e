"""A package that is sealed: who holds the storage location reads nothing in it, and who has the key gets the same package as ever."""

import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.unit.export.interrupted import FIRST, KilledStore
from tests.unit.export.scripted import FILES_HEADER, ROWS_HEADER, Scripted, WriteOnlyStorages, batch, file, yields
from tests.unit.export.world import TENANT, World

from rightful.age.keys import Identity
from rightful.age.ssh import SshIdentity
from rightful.config.model import ExportSettings
from rightful.connectors.interface import FileItem
from rightful.errors import Conflict, InvalidRequest, PackageError
from rightful.operation.model import DataPolicyOperation, OperationStatus
from rightful.package.readers import FolderReader, PackageReader
from rightful.package.sealed import SealedEntry, format_list
from rightful.package.unseal import open_key, open_key_with_ssh, unseal
from rightful.package.verify import PackageState, verify
from rightful.storage.local import LocalStorage
from rightful.storage.registry import Storages

MAIL = "ann@contoso.example"
KEY = Identity(bytes(range(32)))
RECIPIENT = str(KEY.recipient)
CANARIES = (b"canary", b"Divorce", b"data/Product", b"ledger")
BOTH = pytest.mark.parametrize("storages_type", [Storages, WriteOnlyStorages], ids=["can read", "write-only"])


def files() -> list[FileItem]:
    return [
        file("Divorce papers.docx", b"canary " * 20_000),
        file("empty", b""),
        file("large canary", b"0123456789 canary" * (6 << 16)),
    ]


def world_of(
    folder: Path, *, sealed: str = "off", recipient: str = "", storages_type: type[Storages] = Storages, layout: str = "folder"
) -> World:
    folder.mkdir(exist_ok=True)
    return World(
        folder,
        {"1": {"upn": (MAIL,), "mail": (MAIL,), "recipient": (recipient,)}},
        {"files": Scripted(yields(FILES_HEADER, *files())), "orders": Scripted(yields(ROWS_HEADER, batch((1, MAIL, 0), (2, MAIL, 0))))},
        export=ExportSettings(sealed=sealed, layout=layout, retry_s=1.0),  # type: ignore[arg-type]
        store_type=KilledStore,
        storages_type=storages_type,
    )


def opened(package: Path, to: Path, identities: list[Identity]) -> list[object]:
    storage = LocalStorage(to)

    def write(path: str, chunks: Iterator[bytes], size_bytes: int) -> None:
        storage.put(path, chunks, size_bytes=size_bytes)

    found: list[object] = list(unseal(FolderReader(package), identities, write))
    storage.sync()
    storage.close()
    return found


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def finish(world: World, operation: DataPolicyOperation) -> Path:
    world.run()
    done = world.get(operation)
    assert (done.status, done.failure) == (OperationStatus.COMPLETE, None)
    return world.package(operation)


def payload(folder: Path) -> dict[str, bytes]:
    return {path: content for path, content in contents(folder).items() if path.startswith("data/")}


def test_sealed_package_shows_nothing_and_opens_to_the_whole_one(tmp_path: Path) -> None:
    plain = world_of(tmp_path / "plain")
    expected = payload(finish(plain, plain.submit("1")))
    world = world_of(tmp_path / "sealed")
    operation = world.submit("1", recipient=RECIPIENT)
    assert operation.recipient == RECIPIENT
    package = finish(world, operation)
    for path, content in contents(package).items():
        assert not any(canary in path.encode() + content for canary in CANARIES), path
    assert {path for path in contents(package) if not path.startswith("sealed/")} == {"RequestInfo.json", "HOW-TO-OPEN.txt", "sealed.json"}
    assert verify(FolderReader(package)).state is PackageState.SEALED
    to = tmp_path / "opened"
    assert opened(package, to, [KEY]) == []
    found = verify(FolderReader(to))
    assert (found.state, found.findings) == (PackageState.WHOLE, ())
    assert payload(to) == expected
    assert world.get(operation).package.entries == len(contents(package))  # type: ignore[union-attr]


@pytest.mark.skipif(not shutil.which("age"), reason="age is not installed")
def test_list_that_anybody_can_write_makes_no_sealed_package_of_another(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    package = finish(world, world.submit("1"))
    (package / "data" / "forged.txt").write_text("forged")
    listed = [SealedEntry(path, len(content)) for path, content in contents(package).items()]
    (package / "sealed.json").write_bytes(format_list(listed))

    found = verify(FolderReader(package))

    assert found.state is PackageState.DAMAGED
    assert "data/forged.txt" in {each.path for each in found.findings}


def test_stock_age_opens_the_index_and_each_entry(tmp_path: Path) -> None:
    world = world_of(tmp_path / "world")
    package = finish(world, world.submit("1", recipient=RECIPIENT))
    assert opened(package, tmp_path / "opened", [KEY]) == []
    (tmp_path / "key.txt").write_text(KEY.write() + "\n")

    def decrypted(name: str) -> bytes:
        return subprocess.run(["age", "-d", "-i", tmp_path / "key.txt", package / name], capture_output=True, check=True).stdout

    index = dict(line.split("  ", 1) for line in decrypted("sealed/index.age").decode().splitlines())
    assert {path: decrypted(name) for name, path in index.items()} | {
        "RequestInfo.json": (package / "RequestInfo.json").read_bytes()
    } == contents(tmp_path / "opened")


def test_passphrase_opens_the_key_that_opens_the_package_and_is_kept_nowhere(tmp_path: Path) -> None:
    passphrase = "correct horse battery"
    world = world_of(tmp_path / "world")
    operation = world.submit("1", passphrase=passphrase)
    package = finish(world, operation)
    keys = open_key(FolderReader(package), passphrase)
    assert opened(package, tmp_path / "opened", keys) == []
    assert verify(FolderReader(tmp_path / "opened")).state is PackageState.WHOLE
    secret = keys[0].write().encode()
    for path, content in contents(tmp_path / "world").items():
        assert passphrase.encode() not in content, path
        assert secret not in content, path


SSH = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SSH_RECIPIENT = str(SshIdentity(SSH).recipient)


@pytest.mark.parametrize(("directory", "wish"), [("", {"recipient": SSH_RECIPIENT}), (f"{SSH_RECIPIENT} ann@laptop", {})])
def test_key_of_ssh_opens_the_key_that_opens_the_package(tmp_path: Path, directory: str, wish: dict[str, str]) -> None:
    world = world_of(tmp_path / "world", sealed="age", recipient=directory)
    operation = world.submit("1", **wish)
    assert world.submit("1", recipient=SSH_RECIPIENT).operation_id == operation.operation_id
    other = str(SshIdentity(Ed25519PrivateKey.from_private_bytes(bytes(32))).recipient)
    for another in ({"recipient": other}, {"recipient": RECIPIENT}, {"passphrase": "correct horse battery"}):
        with pytest.raises(Conflict, match="not sealed to the recipient"):
            world.submit("1", **another)
    package = finish(world, operation)
    keys = open_key_with_ssh(FolderReader(package), SshIdentity(SSH))
    assert opened(package, tmp_path / "opened", keys) == []
    assert verify(FolderReader(tmp_path / "opened")).state is PackageState.WHOLE
    assert "key.age" in (package / "HOW-TO-OPEN.txt").read_text()
    assert "id_ed25519" in (package / "HOW-TO-OPEN.txt").read_text()
    with pytest.raises(PackageError, match="not sealed to this key of SSH"):
        open_key_with_ssh(FolderReader(package), SshIdentity(Ed25519PrivateKey.from_private_bytes(bytes(32))))
    with pytest.raises(PackageError, match=r"key\.age is damaged: it is not sealed by a passphrase"):
        open_key(FolderReader(package), "correct horse battery")


@BOTH
@pytest.mark.parametrize("number", [1, 2, 3])
def test_killed_before_a_checkpoint_it_goes_on_with_the_same_names(tmp_path: Path, storages_type: type[Storages], number: int) -> None:
    world = world_of(tmp_path / "world", storages_type=storages_type)
    operation = world.submit("1", recipient=RECIPIENT)
    assert isinstance(world.store, KilledStore)
    world.store.left = number
    try:
        world.run()
    except KeyboardInterrupt:
        before = contents(world.package(operation))
        world.stop()
        world.start(KilledStore)
    else:
        pytest.fail("it was not killed")
    package = finish(world, operation)
    after = contents(package)
    assert len(before) > 1 or number == 1
    assert {path: after[path] for path in before} == before
    assert opened(package, tmp_path / "opened", [KEY]) == []
    assert verify(FolderReader(tmp_path / "opened")).state is PackageState.WHOLE
    assert len(payload(tmp_path / "opened")) == 4


def test_sealed_package_is_a_folder_where_others_are_zip_files(tmp_path: Path) -> None:
    world = world_of(tmp_path / "world", layout="zip")
    package = finish(world, world.submit("1", recipient=RECIPIENT))
    assert "sealed.json" in contents(package)
    assert opened(package, tmp_path / "opened", [KEY]) == []
    assert verify(FolderReader(tmp_path / "opened")).state is PackageState.WHOLE


def test_secret_of_the_names_is_forgotten_at_the_end(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    operation = world.submit("1", recipient=RECIPIENT)
    finish(world, operation)
    assert world.store.entries(operation.operation_id) == ()


def test_two_packages_of_one_person_share_no_name(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    names = []
    for number in range(2):
        package = finish(world, world.submit("1", recipient=RECIPIENT, client_request_id=str(number)))
        names.append({path for path in contents(package) if path.startswith("sealed/")} - {"sealed/index.age"})
    assert not names[0] & names[1]


@pytest.mark.parametrize(
    ("setting", "directory", "request_", "sealed_to"),
    [
        ("age", RECIPIENT, "", RECIPIENT),
        ("off", RECIPIENT, "", ""),
        ("off", "", RECIPIENT, RECIPIENT),
        ("age", "nonsense", RECIPIENT, RECIPIENT),
    ],
)
def test_recipient_is_the_requests_else_the_directorys_where_packages_are_sealed(
    tmp_path: Path, *, setting: str, directory: str, request_: str, sealed_to: str
) -> None:
    world = world_of(tmp_path, sealed=setting, recipient=directory)
    assert world.submit("1", recipient=request_).recipient == sealed_to


@pytest.mark.parametrize(("directory", "said"), [("", "nobody says to whom"), ("age1nonsense", "directory's public key")])
def test_where_packages_are_sealed_nobody_gets_one_that_is_not(tmp_path: Path, directory: str, said: str) -> None:
    world = world_of(tmp_path, sealed="age", recipient=directory)
    with pytest.raises(InvalidRequest, match=said):
        world.submit("1")
    assert list(world.exports.iterdir()) == []


def test_repeat_gets_the_operation_unless_it_names_another_recipient_or_passphrase(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    other = str(Identity(bytes(31) + b"\1").recipient)
    operation = world.submit("1", recipient=RECIPIENT)
    for same in ("", RECIPIENT):
        assert world.submit("1", recipient=same).operation_id == operation.operation_id
    for wish in ({"recipient": other}, {"passphrase": "correct horse battery"}):
        with pytest.raises(Conflict, match="not sealed to the recipient"):
            world.submit("1", **wish)
    world.service.cancel(TENANT, operation.operation_id)
    operation = world.submit("1", passphrase="correct horse battery")
    assert world.submit("1", passphrase="correct horse battery").operation_id == operation.operation_id
    for wish in ({"recipient": operation.recipient}, {"passphrase": "correct horse batteri"}):
        with pytest.raises(Conflict, match="not sealed to the recipient"):
            world.submit("1", **wish)


def test_what_was_changed_cut_off_swapped_or_added_is_not_opened_or_is_noticed(tmp_path: Path) -> None:
    world = world_of(tmp_path / "world")
    package = finish(world, world.submit("1", recipient=RECIPIENT))
    assert opened(package, tmp_path / "right", [KEY]) == []
    index = {path: name for name, path in _index(package)}
    docx, large_file = (package / index[f"data/Product/files/{name}"] for name in ("Divorce papers.docx", "large canary"))
    docx.write_bytes(docx.read_bytes()[:-70_000])
    content = bytearray(large_file.read_bytes())
    content[200_000] ^= 1
    large_file.write_bytes(content)
    (package / "sealed" / ("0" * 32 + ".age")).write_bytes(docx.read_bytes())
    part, ledger = (package / index[path] for path in (f"data/Product/orders/{FIRST}.jsonl", "ledger.json"))
    first, second = part.read_bytes(), ledger.read_bytes()
    part.write_bytes(second)
    ledger.write_bytes(first)
    damaged = verify(FolderReader(package))
    assert damaged.state is PackageState.DAMAGED
    assert {finding.kind.value for finding in damaged.findings} == {"changed", "extra"}
    found = opened(package, tmp_path / "opened", [KEY])
    assert sorted((each.kind.value, each.path) for each in found) == [  # type: ignore[attr-defined]
        ("changed", "data/Product/files/Divorce papers.docx"),
        ("changed", "data/Product/files/large canary"),
        ("extra", f"sealed/{'0' * 32}.age"),
    ]
    there = contents(tmp_path / "opened")
    assert not any("Divorce" in path or "large" in path for path in there)
    verification = verify(FolderReader(tmp_path / "opened"))
    assert verification.state is PackageState.DAMAGED
    assert {f"data/Product/orders/{FIRST}.jsonl", "ledger.json"} <= {finding.path for finding in verification.findings}


def _index(package: Path) -> list[tuple[str, str]]:
    from rightful.package.unseal import _index as index

    reader: PackageReader = FolderReader(package)
    return index(reader, [KEY])


def test_names_say_nothing(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    operation = world.submit("1", recipient=RECIPIENT)
    names = {path for path in contents(finish(world, operation)) if path.startswith("sealed/")}
    guesses = {hashlib.sha256(path.encode()).hexdigest()[:32] for path in ("ledger.json", f"{operation.prefix}ledger.json")}
    assert all(len(name) == len("sealed/.age") + 32 for name in names - {"sealed/index.age"})
    assert not any(guess in name for guess in guesses for name in names)
