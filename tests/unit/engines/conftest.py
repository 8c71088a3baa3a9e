"""A clock that stands still, and a store by it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.engines.world import Passing

from rightful.store.sqlite import SqliteStore
from rightful.testing.clock import ManualClock
from rightful.testing.store_cases import START


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> Iterator[SqliteStore]:
    store = Passing(tmp_path / "store.db", clock)
    yield store
    store.close()
