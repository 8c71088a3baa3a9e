"""`rightful keys`, and `rightful verify --key`."""

import json
from pathlib import Path

import pytest

from rightful.cli import main
from rightful.cli.exits import Exit
from rightful.package.minisign import SigningKey, parse_public_key
from rightful.testing.package_builder import KEY, SampleSource, build_package

STRANGER = SigningKey(b"\x07" * 32).public.text


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    monkeypatch.chdir(tmp_path)
    assert main(["init"]) == Exit.OK
    (tmp_path / "receipt.key").write_text(bytes(range(32)).hex())
    capsys.readouterr()
    return tmp_path


def test_keys_are_listed_with_earlier_ones(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = home / "rightful.yaml"
    path.write_text(path.read_text().replace("key: {file: receipt.key}", f"key: {{file: receipt.key}}\n      earlier_keys: [{STRANGER}]"))
    assert main(["keys", "--json"]) == Exit.OK
    listed = json.loads(capsys.readouterr().out)
    assert [(each["signs"], each["key"]) for each in listed] == [("now", KEY.public.text), ("earlier", STRANGER)]
    assert main(["keys"]) == Exit.OK
    assert KEY.public.text in capsys.readouterr().out
    path.write_text(path.read_text().replace(STRANGER, STRANGER[:-1]))
    assert main(["keys"]) == Exit.FAILED
    assert "receipts.earlier_keys" in capsys.readouterr().err


def test_key_is_written_as_minisign_reads_it(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "--pub"]) == Exit.OK
    text = capsys.readouterr().out
    assert parse_public_key(text) == KEY.public
    (home / "contoso.pub").write_text(text)
    package = build_package(home / "package", SampleSource(name="orders", rows=({"id": 1},)))
    assert main(["verify", str(package), "--key", "contoso.pub"]) == Exit.OK
    assert "a key that was given" in capsys.readouterr().out
    assert main(["verify", str(package)]) == Exit.OK
    told = capsys.readouterr()
    assert KEY.public.text in told.out
    assert "--key" in told.err
    assert main(["verify", str(package), "--key", STRANGER]) == Exit.FAILED
    assert main(["verify", str(package), "--key", "nowhere.pub"]) == Exit.USAGE
    assert main(["verify", str(package), "--key", "RWnonsense"]) == Exit.USAGE
