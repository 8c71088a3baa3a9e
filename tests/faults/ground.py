"""The ground that lives of a service stand on: what survives a kill, and what the checker is shown of it in the end."""

import gc
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec
import psycopg
from tests.faults import checker
from tests.faults.checker import Accepted, Asked, Evidence, Held, Person, Poll
from tests.faults.purged import Purge as Purged
from tests.faults.receiver import Receiver
from tests.faults.trail import Row
from tests.servers.postgres import PostgresServer

from rightful.age.keys import Identity
from rightful.clock import to_microseconds
from rightful.config.model import (
    AccountSettings,
    Config,
    DeadlineSettings,
    DirectoryConfig,
    ExportSettings,
    IdentitySettings,
    IssuerSettings,
    LimitSettings,
    RetentionSettings,
    SourceConfig,
    StorageSettings,
    TenantConfig,
    WebhookSettings,
)
from rightful.connectors.interface import Connector
from rightful.errors import ConfigurationError
from rightful.export import audit_trail
from rightful.export.checkpointing import Checkpoints, checkpoint_key
from rightful.export.interface import SubmitRequest
from rightful.export.retaining import Purge
from rightful.export.runtime import TenantRuntime
from rightful.export.service import Service
from rightful.export.webhooks import Webhooks, announcing, key_of
from rightful.export.work import Work
from rightful.identity.model import Caller, CallerKind
from rightful.ids import OperationId, TenantId
from rightful.operation.model import DataPolicyOperation, OperationStatus
from rightful.pinned import PinnedHost
from rightful.storage.azure_blob import open_container
from rightful.storage.interface import Storage
from rightful.storage.location import StoragePolicy
from rightful.storage.sas import parse_sas_url
from rightful.store.interface import Store
from rightful.store.postgres import PostgresStore
from rightful.store.sqlite import SqliteStore
from rightful.subject.model import SubjectKind
from rightful.testing.clock import ManualClock
from rightful.testing.failpoints import FailingStorages, Failpoints, Killed, Script, failing_store
from rightful.testing.memory_directory import MemoryDirectory
from rightful.testing.memory_storage import MemoryStorage

T = TypeVar("T")

TENANT = TenantId("11111111-1111-1111-1111-111111111111")
CALLER = Caller(tenant_id=TENANT, kind=CallerKind.APPLICATION, object_id="o", app_id="a", permissions=frozenset({"User.Export.All"}))
SECOND = Caller(tenant_id=TENANT, kind=CallerKind.DELEGATED, object_id="p", app_id="portal", permissions=frozenset({"User.Export.All"}))
VISIBLE = frozenset(SubjectKind)
LOCAL = "Local"
"""The storage account that is a folder."""
SAS = (
    "https://contoso.blob.core.windows.net/exports?sv=2021-12-02&sp=cw&se=2027-01-31T00:00:00Z&sr=c&sig=U2VjcmV0U2lnbmF0dXJlT2ZUaGVTQVM%3D"
)
STRICT_SAS = SAS.replace("sp=cw", "sp=aw")
WEBHOOK = WebhookSettings(url=f"{Receiver.origin}/rightful?key=c2VjcmV0IG9mIHRoZSBhZGRyZXNz", secret=f"whsec_{'c2lnbmluZyBrZXkh' * 3}")
SECRETS = (
    b"U2VjcmV0U2lnbmF0dXJlT2ZUaGVTQVM",
    bytes(range(100, 132)),
    bytes(range(100, 132)).hex().encode(),
    b"c2VjcmV0IG9mIHRoZSBhZGRyZXNz",
    b"c2lnbmluZyBrZXkh",
)
"""The signature, the seal key, what is secret of the webhook: in no byte that is kept, in no line that is logged."""

KEY = Identity(bytes(range(200, 232)))
"""Everybody's, where packages are sealed."""

NEAR_S = 0.4
"""How long an answer of a server on this machine is waited for."""

_PUT_OFF_S = 36_000.0
"""Longer than what was not taken a few times is put off."""
_FOR_EVER = RetentionSettings()
DAY_US = 86_400_000_000
_ANSWER_DAYS = 89
"""Three months at the least: for so long a request that failed may have to be answered (GDPR, Art. 12(3))."""
_MOST_TRIES = 100
_OWNER = "owner"
_MEMORY = Path("/dev/shm")


@contextmanager
def quick_folder() -> Iterator[Path]:
    """Make a folder, in memory where the system has such."""
    with tempfile.TemporaryDirectory(dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None) as name:
        yield Path(name)


def beside_main(live: Callable[[], T]) -> T:
    """Run in a thread that is not the main one: there the store and the folders need another for each step, which no Ctrl-C may tear."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(live).result()


class StoreKind(NamedTuple):
    """How a store is opened, how its machine crashes, and how one looks into it."""

    open: Callable[[Path, ManualClock], Store]
    crash: Callable[[Path, Store], None]
    """Let it be as it was when its process died, and close what the dead process had open."""
    look: Callable[[Path], Held]
    """After it was closed."""


def _crash_sqlite(folder: Path, store: Store) -> None:
    """Closing would bring the write-ahead log into the file, which a dead process does not."""
    parts = [folder / name for name in ("store.db", "store.db-wal") if (folder / name).exists()]
    content = {path: path.read_bytes() for path in parts}
    store.close()
    for path in folder.glob("store.db*"):
        if path.name != "store.db.lock":
            path.unlink()
    for path, data in content.items():
        path.write_bytes(data)


_template: list[bytes] = []


def _open_sqlite(folder: Path, clock: ManualClock) -> Store:
    path = folder / "store.db"
    if not path.exists() and _template:
        path.write_bytes(_template[0])  # the schema, as every new file has it
    is_new = not _template and not path.exists()
    store = SqliteStore(path, clock)
    if is_new:
        store.close()
        _template.append(path.read_bytes())
        store = SqliteStore(path, clock)
    return store


class EmptiedDatabase:
    """One database of a PostgreSQL server, emptied for each ground: making one for each would take longer than all that is done in it."""

    server: PostgresServer | None = None
    url = ""

    def use(self, server: PostgresServer) -> None:
        """Make the database, once."""
        if self.server is not server:
            self.server, self.url = server, server.own_database()
            PostgresStore(self.url, ManualClock()).close()

    @property
    def everybodys(self) -> str:
        """The address for an account that sees the rows of all tenants."""
        assert self.server is not None
        return self.server.url(self.url.rpartition("/")[2])

    def empty(self) -> None:
        """Empty it: the tables of the audit trail refuse that, where their triggers are not switched off."""
        tables = ", ".join(f"rightful.{name}" for name in checker.POSTGRES_TABLES)
        with psycopg.connect(self.everybodys, autocommit=True) as connection:
            connection.execute("SET session_replication_role = replica")
            connection.execute(f"TRUNCATE {tables} RESTART IDENTITY CASCADE".encode())


POSTGRES = EmptiedDatabase()


def _open_postgres(folder: Path, clock: ManualClock) -> Store:
    is_used = folder / "postgres"
    if not is_used.exists():
        POSTGRES.empty()
        is_used.touch()
    for _ in range(_MOST_TRIES):  # the server may still be ending the connection that held the lead
        with suppress(ConfigurationError):
            return PostgresStore(POSTGRES.url, clock)
        time.sleep(0.05)
    return PostgresStore(POSTGRES.url, clock)


def _crash_postgres(_folder: Path, store: Store) -> None:
    """The server undoes what a lost connection had begun."""
    store.close()


STORES = {
    "postgres": StoreKind(_open_postgres, _crash_postgres, lambda _folder: checker.look_into_postgres(POSTGRES.everybodys)),
    "sqlite": StoreKind(_open_sqlite, _crash_sqlite, lambda folder: checker.look_into_sqlite(folder / "store.db")),
}
"""Every store that is to stand these tests."""


class NoSettings(msgspec.Struct, frozen=True):
    """A memory connector has none."""


class _Locations(FailingStorages):
    """Folders as they are; one container in memory behind every SAS URL, which outlives the service."""

    def __init__(self, points: Failpoints, container: MemoryStorage, clock: ManualClock) -> None:
        super().__init__(points, clock=clock)
        self._container = container
        self._near: dict[str, Storage] = {}

    def really_open(self, location_text: str, policy: StoragePolicy) -> Storage:
        if location_text.startswith("https:"):
            return self._container
        if location_text.startswith("http:"):
            return self._open_near(location_text)
        return super().really_open(location_text, policy)

    def _open_near(self, location_text: str) -> Storage:
        """Open a container on this machine, whose answers are waited for as long only as a test has time."""
        if location_text not in self._near:
            sas = parse_sas_url(location_text)
            host = PinnedHost(sas.scheme, sas.host, sas.port, may_be_private=True, answer_timeout_s=NEAR_S)
            self._near[location_text] = open_container(sas, host, clock=self._clock)
        return self._near[location_text]

    def close(self) -> None:
        super().close()
        for storage in self._near.values():
            storage.close()


class NoEngine:
    """The scenario itself claims the work."""

    def is_alive(self) -> bool:
        return True

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def submit(self, operation_id: OperationId) -> None: ...
    def cancel(self, operation_id: OperationId) -> None: ...


class Life:
    """One process: from its start until it is killed, or stops."""

    def __init__(self, ground: "Ground", script: Script) -> None:
        self._ground = ground
        self.points = Failpoints(script)
        self._really = ground.kind.open(ground.folder, ground.clock)
        store = failing_store(self._really, self.points)
        self.storages = _Locations(self.points, ground.container, ground.clock)
        self.work = Work(
            config=ground.config, tenants=ground.tenants, store=store, storages=self.storages, clock=ground.clock, owner=_OWNER
        )
        self.store = store
        self.trail = audit_trail.build(ground.config, store, ground.clock)
        self.service = Service(
            config=ground.config,
            tenants=ground.tenants,
            store=store,
            storages=self.storages,
            engine=NoEngine(),  # type: ignore[arg-type] # map is not used
            work=self.work,
            trail=self.trail,
            clock=ground.clock,
        )
        store.announce(announcing(ground.config.tenants))
        self.webhooks = Webhooks(ground.config, store, ground.clock, hosts=lambda _: (ground.receiver, "/rightful"))

    def start(self) -> None:
        """Start as `rightful serve` does on a store of its own."""
        self.store.release_all(has_died=True)
        self.service.start()
        self.webhooks.tidy()
        self.points.reach("service.started")

    def step(self, limit: int = 100) -> bool:
        """Do one piece of work, False where there is none now."""
        claim = self.store.claim(_OWNER, lease_s=60, limit=limit)
        if claim is None:
            return False
        self.points.reach("work.claimed")
        self.work(claim)
        self.points.reach("work.done")
        return True

    def holds(self, operation_id: str) -> bool:
        """Whether an operation is there, as somebody sees it whom nothing befalls."""
        return self._really.get(TENANT, OperationId(operation_id)) is not None

    def chain(self, after: int) -> Iterator[Row]:
        """Return the records of the audit trail after one, likewise."""
        while page := self._really.chain(TENANT, after_seq=after, limit=1000):
            for entry in page:
                yield TENANT, entry.seq, entry.canonical, entry.hash
            after = page[-1].seq

    def get(self, operation_id: str) -> DataPolicyOperation:
        found = self.service.get(TENANT, OperationId(operation_id), VISIBLE)
        assert found is not None, f"{operation_id} is lost"
        return found

    def submit(self, subject_id: str, location: str, key: str) -> str:
        found = self.service.find_user(TENANT, subject_id)
        assert found is not None
        request = SubmitRequest(caller=CALLER, subject=found, storage_location=location, idempotency_key=key)
        operation_id = self.service.submit(request).operation_id
        self.points.reach("service.answered")
        return operation_id

    def cancel(self, operation_id: str) -> None:
        """Cancel an operation, and let what it had written be deleted before anything else happens."""
        self.service.cancel(TENANT, OperationId(operation_id))
        self.service.remover.rest()
        self.points.reach("service.answered")

    def tell(self) -> None:
        """Tell whoever is to be told what is due."""
        if self._ground.tenant.webhooks:
            self.webhooks.deliver(key_of(TENANT, WEBHOOK))

    def tell_all(self, *, put_off_s: float = _PUT_OFF_S) -> None:
        """Tell all that is left, that was put off for no longer; that takes so long each time."""
        posts = -1
        while posts < self._ground.receiver.posts:
            posts = self._ground.receiver.posts
            self._ground.clock.advance(put_off_s)
            self.tell()

    def purge(self) -> None:
        """Purge what was kept long enough; the audit trail is signed before, as the service does each hour."""
        key = checkpoint_key(self._ground.config)
        checkpoints = Checkpoints(self.store, key, self._ground.clock, [TENANT])
        checkpoints.read()
        checkpoints.sign()
        Purge(self.store, key, self._ground.clock).tenant(self._ground.tenant)

    def die(self) -> None:
        """Be dead: every thread meets `Killed` at its next step; what the process had open is closed by the system."""
        self.points.is_dead = True
        self.service.settle_no_more()  # a thread of a dead process is no more
        self.service.remover.stop()
        self.storages.close()
        self._ground.kind.crash(self._ground.folder, self._really)

    def stop(self) -> None:
        """Stop in order."""
        self.webhooks.stop()
        self.service.stop()


class Ground:
    """What survives: the store's files, the storage locations, the clock; and what was seen from outside."""

    def __init__(
        self,
        folder: Path,
        people: Mapping[str, Person],
        sources: Callable[[], Mapping[str, Connector]],
        *,
        export: ExportSettings,
        store: str = "sqlite",
        checks: str = "standard",
        allow: tuple[str, ...] = ("*.blob.core.windows.net",),
        is_told: bool = False,
        retention: RetentionSettings = _FOR_EVER,
    ) -> None:
        """`is_told`: whether somebody is told of changes."""
        self.descriptors = checker.open_descriptors()
        self.folder = folder
        self.kind = STORES[store]
        self.exports = folder / "exports"
        self.exports.mkdir(exist_ok=True)
        self.container = MemoryStorage()
        self.receiver = Receiver()
        self.clock = ManualClock()
        self.people = people
        self._sources = sources
        self._settings = NoSettings()
        self._is_at_root = checks == "strict"
        accounts = {"Local": AccountSettings(url=f"file://{self.exports}")}
        self.tenant = TenantConfig(
            id=TENANT,
            name="Contoso",
            identity=IdentitySettings(issuers=(IssuerSettings(issuer="local", audience=("api://rightful",)),)),
            limits=LimitSettings(queued=100_000),
            export=export,
            storage=StorageSettings(accounts=accounts, allow=allow, checks=checks),  # type: ignore[arg-type] # one of its literals
            deadlines=DeadlineSettings(regulation="gdpr"),
            webhooks=(WEBHOOK,) if is_told else (),
            retention=retention,
            directory=DirectoryConfig(connector="memory", settings=self._settings),
            sources=tuple(SourceConfig(name=name, connector="memory", product="Product", settings=self._settings) for name in sources()),
        )
        self.config = Config(folder=folder, seal_key=SECRETS[1], tenants=(self.tenant,))
        to = {"recipient": (str(KEY.recipient),)} if export.sealed == "age" else {}
        self.directory = MemoryDirectory(TENANT, {each: {"upn": (f"u{each}@x.example",), **to} for each in people})
        self.tenants: dict[TenantId, TenantRuntime] = {}
        self.traces: list[list[str]] = []
        self.accepted: dict[str, str] = {}
        self.polls: list[Poll] = []
        self.asked = {action: Asked() for action in ("cancel", "resume", "approve", "extend")}
        self.may_leave_marks = False
        self.purges: list[Purged] = []
        self.archive: list[Row] = []
        self._gone: set[str] = set()
        self.life: Life | None = None

    @property
    def there(self) -> list[str]:
        """Return which of the accepted operations no purge has taken."""
        return [each for each in self.accepted if each not in self._gone]

    def begin(self, script: Script, sources: Mapping[str, Connector] | None = None) -> Life:
        """Begin a life; it may be killed while it starts."""
        self.tenants = {TENANT: TenantRuntime(self.tenant, self.directory, dict(sources or self._sources()))}
        self.life = Life(self, script)
        self.traces.append(self.life.points.trace)
        self._note_gone()
        return self.life

    def purge(self, *, is_whole: bool = False) -> None:
        """Purge, and note what is gone then: whether that was to go is judged by the checker. `is_whole`: nothing is open."""
        assert self.life is not None
        self.archive += self.life.chain(self.archive[-1][1] if self.archive else 0)
        kept, now_us = self.tenant.retention, to_microseconds(self.clock.now())
        self.purges.append(
            Purged(
                at_us=now_us,
                operations_us=kept.operations_days * DAY_US,
                receipts_us=kept.receipts_days * DAY_US,
                audit_us=kept.audit_days * DAY_US,
                answer_us=_ANSWER_DAYS * DAY_US,
            )
        )
        self.life.purge()
        self.purges[-1] = replace(self.purges[-1], is_whole=is_whole)
        self._note_gone()

    def _note_gone(self) -> None:
        """Note what was purged, also by a purge that was killed: nobody asks for that any more."""
        assert self.life is not None
        if self.purges:
            self._gone |= {each for each in self.there if not self.life.holds(each)}

    def poll(self, operation_id: str) -> DataPolicyOperation:
        """Look at an operation as a client does, and keep what it was told."""
        assert self.life is not None
        found = self.life.get(operation_id)
        status = {OperationStatus.NOT_STARTED: "notStarted"}.get(found.status, found.status.value)
        cause = "" if found.failure is None else found.failure.code
        self.polls.append(Poll(operation_id, status, found.progress_percent, cause))
        return found

    def ask(self, action: str, operation_id: str, call: Callable[[], object]) -> None:
        """Ask for a change; where that is cut off nobody knows whether it was made."""
        asked = self.asked[action]
        if action == "resume":
            self.polls.append(Poll(operation_id, "resume"))
        try:
            call()
        except (Killed, OSError):
            asked.perhaps[operation_id] += 1
            raise
        asked.certain[operation_id] += 1

    def bury(self) -> None:
        """Let the life that runs be dead."""
        assert self.life is not None
        self.life.die()
        self.life = None

    def close(self) -> None:
        """Stop the life that runs in order."""
        assert self.life is not None
        self.life.stop()
        self.life = None

    def evidence(self, *, logs: Sequence[Mapping[str, Any]] = (), manifests: Mapping[str, bytes] | None = None) -> Evidence:
        """Return all that was seen, after the last life has stopped."""
        assert self.life is None
        delivered = self.folder / "container"
        for path, content in self.container.entries.items():
            (delivered / path).parent.mkdir(parents=True, exist_ok=True)
            (delivered / path).write_bytes(content)
        is_sealed = self.tenant.export.sealed == "age"
        is_zip = self.tenant.export.layout == "zip" and not is_sealed  # what is sealed is a folder
        accepted = []
        for operation_id, subject_id in self.accepted.items():
            root = delivered if (delivered / operation_id).exists() else self.exports
            place = root / operation_id if not self._is_at_root else delivered
            accepted.append(Accepted(operation_id, subject_id, place / f"{operation_id}.zip" if is_zip else place))
        return Evidence(
            people=self.people,
            held=self.kind.look(self.folder),
            accepted=accepted,
            polls=self.polls,
            asked=self.asked,
            roots=(self.exports,) if self._is_at_root else (self.exports, delivered),
            secrets=SECRETS,
            may_leave_marks=self.may_leave_marks,
            logs="\n".join(map(str, logs)),
            manifests=manifests or {},
            told=tuple(self.receiver.events.values()) if self.tenant.webhooks else None,
            descriptors=(self.descriptors, self._left_open()),
            identity=KEY.write(),
            is_sealed=is_sealed,
            purges=self.purges,
            archive=self.archive,
            audit_key=checkpoint_key(self.config).public,
        )

    def _left_open(self) -> frozenset[str]:
        """Return what is open now. What an error that went by still refers to in a circle is closed by the collector, whenever that runs."""
        found = checker.open_descriptors()
        if found - self.descriptors:
            gc.collect()
            found = checker.open_descriptors()
        return found

    def clean(self) -> None:
        """Remove what is not looked at any more."""
        shutil.rmtree(self.folder, ignore_errors=True)
