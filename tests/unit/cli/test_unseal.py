"""`rightful unseal`, and what `rightful verify` says of what is sealed."""

import io
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from rightful.age.header import seal_to
from rightful.age.keys import Identity
from rightful.age.payload import encrypt
from rightful.age.ssh import SshIdentity, seal_to_ssh
from rightful.cli import main
from rightful.cli.exits import Exit
from rightful.export.recipients import Recipients
from rightful.package import sealed
from rightful.storage.local import LocalStorage
from rightful.storage.sealing import sealing
from rightful.testing.package_builder import SampleSource, package_entries

KEY, OTHER = Identity(bytes(range(32))), Identity(bytes(range(1, 33)))
PASSPHRASE = "correct horse battery"


def put(folder: Path, entries: dict[str, bytes]) -> None:
    for path, content in entries.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


def lay(folder: Path, key: Identity = KEY, key_file: bytes | None = None, more: dict[str, str] | None = None) -> dict[str, bytes]:
    """Lay a sealed package into a folder; `more`: further lines of its index."""
    entries = package_entries(SampleSource(name="orders", files={"Divorce papers.docx": b"canary" * 30_000}))
    inner = LocalStorage(folder)
    storage = sealing(inner, prefix="", recipient=key.recipient, secret=bytes(32))
    names = {path: storage.name_of(path) for path in entries if path != "RequestInfo.json"}
    for path, content in entries.items():
        storage.put(path, (content,), size_bytes=len(content))
    index = sealed.format_index([*((name, path) for path, name in names.items()), *(more or {}).items()])
    storage.put(sealed.INDEX_PATH, (index,), size_bytes=len(index))
    inner.sync()
    inner.close()
    if key_file is not None:
        put(folder, {sealed.KEY_PATH: key_file})
    listed = [sealed.SealedEntry(str(path.relative_to(folder)), path.stat().st_size) for path in folder.rglob("*") if path.is_file()]
    put(folder, {sealed.LIST_PATH: sealed.format_list(listed)})
    return entries


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RIGHTFUL_PASSPHRASE", raising=False)
    put(tmp_path, {"key.txt": f"# mine\n{KEY.write()}\n".encode(), "other.txt": OTHER.write().encode()})
    return tmp_path


def test_package_is_opened_with_the_key_and_checked(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entries = lay(home / "package")
    assert main(["unseal", "package", "--to", "opened", "--identity", "key.txt"]) == Exit.OK
    assert contents(home / "opened") == entries
    assert capsys.readouterr().out.startswith("whole: ")
    assert main(["verify", "opened"]) == Exit.OK


def test_zip_file_of_a_sealed_package_is_opened_too(home: Path) -> None:
    import zipfile

    entries = lay(home / "package")
    with zipfile.ZipFile(home / "package.zip", "w") as packed:
        for path, content in contents(home / "package").items():
            packed.writestr(path, content)
    assert main(["unseal", "package.zip", "--to", "opened", "--identity", "key.txt"]) == Exit.OK
    assert contents(home / "opened") == entries


def test_package_is_opened_with_a_key_of_ssh(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    secrets = {name: Ed25519PrivateKey.from_private_bytes(bytes([number] * 32)) for number, name in enumerate(("id_ed25519", "id_other"))}
    for name, secret in secrets.items():
        put(home, {name: secret.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())})
    file_key = bytes(range(16))
    header = seal_to_ssh(SshIdentity(secrets["id_ed25519"]).recipient, file_key, bytes(range(32)))
    key_file = header + b"".join(encrypt((KEY.write().encode(),), file_key, bytes(16)))
    entries = lay(home / "package", key_file=key_file)
    assert main(["unseal", "package", "--to", "opened", "--identity", "id_ed25519"]) == Exit.OK
    assert contents(home / "opened") == entries
    assert main(["unseal", "package", "--to", "second", "--identity", "id_other"]) == Exit.FAILED
    assert "not sealed to this key of SSH" in capsys.readouterr().err
    lay(home / "without")
    assert main(["unseal", "without", "--to", "third", "--identity", "id_ed25519"]) == Exit.FAILED
    assert "neither a passphrase nor a key of SSH" in capsys.readouterr().err


def test_package_is_opened_with_the_passphrase(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    made = Recipients()._by_passphrase(PASSPHRASE)
    assert made.key_file is not None
    from rightful.package.readers import FolderReader
    from rightful.package.unseal import open_key

    put(home / "made", {sealed.KEY_PATH: made.key_file})
    (key,) = open_key(FolderReader(home / "made"), PASSPHRASE)
    entries = lay(home / "package", key, made.key_file)
    put(home, {"passphrase": f"{PASSPHRASE}\n".encode()})
    assert main(["unseal", "package", "--to", "opened", "--passphrase-file", "passphrase"]) == Exit.OK
    assert contents(home / "opened") == entries
    monkeypatch.setenv("RIGHTFUL_PASSPHRASE", "correct horse batteri")
    assert main(["unseal", "package", "--to", "second"]) == Exit.FAILED
    assert "the passphrase does not open this package" in capsys.readouterr().err
    assert not (home / "second").exists()


@pytest.mark.parametrize(
    ("identity", "said"),
    [
        ("other.txt", "is not sealed to this key"),
        ("package/sealed/index.age", "sealed by a passphrase"),
        ("package/RequestInfo.json", "cannot be used"),
    ],
)
def test_other_key_opens_nothing(home: Path, capsys: pytest.CaptureFixture[str], identity: str, said: str) -> None:
    lay(home / "package")
    assert main(["unseal", "package", "--to", "opened", "--identity", identity]) == Exit.FAILED
    assert said in capsys.readouterr().err
    assert not (home / "opened").exists() or contents(home / "opened") == {}


def test_what_was_changed_gets_no_name_and_ends_with_1(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entries = lay(home / "package")
    largest = max((home / "package" / "sealed").iterdir(), key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[-1] ^= 1
    largest.write_bytes(content)
    assert main(["unseal", "package", "--to", "opened", "--identity", "key.txt"]) == Exit.FAILED
    assert len(contents(home / "opened")) == len(entries) - 1
    assert "missing" in capsys.readouterr().out


@pytest.mark.parametrize(
    "path", ["../outside", "/outside", "a/../../outside", "a//b", "..\\outside", "a\x00b", "sealed.json", "x" * 300 + "/" + "y" * 9000]
)
def test_index_that_leads_out_of_the_folder_opens_nothing(home: Path, capsys: pytest.CaptureFixture[str], path: str) -> None:
    lay(home / "package", more={f"sealed/{'0' * 32}.age": path})
    before = contents(home)
    assert main(["unseal", "package", "--to", "opened", "--identity", "key.txt"]) == Exit.FAILED
    assert "index.age is damaged" in capsys.readouterr().err
    assert contents(home) == before


@pytest.mark.parametrize(
    "path",
    [
        "README.txt/x",
        "readme.TXT",
        "data/Sample/orders/Divorce papers.docx/x",
        "requestinfo.json",
        "RequestInfo.json/x",
        "data/" + "x" * 300,
        "data/" + "y/" * 600 + "z",
    ],
)
def test_entry_that_has_no_place_is_named_and_all_others_are_opened(home: Path, capsys: pytest.CaptureFixture[str], path: str) -> None:
    """Whoever can write to the storage location can make such an index."""
    entries = lay(home / "package", more={f"sealed/{'0' * 32}.age": path})
    put(home / "package", {f"sealed/{'0' * 32}.age": next(iter((home / "package/sealed").iterdir())).read_bytes()})
    assert main(["unseal", "package", "--to", "opened", "--identity", "key.txt"]) == Exit.FAILED
    said = capsys.readouterr()
    assert "malformed" in said.out
    assert "it was not opened" in said.out
    assert {*entries} - {*contents(home / "opened")} <= {"README.txt"}
    assert len(contents(home / "opened")) in {len(entries), len(entries) - 1}


def test_folder_with_something_in_it_is_left_alone(home: Path) -> None:
    lay(home / "package")
    put(home / "opened", {"mine": b"1"})
    assert main(["unseal", "package", "--to", "opened", "--identity", "key.txt"]) == Exit.USAGE
    (home / "link").symlink_to(home / "opened")
    assert main(["unseal", "package", "--to", "link", "--identity", "key.txt"]) == Exit.USAGE
    assert contents(home / "opened") == {"mine": b"1"}


def test_verify_without_the_key_says_what_it_can(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lay(home / "package")
    assert main(["verify", "package"]) == Exit.OK
    said = capsys.readouterr()
    assert said.out.startswith("sealed: ")
    assert "rightful unseal" in said.err
    assert main(["verify", "package", "--json"]) == Exit.OK
    assert json.loads(capsys.readouterr().out)["state"] == "sealed"
    name = next(path for path in (home / "package" / "sealed").iterdir() if path.name != "index.age")
    name.write_bytes(name.read_bytes() + b"x")
    put(home / "package", {f"sealed/{'0' * 32}.age": b""})
    assert main(["verify", "package"]) == Exit.FAILED
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]][:2] == ["changed", "extra"]
    name.unlink()
    assert main(["verify", "package"]) == Exit.FAILED
    assert "missing" in capsys.readouterr().out
    (home / "package" / sealed.LIST_PATH).write_text("[]")
    assert main(["verify", "package"]) == Exit.FAILED
    assert "malformed" in capsys.readouterr().out
    (home / "package" / sealed.LIST_PATH).unlink()
    assert main(["verify", "package"]) == Exit.INCOMPLETE
    assert main(["unseal", "package", "--to", "opened", "--identity", "key.txt"]) == Exit.FAILED
    assert "was not finished" in capsys.readouterr().err


def test_package_that_is_not_sealed_is_said_to_be_none(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(home / "package", package_entries(SampleSource(name="orders")))
    assert main(["unseal", "package", "--to", "opened", "--identity", "key.txt"]) == Exit.FAILED
    assert "the package is not sealed" in capsys.readouterr().err


def test_forged_package_opens_and_is_found_out(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Anybody can seal to a public key: what tells a forgery is the receipt's signature."""
    lay(home / "package")
    forged = b"{}"
    for path in (home / "package" / "sealed").iterdir():
        if path.name != "index.age" and path.stat().st_size > 100_000:
            path.write_bytes(seal_to(KEY.recipient, bytes(16), bytes(32)) + b"".join(encrypt([forged], bytes(16), bytes(16))))
    assert main(["unseal", "package", "--to", "opened", "--identity", "key.txt"]) == Exit.FAILED
    assert "changed" in capsys.readouterr().out


def test_passphrase_is_asked_for_where_no_key_is_given(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay(home / "package")
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert main(["unseal", "package", "--to", "opened"]) in {Exit.INTERRUPTED, Exit.FAILED}
