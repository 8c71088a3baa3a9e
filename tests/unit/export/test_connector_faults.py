"""A connector may be anybody's code: what it does wrong is noticed, never delivered to the wrong person and never left out in silence."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.unit.export.scripted import FILES_HEADER, PEOPLE, ROWS_HEADER, Scripted, batch, file, yields
from tests.unit.export.world import World

from rightful.config.model import ExportSettings
from rightful.connectors.interface import Item, ReadHeader, SkippedItem
from rightful.operation.model import OperationStatus
from rightful.package.verify import PackageState

ANN, ANN2 = "ann@contoso.example", "ann2@contoso.example"


@pytest.mark.parametrize(
    "items",
    [
        (),
        (batch((1, ANN, 0)),),
        (file("a", b"a"),),
        (ROWS_HEADER, ROWS_HEADER),
        (ROWS_HEADER, batch(), ROWS_HEADER),
        (ROWS_HEADER, batch((1, ANN2, -1))),
        (ROWS_HEADER, batch((1, ANN, 0), (2, ANN, 2))),
        (ROWS_HEADER, batch((1, ANN, 0), (2, ANN, None))),
        (FILES_HEADER, file("a", b"a", subject=1), SkippedItem(subject=-1, path="b", reason="permission denied")),
        (FILES_HEADER, SkippedItem(subject=2, path="b", reason="permission denied")),
    ],
    ids=[
        "nothing at all",
        "rows without a header",
        "a file without a header",
        "two headers",
        "a header in between",
        "a negative subject",
        "a subject too many",
        "no subject",
        "a skipped item of a negative subject",
        "a skipped item of a subject too many",
    ],
)
def test_connector_that_breaks_its_contract_fails_the_operations(tmp_path: Path, items: Sequence[ReadHeader | Item]) -> None:
    world = World(tmp_path, PEOPLE, {"orders": Scripted(yields(*items))})
    operations = [world.submit("1"), world.submit("2")]
    world.run(patience_s=10)
    for operation in operations:
        done = world.get(operation)
        assert done.failure is not None
        assert (done.status, done.failure.code, done.failure.source_name) == (OperationStatus.FAILED, "ConnectorFault", "orders")


def test_batches_without_rows_are_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"orders": Scripted(yields(ROWS_HEADER, batch(), batch((1, ANN, 0)), batch()))})
    first, second = world.submit("1"), world.submit("2")
    world.run()
    assert [world.get(operation).sources[0].rows for operation in (first, second)] == [1, 0]
    assert world.verify(first).state is PackageState.WHOLE


@pytest.mark.parametrize("in_subject_order", [True, False])
def test_rows_of_several_people_in_any_order_all_arrive(tmp_path: Path, *, in_subject_order: bool) -> None:
    header = ReadHeader(columns=ROWS_HEADER.columns, match=ROWS_HEADER.match, in_subject_order=in_subject_order)
    mixed = [batch(*((number, (ANN, ANN2)[number % 2], number % 2) for number in range(start, start + 5))) for start in range(0, 25, 5)]
    world = World(tmp_path, PEOPLE, {"orders": Scripted(yields(header, *mixed))})
    operations = [world.submit("1"), world.submit("2")]
    world.run()
    for parity, operation in enumerate(operations):
        assert world.rows(operation, "orders") == list(range(parity, 25, 2))
        assert world.verify(operation).state is PackageState.WHOLE


def test_row_larger_than_a_part_is_a_part(tmp_path: Path) -> None:
    people = {"1": {"upn": (ANN,), "mail": (ANN, "x" * 3_000_000)}}
    rows = batch((1, ANN, 0), (2, "x" * 3_000_000, 0), (3, ANN, 0))
    world = World(tmp_path, people, {"orders": Scripted(yields(ROWS_HEADER, rows))}, export=ExportSettings(part_mib=1))
    operation = world.submit("1")
    world.run()
    assert world.rows(operation, "orders") == [1, 2, 3]
    assert len(list((world.package(operation) / "data/Product/orders").iterdir())) == 3
    assert world.verify(operation).state is PackageState.WHOLE


def test_connector_that_plans_nothing_fails_the_operation_by_its_name(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"source": Scripted(yields(ROWS_HEADER), specs=())})
    operation = world.submit("1")
    world.run()
    failure = world.get(operation).failure
    assert failure is not None
    assert (failure.code, failure.source_name) == ("ConnectorFault", "source")
