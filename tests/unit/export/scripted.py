"""Connectors, storages and stores that do one thing wrong, for tests of what the core makes of it."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import pyarrow as pa

from rightful.connectors.interface import SUBJECT_COLUMN, Cursor, FileItem, Item, MatchColumn, Partition, ReadHeader, Rows
from rightful.package.schema import Column, ColumnKind
from rightful.storage.interface import Properties, Put, Storage
from rightful.storage.registry import Storages
from rightful.subject.model import IdentifiedSubject

Script = Callable[[Sequence[IdentifiedSubject], Cursor | None], Iterable[ReadHeader | Item]]

PEOPLE = {
    "1": {"upn": ("ann@contoso.example",), "mail": ("ann@contoso.example",)},
    "2": {"upn": ("ann2@contoso.example",), "mail": ("ann2@contoso.example",)},
}
COLUMNS = (Column(name="id", kind=ColumnKind.INT), Column(name="mail", kind=ColumnKind.TEXT))
ROWS_HEADER = ReadHeader(columns=COLUMNS, match=(MatchColumn(batch_column="mail", identifier_kind="mail"),))
FILES_HEADER = ReadHeader(searched="{upn}/")


def batch(*rows: tuple[int, str, int | None]) -> Rows:
    """Rows of (id, mail, index of the subject)."""
    ids, mails, subjects = ([row[number] for row in rows] for number in range(3))
    arrays = [pa.array(ids, pa.int64()), pa.array(mails, pa.string()), pa.array(subjects, pa.int32())]
    return Rows(pa.RecordBatch.from_arrays(arrays, names=["id", "mail", SUBJECT_COLUMN]))


def file(path: str, content: bytes | Callable[[], Iterator[bytes]], *, size_bytes: int | None = None, subject: int = 0) -> FileItem:
    """A file of ann's (or of whose index it is)."""
    root = ("ann", "ann2")[subject] + "@contoso.example"
    if isinstance(content, bytes):
        held = content
        return FileItem(subject=subject, root=root, path=path, size_bytes=len(held), open=lambda: iter((held,) if held else ()))
    assert size_bytes is not None
    return FileItem(subject=subject, root=root, path=path, size_bytes=size_bytes, open=content)


class Scripted:
    """A connector that yields what a script says."""

    def __init__(self, *scripts: Script, specs: Sequence[str] = ("",)) -> None:
        """Each read takes the next script; the last one stays. There is a partition for each spec."""
        self._scripts = list(scripts)
        self._specs = specs
        self.cursors: list[Cursor | None] = []

    def check(self) -> None: ...

    def plan(self, subjects: Sequence[IdentifiedSubject]) -> tuple[Partition, ...]:
        del subjects
        return tuple(Partition(number=number, spec=spec) for number, spec in enumerate(self._specs))

    def read(
        self, partition: Partition, subjects: Sequence[IdentifiedSubject], cursor: Cursor | None = None
    ) -> Iterator[ReadHeader | Item]:
        del partition
        self.cursors.append(cursor)
        script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
        yield from script(subjects, cursor)

    def close(self) -> None: ...


def yields(*items: ReadHeader | Item) -> Script:
    """Make a script that yields these items whatever is asked."""
    return lambda _subjects, _cursor: items


def breaks(error: BaseException, *items: ReadHeader | Item) -> Script:
    """Make a script that yields these items, then raises."""

    def script(_subjects: Sequence[IdentifiedSubject], _cursor: Cursor | None) -> Iterator[ReadHeader | Item]:
        yield from items
        raise error

    return script


class WriteOnly:
    """A storage that can neither be read nor listed, and says ALREADY_THERE without looking: a write-only SAS."""

    def __init__(self, inner: Storage) -> None:
        self._inner = inner
        self.before_put: Callable[[str], None] = lambda _path: None
        self.after_put: Callable[[str], None] = lambda _path: None

    @property
    def properties(self) -> Properties:
        return self._inner.properties

    def put(self, path: str, chunks: Iterable[bytes], *, size_bytes: int) -> Put:
        self.before_put(path)
        if self._has(path):
            for _ in chunks:
                pass
            return Put.ALREADY_THERE
        outcome = self._inner.put(path, chunks, size_bytes=size_bytes)
        self._inner.sync()
        self.after_put(path)
        return outcome

    def sync(self) -> None:
        self._inner.sync()

    def close(self) -> None:
        self._inner.close()

    def _has(self, path: str) -> bool:
        try:
            next(iter(self._inner.read(path)), b"")  # type: ignore[attr-defined] # a local folder
        except FileNotFoundError:
            return False
        return True


class WriteOnlyStorages(Storages):
    """Opens everything write-only; `storage` is the one that was opened last."""

    storage: WriteOnly
    before_put: Callable[[str], None] = staticmethod(lambda _path: None)
    after_put: Callable[[str], None] = staticmethod(lambda _path: None)

    def open(self, location_text: str, policy: object) -> Storage:
        self.storage = WriteOnly(super().open(location_text, policy))  # type: ignore[arg-type] # as given
        self.storage.before_put, self.storage.after_put = self.before_put, self.after_put
        return self.storage
