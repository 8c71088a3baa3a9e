"""A whole service of memory parts and a local folder, run step by step in the test's own thread."""

import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rightful.clock import Clock
from rightful.config.model import (
    AccountSettings,
    Config,
    DeadlineSettings,
    DirectoryConfig,
    ExportSettings,
    IdentitySettings,
    IssuerSettings,
    LimitSettings,
    SourceConfig,
    StorageSettings,
    TenantConfig,
    WebhookSettings,
)
from rightful.connectors.interface import Connector
from rightful.export import audit_trail, layout
from rightful.export.interface import SubmitRequest
from rightful.export.runtime import TenantRuntime
from rightful.export.service import Service
from rightful.export.webhooks import announcing
from rightful.export.work import Work
from rightful.identity.model import Caller, CallerKind
from rightful.ids import OperationId, TenantId
from rightful.operation.model import DataPolicyOperation
from rightful.package.label import Label
from rightful.package.opening import open_local
from rightful.package.schema import Redaction
from rightful.package.verify import Verification, verify
from rightful.storage.registry import Storages
from rightful.store.sql_store import SqlStore
from rightful.store.sqlite import SqliteStore
from rightful.subject.model import SubjectKind
from rightful.testing.clock import ManualClock
from rightful.testing.memory_directory import MemoryDirectory

TENANT = TenantId("11111111-1111-1111-1111-111111111111")
CALLER = Caller(tenant_id=TENANT, kind=CallerKind.APPLICATION, object_id="o", app_id="a", permissions=frozenset({"User.Export.All"}))
VISIBLE = frozenset(SubjectKind)
OWNER = "owner"


_running: list["World"] = []


@pytest.fixture(autouse=True)
def stopped_worlds() -> Iterator[None]:
    """Close the files of worlds that a test left running."""
    yield
    for world in tuple(_running):
        world.stop()


class NoSettings(msgspec.Struct, frozen=True):
    pass


class NoEngine:
    """The test itself claims the work."""

    def __init__(self) -> None:
        self.alive = True

    def is_alive(self) -> bool:
        return self.alive

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def submit(self, operation_id: OperationId) -> None: ...
    def cancel(self, operation_id: OperationId) -> None: ...


class World:
    """`people`: object id -> identifiers; `sources`: name -> connector."""

    def __init__(
        self,
        folder: Path,
        people: Mapping[str, Mapping[str, tuple[str, ...]]],
        sources: Mapping[str, Connector],
        *,
        export: ExportSettings | None = None,
        storage: StorageSettings | None = None,
        on_unreadable_item: str = "record",
        queued: int = 100,
        deadlines: DeadlineSettings | None = None,
        webhooks: tuple[WebhookSettings, ...] = (),
        redact: Mapping[str, Mapping[str, Redaction]] | None = None,
        third_parties: Mapping[str, tuple[str, ...]] | None = None,
        labels: Mapping[str, Label] | None = None,
        store_type: Callable[[Path, Clock], SqlStore] = SqliteStore,
        storages_type: type[Storages] = Storages,
    ) -> None:
        self._storages_type = storages_type
        self.exports = folder / "exports"
        self.exports.mkdir(exist_ok=True)
        self.clock = ManualClock()
        accounts = {"Local": AccountSettings(url=f"file://{self.exports}")}
        tenant = TenantConfig(
            id=TENANT,
            name="Contoso",
            identity=IdentitySettings(issuers=(IssuerSettings(issuer="local", audience=("api://rightful",)),)),
            limits=LimitSettings(queued=queued),
            export=export or ExportSettings(retry_s=1.0),
            deadlines=deadlines or DeadlineSettings(),
            webhooks=webhooks,
            storage=storage or StorageSettings(accounts=accounts),
            directory=DirectoryConfig(connector="memory", settings=NoSettings()),
            sources=tuple(
                SourceConfig(
                    name=name,
                    connector="memory",
                    product="Product",
                    settings=NoSettings(),
                    on_unreadable_item="fail" if on_unreadable_item == "fail" else "record",
                    redact=dict((redact or {}).get(name, {})),
                    third_parties=(third_parties or {}).get(name, ()),
                    label=(labels or {}).get(name),
                )
                for name in sources
            ),
        )
        self.config = Config(folder=folder, seal_key=bytes(32), tenants=(tenant,))
        self.directory = MemoryDirectory(TENANT, people)
        self.tenants = {TENANT: TenantRuntime(tenant, self.directory, dict(sources))}
        self.start(store_type)

    def start(self, store_type: Callable[[Path, Clock], SqlStore] = SqliteStore) -> None:
        """Start the service on what is there, as after a stop."""
        self.store = store_type(self.config.folder / "store.db", self.clock)
        self.storages = self._storages_type(clock=self.clock)
        self.work = Work(config=self.config, tenants=self.tenants, store=self.store, storages=self.storages, clock=self.clock, owner=OWNER)
        self.engine = NoEngine()
        self.trail = audit_trail.build(self.config, self.store, self.clock)
        """Not started: a test flushes it."""
        self.service = Service(
            config=self.config,
            tenants=self.tenants,
            store=self.store,
            storages=self.storages,
            engine=self.engine,  # type: ignore[arg-type] # map is not used
            work=self.work,
            trail=self.trail,
            clock=self.clock,
        )
        self.store.announce(announcing(self.config.tenants))
        self.store.release_all()
        self.service.start()
        _running.append(self)

    def stop(self) -> None:
        """Stop as a kill would: nothing is finished, only files are closed."""
        _running.remove(self)
        self.storages.close()
        self.store.close()

    def submit(self, subject: str, location: object = "Local", **more: Any) -> DataPolicyOperation:
        found = self.service.find_user(TENANT, subject)
        assert found is not None
        return self.service.submit(SubmitRequest(subject=found, storage_location=location, **({"caller": CALLER} | more)))

    def step(self, limit: int = 100) -> bool:
        """Do one piece of work, False where there is none now."""
        claim = self.store.claim(OWNER, lease_s=60, limit=limit)
        if claim is not None:
            self.work(claim)
        return claim is not None

    def run(self, *, patience_s: float = 600.0) -> None:
        """Work until nothing is left; what waits for a later try gets the time it needs."""
        while patience_s > 0:
            while self.step():
                pass
            self.clock.advance(10.0)
            patience_s -= 10.0

    def get(self, operation: DataPolicyOperation) -> DataPolicyOperation:
        found = self.service.get(TENANT, operation.operation_id, VISIBLE)
        assert found is not None
        return found

    def package(self, operation: DataPolicyOperation) -> Path:
        """Return the package's folder; of a ZIP file, what it unpacks to."""
        packed = self.exports / layout.zip_path(operation.prefix)
        if packed == self.exports:
            return self.exports / operation.prefix
        folder = self.config.folder / "unpacked" / operation.operation_id
        if not folder.exists():
            with zipfile.ZipFile(packed) as file:
                file.extractall(folder)
        return folder

    def rows(self, operation: DataPolicyOperation, source: str) -> list[int]:
        """Return the ids of the rows of a source that count, in the order of its parts."""
        ledger = self.ledger(operation)[source]
        replaced = {entry["path"] for entry in ledger["superseded"]}
        parts = sorted((self.package(operation) / "data" / "Product" / source).glob("part-*.jsonl"))
        counting = [part for part in parts if str(part.relative_to(self.package(operation))) not in replaced]
        return [json.loads(line)["id"] for part in counting for line in part.read_text().splitlines()]

    def ledger(self, operation: DataPolicyOperation) -> dict[str, dict[str, Any]]:
        """Return the ledger's sources."""
        sources: dict[str, dict[str, Any]] = json.loads((self.package(operation) / "ledger.json").read_text())["sources"]
        return sources

    def verify(self, operation: DataPolicyOperation) -> Verification:
        with open_local(self.exports / layout.shown(operation.prefix)) as reader:
            return verify(reader)


def brought(path: Path) -> bytes:
    """Return the bytes of a ZIP file from the first entry that a source brought to the last, with their headers."""
    with zipfile.ZipFile(path) as read:
        entries = read.infolist()
    assert [info.header_offset for info in entries] == sorted(info.header_offset for info in entries)
    numbers = [number for number, info in enumerate(entries) if info.filename.startswith(("data/", "view/"))]
    assert numbers == list(range(1, len(numbers) + 1))
    assert entries[0].filename == "RequestInfo.json"
    return path.read_bytes()[entries[1].header_offset : entries[len(numbers) + 1].header_offset]
