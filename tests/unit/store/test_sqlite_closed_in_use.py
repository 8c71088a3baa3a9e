"""A store's file that is closed while threads use it: what they run ends, what they run next is refused as any fault of the store is."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from rightful.store.connection import Connection
from rightful.store.sqlite_file import SqliteFile
from rightful.store.values import StoreFault

COUNTED = 100_000
COUNT = f"WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {COUNTED}) SELECT count(*) AS found FROM n"


@pytest.mark.parametrize("kind", ["read", "write"])
def test_statement_that_runs_ends_and_the_next_one_is_refused(tmp_path: Path, kind: str) -> None:
    file = SqliteFile(tmp_path / "store.db")
    runs: Callable[[Callable[[Connection], object]], object] = getattr(file, kind)
    counted, begun, refused = list[object](), threading.Event(), list[StoreFault]()

    def count(connection: Connection) -> None:
        for _ in range(10_000):
            counted.append(connection.rows(COUNT)[0]["found"])
            begun.set()

    def run() -> None:
        try:
            runs(count)
        except StoreFault as error:
            refused.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert begun.wait(20)
    file.close()
    thread.join(20)
    assert not thread.is_alive()
    assert len(refused) == 1
    assert set(counted) == {COUNTED}
    with pytest.raises(StoreFault):
        runs(lambda connection: connection.rows("SELECT 1"))
    file.close()
    SqliteFile(tmp_path / "store.db").close()  # nobody has it any more
