"""What is wrong with one person's data ends that person's export, and nobody else's who is read in the same pass."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.unit.export.scripted import FILES_HEADER, ROWS_HEADER, Scripted, batch
from tests.unit.export.world import World

from rightful.config.model import ExportSettings, StorageSettings
from rightful.connectors.interface import Cursor, FileItem, Item, ReadHeader, SkippedItem
from rightful.errors import SourceRefused, SourceUnavailable
from rightful.operation.model import OperationStatus
from rightful.subject.model import IdentifiedSubject
from rightful.testing.blob_simulator import BlobSimulator, Fault

PEOPLE = {str(number): {"upn": (f"u{number}@x.example",), "mail": (f"u{number}@x.example",)} for number in range(5)}
BAD = "u3@x.example"


def mails(subjects: Sequence[IdentifiedSubject]) -> list[str]:
    return [subject.values("mail")[0] for subject in subjects]


def foreign(subjects: Sequence[IdentifiedSubject], _cursor: Cursor | None) -> Iterator[ReadHeader | Item]:
    yield ROWS_HEADER
    for place, mail in enumerate(mails(subjects)):
        yield batch((place, "somebody@else.example" if mail == BAD else mail, place))


def unreadable(subjects: Sequence[IdentifiedSubject], _cursor: Cursor | None) -> Iterator[ReadHeader | Item]:
    yield FILES_HEADER
    if BAD in mails(subjects):
        yield SkippedItem(subject=mails(subjects).index(BAD), path="a", reason="permission denied")


def refused(subjects: Sequence[IdentifiedSubject], _cursor: Cursor | None) -> Iterator[ReadHeader | Item]:
    yield ROWS_HEADER
    if BAD in mails(subjects):
        raise SourceRefused("a text is not UTF-8", source_name="source")


def slow(subjects: Sequence[IdentifiedSubject], _cursor: Cursor | None) -> Iterator[ReadHeader | Item]:
    yield ROWS_HEADER
    if BAD in mails(subjects):
        raise SourceUnavailable("the statement took too long", source_name="source")


def broken(subjects: Sequence[IdentifiedSubject], _cursor: Cursor | None) -> Iterator[ReadHeader | Item]:
    yield ROWS_HEADER
    if BAD in mails(subjects):
        raise ValueError("a value that the connector did not expect")


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (foreign, "ForeignData"),
        (unreadable, "ItemUnreadable"),
        (refused, "SourceRefused"),
        (slow, "SourceUnavailable"),
        (broken, "InternalError"),
    ],
    ids=["foreign", "unreadable", "refused", "slow", "broken"],
)
def test_fault_of_one_person_fails_that_one_alone(tmp_path: Path, script: object, code: str) -> None:
    world = World(tmp_path, PEOPLE, {"source": Scripted(script)}, on_unreadable_item="fail")  # type: ignore[arg-type] # a table of scripts
    operations = [world.submit(subject) for subject in PEOPLE]
    world.run()
    found = [world.get(operation) for operation in operations]
    statuses = [OperationStatus.FAILED if mails == (BAD,) else OperationStatus.COMPLETE for mails in (p["mail"] for p in PEOPLE.values())]
    assert [each.status for each in found] == statuses
    assert [each.failure.code for each in found if each.failure] == [code]


@pytest.mark.parametrize(("bad", "most"), [({77}, 18), ({0, 63, 64}, 45), (set(range(100)), 134)], ids=["one", "three", "all"])
def test_a_set_that_cannot_be_read_is_cut_until_those_at_fault_are_alone(tmp_path: Path, bad: set[int], most: int) -> None:
    people = {str(number): {"upn": (f"u{number}@x.example",), "mail": (f"u{number}@x.example",)} for number in range(100)}
    wrong = {f"u{number}@x.example" for number in bad}
    passes: list[int] = []

    def script(subjects: Sequence[IdentifiedSubject], _cursor: Cursor | None) -> Iterator[ReadHeader | Item]:
        passes.append(len(subjects))
        yield ROWS_HEADER
        for place, mail in enumerate(mails(subjects)):
            yield batch((place, "somebody@else.example" if mail in wrong else mail, place))

    world = World(tmp_path, people, {"source": Scripted(script)})
    operations = [world.submit(subject) for subject in people]
    world.run()
    assert {number for number, operation in enumerate(operations) if world.get(operation).status is OperationStatus.FAILED} == bad
    assert passes[0] == len(people)
    assert len(passes) <= most


def test_people_who_have_more_than_may_be_gathered_at_once_share_smaller_scans(tmp_path: Path) -> None:
    people = {str(number): {"upn": (f"u{number}@x.example",), "mail": (f"u{number}@x.example",)} for number in range(8)}
    rows = 5_000  # some 200 kB
    passes: list[int] = []

    def script(subjects: Sequence[IdentifiedSubject], _cursor: Cursor | None) -> Iterator[ReadHeader | Item]:
        passes.append(len(subjects))
        yield ROWS_HEADER
        for start in range(0, rows, 1000):
            yield batch(*((start + number, mail, place) for number in range(1000) for place, mail in enumerate(mails(subjects))))

    world = World(tmp_path, people, {"source": Scripted(script)}, export=ExportSettings(spool_mib=1))
    operations = [world.submit(subject) for subject in people]
    world.run()
    assert all(len(world.rows(operation, "source")) == rows for operation in operations)
    assert passes == [8, 2, 2, 2, 2]


@pytest.mark.parametrize("what", ["item", "row", "header"])
def test_whose_location_refused_earlier_in_the_pass_is_nobody_else_s_fault(tmp_path: Path, what: str) -> None:
    def script(subjects: Sequence[IdentifiedSubject], _cursor: Cursor | None) -> Iterator[ReadHeader | Item]:
        yield ROWS_HEADER if what == "row" else FILES_HEADER
        for place, mail in enumerate(mails(subjects)):
            if mail == BAD:
                yield FileItem(subject=place, root=mail, path="large", size_bytes=5 << 20, open=lambda: iter((bytes(5 << 20),)))
                if what == "item":
                    yield SkippedItem(subject=place, path="a", reason="permission denied")
                elif what == "row":
                    yield batch((1, "somebody@else.example", place))
                else:
                    raise SourceRefused("a text is not UTF-8", source_name="source")

    with BlobSimulator() as simulator:
        settings = StorageSettings(allow=(simulator.host,))
        world = World(tmp_path, PEOPLE, {"source": Scripted(script)}, on_unreadable_item="fail", storage=settings)
        sas = {person: simulator.sas_url(f"container{person}", "c", expires_in_s=1 << 30) for person in PEOPLE}
        operations = {person: world.submit(person, sas[person]) for person in PEOPLE}
        simulator.fail(Fault.status(403, "AuthorizationFailure"), path="large")
        world.run()
        failures = {person: world.get(operation).failure for person, operation in operations.items()}
        assert [person for person, failure in failures.items() if failure is not None] == ["3"]
        world.stop()
