"""Whose row is not shown to be theirs, or cannot be written, is read alone; the others of the pass are delivered by it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from tests.unit.export.scripted import ROWS_HEADER, Scripted, batch
from tests.unit.export.world import World

from rightful.connectors.interface import SUBJECT_COLUMN, Cursor, Item, MatchColumn, ReadHeader, Rows
from rightful.errors import SourceRefused
from rightful.export.check import SetCheck
from rightful.ids import SubjectId, TenantId
from rightful.operation.model import OperationStatus
from rightful.package.schema import Column, ColumnKind
from rightful.subject.model import DataSubject, IdentifiedSubject

PEOPLE = {str(number): {"upn": (f"u{number}@x.example",), "mail": (f"u{number}@x.example",)} for number in range(6)}
BAD = "u3@x.example"
_JSON = ReadHeader(columns=(Column(name="id", kind=ColumnKind.JSON), Column(name="mail", kind=ColumnKind.TEXT)), match=ROWS_HEADER.match)


def mails(subjects: Sequence[IdentifiedSubject]) -> list[str]:
    return [subject.values("mail")[0] for subject in subjects]


def foreign(subjects: Sequence[IdentifiedSubject], _cursor: Cursor | None) -> Iterator[ReadHeader | Item]:
    yield ROWS_HEADER
    whose = list(enumerate(mails(subjects)))
    yield batch(*((place, mail, place) for place, mail in whose))
    yield batch(*((place, "u0@x.example" if mail == BAD else mail, place) for place, mail in whose))


def unwritable(subjects: Sequence[IdentifiedSubject], _cursor: Cursor | None) -> Iterator[ReadHeader | Item]:
    yield _JSON
    names = mails(subjects)
    documents = ["no JSON" if mail == BAD else "{}" for mail in names]
    arrays = [pa.array(documents), pa.array(names), pa.array(range(len(names)), pa.int32())]
    yield Rows(pa.RecordBatch.from_arrays(arrays, names=["id", "mail", SUBJECT_COLUMN]))


def for_everybody(_subjects: Sequence[IdentifiedSubject], _cursor: Cursor | None) -> Iterator[ReadHeader | Item]:
    yield ROWS_HEADER
    raise SourceRefused("the file is damaged", source_name="source", concerns_everybody=True)


@pytest.mark.parametrize(("script", "code"), [(foreign, "ForeignData"), (unwritable, "ValueNotJson")], ids=["foreign", "unwritable"])
def test_others_are_delivered_by_the_same_pass(tmp_path: Path, script: object, code: str) -> None:
    connector = Scripted(script)  # type: ignore[arg-type] # a table of scripts
    world = World(tmp_path, PEOPLE, {"source": connector})
    operations = {person: world.submit(person) for person in PEOPLE}
    world.run()
    failures = {person: failure.code for person, operation in operations.items() if (failure := world.get(operation).failure)}
    assert failures == {"3": code}
    assert len(connector.cursors) == 2  # one pass for all, one for whom it was about
    world.stop()


def test_what_concerns_everybody_is_tried_for_nobody_alone(tmp_path: Path) -> None:
    connector = Scripted(for_everybody)
    world = World(tmp_path, PEOPLE, {"source": connector})
    operations = [world.submit(person) for person in PEOPLE]
    world.run()
    assert {world.get(operation).status for operation in operations} == {OperationStatus.FAILED}
    assert len(connector.cursors) == 1
    world.stop()


def _subject(mail: str) -> IdentifiedSubject:
    who = DataSubject(tenant_id=TenantId("t"), subject_id=SubjectId(mail), user_principal_name=mail)
    return IdentifiedSubject(subject=who, identifiers={"mail": (mail,)})


def _rows(*rows: tuple[str | None, int]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(
        [pa.array([value for value, _ in rows], pa.string()), pa.array([subject for _, subject in rows], pa.int32())],
        names=["mail", SUBJECT_COLUMN],
    )


def test_value_that_was_proven_for_one_is_proven_for_nobody_else() -> None:
    check = SetCheck((MatchColumn(batch_column="mail", identifier_kind="mail"),), [_subject("a@x"), _subject("b@x")], source_name="s")
    assert check.suspects(_rows(("a@x", 0), ("B@X", 1), ("a@x", 0))) == frozenset()
    assert check.suspects(_rows(("a@x", 1), ("a@x", 0))) == {1}
    assert check.suspects(_rows((None, 0), ("b@x", 1), ("", 1))) == {0, 1}


def test_without_match_columns_every_row_is_suspect() -> None:
    assert SetCheck((), [_subject("a@x")], source_name="s").suspects(_rows(("a@x", 0))) == {0}
