"""Whatever happens between the first try and the last: a complete package is whole, and holds what the source holds."""

import json
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.unit.export.world import TENANT, World, brought

from rightful.config.model import ExportSettings
from rightful.connectors.interface import Connector
from rightful.export.layout import Layout, shown
from rightful.export.runtime import TenantRuntime
from rightful.operation.model import OperationStatus
from rightful.package.forms import Form
from rightful.package.schema import Column, ColumnKind
from rightful.package.verify import PackageState
from rightful.testing.memory_connector import Faults, MemoryConnector

_PEOPLE = {"1": {"upn": ("ann@contoso.example",)}}
_COLUMNS = (Column(name="id", kind=ColumnKind.INT), Column(name="upn", kind=ColumnKind.TEXT), Column(name="note", kind=ColumnKind.TEXT))

_deaths = st.lists(st.integers(0, 12), max_size=4)
# Parts of 1 MiB are filled, but put together: the example alone leaves a cursor to go on after.
_sizes = st.lists(st.sampled_from([1, 100, 400_000, 700_000]), max_size=8)
_MANY = [700_000] * 40
_forms = st.sampled_from([(Form.JSONL,), tuple(Form), (Form.PARQUET, Form.CSV)])
_viewer = st.sampled_from(["on", "off"])
_layout: st.SearchStrategy[Layout] = st.sampled_from(["folder", "zip"])
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


def _written_in(forms: tuple[Form, ...], viewer: Literal["on", "off"] = "on", layout: Layout = "folder") -> ExportSettings:
    return ExportSettings(part_mib=1, retry_s=0.0, formats=forms, viewer=viewer, layout=layout)


def _restart(world: World, sources: Mapping[str, Connector], *, export: ExportSettings | None = None) -> None:
    world.stop()
    config = world.tenants[TENANT].config
    world.tenants[TENANT] = TenantRuntime(msgspec.structs.replace(config, export=export or config.export), world.directory, sources)
    world.start()


def _forms_by_part(package: Path) -> list[set[str]]:
    """Of each part that counts, the forms that it lies there in."""
    found: dict[str, set[str]] = {}
    for resource in json.loads((package / "datapackage.json").read_text())["resources"]:
        if resource["path"].startswith("data/Product/rows/"):
            found.setdefault(re.sub(r"(\.r\d+)?\.\w+$", "", resource["path"]), set()).add(resource["format"])
    return list(found.values())


def _shards(package: Path) -> bytes:
    """Of each part, what START-HERE.html shows it from."""
    return b"".join(path.name.encode() + path.read_bytes() for path in sorted((package / "view").glob("*/*/part-*.js")))


@pytest.mark.timeout(300)
@settings(max_examples=40, deadline=None)
@example(sizes=_MANY, tree={}, deaths=[38], has_key=True, forms=(Form.JSONL, Form.CSV), layout="folder")
@example(sizes=_MANY, tree={}, deaths=[38], has_key=True, forms=(Form.JSONL, Form.CSV), layout="zip")
@given(sizes=_sizes, tree=_trees, deaths=_deaths, has_key=st.booleans(), forms=_forms, layout=_layout)
def test_interrupted_export_equals_one_that_was_not(
    sizes: list[int], tree: dict[str, bytes], deaths: list[int], *, has_key: bool, forms: tuple[Form, ...], layout: Layout
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifests, asked = [], []
        for interruptions, part in (((), "whole"), (deaths, "broken")):
            (folder / part).mkdir()
            world = World(folder / part, _PEOPLE, _sources(sizes, tree, has_key=has_key), export=_written_in(forms, layout=layout))
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
            manifests.append((world.package(operation) / "manifest-sha256.txt").read_bytes() + _shards(world.package(operation)))
            if layout == "zip":
                manifests.append(brought(world.exports / shown(operation.prefix)))
            world.stop()
        assert manifests[: len(manifests) // 2] == manifests[len(manifests) // 2 :]
        assert sizes != _MANY or any(each.cursor is not None for each in asked), "the example goes on in the middle"


@settings(max_examples=40, deadline=None)
@given(
    before=_sizes,
    after=_sizes,
    first=_trees,
    second=_trees,
    dies_after=st.integers(1, 8),
    forms=st.tuples(_forms, _forms),
    viewer=st.tuples(_viewer, _viewer),
    layout=_layout,
)
def test_source_or_forms_that_change_in_between_still_give_a_whole_package(
    before: list[int],
    after: list[int],
    first: dict[str, bytes],
    second: dict[str, bytes],
    *,
    dies_after: int,
    forms: tuple[tuple[Form, ...], tuple[Form, ...]],
    viewer: tuple[Literal["on", "off"], Literal["on", "off"]],
    layout: Layout,
) -> None:
    with tempfile.TemporaryDirectory() as name:
        sources = _sources(before, first, has_key=False, dies_after=dies_after)
        world = World(Path(name), _PEOPLE, sources, export=_written_in(forms[0], viewer[0], layout))
        operation = world.submit("1")
        world.step()
        world.step()
        _restart(world, _sources(after, second, has_key=False), export=_written_in(forms[1], viewer[1]))
        world.run()
        done = world.get(operation)
        assert done.status is OperationStatus.COMPLETE, done.failure
        verification = world.verify(operation)
        assert (verification.state, verification.findings) == (PackageState.WHOLE, ())
        sources = json.loads((world.package(operation) / "ledger.json").read_text())["sources"]
        assert sources["rows"]["rows"] in {len(before), len(after)}
        assert (world.package(operation) / "START-HERE.html").exists() == (viewer[1] == "on")
        parts = _forms_by_part(world.package(operation))
        assert bool(parts) == bool(sources["rows"]["rows"])
        assert {frozenset(found) for found in parts} <= {frozenset(each) for each in forms}
        world.stop()
