import threading

from rightful.database.pool import Pool


class _Connection:
    def __init__(self, opened: "list[_Connection]") -> None:
        self.is_open = True
        opened.append(self)

    def close(self) -> None:
        self.is_open = False


def test_connections_are_kept_and_closed_with_the_last_user() -> None:
    opened: list[_Connection] = []
    pool = Pool(lambda: _Connection(opened)).join()
    pool.join()
    first, is_kept = pool.take()
    assert not is_kept
    pool.give(first)
    again, is_kept = pool.take()
    assert again is first
    assert is_kept
    other, _ = pool.take()
    pool.give(first)
    pool.leave()
    assert [connection.is_open for connection in opened] == [True, True]
    pool.leave()
    assert [connection.is_open for connection in opened] == [False, True], "the other one is still lent"
    pool.give(other)
    assert [connection.is_open for connection in opened] == [False, False]


def test_dropped_connections_are_closed_and_new_ones_made() -> None:
    opened: list[_Connection] = []
    pool = Pool(lambda: _Connection(opened)).join()
    pool.give(pool.take()[0])
    pool.drop()
    assert [connection.is_open for connection in opened] == [False]
    assert pool.take()[0] is not opened[0]


def test_only_so_many_are_kept() -> None:
    opened: list[_Connection] = []
    pool = Pool(lambda: _Connection(opened)).join()
    for connection in [pool.take()[0] for _ in range(24)]:
        pool.give(connection)
    assert sum(connection.is_open for connection in opened) == 16


def test_no_connection_is_lent_to_two_threads() -> None:
    pool = Pool(lambda: _Connection([])).join()
    lent: set[int] = set()
    twice: list[int] = []
    lock = threading.Lock()

    def borrow() -> None:
        for _ in range(300):
            connection, _ = pool.take()
            with lock:
                twice.extend([id(connection)] if id(connection) in lent else [])
                lent.add(id(connection))
            with lock:
                lent.discard(id(connection))
            pool.give(connection)

    threads = [threading.Thread(target=borrow) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert twice == []
