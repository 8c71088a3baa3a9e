"""What `files` makes of what a tree of files does."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from rightful.connectors.file_tree import ENDLESS, IsWanted, Patience, TreeFile, TreeSkip
from rightful.connectors.files import FilesConnector, FilesSettings
from rightful.connectors.interface import FileItem, Partition
from rightful.errors import SourceUnavailable
from rightful.testing.connector_suite import identified


class Vanishing:
    """A folder of which so many files are given before it is no longer there."""

    def __init__(self, given: int) -> None:
        self.given = given

    @contextmanager
    def visit(self) -> Iterator["Vanishing"]:
        yield self

    def walk(
        self, folder: Sequence[str], *, after: Sequence[bytes], is_wanted: IsWanted, patience: Patience = ENDLESS
    ) -> Generator[TreeFile | TreeSkip]:
        del folder, after, is_wanted, patience
        for number in range(self.given):
            yield TreeFile(str(number), 1, None, ())
        raise FileNotFoundError

    def read(self, folder: Sequence[str], found: TreeFile) -> Iterator[bytes]:
        raise NotImplementedError

    def look(self, folder: Sequence[str], found: TreeFile) -> TreeFile | TreeSkip | None:
        raise NotImplementedError

    def close(self) -> None: ...


def connect(tree: Vanishing, folder: Path) -> FilesConnector:
    connector = FilesConnector("home", FilesSettings(url=str(folder), path="{folder}"), siblings={}, folder=folder)
    connector._tree = tree
    return connector


def read(connector: FilesConnector) -> list[str]:
    items = connector.read(Partition(number=0, spec="tree"), [identified(folder=("ann",))])
    return [item.path for item in items if isinstance(item, FileItem)]


def test_a_folder_that_is_not_there_is_empty_and_one_that_goes_away_is_read_again(tmp_path: Path) -> None:
    assert read(connect(Vanishing(0), tmp_path)) == []
    with pytest.raises(SourceUnavailable, match="went away"):
        read(connect(Vanishing(2), tmp_path))
