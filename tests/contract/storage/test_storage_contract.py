"""One suite over every storage: memory, local folders, the simulator, Azurite."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.servers.azurite import Azurite

from rightful.age.keys import Identity
from rightful.errors import Refusal, StorageRefused
from rightful.pinned import PinnedHost
from rightful.storage.azure_blob import AzureBlobStorage, open_container
from rightful.storage.interface import Storage
from rightful.storage.local import LocalStorage
from rightful.storage.pieces import joining
from rightful.storage.sas import parse_sas_url
from rightful.storage.sealing import sealing
from rightful.testing.blob_simulator import BlobSimulator
from rightful.testing.memory_storage import MemoryStorage
from rightful.testing.storage_suite import StorageSuite

SEALED_TO = Identity(bytes(range(32))).recipient


def open_url(url: str) -> AzureBlobStorage:
    sas = parse_sas_url(url)
    return open_container(sas, PinnedHost(sas.scheme, sas.host, sas.port, may_be_private=True), block_bytes=1 << 20)


class TestMemoryStorage(StorageSuite):
    def storage(self) -> Storage:
        return MemoryStorage()


class TestLocalStorage(StorageSuite):
    unnamed_files = True

    @pytest.fixture(autouse=True)
    def world(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "exports"

    def storage(self) -> Storage:
        return LocalStorage(self.folder, unnamed_files=self.unnamed_files)


class TestLocalStorageWithoutUnnamedFiles(TestLocalStorage):
    unnamed_files = False


class TestSimulatedContainer(StorageSuite):
    permissions = "cwr"

    @pytest.fixture(autouse=True)
    def world(self) -> Iterator[None]:
        self.containers: dict[int, str] = {}
        with BlobSimulator() as self.service:
            yield

    def storage(self) -> Storage:
        container = f"exports-{len(self.containers)}"
        storage = open_url(self.service.sas_url(container, self.permissions))
        self.containers[id(storage)] = container
        return storage


class TestSimulatedReadableContainer(TestSimulatedContainer):
    permissions = "racwdl"


class SimulatedWriteOnly(TestSimulatedContainer):
    def content(self, storage: Storage, path: str) -> bytes | None:
        return self.service.blobs(self.containers[id(storage)]).get(path)


class TestSimulatedCreateOnlyContainer(SimulatedWriteOnly):
    permissions = "ac"
    can_join = False

    def test_piece_is_refused(self) -> None:
        with pytest.raises(StorageRefused) as caught:
            joining(self._new()).put_piece("a.zip", "00", (b"one",))
        assert caught.value.refusal is Refusal.PERMISSION


class TestSimulatedWriteOnlyContainer(SimulatedWriteOnly):
    permissions = "w"


@pytest.mark.azurite
class TestAzurite(StorageSuite):
    permissions = "racwdl"

    @pytest.fixture(autouse=True)
    def world(self, azurite: Azurite) -> None:
        self.azurite = azurite
        self.containers: dict[int, str] = {}

    def storage(self) -> Storage:
        container = self.azurite.container()
        storage = open_url(self.azurite.sas_url(container, self.permissions))
        self.containers[id(storage)] = container
        return storage


@pytest.mark.azurite
class TestAzuriteCreateOnly(TestAzurite):
    permissions = "ac"
    can_join = False

    def content(self, storage: Storage, path: str) -> bytes | None:
        return self.azurite.blob(self.containers[id(storage)], path)


@pytest.mark.azurite
class TestAzuriteWriteOnly(TestAzuriteCreateOnly):
    permissions = "w"
    can_join = True


class TestSealedLocalStorage(TestLocalStorage):
    """What is put sealed reads back as it was, and keeps every promise of the storage beneath but that of joining pieces."""

    can_join = False

    def storage(self) -> Storage:
        self.inner = super().storage()
        return sealing(self.inner, prefix="", recipient=SEALED_TO, secret=bytes(32))

    @pytest.fixture(autouse=True)
    def _closing_inner(self, world: None) -> Iterator[None]:
        del world
        yield
        self.inner.close()


@pytest.mark.azurite
class TestSealedAzurite(TestAzurite):
    permissions = "cwr"
    can_join = False

    def storage(self) -> Storage:
        self.inner = super().storage()
        return sealing(self.inner, prefix="", recipient=SEALED_TO, secret=bytes(32))
