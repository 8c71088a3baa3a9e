"""Every durable step has a name, and no step without one can be added unnoticed."""

import inspect

import pytest

from rightful.storage import interface as storage_interface
from rightful.storage.interface import Storage
from rightful.store.interface import Store
from rightful.testing import failpoints
from rightful.testing.failpoints import (
    FAILPOINTS,
    STORAGE_LOOKS,
    STORAGE_STEPS,
    STORE_LOOKS,
    STORE_PURGES,
    STORE_STEPS,
    Failpoints,
    Killed,
    failing_storage,
)
from rightful.testing.memory_storage import MemoryStorage


def _methods(contract: type) -> set[str]:
    return {name for name in vars(contract) if not name.startswith("_")}


def test_each_method_of_the_store_either_commits_or_looks() -> None:
    assert sorted((*STORE_STEPS, *STORE_PURGES, *STORE_LOOKS)) == sorted(_methods(Store))


def test_each_method_of_a_storage_and_of_its_abilities_either_changes_or_looks() -> None:
    contracts = [each for _, each in inspect.getmembers(storage_interface, inspect.isclass) if getattr(each, "_is_protocol", False)]
    assert len(contracts) >= 7
    assert {*STORAGE_STEPS, *STORAGE_LOOKS} == set().union(*map(_methods, contracts))


def test_there_are_as_many_failpoints_as_promised() -> None:
    assert len(FAILPOINTS) == len(set(FAILPOINTS)) >= 60


def test_wrapped_storage_has_just_the_abilities_that_it_had() -> None:
    abilities = [each for _, each in inspect.getmembers(storage_interface, inspect.isclass) if getattr(each, "_is_runtime_protocol", False)]
    for kind in (MemoryStorage, _WriteOnly):
        wrapped = failing_storage(kind(), Failpoints())
        assert [isinstance(wrapped, each) for each in abilities] == [isinstance(kind(), each) for each in abilities]


class _WriteOnly:
    properties = MemoryStorage.properties
    put = MemoryStorage.put
    sync = MemoryStorage.sync
    close = MemoryStorage.close


def test_after_a_kill_nothing_reaches_the_storage_any_more() -> None:
    memory = MemoryStorage()
    points = Failpoints(failpoints.kill_when("storage.put.after"))
    storage: Storage = failing_storage(memory, points)
    for path in ("a", "b"):
        with pytest.raises(Killed):
            storage.put(path, [b"x"], size_bytes=1)
    with pytest.raises(Killed):
        storage.sync()
    assert (memory.puts, memory.entries) == (1, {})
    assert points.trace == ["storage.put.before", "storage.put.halfway", "storage.put.after"]
