"""A new seal key: nothing is unreadable whenever it is interrupted, nothing opens with the old key afterwards, and exports go on."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from rightful.assembly import running
from rightful.audit.checkpoint import CheckpointKey
from rightful.audit.record import Action, decode
from rightful.clock import SystemClock
from rightful.config.load import load
from rightful.config.model import Config
from rightful.errors import ConfigurationError
from rightful.export import rotation
from rightful.export.records import PLAN, Sealed
from rightful.ids import OperationId, TenantId
from rightful.operation.model import Failure
from rightful.sealing import Sealer
from rightful.store.sqlite import SqliteStore
from rightful.store.values import Entry, EntryState, NewRead
from rightful.testing.store_cases import TENANT, claim_reads, intent

pytestmark = pytest.mark.acceptance


def rotating(folder: Path, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "rightful.cli", *options, "rotate-seal-key", "--config", str(folder / "rightful.yaml")]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    subprocess.run([sys.executable, "-m", "rightful.cli", "init", str(tmp_path)], check=True, capture_output=True)
    return load(tmp_path / "rightful.yaml", {})


def fill(config: Config, operations: int, entries: int) -> None:
    """Put operations into the store, with everything that is sealed there; every third has failed."""
    sealer = Sealer(config.seal_key)
    store = SqliteStore(config.store_path, SystemClock())
    for number in range(operations):
        wanted = intent(number)
        sealed = Sealed(sealer, TENANT, wanted.operation_id).location(f"LOCATION{number}")
        store.begin(msgspec.structs.replace(wanted, sealed_location=sealed))
        inside = [
            Entry(
                operation_id=wanted.operation_id,
                source_name="a",
                partition=0,
                number=each,
                state=EntryState.DONE,
                sha256="ab",
                size_bytes=1,
                sealed=sealer.seal(b"ENTRY%d" % each, TENANT, wanted.operation_id),
            )
            for each in range(entries)
        ]
        plan = NewRead(source_name="a", spec_digest="x", sealed_spec=sealer.seal(b"PLAN", TENANT, PLAN))
        store.promote(wanted.operation_id, [plan], inside)
        if number % 3 == 0:
            store.fail(wanted.operation_id, Failure(code="x", message="x"))
    store.close()
    with closing(sqlite3.connect(config.store_path)) as connection, connection:
        for number in range(0, operations, 5):
            operation_id = intent(number).operation_id
            kept = sealer.seal(b"FINGERPRINTS", TENANT, operation_id)
            connection.execute("UPDATE operation SET sealed_fingerprints = ? WHERE id = ?", (kept, operation_id))


def sealed_values(config: Config) -> list[tuple[bytes, TenantId, OperationId, str]]:
    with closing(sqlite3.connect(config.store_path)) as connection:
        found = connection.execute("SELECT sealed_location, id, 'LOCATION' FROM operation WHERE sealed_location IS NOT NULL").fetchall()
        found += connection.execute(
            "SELECT sealed_fingerprints, id, 'FINGERPRINTS' FROM operation WHERE sealed_fingerprints <> x''"
        ).fetchall()
        found += connection.execute("SELECT sealed_spec, 'plan', 'PLAN' FROM read WHERE sealed_spec <> x''").fetchall()
        found += connection.execute("SELECT sealed, operation_id, 'ENTRY' FROM entry").fetchall()
    return [(value, TENANT, OperationId(operation_id), begins) for value, operation_id, begins in found]


def keys(config: Config) -> list[bytes]:
    return [bytes.fromhex(path.read_text()) for path in config.folder.glob("seal.key*")]


def count_unreadable(config: Config, *by: bytes) -> int:
    sealer, bad = Sealer(*by), 0
    for value, tenant_id, operation_id, begins in sealed_values(config):
        try:
            assert sealer.open(value, tenant_id, operation_id).startswith(begins.encode())
        except ConfigurationError:
            bad += 1
    return bad


def test_killed_at_any_moment_and_run_again_nothing_is_unreadable(config: Config) -> None:
    fill(config, 60, 60)
    before, values = config.seal_key, len(sealed_values(config))
    chance = random.Random(3)
    killed = 0
    for _ in range(6):
        process = rotating(config.folder)
        until = time.monotonic() + 10
        while not (config.folder / "seal.key.new").exists() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.15))
        killed += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert len(sealed_values(config)) == values
        assert count_unreadable(config, *keys(config)) == 0
        if (config.folder / "seal.key.new").exists():
            with pytest.raises(ConfigurationError, match="interrupted"):
                rotation.check_settled(config)
    assert killed
    process = rotating(config.folder, "--json")
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert json.loads(out)["seal_key"] == str(config.folder / "seal.key")
    (now,) = keys(config)
    assert now != before
    assert len(sealed_values(config)) == values
    assert count_unreadable(config, now) == 0
    assert count_unreadable(config, before) == values
    assert (config.folder / "seal.key").stat().st_mode & 0o777 == 0o600
    rotation.check_settled(load(config.folder / "rightful.yaml", {}))


def test_nothing_is_left_that_the_old_key_opens(config: Config) -> None:
    fill(config, 20, 20)
    before = [value for value, *_ in sealed_values(config)]
    assert rotation.rotate(config) == 13 + 2 + 20 + 20 * 20  # two have failed, and have no location any more
    content = b"".join(path.read_bytes() for path in config.store_path.parent.iterdir())
    assert [value for value in before if value in content] == []
    assert rotation.rotate(load(config.folder / "rightful.yaml", {})) == 13 + 2 + 20 + 20 * 20


def test_it_is_recorded_and_says_what_the_audit_trail_was_signed_with(config: Config) -> None:
    path = config.folder / "rightful.yaml"
    path.write_text(path.read_text().replace("key: {file: audit.key}", "# none"))  # then the key is made of the seal key
    fill(config, 1, 1)
    store = SqliteStore(config.store_path, SystemClock())
    key = CheckpointKey.derived(config.seal_key)
    head = store.chain(TENANT)[-1]
    store.add_chain_checkpoint(key.sign(tenant_id=TENANT, seq=head.seq, hash_=head.hash, time_us=0))
    store.close()
    said, _ = rotating(config.folder, "--json").communicate()
    assert json.loads(said)["earlier_audit_key"] == key.public
    verify = [sys.executable, "-m", "rightful.cli", "audit", "verify", "--json", "--config", str(path)]
    assert subprocess.run(verify, check=False, capture_output=True).returncode == 1
    path.write_text(path.read_text().replace("# earlier_keys: []", f"earlier_keys: [{key.public}]", 1))
    found = json.loads(subprocess.run(verify, check=True, capture_output=True).stdout)
    assert {chain["tenant"]: chain["records"] for chain in found["chains"]}["service"] == 1
    with closing(sqlite3.connect(config.store_path)) as connection:
        (text,) = connection.execute("SELECT record FROM audit WHERE tenant_id = ''").fetchone()
    assert (decode(text).action, decode(text).object_id) == (Action.ROTATE_SEAL_KEY, f"os:{os.getuid()}")


def test_it_is_refused_while_a_service_works_on_the_store(config: Config) -> None:
    store = SqliteStore(config.store_path, SystemClock())
    process = rotating(config.folder)
    _, err = process.communicate()
    store.close()
    assert process.returncode == 1
    assert b"another service works on the store" in err
    assert keys(config) == [config.seal_key]


def test_key_that_is_in_no_file_or_is_another_by_now_is_refused(config: Config) -> None:
    with pytest.raises(ConfigurationError, match="does not come from a file"):
        rotation.rotate(msgspec.structs.replace(config, seal_key_path=None))
    (config.folder / "seal.key").write_text("ab" * 32)
    with pytest.raises(ConfigurationError, match="has changed"):
        rotation.rotate(config)


def test_service_that_read_its_configuration_before_does_not_start_with_the_old_key(config: Config) -> None:
    rotation.rotate(config)
    with pytest.raises(ConfigurationError, match="has changed since it was read"), running(config):
        pass
    with running(load(config.folder / "rightful.yaml", {})):
        pass


def test_reads_go_on_with_what_was_sealed_anew(config: Config) -> None:
    fill(config, 1, 0)
    rotation.rotate(config)
    config = load(config.folder / "rightful.yaml", {})
    store = SqliteStore(config.store_path, SystemClock())
    store.resume(TENANT, intent(0).operation_id, sealed_location=b"another")
    (read,) = claim_reads(store).reads
    assert Sealer(config.seal_key).open(read.sealed_spec, TENANT, PLAN) == b"PLAN"
    store.close()
