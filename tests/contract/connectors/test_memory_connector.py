"""The scripted connector passes the suite, with rows and with files, and fails as its script says."""

from collections.abc import Iterator, Mapping

import pyarrow as pa
import pytest

from rightful.connectors.interface import Cursor, FileItem, Partition, Rows, SkippedItem
from rightful.errors import SourceRefused, SourceUnavailable
from rightful.package.schema import Column, ColumnKind
from rightful.testing.connector_suite import ANN, ANN2, UPPER, ConnectorSuite, Found, collect
from rightful.testing.memory_connector import Asked, Faults, MemoryConnector

COLUMNS = (
    Column(name="id", kind=ColumnKind.INT),
    Column(name="sender", kind=ColumnKind.TEXT),
    Column(name="recipient", kind=ColumnKind.TEXT),
)
ROWS = (
    {"id": 3, "sender": "ann@contoso.example", "recipient": None},
    {"id": 1, "sender": "ann@contoso.example", "recipient": "ann2@contoso.example"},
    {"id": 2, "sender": "", "recipient": "ann.lee@contoso.example"},
    {"id": 4, "sender": "ann.lee@contoso.example", "recipient": "ann@contoso.example"},
    {"id": 5, "sender": "", "recipient": ""},
    {"id": 6, "sender": "annx@contoso.example", "recipient": None},
)


def rows_connector(**options: object) -> MemoryConnector:
    return MemoryConnector(columns=COLUMNS, match={"sender": "mail", "recipient": "mail"}, rows=ROWS, key="id", **options)  # type: ignore[arg-type]


class TestMemoryRows(ConnectorSuite):
    @pytest.fixture(params=[1, 2], ids=["one-partition", "two-partitions"])
    def connector(self, request: pytest.FixtureRequest) -> MemoryConnector:
        return rows_connector(partitions=request.param, batch_rows=2)

    @pytest.fixture
    def expected(self) -> Mapping[str, Found]:
        by_id = {row["id"]: row for row in ROWS}
        return {ANN.name: Found(rows=tuple(by_id[n] for n in (1, 2, 3, 4))), ANN2.name: Found(rows=(by_id[1],)), UPPER.name: Found()}

    @pytest.fixture
    def broken(self) -> MemoryConnector:
        return MemoryConnector(faults=Faults(is_refused=True))


class TestMemoryFiles(ConnectorSuite):
    FILES: Mapping[str, Mapping[str, bytes]] = {
        "ann": {"b.txt": b"b", "a/z.txt": b"", "locked": b"?"},
        "ANN": {"b.txt": b"other"},
        "": {"x": b"x"},
    }

    @pytest.fixture
    def connector(self) -> MemoryConnector:
        return MemoryConnector(files=self.FILES, file_kind="folder", faults=Faults(unreadable=frozenset({"locked"})))

    @pytest.fixture
    def expected(self) -> Mapping[str, Found]:
        return {
            ANN.name: Found(files={"b.txt": b"b", "a/z.txt": b""}, skipped=("locked",)),
            ANN2.name: Found(),
            UPPER.name: Found(files={"b.txt": b"other"}),
        }

    @pytest.fixture
    def broken(self) -> MemoryConnector:
        return MemoryConnector(faults=Faults(is_refused=True))


def test_a_source_that_is_down_answers_after_so_many_tries() -> None:
    connector = rows_connector(faults=Faults(down=2))
    for _ in range(2):
        with pytest.raises(SourceUnavailable):
            collect(connector, [ANN.subject])
    assert len(collect(connector, [ANN.subject])[0].rows) == 4


def test_a_source_that_refuses_never_answers() -> None:
    connector = rows_connector(faults=Faults(is_refused=True))
    for call in (connector.check, lambda: connector.plan(()), lambda: list(connector.read(Partition(number=0), ()))):
        with pytest.raises(SourceRefused):
            call()


def test_a_read_dies_in_the_middle_once_and_goes_on_after_the_cursor() -> None:
    connector = rows_connector(batch_rows=1, faults=Faults(dies_after=2))
    read = _rows(connector, None)
    assert [next(read).column("id")[0].as_py() for _ in range(2)] == [1, 2]
    with pytest.raises(SourceUnavailable):
        next(read)
    rest = list(_rows(connector, Cursor(2)))
    assert [batch.column("id")[0].as_py() for batch in rest] == [3, 4]
    assert connector.asked == [Asked(0, (ANN.id,), None), Asked(0, (ANN.id,), Cursor(2))]


def _rows(connector: MemoryConnector, cursor: Cursor | None) -> Iterator[pa.RecordBatch]:
    for item in connector.read(Partition(number=0), [ANN.subject], cursor):
        if isinstance(item, Rows):
            yield item.batch


def test_a_broken_file_is_listed_and_fails_when_read() -> None:
    connector = MemoryConnector(files={ANN.upn: {"a": b"a", "b": b"b"}}, faults=Faults(broken={"b": OSError(5, "I/O error")}))
    items = [item for item in connector.read(Partition(number=0), [ANN.subject]) if isinstance(item, FileItem | SkippedItem)]
    good, bad = items
    assert isinstance(good, FileItem)
    assert isinstance(bad, FileItem)
    assert b"".join(good.open()) == b"a"
    with pytest.raises(OSError, match="I/O error"):
        list(bad.open())
