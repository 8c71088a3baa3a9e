"""What holds for `files` over every server that lists one folder at a time: a suite, and what its tests are written with."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import pytest

from rightful.connectors.files import FilesConnector, FilesSettings
from rightful.connectors.interface import Amount, Cursor, FileItem, Item, ItemChanged, Partition, SkippedItem, estimate
from rightful.connectors.tree_place import Access
from rightful.errors import SourceUnavailable
from rightful.testing.connector_suite import ANN, ANN2, UPPER, ConnectorSuite, Found, identified

AWKWARD = {
    "Documents/a.docx": b"a" * 10,
    "Documents/b": b"",
    "Documents-old/b": b"sorts before Documents/ as bytes of the path, after it by segments",
    "Documents.txt": b"text",
    "写真/👩‍👧.png": b"png",
    "a%41#b c*&+=~;?": b"%",
    "..data": b"no way up",
    '"<>|\\': b"marks",
    "é": b"NFC",
    "e\u0301": b"NFD",
    "\U0001f600": b"astral",
    "\uffee": b"below it",
    "large": b"0123456789abcdef" * (3 << 16),
}
_opened: list[FilesConnector] = []


def connect(url: str, access: Access | None = None, path: str = "{folder}/", **options: object) -> FilesConnector:
    """Return a connector, which `closing_all` closes."""
    settings = FilesSettings(url=url, path=path, access=access or Access(), **options)  # type: ignore[arg-type]
    connector = FilesConnector("cloud", settings, siblings={}, folder=Path("/"))
    _opened.append(connector)
    return connector


@contextmanager
def closing_all() -> Iterator[None]:
    """Close the connectors that were made."""
    yield
    while _opened:
        _opened.pop().close()


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files, making folders."""
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


def items_of(connector: FilesConnector, folder: str = "ann", cursor: Cursor | None = None) -> list[Item]:
    """Return what a person's folder has."""
    read = connector.read(Partition(number=0, spec="tree"), [identified(folder=(folder,))], cursor)
    return [item for item in read if isinstance(item, FileItem | SkippedItem)]


def only_file(connector: FilesConnector) -> FileItem:
    """Return ann's one file."""
    [item] = items_of(connector)
    assert isinstance(item, FileItem)
    return item


class Place:
    """A folder of its own on a server."""

    def __init__(self, url: str, folder: Path, access: Access) -> None:
        self.url, self.folder, self.access = url, folder, access

    def connect(self, path: str = "{folder}/", *, below: str = "", **options: object) -> FilesConnector:
        """Return a connector for the folder, or for one below it."""
        return connect(self.url + below, self.access, path, **options)


class ListedTreeSuite(ConnectorSuite):
    """What every connector must do, and every such tree; needs the fixture `place`."""

    files: ClassVar[Mapping[str, bytes]] = AWKWARD

    @pytest.fixture
    def connector(self, place: Place) -> FilesConnector:
        write(place.folder / "homes/ann", self.files)
        write(place.folder / "homes", {"ANN/x": b"somebody else's", "anna/x": b"x", "loose": b"nobody's"})
        write(place.folder, {"ann/x": b"outside"})
        (place.folder / "homes/ann/empty").mkdir()
        return place.connect(below="/homes")

    @pytest.fixture
    def expected(self) -> Mapping[str, Found]:
        return {ANN.name: Found(files=self.files), ANN2.name: Found(), UPPER.name: Found(files={"x": b"somebody else's"})}

    @pytest.fixture
    def broken(self, place: Place) -> FilesConnector:
        return connect(f"{place.url}/nowhere", place.access)

    def test_nothing_outside_the_root_has_a_name(self, place: Place) -> None:
        write(place.folder, {"a/ann/x": b"in", "b/ann/y": b"out", "a/file": b"no folder"})
        connector = place.connect(below="/a")
        for value in ("..", "../b/ann", "ann/..", "", ".", "%2e%2e", "ANN", "ann\0"):
            assert items_of(connector, value) == []
        assert items_of(connector, "file") == [SkippedItem(subject=0, path=".", reason="not a folder")]

    def test_an_empty_root_is_unavailable_unless_that_is_normal(self, place: Place) -> None:
        with pytest.raises(SourceUnavailable, match="holds nothing"):
            place.connect().check()
        place.connect(allow_empty=True).check()

    def test_include_exclude_and_estimate_see_the_same_tree(self, place: Place) -> None:
        write(place.folder / "ann", dict.fromkeys(("a.pdf", "b.txt", "private/c.pdf", "d/private/e.pdf", "d/f.pdf"), b"12"))
        connector = place.connect(include=("*.pdf",), exclude=("private",))
        assert [getattr(item, "path", "") for item in items_of(connector)] == ["a.pdf", "d/f.pdf"]
        [said] = estimate(connector, [identified(folder=("ann",))], limit_s=30.0)
        assert (said.files, said.size_bytes) == (Amount(2, is_exact=True), Amount(4, is_exact=True))

    def test_what_changed_is_told_and_can_be_looked_at_again(self, place: Place) -> None:
        write(place.folder, {"ann/log": b"content"})
        item = only_file(place.connect())
        assert item.renew
        write(place.folder, {"ann/log": b"content and more"})
        with pytest.raises(ItemChanged):
            list(item.open())
        again = item.renew()
        assert isinstance(again, FileItem)
        assert (again.path, b"".join(again.open())) == ("log", b"content and more")
        (place.folder / "ann/log").unlink()
        with pytest.raises(ItemChanged):
            list(item.open())
        assert item.renew() is None
