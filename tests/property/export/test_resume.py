"""Whatever happens between the first try and the last: a complete package is whole, and holds what the source holds."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.unit.export.world import TENANT, World

from rightful.config.model import ExportSettings
from rightful.connectors.interface import Connector
from rightful.export.runtime import TenantRuntime
from rightful.operation.model import OperationStatus
from rightful.package.schema import Column, ColumnKind
from rightful.package.verify import PackageState
from rightful.testing.memory_connector import Faults, MemoryConnector

_PEOPLE = {"1": {"upn": ("ann@contoso.example",)}}
_COLUMNS = (Column(name="id", kind=ColumnKind.INT), Column(name="upn", kind=ColumnKind.TEXT), Column(name="note", kind=ColumnKind.TEXT))

_deaths = st.lists(st.integers(0, 12), max_size=4)
# Parts of 1 MiB are filled, but put together: the example alone leaves a cursor to go on after.
_sizes = st.lists(st.sampled_from([1, 100, 400_000, 700_000]), max_size=8)
_MANY = [700_000] * 40
_trees = st.dictionaries(st.sampled_from(["a", "A", "b/c", "b/C", "d e", "é", "e\u0301", "x" * 300, "con", "z."]), st.binary(max_size=20))


def _rows(sizes: list[int]) -> list[Mapping[str, object]]:
    return [{"id": number, "upn": "ann@contoso.example", "note": "x" * size} for number, size in enumerate(sizes)]


def _sources(sizes: list[int], tree: Mapping[str, bytes], *, has_key: bool, dies_after: int | None = None) -> dict[str, MemoryConnector]:
    faults = Faults(dies_after=dies_after)
    key = "id" if has_key else None
    return {
        "rows": MemoryConnector(columns=_COLUMNS, match={"upn": "upn"}, rows=_rows(sizes), key=key, batch_rows=1, faults=faults),
        "files": MemoryConnector(files={"ann@contoso.example": tree}, faults=faults),
    }


def _restart(world: World, sources: Mapping[str, Connector]) -> None:
    world.stop()
    world.tenants[TENANT] = TenantRuntime(world.tenants[TENANT].config, world.directory, sources)
    world.start()


@settings(max_examples=40, deadline=None)
@example(sizes=_MANY, tree={}, deaths=[38], has_key=True)
@given(sizes=_sizes, tree=_trees, deaths=_deaths, has_key=st.booleans())
def test_interrupted_export_equals_one_that_was_not(sizes: list[int], tree: dict[str, bytes], deaths: list[int], *, has_key: bool) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifests, asked = [], []
        for interruptions, part in (((), "whole"), (deaths, "broken")):
            (folder / part).mkdir()
            world = World(folder / part, _PEOPLE, _sources(sizes, tree, has_key=has_key), export=_FAST)
            operation = world.submit("1")
            for dies_after in interruptions:
                _restart(world, sources := _sources(sizes, tree, has_key=has_key, dies_after=dies_after))
                world.step()
                world.step()
                asked += sources["rows"].asked
            _restart(world, sources := _sources(sizes, tree, has_key=has_key))
            world.run()
            asked += sources["rows"].asked
            assert world.get(operation).status is OperationStatus.COMPLETE, world.get(operation).failure
            assert world.verify(operation).state is PackageState.WHOLE
            manifests.append((world.package(operation) / "manifest-sha256.txt").read_bytes())
            world.stop()
        assert manifests[0] == manifests[1]
        assert sizes != _MANY or any(each.cursor is not None for each in asked), "the example goes on in the middle"


@settings(max_examples=40, deadline=None)
@given(before=_sizes, after=_sizes, first=_trees, second=_trees, dies_after=st.integers(1, 8))
def test_source_that_changes_in_between_still_gives_a_whole_package(
    before: list[int], after: list[int], first: dict[str, bytes], second: dict[str, bytes], dies_after: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        world = World(Path(name), _PEOPLE, _sources(before, first, has_key=False, dies_after=dies_after), export=_FAST)
        operation = world.submit("1")
        world.step()
        world.step()
        _restart(world, _sources(after, second, has_key=False))
        world.run()
        done = world.get(operation)
        assert done.status is OperationStatus.COMPLETE, done.failure
        verification = world.verify(operation)
        assert (verification.state, verification.findings) == (PackageState.WHOLE, ())
        sources = json.loads((world.package(operation) / "ledger.json").read_text())["sources"]
        assert sources["rows"]["rows"] in {len(before), len(after)}
        world.stop()


_FAST = ExportSettings(part_mib=1, retry_s=0.0)
