"""Whatever gives somebody else's data, a connector, a database or a server: the export stops, and not a byte of it is written."""

import mailbox
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest
from tests.contract.database.world import ALL, TWICE, connector, make, settings
from tests.unit.export.world import World

from rightful.config.model import SourceConfig
from rightful.connectors.files import FilesConnector, FilesSettings
from rightful.connectors.interface import Connector, Cursor, Item, Partition, ReadHeader, Rows
from rightful.connectors.lake import LakeConnector, LakeSettings
from rightful.connectors.mailbox import MailboxConnector
from rightful.connectors.mailbox_settings import MailboxSettings
from rightful.connectors.sql_settings import SqlSettings
from rightful.errors import SourceRefused
from rightful.export.giving import GivingSource
from rightful.operation.model import DataPolicyOperation, OperationStatus
from rightful.subject.model import IdentifiedSubject
from rightful.testing.connector_suite import identified
from rightful.testing.mistaken_connector import MistakenConnector

PEOPLE = {
    name: {"upn": (f"{name}@contoso.example",), "folder": (name,), "number": (number,)} for name, number in (("ann", "1"), ("bob", "2"))
}
Make = Callable[[Path], Connector]


def subject(name: str) -> IdentifiedSubject:
    return identified(id=(name,), **PEOPLE[name])


def files(folder: Path) -> Connector:
    for name in PEOPLE:
        (folder / "drive" / name).mkdir(parents=True)
        (folder / "drive" / name / "a.txt").write_text(name)
    return FilesConnector("source", FilesSettings(url=f"file://{folder}/drive", path="{folder}/"), siblings={}, folder=folder)


def mails(folder: Path) -> Connector:
    (folder / "mail").mkdir()
    for name in PEOPLE:
        box = mailbox.Maildir(folder / "mail" / name)
        box.add(f"From: x@fabrikam.example\n\n{name}".encode())
    said = MailboxSettings(url=f"file://{folder}/mail", path="{folder}", format="maildir")
    return MailboxConnector("source", said, siblings={}, folder=folder)


def lake(folder: Path, form: str) -> Connector:
    frame = pl.DataFrame({"user": [PEOPLE[name]["upn"][0] for name in PEOPLE], "n": [1, 2]})
    writers: dict[str, Callable[[Path], object]] = {"parquet": frame.write_parquet, "jsonl": frame.write_ndjson, "csv": frame.write_csv}
    writers[form](folder / f"all.{form}")
    said = LakeSettings(url=f"file://{folder}/*.{form}", format=form, match={"user": "upn"}, exclude=("user",))  # type: ignore[arg-type]  # a table
    return LakeConnector("source", said, siblings={}, folder=folder)


LAKES: dict[str, Make] = {form: lambda folder, form=form: lake(folder, form) for form in ("parquet", "jsonl", "csv")}  # type: ignore[misc]  # bound now
PLACES: dict[str, Make] = {"files": files, "mails": mails, **LAKES}


def stopped(world: World, *operations: DataPolicyOperation) -> None:
    """Run; each export must fail, and nothing of the source be in its package."""
    world.run(patience_s=60)
    for operation in operations:
        found = world.get(operation)
        assert found.status is OperationStatus.FAILED
        assert found.failure is not None
        assert found.failure.code == "ForeignData"
        assert [path.name for path in world.package(operation).rglob("*")] == ["RequestInfo.json"]


def both_ways(folder: Path, source: Connector) -> None:
    """One export is stopped, two that share a read are, and the same source read rightly is not."""
    for name, people in (("one", ["ann"]), ("set", ["ann", "bob"])):
        (folder / name).mkdir()
        world = World(folder / name, PEOPLE, {"source": MistakenConnector(source, *map(subject, PEOPLE))})
        stopped(world, *(world.submit(person) for person in people))
    (folder / "right").mkdir()
    world = World(folder / "right", PEOPLE, {"source": source})
    operation = world.submit("ann")
    world.run(patience_s=60)
    assert world.get(operation).status is OperationStatus.COMPLETE
    [reported] = world.get(operation).sources
    assert reported.rows + reported.files > 0


@pytest.mark.parametrize("place", PLACES)
def test_what_lies_in_somebody_elses_place_stops_the_export(tmp_path: Path, place: str) -> None:
    with closing(PLACES[place](tmp_path)) as source:
        both_ways(tmp_path, source)


@pytest.mark.parametrize("engine", [*ALL, *TWICE])
@pytest.mark.parametrize("source", ["plain", "hidden", "reached", "either"])
def test_row_of_somebody_else_stops_the_export(request: pytest.FixtureRequest, tmp_path: Path, engine: str, source: str) -> None:
    world = make(engine, request, tmp_path)
    world.execute(
        "CREATE TABLE people (nr integer, upn varchar(99)); INSERT INTO people VALUES (1, 'ann@contoso.example'), (2, 'bob@contoso.example');"
        "CREATE TABLE orders (id integer, person integer); INSERT INTO orders VALUES (10, 1), (20, 2);"
        "CREATE TABLE parts (id integer, ordered integer, upn varchar(99)); INSERT INTO parts VALUES (100, 10, NULL), (200, 20, NULL)"
    )
    sources = {
        "plain": settings(world, "people", match={"nr": "number"}),
        "hidden": settings(world, "people", match={"upn": "upn"}, exclude=("upn",)),
        "orders": settings(world, "orders", via={"plain": {"person": "nr"}}),
        "reached": settings(world, "parts", via={"orders": {"ordered": "id"}}, exclude=("upn",)),
        "either": settings(world, "parts", match={"upn": "upn"}, via={"orders": {"ordered": "id"}}),
    }
    both_ways(tmp_path, connector(world, source, **sources))


def test_identifier_in_somebody_elses_row_is_not_taken(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    world = make("sqlite", request, tmp_path)
    world.execute("CREATE TABLE t (upn text, card text); INSERT INTO t VALUES ('ann@contoso.example', 'a'), ('bob@contoso.example', 'b')")
    said = settings(world, "t", match={"upn": "upn"})
    config = SourceConfig(name="source", connector="sql", product="x", settings=said, identifiers={"card": "card"})
    inner = connector(world, source=said)
    right = GivingSource(config, {"upn": "upn"}, inner, {})
    assert [each.value for each in right.look([subject("ann")])[0]] == ["a"]
    for people in (["ann"], ["ann", "bob"]):
        mistaken = GivingSource(config, {"upn": "upn"}, MistakenConnector(inner, *map(subject, PEOPLE)), {})
        with pytest.raises(SourceRefused) as caught:
            mistaken.look([subject(person) for person in people])
        assert caught.value.code == "ForeignData"


def test_what_is_held_of_a_set_is_bounded_too(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    people = [identified(upn=(f"p{number}@contoso.example",)) for number in range(7)]
    rows = ", ".join(f"('p{number}@contoso.example', '{number}-{card}')" for number in range(7) for card in (1, 2, 2))
    world = make("sqlite", request, tmp_path)
    world.execute(f"CREATE TABLE t (upn text, card text); INSERT INTO t VALUES {rows}, ('p0@contoso.example', 'more')")
    said = settings(world, "t", match={"upn": "upn"})
    config = SourceConfig(name="source", connector="sql", product="x", settings=said, identifiers={"card": "card"})
    giving = GivingSource(config, {"upn": "upn"}, connector(world, source=said), {}, most=2)
    assert [len(each) for each in giving.look(people[1:6])] == [2] * 5, "five times as much as of one"
    with pytest.raises(SourceRefused, match="more than 10 identifiers of 6 people") as caught:
        giving.look(people[1:7])
    assert not caught.value.concerns_everybody, "fewer of them are looked up then"
    for alone in (people[:1], people[:5]):
        with pytest.raises(SourceRefused, match="more than 2 identifiers of somebody"):
            giving.look(alone)


def test_how_many_share_an_identifier_is_not_counted_by_rows_of_another(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    world = make("sqlite", request, tmp_path)
    world.execute("CREATE TABLE t (upn text, card text); INSERT INTO t VALUES ('ann@contoso.example', 'a'), ('bob@contoso.example', 'b')")
    by_card = SqlSettings(url=world.url, table="t", match={"card": "card"})
    config = SourceConfig(name="source", connector="sql", product="x", settings=by_card, identifiers={"card": "card"})
    inner = connector(world, source=by_card)
    stranger = identified(card=("b",))
    giving = GivingSource(config, {"upn": "upn"}, inner, {"card": MistakenConnector(inner, stranger)})
    with pytest.raises(SourceRefused) as caught:
        giving.people("card", ["a"], most=3)
    assert caught.value.code == "ForeignData"


class CountingConnector:
    """Counts the plans of another connector, and the rows that are taken of it."""

    def __init__(self, inner: Connector) -> None:
        self._inner = inner
        self.plans = 0
        self.rows = 0

    def check(self) -> None:
        self._inner.check()

    def plan(self, subjects: Sequence[IdentifiedSubject]) -> tuple[Partition, ...]:
        self.plans += 1
        return self._inner.plan(subjects)

    def read(
        self, partition: Partition, subjects: Sequence[IdentifiedSubject], cursor: Cursor | None = None
    ) -> Iterator[ReadHeader | Item]:
        for item in self._inner.read(partition, subjects, cursor):
            self.rows += item.batch.num_rows if isinstance(item, Rows) else 0
            yield item

    def close(self) -> None:
        self._inner.close()


def test_what_very_many_share_is_not_read_to_its_end(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    world = make("sqlite", request, tmp_path)
    world.execute(
        "CREATE TABLE t (upn text, card text);"
        "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 200000) INSERT INTO t SELECT i || '@contoso.example', 'm' FROM r;"
        "INSERT INTO t VALUES ('ann@contoso.example', 'a'), ('bob@contoso.example', 'z'), ('ann@contoso.example', 'z'), (NULL, 'n'), ('', 'n')"
    )
    by_card = SqlSettings(url=world.url, table="t", match={"card": "card"})
    config = SourceConfig(name="source", connector="sql", product="x", settings=by_card, identifiers={"card": "card"})
    counting = CountingConnector(connector(world, source=by_card))
    giving = GivingSource(config, {"upn": "upn"}, counting, {"card": counting})
    a, many, z, nobodys, none = giving.people("card", ["a", "m", "z", "n", "x"], most=3)
    assert many > 3
    assert (a, z, nobodys, none) == (1, 2, 2, 0)
    assert counting.rows < 50_000
    giving.people("card", ["z"], most=3)
    assert counting.plans == 1, "a round that follows at once plans nothing anew"
