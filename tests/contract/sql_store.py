"""What stores in a database have to do beyond the suite of all stores."""

import threading

import pytest

from rightful.store.connection import ConstraintBroken
from rightful.store.interface import Store
from rightful.testing.store_cases import TENANT, accept


class SharedCommits:
    """A mixin of test classes with a `store` fixture: tasks that wait together share one commit."""

    def test_many_threads_share_commits_and_lose_nothing(self, store: Store) -> None:
        def submit(first: int) -> None:
            for number in range(first, first + 25):
                accept(store, number, "a", subject=f"s{number}")

        threads = [threading.Thread(target=submit, args=(1000 * number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert store.count_open(TENANT) == 200

    def test_task_that_fails_is_undone_alone(self, store: Store) -> None:
        accept(store, 1, "a")
        with pytest.raises(ConstraintBroken):
            accept(store, 1, "b", subject="other")
        accept(store, 2, "a")
        assert store.count_open(TENANT) == 2
