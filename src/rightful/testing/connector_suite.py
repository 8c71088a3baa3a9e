"""The suite that every connector must pass.

A connector's author fills a real source with what the three look-alikes below have, subclasses `ConnectorSuite` in a test module and
overrides three fixtures:

    class TestMailbox(ConnectorSuite):
        @pytest.fixture
        def connector(self, mail_server): return MailboxConnector(...)

        @pytest.fixture
        def expected(self): return {ANN.name: Found(rows=({"id": 1, ...}, ...)), ANN2.name: ..., UPPER.name: ...}

        @pytest.fixture
        def broken(self): return MailboxConnector(...)        # configured for something that is not there

A row that belongs to two of them stands with both. At least two of the three must have something. `collect` and `Found` serve other
tests too.
"""

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType

import msgspec
import pyarrow as pa
import pytest

from rightful.connectors.interface import (
    KEY_COLUMN,
    MATCH_PREFIX,
    SUBJECT_COLUMN,
    Amount,
    Attributing,
    Connector,
    Cursor,
    Estimating,
    FileItem,
    Item,
    Partition,
    ReadHeader,
    Rows,
    SkippedItem,
    cursor_after,
    estimate,
)
from rightful.errors import SourceError, SourceRefused
from rightful.export.check import check_rows
from rightful.ids import SubjectId, TenantId
from rightful.subject.folders import is_folder_of
from rightful.subject.matching import matches
from rightful.subject.model import DataSubject, IdentifiedSubject

MAX_BATCH_BYTES = 8 << 20
MAX_CHUNK_BYTES = 1 << 20
_TENANT = TenantId("11111111-1111-1111-1111-111111111111")


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """One of the suite's invented people: identifiers of every kind that the suite knows."""

    name: str
    id: str
    upn: str
    mail: tuple[str, ...]
    employee_id: str
    user_number: str
    folder: str

    @property
    def subject(self) -> IdentifiedSubject:
        """The person as a connector gets them."""
        return identified(
            id=(self.id,),
            upn=(self.upn,),
            mail=self.mail,
            employee_id=(self.employee_id,),
            user_number=(self.user_number,),
            folder=(self.folder,),
        )


def identified(**identifiers: tuple[str, ...]) -> IdentifiedSubject:
    """Make a subject with these identifiers alone."""
    subject_id = SubjectId(identifiers.get("id", ("00000000-0000-4000-8000-000000000000",))[0])
    return IdentifiedSubject(subject=DataSubject(tenant_id=_TENANT, subject_id=subject_id), identifiers=identifiers)


ANN = Person(
    name="ann",
    id="aaaaaaaa-0000-4000-8000-000000000001",
    upn="ann@contoso.example",
    mail=("ann@contoso.example", "ann.lee@contoso.example"),
    employee_id="e10",
    user_number="10",
    folder="ann",
)
ANN2 = Person(
    name="ann2",
    id="aaaaaaaa-0000-4000-8000-000000000002",
    upn="ann2@contoso.example",
    mail=("ann2@contoso.example",),
    employee_id="e100",
    user_number="100",
    folder="ann2",
)
UPPER = Person(
    name="upper",
    id="aaaaaaaa-0000-4000-8000-000000000003",
    upn="ann@fabrikam.example",
    mail=("ann@fabrikam.example",),
    employee_id="E10",
    user_number="1010",
    folder="ANN",
)
"""Differs from ANN by letter case only in employee id and folder."""
LOOKALIKES = (ANN, ANN2, UPPER)

STRANGER = Person(
    name="stranger",
    id="aaaaaaaa-0000-4000-8000-000000000009",
    upn="an@contoso.example",
    mail=("nn@contoso.example",),
    employee_id="e1",
    user_number="1",
    folder="an",
)
"""In no source."""
EMPTY = identified(id=("",), upn=("",), mail=("", " "), employee_id=("",), user_number=("", " "), folder=("",))
"""Identifiers that must match nothing: sources have rows with "" and NULL in their match columns."""
NAMELESS = identified()
"""No identifiers at all."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a read yields for one subject."""

    rows: tuple[Mapping[str, object], ...] = ()
    """Visible columns, in the order they came."""
    files: Mapping[str, bytes] = MappingProxyType({})
    """Content by path."""
    skipped: tuple[str, ...] = ()
    """Paths."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing."""
        return not (self.rows or self.files or self.skipped)


def read_all(
    connector: Connector, partition: Partition, subjects: Sequence[IdentifiedSubject], cursor: Cursor | None = None
) -> tuple[ReadHeader, list[Item]]:
    """Read a partition to its end; the header must come first, and once."""
    items = list(connector.read(partition, subjects, cursor))
    header, rest = items[0], [item for item in items[1:] if not isinstance(item, ReadHeader)]
    assert isinstance(header, ReadHeader), "the first thing that a read yields is its header"
    assert len(rest) == len(items) - 1, "a read yields one header"
    return header, rest


def collect(connector: Connector, subjects: Sequence[IdentifiedSubject], cursor: Cursor | None = None) -> list[Found]:
    """Plan, read all partitions in order and gather what came for each subject."""
    rows: list[list[Mapping[str, object]]] = [[] for _ in subjects]
    files: list[dict[str, bytes]] = [{} for _ in subjects]
    skipped: list[list[str]] = [[] for _ in subjects]
    for partition in connector.plan(subjects):
        for item in read_all(connector, partition, subjects, cursor)[1]:
            match item:
                case Rows(batch=batch):
                    for index, row in visible_rows(batch):
                        rows[index].append(row)
                case FileItem():
                    assert item.path not in files[item.subject], "a path comes once for each subject"
                    files[item.subject][item.path] = b"".join(item.open())
                case SkippedItem():
                    skipped[item.subject].append(item.path)
    return [Found(rows=tuple(r), files=f, skipped=tuple(s)) for r, f, s in zip(rows, files, skipped, strict=True)]


def visible_rows(batch: pa.RecordBatch) -> Iterable[tuple[int, Mapping[str, object]]]:
    """Yield (subject index, visible values) of each row."""
    for row in batch.to_pylist():
        yield row[SUBJECT_COLUMN], {name: value for name, value in row.items() if not name.startswith("\x1f")}


def _as_set(found: Found) -> tuple[Counter[str], Mapping[str, bytes], list[str]]:
    rows = Counter(repr(sorted((name, _same(value)) for name, value in row.items())) for row in found.rows)
    return rows, dict(found.files), sorted(found.skipped)


def _same(value: object) -> object:
    """Return an instant in UTC, whatever its zone; anything else as it is."""
    return value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo else value


class ConnectorSuite:
    """What every connector promises; see the module's docstring."""

    subjects: tuple[IdentifiedSubject, ...] = tuple(person.subject for person in LOOKALIKES)

    @pytest.fixture
    def connector(self) -> Connector:
        """Return the connector, over the known content."""
        raise NotImplementedError("override the fixture `connector`")

    @pytest.fixture
    def expected(self) -> Mapping[str, Found]:
        """Return what each of the look-alikes has, by name; order of rows does not count."""
        raise NotImplementedError("override the fixture `expected`")

    @pytest.fixture
    def broken(self) -> Connector:
        """Return a connector that is configured for a table, folder or server that does not exist."""
        raise NotImplementedError("override the fixture `broken`")

    def test_a_good_configuration_passes_the_check(self, connector: Connector) -> None:
        """`check` is silent, also twice."""
        connector.check()
        connector.check()

    def test_a_broken_configuration_fails_the_check(self, broken: Connector) -> None:
        """`check`, and reading, raise `SourceError` with the source's name: never an empty answer."""
        with pytest.raises(SourceError) as caught:
            broken.check()
        assert caught.value.source_name
        with pytest.raises(SourceError):
            collect(broken, self.subjects)

    def test_plan_depends_on_the_source_alone(self, connector: Connector) -> None:
        """Partitions are numbered from 0, and the same for any subjects."""
        plan = connector.plan(self.subjects)
        assert [partition.number for partition in plan] == list(range(len(plan)))
        assert plan, "at least one partition"
        for other in (self.subjects[:1], ()):
            assert [(p.number, p.spec) for p in connector.plan(other)] == [(p.number, p.spec) for p in plan]

    @pytest.mark.parametrize("person", LOOKALIKES, ids=lambda person: person.name)
    def test_one_subject_gets_what_is_theirs(self, connector: Connector, expected: Mapping[str, Found], person: Person) -> None:
        """Not one row or file missing, not one of a look-alike."""
        [found] = collect(connector, [person.subject])
        assert _as_set(found) == _as_set(expected[person.name])

    def test_the_content_is_telling(self, expected: Mapping[str, Found]) -> None:
        """The suite would prove nothing over an empty source."""
        assert sum(not found.is_empty for found in expected.values()) >= 2

    def test_a_set_gets_the_same_as_each_alone(self, connector: Connector) -> None:
        """One pass for many equals many passes, in each subject's own order, whatever the order of the set."""
        people = [*self.subjects, STRANGER.subject, EMPTY]
        alone = [collect(connector, [subject])[0] for subject in people]
        assert collect(connector, people) == alone
        assert collect(connector, people[::-1]) == alone[::-1]

    def test_a_subject_given_twice_is_answered_twice(self, connector: Connector) -> None:
        """Two operations on one person may share a read."""
        first, second = collect(connector, [self.subjects[0]] * 2)
        assert first == second
        assert not first.is_empty

    def test_order_is_the_same_each_time(self, connector: Connector) -> None:
        """The same rows in the same order."""
        assert collect(connector, self.subjects) == collect(connector, self.subjects)

    @pytest.mark.parametrize("subject", [STRANGER.subject, EMPTY, NAMELESS], ids=["stranger", "empty", "nameless"])
    def test_nobody_gets_nothing(self, connector: Connector, subject: IdentifiedSubject) -> None:
        """Unknown, empty and missing identifiers match nothing, not even rows whose own value is empty."""
        [found] = collect(connector, [subject])
        assert found.is_empty

    def test_no_subjects_get_a_header_alone(self, connector: Connector) -> None:
        """An empty set is no error."""
        for partition in connector.plan(()):
            assert read_all(connector, partition, ())[1] == []

    def test_the_header_tells_the_truth(self, connector: Connector) -> None:
        """Columns, match columns and keys are in each batch as the header says, and the same in each partition that brings rows."""
        headers = []
        for partition in connector.plan(self.subjects):
            header, items = read_all(connector, partition, self.subjects)
            headers.append(header)
            assert header.searched
            for item in items:
                if isinstance(item, Rows):
                    self._check_batch(header, item.batch)
        assert len({header.searched for header in headers}) == 1
        of_rows = [header for header in headers if header.columns]
        assert all(header == of_rows[0] for header in of_rows), "a partition of files alone has no columns"
        assert not any(value in headers[0].searched for subject in self.subjects for value in subject.values("upn"))
        if isinstance(connector, Attributing):
            assert connector.kinds == {each.identifier_kind for each in headers[0].match}

    def test_each_item_passes_the_independent_check(self, connector: Connector) -> None:
        """Every row has an identifier of its subject in a match column; every file lies in a folder of its subject."""
        for partition in connector.plan(self.subjects):
            header, items = read_all(connector, partition, self.subjects)
            for item in items:
                if isinstance(item, Rows):
                    self._check_rows(header, item.batch)
                elif isinstance(item, FileItem):
                    assert is_folder_of(header.searched, item.root, self.subjects[item.subject])

    @pytest.mark.parametrize("owner", LOOKALIKES, ids=lambda person: person.name)
    def test_the_independent_check_refuses_what_is_somebody_elses(
        self, connector: Connector, expected: Mapping[str, Found], owner: Person
    ) -> None:
        """Match columns and roots say whose something is, not who was asked for: what one has is refused for another, item by item."""
        for other in (person for person in LOOKALIKES if person is not owner):
            shared = _as_set(expected[other.name])[0]
            for partition in connector.plan(self.subjects):
                header, items = read_all(connector, partition, [owner.subject])
                for item in items:
                    if isinstance(item, Rows):
                        self._check_refused(header, item.batch, other, shared)
                    elif isinstance(item, FileItem):
                        assert not is_folder_of(header.searched, item.root, other.subject)

    def test_batches_and_chunks_are_bounded(self, connector: Connector) -> None:
        """At most 8 MiB a batch, unless it is one row; no empty batches; at most 1 MiB a chunk."""
        for partition in connector.plan(self.subjects):
            for item in read_all(connector, partition, self.subjects)[1]:
                if isinstance(item, Rows):
                    assert item.batch.num_rows > 0
                    assert item.batch.num_rows == 1 or item.batch.nbytes <= MAX_BATCH_BYTES
                elif isinstance(item, FileItem):
                    sizes = [len(chunk) for chunk in item.open()]
                    assert sum(sizes) == item.size_bytes
                    assert all(0 < size <= MAX_CHUNK_BYTES for size in sizes)

    def test_a_read_goes_on_after_any_cursor(self, connector: Connector) -> None:
        """What comes after a key or path is exactly the rest, in the same order."""
        for subject in self.subjects:
            for partition in connector.plan([subject]):
                header, items = read_all(connector, partition, [subject])
                if header.has_key:
                    self._check_resume(connector, partition, subject, _keyed_rows(items), _keyed_rows)
                elif not header.columns:
                    self._check_resume(connector, partition, subject, _paths(items), _paths)

    def test_a_read_can_be_given_up(self, connector: Connector) -> None:
        """Closing the generator early releases what it holds: the next read is whole."""
        before = collect(connector, self.subjects)
        for _ in range(20):
            read = connector.read(connector.plan(self.subjects)[0], self.subjects)
            assert isinstance(read, Generator)
            next(read)
            next(read, None)
            read.close()
        assert collect(connector, self.subjects) == before

    def test_an_estimate_is_right_where_it_says_that_it_is_exact(self, connector: Connector, expected: Mapping[str, Found]) -> None:
        """One for each subject, in order, the same in a set as alone; a connector without the ability knows nothing."""
        people = [*self.subjects, STRANGER.subject, EMPTY, NAMELESS]
        estimates = estimate(connector, people, limit_s=30.0)
        assert len(estimates) == len(people)
        assert [estimate(connector, [subject], limit_s=30.0)[0] for subject in people] == list(estimates)
        for found, said in zip([*(expected[person.name] for person in LOOKALIKES), Found(), Found(), Found()], estimates, strict=True):
            counted: list[tuple[Amount | None, int]] = [(said.rows, len(found.rows)), (said.files, len(found.files))]
            if found.files:
                counted.append((said.size_bytes, sum(map(len, found.files.values()))))
            for amount, actual in counted:
                assert amount is None or (amount.count == actual if amount.is_exact else amount.count >= 0)

    def test_an_estimate_without_time_is_given_up(self, connector: Connector) -> None:
        """Being short of time is no error, and nobody's estimate is left out."""
        assert len(estimate(connector, self.subjects, limit_s=0.0)) == len(self.subjects)

    def test_a_broken_configuration_has_no_estimate(self, broken: Connector) -> None:
        """Nothing is not what there is where nothing was looked at."""
        if isinstance(broken, Estimating):
            with pytest.raises(SourceError):
                estimate(broken, self.subjects, limit_s=5.0)

    def test_two_reads_run_side_by_side(self, connector: Connector) -> None:
        """Taking from two reads in turn gives what each gives alone."""
        partition = connector.plan(self.subjects)[0]
        alone = [_shape(item) for item in read_all(connector, partition, self.subjects)[1]]
        first, second = (iter(connector.read(partition, self.subjects)) for _ in range(2))
        pairs = list(zip(first, second, strict=True))[1:]
        assert [_shape(a) for a, _ in pairs if not isinstance(a, ReadHeader)] == alone
        assert [_shape(b) for _, b in pairs if not isinstance(b, ReadHeader)] == alone

    # -- how ----------------------------------------------------------------------------------------------------------
    def _check_batch(self, header: ReadHeader, batch: pa.RecordBatch) -> None:
        visible = [name for name in batch.schema.names if not name.startswith("\x1f")]
        assert batch.schema.names[: len(visible)] == [column.name for column in header.columns], "visible columns first, as in the header"
        assert batch.schema.field(SUBJECT_COLUMN).type == pa.int32()
        assert all(0 <= index < len(self.subjects) for index in batch.column(SUBJECT_COLUMN).to_pylist())
        assert (KEY_COLUMN in batch.schema.names) == header.has_key
        assert header.match, "rows name the columns that they matched by"
        for match in header.match:
            assert match.batch_column in batch.schema.names
            assert match.batch_column in visible or match.batch_column.startswith(MATCH_PREFIX)

    def _check_rows(self, header: ReadHeader, batch: pa.RecordBatch) -> None:
        for row in batch.to_pylist():
            subject = self.subjects[row[SUBJECT_COLUMN]]
            known = [(row[m.batch_column], m, subject.values(m.identifier_kind)) for m in header.match]
            assert any(matches(m.identifier_kind, value, identifiers, is_number=m.is_number) for value, m, identifiers in known)

    def _check_refused(self, header: ReadHeader, batch: pa.RecordBatch, other: Person, shared: Mapping[str, int]) -> None:
        own = {value.casefold() for values in other.subject.identifiers.values() for value in values}
        named = [{str(row[match.batch_column]).casefold() for match in header.match} for row in batch.to_pylist()]
        for number, (_, row) in enumerate(visible_rows(batch)):
            # A source may tell letters apart that the check does not: then it finds less than belongs to somebody.
            if not own & named[number] and not shared.keys() & _as_set(Found(rows=(row,)))[0].keys():
                with pytest.raises(SourceRefused, match="none of the subject's identifiers"):
                    check_rows(batch.slice(number, 1), header.match, other.subject, source_name="source")

    def _check_resume(
        self,
        connector: Connector,
        partition: Partition,
        subject: IdentifiedSubject,
        whole: list[tuple[Cursor, object]],
        gather: Callable[[list[Item]], list[tuple[Cursor, object]]],
    ) -> None:
        assert len({cursor for cursor, _ in whole}) == len(whole), "keys are unique"
        for number, (cursor, _) in enumerate(whole):
            rest = gather(read_all(connector, partition, [subject], cursor)[1])
            assert rest == whole[number + 1 :]


def _keyed_rows(items: list[Item]) -> list[tuple[Cursor, object]]:
    rows = [row for item in items if isinstance(item, Rows) for row in item.batch.to_pylist()]
    cursors = [cursor for row in rows if (cursor := cursor_after(row[KEY_COLUMN])) is not None]
    assert len(cursors) == len(rows), "each row has a key that is an integer, a text or bytes, or a struct of these"
    return list(zip(cursors, map(repr, rows), strict=True))


def _paths(items: list[Item]) -> list[tuple[Cursor, object]]:
    return [(Cursor(item.path), type(item)) for item in items if isinstance(item, FileItem | SkippedItem)]


def _shape(item: Item | ReadHeader) -> object:
    match item:
        case Rows(batch=batch):
            return batch.to_pylist()
        case FileItem():
            return item.subject, item.path, item.size_bytes
        case _:
            return item
