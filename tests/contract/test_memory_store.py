"""The store in memory against the suite of all stores."""

import pytest

from rightful.store.interface import Store
from rightful.testing.clock import ManualClock
from rightful.testing.memory_store import MemoryStore
from rightful.testing.store_approvals import ApprovalSuite
from rightful.testing.store_cases import START
from rightful.testing.store_suite import StoreSuite


def _is_a_store(store: MemoryStore) -> Store:
    """Let the type checker hold it to every method of a store."""
    return store


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def store(clock: ManualClock) -> MemoryStore:
    return MemoryStore(clock)


class TestMemoryStore(StoreSuite, ApprovalSuite):
    pass
