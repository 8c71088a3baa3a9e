"""The spool gives back what it got, in memory and out of it."""

import os
import random
import tempfile
from pathlib import Path

import pytest

from rightful.export.spool import Spool, SpoolFull


@pytest.mark.parametrize("memory_bytes", [1 << 20, 1000, 1])
def test_pieces_come_back_by_subject_in_order(memory_bytes: int) -> None:
    chance = random.Random(7)
    spool = Spool(memory_bytes, most_bytes=1 << 20)
    expected = dict.fromkeys(range(5), b"")
    for _ in range(300):
        subject, piece = chance.randrange(5), chance.randbytes(chance.randrange(1, 400))
        spool.append(subject, piece)
        expected[subject] += piece
    assert {subject: b"".join(spool.take(subject)) for subject in range(5)} == expected
    assert b"".join(spool.take(3)) == b""
    spool.close()


def test_nothing_readable_and_no_name_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    spool = Spool(10, most_bytes=1 << 20)
    spool.append(0, b"somebody's secret line\n" * 100)
    assert list(tmp_path.iterdir()) == []
    held = [path for path in Path("/proc/self/fd").iterdir() if os.path.realpath(path).startswith(str(tmp_path))]
    assert len(held) == 1
    assert b"somebody" not in held[0].read_bytes()
    spool.close()


@pytest.mark.parametrize("memory_bytes", [1 << 20, 1])
def test_it_takes_no_more_than_it_may(memory_bytes: int) -> None:
    spool = Spool(memory_bytes, most_bytes=100)
    spool.append(0, bytes(60))
    spool.append(1, bytes(40))
    with pytest.raises(SpoolFull):
        spool.append(0, b"x")
    spool.close()
