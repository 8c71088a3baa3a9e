"""Threads that wait for a sync share it; whoever is interrupted holds nobody up."""

import os
import threading
from pathlib import Path

import pytest
from tests.unit.interrupting import interrupted, interrupted_everywhere

from rightful.storage.durable import PendingFile
from rightful.storage.group_sync import GroupSync

PATIENCE_S = 20


class Held(GroupSync):
    """One whose first sync lasts until it is released."""

    def __init__(self, root_fd: int) -> None:
        super().__init__(root_fd)
        self.began, self.held = threading.Event(), threading.Event()

    def _lead(self, batch: list[PendingFile], upto: int) -> None:
        self.began.set()
        self.held.wait(PATIENCE_S)
        super()._lead(batch, upto)


def pending(folder: Path, name: str) -> PendingFile:
    return PendingFile((name,), os.open(folder, os.O_TMPFILE | os.O_WRONLY))


def test_waiting_thread_that_is_interrupted_leaves_nobody_waiting(tmp_path: Path) -> None:
    group = Held(os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY))
    group.add(pending(tmp_path, "first"))
    leader = threading.Thread(target=group.flush)
    leader.start()
    assert group.began.wait(PATIENCE_S)
    group.add(pending(tmp_path, "second"))
    with interrupted(lambda: bool(group._waiting_for_sync), group.held.set), pytest.raises(KeyboardInterrupt):
        group.flush()
    leader.join(PATIENCE_S)
    following = threading.Thread(target=group.flush, daemon=True)
    following.start()
    following.join(PATIENCE_S)
    assert not following.is_alive()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "second"]
    group.close()


def test_thread_that_is_interrupted_at_any_line_leaves_nobody_waiting(tmp_path: Path) -> None:
    group = GroupSync(os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY))
    group.add(pending(tmp_path, "before 1"))
    for number in interrupted_everywhere(group.flush):
        group.add(pending(tmp_path, f"after {number}"))
        following = threading.Thread(target=group.flush, daemon=True)
        following.start()
        following.join(PATIENCE_S)
        assert not following.is_alive(), f"everyone waits after an interrupt before line {number}"
        group.add(pending(tmp_path, f"before {number + 1}"))
    assert number > 2
    assert {f"{when} {which}" for which in range(1, number + 1) for when in ("before", "after")} == {
        path.name for path in tmp_path.iterdir()
    }
    group.close()
