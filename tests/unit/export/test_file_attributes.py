"""What a package cannot carry in a file, when it was changed and who might read it, stands in the ledger."""

import json
import os
from pathlib import Path

import pytest
from tests.unit.export.scripted import PEOPLE
from tests.unit.export.world import World

from rightful.connectors.files import FilesConnector, FilesSettings
from rightful.operation.model import OperationStatus

LONG_AGO_NS = -1_234_567_891


@pytest.mark.parametrize("size_bytes", [1, 5 << 20], ids=["small", "large"])
def test_times_and_permissions_are_kept(tmp_path: Path, size_bytes: int) -> None:
    drive = tmp_path / "drive"
    path = drive / "ann@contoso.example" / "CON.txt"  # a name that a package must change
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x" * size_bytes)
    path.chmod(0o604)
    os.utime(path, ns=(0, LONG_AGO_NS))
    settings = FilesSettings(url=f"file://{drive}", path="{mail}/")
    source = FilesConnector("drive", settings, siblings={}, folder=tmp_path)
    world = World(tmp_path, PEOPLE, {"drive": source})
    operation = world.submit("1")
    world.run()
    assert world.get(operation).status is OperationStatus.COMPLETE
    said = json.loads((world.package(operation) / "ledger.json").read_text())["sources"]["drive"]
    [name] = said["names"]
    assert said["attributes"] == [{"entry": name["entry"], "modified": "1969-12-31T23:59:58.765432109Z", "mode": "0604"}]
