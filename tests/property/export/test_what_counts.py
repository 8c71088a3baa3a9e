"""Whatever is killed, lost, refused, stolen or changed on the way: what a complete package says that counts is what the source had."""

import json
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st
from tests.unit.export.scripted import FILES_HEADER, PEOPLE
from tests.unit.export.world import TENANT, World

from rightful.config.model import ExportSettings
from rightful.connectors.interface import (
    KEY_COLUMN,
    SUBJECT_COLUMN,
    Cursor,
    FileItem,
    Item,
    ItemChanged,
    MatchColumn,
    Partition,
    ReadHeader,
    Rows,
)
from rightful.errors import Refusal, StorageRefused, StorageUnavailable
from rightful.export.known import MARKER
from rightful.ids import OperationId
from rightful.operation.model import DataPolicyOperation, OperationStatus
from rightful.package.readers import StorageReader
from rightful.package.schema import Column, ColumnKind
from rightful.package.verify import PackageState, verify
from rightful.storage.interface import Properties, Put, Storage
from rightful.storage.registry import Storages
from rightful.store.sqlite import SqliteStore
from rightful.store.values import Checkpoint, ClaimedOperation, ClaimedRead, Entry
from rightful.subject.model import IdentifiedSubject

_COLUMNS = tuple(
    Column(name=name, kind=kind) for name, kind in (("id", ColumnKind.INT), ("mail", ColumnKind.TEXT), ("note", ColumnKind.TEXT))
)
_MATCH = (MatchColumn(batch_column="mail", identifier_kind="mail"),)
_MAIL = "ann@contoso.example"
_LARGE = (4 << 20) + 1
_OPEN = {"lost", "gone", "late", "stolen", "killed before", "killed after", "killed too soon"}
"""What leaves open what lies at a path."""

_PUTS = ["carried out"] * 3 + [
    "lost",
    "gone",
    "late",
    "lands",
    "busy",
    "refused",
    "stolen",
    "killed before",
    "killed after",
    "killed too soon",
]
"""late: nobody hears of it, and it arrives only when another one lands, or at the very end; killed too soon: likewise."""
_CALLS = ["carried out"] * 4 + ["stolen", "killed before", "killed after"]
_FILES = ["x", "y", "y changes", "y vanishes", "y changes later", "y vanishes later"]
"""later: while it is read for the second time, if it is."""
_VERSIONS = st.lists(st.frozensets(st.integers(1, 4)), min_size=1, max_size=4)
_TREES = st.lists(st.dictionaries(st.sampled_from("abL"), st.sampled_from(_FILES)), min_size=1, max_size=4)


class _Turmoil:
    """What happens to which put and to which call of the store, in this order; then all goes well."""

    def __init__(self, puts: Sequence[str], calls: Sequence[str]) -> None:
        self.puts, self.calls = list(puts), list(calls)
        self.met: set[str] = set()
        self.steal: Callable[[], None] | None = None
        """Nothing happens before this is set."""
        self._lock = threading.Lock()

    def happens(self, plan: list[str]) -> str:
        with self._lock:
            if self.steal is None or not plan:
                return "carried out"
            what = plan.pop(0)
            self.met.add(what)
            if what == "stolen":
                self.steal()
                return "carried out"
            return what


class _Memory:
    """A storage location that can be written only, and that keeps what it has through every kill."""

    def __init__(self, turmoil: _Turmoil) -> None:
        self.entries: dict[str, bytes] = {}
        self._turmoil = turmoil
        self._lock = threading.Lock()
        self._on_their_way: list[tuple[str, bytes]] = []

    def land(self) -> None:
        """Let everything arrive that is still on its way: only where nothing lies, as it was sent."""
        with self._lock:
            for path, content in self._on_their_way:
                self.entries.setdefault(path, content)
            self._on_their_way.clear()

    @property
    def properties(self) -> Properties:
        return Properties(max_entry_bytes=1 << 40, origin="memory")

    def put(self, path: str, chunks: Iterable[bytes], *, size_bytes: int) -> Put:
        content = b"".join(chunks)
        assert len(content) == size_bytes
        what = self._turmoil.happens(self._turmoil.puts)
        if what == "lands":
            self.land()
        if what in {"late", "killed too soon"}:
            self._on_their_way.append((path, content))
        if what in {"killed before", "killed too soon"}:
            raise KeyboardInterrupt
        if what in {"gone", "late", "busy"}:
            raise StorageUnavailable(what, may_have_arrived=what != "busy")
        if what == "refused":
            raise StorageRefused(what, refusal=Refusal.PERMISSION)
        with self._lock:
            outcome = Put.ALREADY_THERE if path in self.entries else Put.WRITTEN
            self.entries.setdefault(path, content)
        if what == "lost":
            raise StorageUnavailable(what, may_have_arrived=True)
        if what == "killed after":
            raise KeyboardInterrupt
        return outcome

    def sync(self) -> None: ...
    def close(self) -> None: ...


class _ReadableMemory(_Memory):
    """One that can be read too."""

    def read(self, path: str) -> Iterator[bytes]:
        if path not in self.entries:
            raise FileNotFoundError(path)
        yield self.entries[path]

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        yield from sorted((path, len(content)) for path, content in self.entries.items() if path.startswith(prefix))


def _storages_of(memory: _Memory) -> type[Storages]:
    class _Storages(Storages):
        def open(self, location_text: str, policy: object) -> Storage:
            del location_text, policy
            return memory

    return _Storages


def _store_of(turmoil: _Turmoil) -> type[SqliteStore]:
    class _Store(SqliteStore):
        def stage(
            self, entries: Sequence[Entry], *, owner: str, reads: Sequence[ClaimedRead] = (), finishing: Sequence[ClaimedOperation] = ()
        ) -> tuple[OperationId, ...]:
            return _called(turmoil, lambda: super(_Store, self).stage(entries, owner=owner, reads=reads, finishing=finishing))

        def checkpoint(self, checkpoints: Sequence[Checkpoint], *, owner: str) -> tuple[OperationId, ...]:
            return _called(turmoil, lambda: super(_Store, self).checkpoint(checkpoints, owner=owner))

    return _Store


def _called(turmoil: _Turmoil, call: Callable[[], tuple[OperationId, ...]]) -> tuple[OperationId, ...]:
    what = turmoil.happens(turmoil.calls)
    if what == "killed before":
        raise KeyboardInterrupt
    result = call()
    if what == "killed after":
        raise KeyboardInterrupt
    return result


class _Source:
    """Each read finds the next version of what the source has; the last one stays."""

    def __init__(self, versions: Sequence[object]) -> None:
        self._versions = list(versions)
        self.last: object = None
        """The version that was read last."""

    def check(self) -> None: ...
    def close(self) -> None: ...

    def plan(self, subjects: Sequence[IdentifiedSubject]) -> tuple[Partition, ...]:
        del subjects
        return (Partition(number=0, spec=""),)

    def read(
        self, partition: Partition, subjects: Sequence[IdentifiedSubject], cursor: Cursor | None = None
    ) -> Iterator[ReadHeader | Item]:
        del partition, subjects
        self.last = self._versions.pop(0) if len(self._versions) > 1 else self._versions[0]
        yield from self.items(self.last, cursor)

    def items(self, version: object, cursor: Cursor | None) -> Iterator[ReadHeader | Item]:
        raise NotImplementedError


class _Table(_Source):
    """Each row is a part; one of the same id has the same content where the table has a key."""

    def __init__(self, versions: Sequence[frozenset[int]], *, has_key: bool) -> None:
        super().__init__(versions)
        self._header = ReadHeader(columns=_COLUMNS, match=_MATCH, has_key=has_key)

    def items(self, version: object, cursor: Cursor | None) -> Iterator[ReadHeader | Item]:
        assert isinstance(version, frozenset)
        yield self._header
        for number in sorted(version):
            if cursor is None or (isinstance(cursor.after, int) and number > cursor.after):
                arrays = [pa.array([number]), pa.array([_MAIL]), pa.array(["x" * (1 << 20)]), pa.array([0], pa.int32()), pa.array([number])]
                yield Rows(pa.RecordBatch.from_arrays(arrays, names=["id", "mail", "note", SUBJECT_COLUMN, KEY_COLUMN]))


class _Drive(_Source):
    """Small files, and a large one that may change or vanish while it is put."""

    def items(self, version: object, cursor: Cursor | None) -> Iterator[ReadHeader | Item]:
        assert isinstance(version, dict)
        yield FILES_HEADER
        for name in sorted(version):
            if cursor is None or name.encode() > bytes(cursor.after):  # type: ignore[arg-type] # a path
                yield _file(name, version[name])


def _file(name: str, what: str) -> FileItem:
    letter, _, then = what.partition(" ")
    content = letter.encode() * (_LARGE if name == "L" else 1)
    openings = 0

    def read() -> Iterator[bytes]:
        nonlocal openings
        openings += 1
        if then and name == "L" and openings == 1 + then.endswith("later"):  # later: it was hashed, and is being put
            yield content[:1]
            raise ItemChanged(then)
        yield content

    def renew() -> FileItem | None:
        return None if then.startswith("vanishes") else item

    item = FileItem(subject=0, root=_MAIL, path=name, size_bytes=len(content), open=read, renew=renew)
    return item


def _expected(tree: Mapping[str, str], *gone: str) -> dict[str, str]:
    return {name: what[0] for name, what in tree.items() if not (name == "L" and what.endswith(gone))}


def _export(folder: Path, sources: dict[str, _Source], memory: _Memory, turmoil: _Turmoil) -> tuple[World, DataPolicyOperation]:
    """Export from these sources through all of the turmoil, to the end."""
    export = ExportSettings(part_mib=1, retry_s=0.0, attempts=9)
    store_type = _store_of(turmoil)
    world = World(folder, PEOPLE, sources, export=export, store_type=store_type, storages_type=_storages_of(memory))
    operation = world.submit("1")

    def steal() -> None:
        if world.get(operation).status is OperationStatus.RUNNING:
            world.service.cancel(TENANT, operation.operation_id)
            world.service.resume(TENANT, operation.operation_id, None)

    turmoil.steal = steal
    while True:
        try:
            world.run(patience_s=200.0)
        except KeyboardInterrupt:
            world.stop()
            world.start(store_type)
        else:
            return world, world.get(operation)


def _counting(memory: _Memory, operation: DataPolicyOperation, name: str) -> tuple[dict[str, bytes], dict[str, object]]:
    """Return the entries of a source that count, by their own names, and what the ledger says of it."""
    prefix = operation.prefix
    ledger = json.loads(memory.entries[f"{prefix}ledger.json"])["sources"][name]
    replaced = {entry["path"] for entry in ledger["superseded"]}
    own = {entry["entry"]: entry["original"] for entry in ledger["names"]}
    folder = f"data/Product/{name}/"
    paths = [path.removeprefix(prefix) for path in memory.entries]
    counting = [path for path in paths if path.startswith(folder) and path not in replaced]
    found = {own.get(path, path.removeprefix(folder)): memory.entries[prefix + path] for path in counting}
    assert len(found) == len(counting)
    return found, ledger


@pytest.mark.parametrize("memory_type", [_Memory, _ReadableMemory])
@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    versions=_VERSIONS,
    trees=_TREES,
    puts=st.lists(st.sampled_from(_PUTS), max_size=16),
    calls=st.lists(st.sampled_from(_CALLS), max_size=10),
    has_key=st.booleans(),
)
@example(  # a revision that never arrived, between two that did
    versions=[frozenset()],
    trees=[{"a": "x"}, {"a": "y"}, {"a": "z"}, {"a": "z"}],
    puts=["killed after", "killed before", "killed after"],
    calls=[],
    has_key=False,
)
@example(  # it lands when all is over
    versions=[frozenset()],
    trees=[{"a": "x"}, {}],
    puts=["killed too soon"],
    calls=[],
    has_key=False,
)
def test_complete_package_is_whole_and_counts_what_the_source_had(
    memory_type: type[_Memory],
    versions: list[frozenset[int]],
    trees: list[dict[str, str]],
    puts: list[str],
    calls: list[str],
    *,
    has_key: bool,
) -> None:
    turmoil = _Turmoil(puts, calls)
    memory = memory_type(turmoil)
    table, drive = _Table(versions, has_key=has_key), _Drive(trees)
    with tempfile.TemporaryDirectory() as name:
        world, done = _export(Path(name), {"rows": table, "files": drive}, memory, turmoil)
        world.stop()
    event(f"{done.status} {done.failure.code if done.failure else ''}")
    if done.status is OperationStatus.FAILED:
        assert done.failure is not None
        assert done.failure.code in {"EntryUnknown", "EntryConflict"}
        assert turmoil.met & _OPEN
        return
    assert done.status is OperationStatus.COMPLETE
    memory.land()
    reader = _ReadableMemory(turmoil)
    reader.entries = memory.entries
    verification = verify(StorageReader(reader, done.prefix))
    assert (verification.state, verification.findings) == (PackageState.WHOLE, ())
    parts, ledger = _counting(memory, done, "rows")
    assert MARKER not in parts.values()
    rows = [json.loads(line)["id"] for part in parts.values() for line in part.splitlines()]
    assert len(rows) == ledger["rows"] == len(set(rows))
    if has_key:  # what lies before a cursor is of an earlier version
        assert frozenset.intersection(*versions) <= set(rows) <= frozenset.union(*versions)
    else:
        assert set(rows) == table.last
    files, ledger = _counting(memory, done, "files")
    assert len(files) == ledger["files"]
    letters = {name: content[:1].decode() for name, content in files.items()}
    surely = [set(_expected(tree, "vanishes", "vanishes later").items()) for tree in trees]
    perhaps = [set(_expected(tree, "vanishes").items()) for tree in trees]
    assert set.intersection(*surely) <= letters.items() <= set.union(*perhaps)
