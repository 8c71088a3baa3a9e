"""What becomes of operations is counted where it becomes durable."""

from pathlib import Path

import pytest
from tests.unit.export.scripted import PEOPLE, ROWS_HEADER, Scripted, batch, breaks, yields
from tests.unit.export.world import TENANT, World

from rightful.clock import Clock
from rightful.config.model import ExportSettings
from rightful.errors import SourceUnavailable
from rightful.metrics import PrometheusMeters
from rightful.package.forms import Form
from rightful.store.metering import MeteredStore
from rightful.store.sqlite_file import SqliteFile

ANN = "ann@contoso.example"


class Counting(MeteredStore):
    """Counts for the test."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.counted = PrometheusMeters()
        super().__init__(SqliteFile(path), clock, self.counted)


def value(world: World, name: str, **labels: str) -> float:
    assert isinstance(world.store, Counting)
    return world.store.counted.registry.get_sample_value(name, labels) or 0.0


DOWN = SourceUnavailable("the source does not answer", source_name="orders")


def test_export_is_counted_with_what_its_sources_gave(tmp_path: Path) -> None:
    orders = Scripted(breaks(DOWN), yields(ROWS_HEADER, batch((1, ANN, 0), (2, ANN, 0))))
    world = World(tmp_path, PEOPLE, {"orders": orders}, store_type=Counting)
    operation = world.submit("1")
    assert value(world, "rightful_operations_accepted_total") == 1
    assert value(world, "rightful_operations_open", tenant=TENANT) == 1
    assert value(world, "rightful_operations_not_started") == 1
    assert value(world, "rightful_reads_open", state="pending") == 1
    assert value(world, "rightful_audit_records_total", tenant=TENANT) == 1
    assert value(world, "rightful_audit_records_total", tenant="") == 0
    world.submit("1")  # the same again
    assert value(world, "rightful_operations_accepted_total") == 1
    world.run()
    ended = world.get(operation)
    assert ended.package is not None
    assert value(world, "rightful_operations_ended_total", status="complete", code="") == 1
    assert value(world, "rightful_operations_open", tenant=TENANT) == 0
    assert value(world, "rightful_source_retries_total", source="orders") == 1
    assert value(world, "rightful_source_rows_total", source="orders") == 2
    assert value(world, "rightful_source_entries_total", source="orders") == 2  # a part, and what START-HERE.html shows it from
    assert value(world, "rightful_source_bytes_total", source="orders") > ended.sources[0].size_bytes > 0
    assert value(world, "rightful_package_entries_total") == ended.package.entries
    assert value(world, "rightful_package_bytes_total") == ended.package.size_bytes


def test_rows_count_once_in_however_many_forms_and_after_a_resume(tmp_path: Path) -> None:
    orders = Scripted(breaks(DOWN, ROWS_HEADER, batch((1, ANN, 0))), yields(ROWS_HEADER, batch((1, ANN, 0), (2, ANN, 0), (3, ANN, 0))))
    export = ExportSettings(formats=(Form.JSONL, Form.CSV, Form.PARQUET))
    world = World(tmp_path, PEOPLE, {"orders": orders}, store_type=Counting, export=export)
    operation = world.submit("1")
    world.run()
    assert world.get(operation).sources[0].rows == 3
    assert value(world, "rightful_source_rows_total", source="orders") == 3
    assert value(world, "rightful_source_entries_total", source="orders") == 4  # three forms, and what START-HERE.html shows it from


@pytest.mark.parametrize("is_cancelled", [False, True], ids=["failed", "cancelled"])
def test_end_is_counted_by_its_code(tmp_path: Path, *, is_cancelled: bool) -> None:
    world = World(tmp_path, PEOPLE, {"orders": Scripted(breaks(DOWN))}, store_type=Counting, export=ExportSettings(attempts=1))
    operation = world.submit("1")
    if is_cancelled:
        world.service.cancel(TENANT, operation.operation_id)
    else:
        world.run()
    code = "cancelled" if is_cancelled else "SourceUnavailable"
    assert value(world, "rightful_operations_ended_total", status="failed", code=code) == 1
