"""Fingerprints in files: durable with their names, and what a difference names is there once it was put down."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rightful.ids import OperationId
from rightful.package.fingerprint import SIZE
from rightful.store.fingerprint_folder import FingerprintFolder, FingerprintsLost

OPERATION = OperationId("0d6f3c51-5b0e-4f0e-9c8a-2f7d1a3b4c5d")
_TRACED = """
import os, pathlib, sys
from rightful.ids import OperationId
from rightful.store.fingerprint_folder import FingerprintFolder

def hook(event, given):
    if event == "open" and isinstance(given[2], int) and given[2] & os.O_DIRECTORY:
        print(os.path.abspath(given[0]))

log = FingerprintFolder(pathlib.Path(sys.argv[1])).log(OperationId(sys.argv[2]), "source", 0)
log.go_on(0)
log.add(bytes(int(sys.argv[3])))
sys.addaudithook(hook)
log.sync()
print("--")
log.add(bytes(int(sys.argv[3])))
log.sync()
"""


def test_log_that_is_durable_is_so_with_the_names_of_its_folders(tmp_path: Path) -> None:
    """Each folder that is opened as one is synced: the log's, the one of all, and the one in which the store lies."""
    command = [sys.executable, "-c", _TRACED, str(tmp_path / "store.db"), OPERATION, str(SIZE)]
    said = subprocess.run(command, capture_output=True, text=True, check=True, env=dict(os.environ)).stdout
    first, again = said.split("--")
    folder = tmp_path / "store.db.fingerprints"
    assert [*first.split()] == [str(folder / OPERATION), str(folder), str(tmp_path)]
    assert not again.strip()  # once is enough: the name stays


def test_log_that_began_anew_is_durable_anew(tmp_path: Path) -> None:
    log = FingerprintFolder(tmp_path / "store.db").log(OPERATION, "source", 0)
    for _ in range(2):
        assert log.go_on(0)
        log.add(bytes(SIZE))
        log.sync()
    assert log.count == 1
    assert [path.stat().st_size for path in (tmp_path / "store.db.fingerprints" / OPERATION).iterdir()] == [SIZE]


def test_what_a_difference_names_is_read_as_often_as_it_is_needed_and_goes_with_the_logs(tmp_path: Path) -> None:
    folder = FingerprintFolder(tmp_path / "store.db")
    with pytest.raises(FingerprintsLost):
        list(folder.read_named(OPERATION))
    folder.write_named(OPERATION, (b"a\n", b"b\n" * 100_000))
    for _ in range(2):
        assert b"".join(folder.read_named(OPERATION)) == b"a\n" + b"b\n" * 100_000
    folder.write_named(OPERATION, ())
    assert list(folder.read_named(OPERATION)) == []
    assert folder.operations() == {OPERATION}
    folder.remove_logs(OPERATION)
    with pytest.raises(FingerprintsLost):
        list(folder.read_named(OPERATION))
