"""What a storage location says of an entry is believed only where it can be so."""

from pathlib import Path

import pytest
from tests.unit.export.scripted import PEOPLE, ROWS_HEADER, Scripted, batch, yields
from tests.unit.export.world import World

from rightful.config.model import StorageSettings
from rightful.operation.model import OperationStatus
from rightful.testing.blob_simulator import BlobSimulator, Fault

MAIL = "ann@contoso.example"


@pytest.mark.parametrize(
    ("permissions", "fault"),
    [
        ("rcw", Fault.status(409, "BlobAlreadyExists")),
        ("rcw", Fault.status(412, "ConditionNotMet")),
        ("rcw", Fault.status(409)),
        ("w", Fault.status(409)),
    ],
    ids=["there, and cannot be read", "condition, and cannot be read", "nothing said", "nothing said, write-only"],
)
@pytest.mark.parametrize("number", range(8))
def test_entry_that_is_said_to_be_there_and_is_not_is_put(tmp_path: Path, permissions: str, fault: Fault, number: int) -> None:
    with BlobSimulator() as simulator:
        world = World(
            tmp_path,
            PEOPLE,
            {"orders": Scripted(yields(ROWS_HEADER, batch((1, MAIL, 0))))},
            storage=StorageSettings(allow=(simulator.host,)),
        )
        operation = world.submit("1", simulator.sas_url("container", permissions, expires_in_s=1 << 30))
        simulator.fail(fault, after=number)
        world.run()
        done = world.get(operation)
        assert (done.status, done.failure) == (OperationStatus.COMPLETE, None)
        names = [path.removeprefix(operation.prefix) for path in simulator.blobs("container")]
        manifest = simulator.blobs("container")[f"{operation.prefix}tagmanifest-sha256.txt"].decode()
        listed = [line.split("  ", 1)[1] for line in manifest.splitlines()]
        assert {"data/Product/orders/part-00000-00000.jsonl", *listed} <= set(names)
        world.stop()
