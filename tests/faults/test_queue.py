"""Ten thousand operations wait, and the process is killed in the middle of its work on them."""

import subprocess
import sys
import time
from pathlib import Path

from tests.faults.checker import Accepted, Evidence, check, look_into_sqlite
from tests.faults.ground import beside_main, quick_folder
from tests.faults.queue_of_many import TENANT, work

from rightful.clock import SystemClock
from rightful.store.sqlite import SqliteStore

_MANY = 10_000
_ROOT = Path(__file__).parents[2]


def test_ten_thousand_queued_and_the_process_killed_none_is_lost_and_none_done_twice() -> None:
    with quick_folder() as folder:
        command = [sys.executable, "-m", "tests.faults.queue_of_many", str(folder), str(_MANY)]
        with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            accepted = [process.stdout.readline().strip() for _ in range(_MANY)]
            assert process.stdout.readline() == "working\n"
            time.sleep(0.05)  # somewhere in its work, which takes longer
            process.kill()
        assert len(accepted) == _MANY

        def recover() -> None:
            store = SqliteStore(folder / "store.db", SystemClock())
            assert store.count_open(TENANT) > 0, "killed before it was done"
            store.release_all()
            while work(store, "next"):
                pass
            assert store.count_open(TENANT) == 0
            store.close()

        beside_main(recover)
        held = look_into_sqlite(folder / "store.db")
        assert {row["status"] for row in held.operations} == {"complete"}
        everything = [Accepted(operation_id, operation_id, None) for operation_id in accepted]
        assert check(Evidence(people={}, held=held, accepted=everything)) == []


def test_killed_while_they_are_accepted_whoever_was_answered_is_there() -> None:
    with quick_folder() as folder:
        command = [sys.executable, "-m", "tests.faults.queue_of_many", str(folder), str(_MANY)]
        with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            accepted = [process.stdout.readline().strip() for _ in range(500)]
            process.kill()
            accepted += [line.strip() for line in process.stdout if line.endswith("\n")]
        held = look_into_sqlite(folder / "store.db")
        there = {row["id"] for row in held.operations if row["status"] == "open"}
        assert there >= set(accepted)
        assert len(held.operations) - len(accepted) <= 1, "one at most was accepted, or half, and its answer not read"
