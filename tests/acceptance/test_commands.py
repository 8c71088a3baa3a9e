"""The commands as a new user runs them: processes, a real service, a real package."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.servers.azurite import Azurite

pytestmark = pytest.mark.acceptance

ANN = "ann@contoso.example"
COMMAND = (sys.executable, "-m", "rightful.cli")


def run(folder: Path, *arguments: str, stdin: str = "", code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*COMMAND, *arguments], cwd=folder, input=stdin, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def home(tmp_path: Path) -> Path:
    run(tmp_path, "init")
    run(tmp_path, "dev-cert", "tls")
    with closing(sqlite3.connect(tmp_path / "people.db")) as people, people:
        people.execute("CREATE TABLE people (object_id TEXT PRIMARY KEY, upn TEXT, name TEXT, mail TEXT)")
        people.execute("INSERT INTO people VALUES ('aaaaaaaa-0000-4000-8000-000000000001', ?, 'Ann', ?)", (ANN, ANN))
    folder = tmp_path / "files" / ANN
    folder.mkdir(parents=True)
    (folder / "letter.txt").write_text("hello")
    config = tmp_path / "rightful.yaml"
    text = config.read_text().replace("  # tls: {", "  tls: {").replace("listen: 127.0.0.1:8443", "listen: 127.0.0.1:0")
    config.write_text(text)
    return tmp_path


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Run `rightful serve` while the block lasts; yields its address."""
    log = folder / "serve.log"
    with (
        log.open("w") as said,
        subprocess.Popen([*COMMAND, "serve", "--json"], cwd=folder, stdout=subprocess.PIPE, stderr=said, text=True) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, log.read_text()
            yield json.loads(line)["listening"]
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0, log.read_text()


def test_newcomer_comes_from_init_to_a_verified_package(home: Path) -> None:
    assert run(home, "doctor").stdout.count("ok ") >= 8
    with serving(home) as address:
        server = ("--server", address)
        done = run(home, "export", ANN, "--to", "LocalExports", *server)
        assert "complete (100 %)" in done.stdout
        found = re.search(r"^folder +(.+)$", done.stdout, re.MULTILINE)
        assert found is not None
        package = Path(found[1])
        listed = json.loads(run(home, "requests", "list", "--json", *server).stdout)
        assert [operation["status"] for operation in listed] == ["complete"]
        assert "knows nobody" in run(home, "export", "eve@contoso.example", "--to", "LocalExports", *server, code=1).stderr
        assert "Request_Conflict" in run(home, "requests", "cancel", listed[0]["id"], *server, code=1).stderr
    run(home, "verify", str(package))
    letter = next(package.rglob("letter.txt"))
    letter.write_text("hullo")
    assert str(letter.relative_to(package)) in run(home, "verify", str(package), code=1).stdout
    (package / "tagmanifest-sha256.txt").unlink()
    run(home, "verify", str(package), code=3)


def test_interrupted_follower_leaves_the_export_running(home: Path) -> None:
    # A source that is down keeps the operation running: it is tried again, but so late that all of this fits in before it is given up.
    shop = "      shop: {connector: sql, url: 'postgresql://127.0.0.1:1/none', table: orders, match: {mail: mail}}\n"
    config = home / "rightful.yaml"
    text = config.read_text().replace("    export:\n", "    export:\n      retry_s: 600\n", 1)
    assert "retry_s" in text
    config.write_text(text + shop)
    with serving(home) as address:
        follower = subprocess.Popen(
            [*COMMAND, "export", ANN, "--to", "LocalExports", "--server", address],
            cwd=home,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert follower.stderr is not None
        operation_id = follower.stderr.readline().split()[0]
        follower.send_signal(signal.SIGINT)
        _, said = follower.communicate(timeout=30)
        assert follower.returncode == 130
        assert f"rightful requests watch {operation_id}" in said
        shown = json.loads(run(home, "requests", "show", operation_id, "--json", "--server", address).stdout)
        assert shown["status"] in {"notStarted", "running"}
        run(home, "requests", "cancel", operation_id, "--server", address)
        shown = json.loads(run(home, "requests", "watch", operation_id, "--json", "--server", address, code=1).stdout)
        assert shown["failureReason"]["code"] == "cancelled"


@pytest.mark.azurite
def test_package_in_a_container_is_verified_by_a_sas_url(home: Path, azurite: Azurite) -> None:
    config = home / "rightful.yaml"
    config.write_text(config.read_text().replace('allow: ["*.blob.core.windows.net"]', f'allow: ["{azurite.host}"]'))
    container = azurite.container()
    write_only, reading = azurite.sas_url(container, "cw"), azurite.sas_url(container, "rl")
    with serving(home) as address:
        done = run(home, "export", ANN, "--to", "-", "--server", address, stdin=write_only)
        assert "complete (100 %)" in done.stdout
        assert "sig=" not in done.stdout + done.stderr + (home / "serve.log").read_text()
        assert run(home, "verify", "-", stdin=reading).stdout.startswith("whole: ")
        run(home, "export", ANN, "--to", "-", "--server", address, stdin=write_only)
    refused = run(home, "verify", "-", stdin=reading, code=1).stderr
    assert "PrefixNeeded" in refused
    prefix = re.search(r"[0-9a-f]{8}-[0-9a-f-]{27}", refused)
    assert prefix is not None
    assert run(home, "verify", "-", "--prefix", prefix[0], stdin=reading).stdout.startswith("whole: ")
    assert "sig=" not in run(home, "verify", write_only, code=1).stderr


def test_port_that_is_taken_is_told(home: Path) -> None:
    with serving(home) as address:
        config = home / "rightful.yaml"
        config.write_text(
            config.read_text().replace("127.0.0.1:0", address.removeprefix("https://")).replace("var/rightful.db", "var/b.db")
        )
        assert "what to do:" in run(home, "serve", code=1).stderr


def test_log_level_is_everybodys(home: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "serve"],
        cwd=home,
        env={**os.environ, "RIGHTFUL_LOG_LEVEL": "loud"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "RIGHTFUL_LOG_LEVEL" in done.stderr
