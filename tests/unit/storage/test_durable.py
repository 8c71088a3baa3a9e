"""Files that are written side by side, before each is made durable."""

import os
from pathlib import Path

import pytest

from rightful.storage.durable import begin_writing


def test_files_keep_what_they_hold(tmp_path: Path) -> None:
    paths = [tmp_path / str(number) for number in range(3)]
    files = [path.open("wb") for path in paths]
    for number, file in enumerate(files):
        file.write(bytes((number,)) * 10_000)
        file.flush()
    begin_writing(file.fileno() for file in files)
    for file in files:
        os.fdatasync(file.fileno())
        file.close()
    assert [path.read_bytes() for path in paths] == [bytes((number,)) * 10_000 for number in range(3)]


def test_what_has_no_ranges_is_left_to_be_synced() -> None:
    read, write = os.pipe()
    begin_writing([read, write])
    os.close(read)
    os.close(write)


def test_file_that_cannot_be_written_is_said() -> None:
    read, write = os.pipe()
    os.close(read)
    os.close(write)
    with pytest.raises(OSError, match="Bad file descriptor"):
        begin_writing([write])
