"""`rightful source` with a server of files: what it cannot look at it says, and what is written by hand it tries."""

import json
from pathlib import Path

import pytest
import yaml
from tests.servers.sftp import PASSWORD, SftpServer

from rightful.cli import main
from rightful.cli.exits import Exit
from rightful.sample import company as sample

ANN = "ann@contoso.example"


def test_a_server_of_files_is_not_looked_at_and_is_tried(
    asyncssh_server: SftpServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = sample.build(tmp_path / "sample", scale=0.01, listen="127.0.0.1:0").folder / "rightful.yaml"
    url, root = asyncssh_server.folder()
    (root / ANN).mkdir()
    (root / ANN / "letter.txt").write_bytes(b"secret words")
    (root / ANN / "link").symlink_to("letter.txt")

    def run(*words: str) -> int:
        return main(["--config", str(path), "source", *words, "--tenant", "Contoso"])

    assert run("add", "share", url) == Exit.FAILED
    said = capsys.readouterr().err
    assert "sftp://" in said
    assert "`rightful source test` tries it" in said
    document = yaml.safe_load(path.read_text())
    access = {"user": asyncssh_server.access.user, "password": PASSWORD, "fingerprint": asyncssh_server.fingerprint}
    document["tenants"][0]["sources"]["share"] = {"connector": "files", "url": url, "path": "{upn}/", "product": "Share", "access": access}
    path.write_text(json.dumps(document))
    assert run("test", "share", ANN) == Exit.OK
    said = capsys.readouterr().out
    assert "1 files, 12 B" in said
    assert "symbolic link, not followed" in said
    assert PASSWORD not in said
