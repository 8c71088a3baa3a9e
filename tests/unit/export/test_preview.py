"""What a preview says of an export, and that it does nothing else."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pytest
from tests.unit.export.scripted import COLUMNS, PEOPLE
from tests.unit.export.world import TENANT, World
from tests.unit.no_threads import no_more_threads

from rightful.connectors.interface import Amount, Connector, Cursor, Estimate, Item, Partition, ReadHeader, Rows
from rightful.errors import NotFound, ServiceUnavailable, SourceUnavailable
from rightful.export.pace import Pace
from rightful.export.preview import preview
from rightful.export.runtime import TenantRuntime
from rightful.ids import SubjectId
from rightful.package.label import CommonLabel, Label, StatementSettings
from rightful.subject.model import DataSubject, IdentifiedSubject
from rightful.testing.memory_connector import Faults, MemoryConnector

MAIL = "ann@contoso.example"
ANN = DataSubject(tenant_id=TENANT, subject_id=SubjectId("1"))


def rows(count: int = 3, **more: object) -> MemoryConnector:
    return MemoryConnector("rows", columns=COLUMNS, match={"mail": "mail"}, rows=[{"id": n, "mail": MAIL} for n in range(count)], **more)  # type: ignore[arg-type]


class Mute:
    """A third party's connector: it cannot tell how much there is."""

    def __init__(self) -> None:
        self._rows = rows()

    def check(self) -> None: ...
    def close(self) -> None: ...
    def plan(self, subjects: Sequence[IdentifiedSubject]) -> tuple[Partition, ...]:
        return self._rows.plan(subjects)

    def read(
        self, partition: Partition, subjects: Sequence[IdentifiedSubject], cursor: Cursor | None = None
    ) -> Iterator[ReadHeader | Item]:
        for item in self._rows.read(partition, subjects, cursor):
            assert not isinstance(item, Rows), "nothing is read"
            yield item


def labelled(world: World, source: str, **label: object) -> TenantRuntime:
    tenant = world.tenants[TENANT]
    sources = tuple(
        msgspec.structs.replace(each, label=Label(**label)) if each.name == source else each  # type: ignore[arg-type]
        for each in tenant.config.sources
    )
    return TenantRuntime(msgspec.structs.replace(tenant.config, sources=sources), tenant.directory, tenant.connectors)


def test_every_source_says_how_much_there_is_or_that_it_does_not_know(tmp_path: Path) -> None:
    sources: dict[str, Connector] = {
        "rows": rows(3),
        "files": MemoryConnector("files", files={MAIL: {"a": b"12", "b": b"345"}}),
        "third": Mute(),
        "down": rows(3, faults=Faults(plan_down=9)),
        "nobody": MemoryConnector("nobody", columns=COLUMNS, match={"mail": "employee_id"}, rows=()),
    }
    world = World(tmp_path, PEOPLE, sources)
    found = world.service.preview(ANN)
    by_name = {source.source_name: source for source in found.sources}
    assert list(by_name) == list(sources), "in the order of the configuration"
    assert by_name["rows"].estimate.rows == Amount(3, is_exact=True)
    assert (by_name["rows"].kinds, by_name["rows"].identifiers, by_name["rows"].columns) == (("mail",), 1, 2)
    assert by_name["files"].estimate == Estimate(files=Amount(2, is_exact=True), size_bytes=Amount(5, is_exact=True))
    assert by_name["files"].seconds is not None
    assert by_name["third"].estimate == Estimate()
    assert by_name["third"].seconds is None
    assert by_name["nobody"].identifiers == 0
    problem = by_name["down"].problem
    assert problem is not None
    assert (problem.code, problem.source_name) == ("SourceUnavailable", "down")
    assert found.total("rows") == Amount(3), "not exact: of two sources nothing is known"
    assert found.total("files") == Amount(2)


def test_connector_that_breaks_does_not_hide_the_others(tmp_path: Path) -> None:
    class Broken(Mute):
        def estimate(self, subjects: Sequence[IdentifiedSubject], *, limit_s: float) -> tuple[Estimate, ...]:
            raise ZeroDivisionError(subjects[0].values("mail"), limit_s)

    class Panic(BaseException):
        """As what polars raises is no Exception."""

    class Panicking(Mute):
        def estimate(self, subjects: Sequence[IdentifiedSubject], *, limit_s: float) -> tuple[Estimate, ...]:
            raise Panic(subjects, limit_s)

    sources: dict[str, Connector] = {"broken": Broken(), "panicking": Panicking(), "rows": rows(3)}
    broken, panicking, whole = World(tmp_path, PEOPLE, sources).service.preview(ANN).sources
    assert broken.problem is not None
    assert panicking.problem is not None
    assert panicking.problem.message == "the connector failed (Panic)"
    assert broken.problem.message == "the connector failed (ZeroDivisionError)"
    assert whole.estimate.rows == Amount(3, is_exact=True)


def test_all_counted_is_exact(tmp_path: Path) -> None:
    found = World(tmp_path, PEOPLE, {"one": rows(3), "two": rows(4)}).service.preview(ANN)
    assert found.total("rows") == Amount(7, is_exact=True)


def test_nothing_is_read_written_or_begun(tmp_path: Path) -> None:
    connector = rows(3)
    world = World(tmp_path, PEOPLE, {"rows": connector, "files": MemoryConnector("files", files={MAIL: {"a": b"12"}})})
    before = sorted(path for path in tmp_path.rglob("*"))
    world.service.preview(ANN)
    assert [asked.subjects for asked in connector.asked] == [()], "read for nobody, for its columns"
    assert not world.step()
    assert sorted(path for path in tmp_path.rglob("*")) == before
    assert list(world.exports.iterdir()) == []


def test_columns_without_a_label_are_named(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"rows": rows(1), "other": rows(1)})
    found = preview(ANN, labelled(world, "rows", category="user.contact"), Pace())
    assert [source.unlabelled for source in found.sources] == [(), ("id", "mail")]


def test_what_the_statement_leaves_open_is_named(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"rows": rows(1), "other": rows(1)})
    tenant = labelled(world, "rows", category="user.contact", retention="2 years")
    common = StatementSettings(authority="Somebody", label=CommonLabel(recipients=(), transfers=(), decisions=(), origin=("person",)))
    stated = TenantRuntime(msgspec.structs.replace(tenant.config, statement=common), tenant.directory, tenant.connectors)
    found = preview(ANN, stated, Pace())
    assert found.unstated == ("contact",)
    assert [source.unstated for source in found.sources] == [("purpose",), ("category", "purpose", "retention")]
    found = preview(ANN, labelled(world, "other", columns={"id": "user.unique_id"}), Pace())
    assert [source.unlabelled for source in found.sources] == [("id", "mail"), ("mail",)]


def test_time_is_what_the_source_took_lately(tmp_path: Path) -> None:
    files = {MAIL: {"a": b"x" * (1 << 21)}}
    world = World(tmp_path, PEOPLE, {"files": MemoryConnector("files", files=files)})
    world.work.pace.note((TENANT, "files"), size_bytes=1 << 21, files=1, seconds=30.0)
    [source] = world.service.preview(ANN).sources
    assert source.seconds == pytest.approx(30, rel=0.1)


def test_a_real_read_teaches_how_long_the_next_takes(tmp_path: Path) -> None:
    slow = MemoryConnector("files", files={MAIL: {"a": b"x" * (1 << 21)}}, faults=Faults(delay_s=40.0))
    world = World(tmp_path, PEOPLE, {"files": slow})
    slow._clock = world.clock
    [before] = world.service.preview(ANN).sources
    world.submit("1")
    world.run()
    [after] = world.service.preview(ANN).sources
    assert before.seconds is not None
    assert before.seconds < 1
    assert after.seconds == pytest.approx(40, rel=0.2)


def test_who_is_gone_or_cannot_be_asked_for_is_an_error(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"rows": rows()})
    with pytest.raises(NotFound):
        world.service.preview(msgspec.structs.replace(ANN, subject_id=SubjectId("9")))
    with no_more_threads(), pytest.raises(ServiceUnavailable, match="no thread"):
        world.service.preview(ANN)
    world.directory.is_down = True
    with pytest.raises(SourceUnavailable):
        world.service.preview(ANN)
