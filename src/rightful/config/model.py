"""What `rightful.yaml` says, as frozen values; read once at start and passed in.

Field names are the keys of the file. Docstrings of fields become the reference page of the settings.
"""

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from rightful.identity.model import Algorithm
from rightful.ids import TenantId
from rightful.operation.deadline import NO_REGULATION
from rightful.package import minisign
from rightful.package.forms import Form
from rightful.package.label import Label, StatementSettings
from rightful.package.ledger import LeakMode
from rightful.package.schema import TAKING, Redaction
from rightful.storage.object_account import AccountAccess

_KEY = re.compile(r"[0-9a-f]{64}")
_SQLITE = "sqlite:///"
_DEFAULT_STORE = "sqlite:///var/rightful.db"


def is_loopback_host(host: str) -> bool:
    """Say whether a host is this machine, by its exact spelling."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class TlsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The server's own certificate (GRAPH-60); PEM files, relative to the configuration's folder."""

    cert: str
    """Certificate chain."""
    key: str
    """Private key."""


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the service listens."""

    listen: str = "127.0.0.1:8443"
    """Address and port; port 0 takes a free one."""
    base_url: str = ""
    """The service's public address, where a proxy in front does not pass the client's Host on. Else links are made from Host."""
    tls: TlsSettings | None = None
    """Without it the service speaks plain HTTP, and only on loopback."""
    own_address: str = ""
    """Address at which other services of the same store reach this one: while it leads, they pass requests on to it. Empty: they refuse
    them. Only for a store in PostgreSQL."""
    metrics: str = ""
    """Address and port of `/metrics`, for instance 127.0.0.1:9464; empty: there is none. Whoever reaches it may read it, without TLS."""
    traces: str = ""
    """Base address of an OpenTelemetry receiver (OTLP over HTTP) that traces are sent to, for instance http://127.0.0.1:4318; empty: none
    are. Needs rightful[otel]; the share that is sampled, headers and certificates are OTEL_* variables."""
    max_connections: Annotated[int, msgspec.Meta(ge=1)] = 1000
    """Connections at once. Where there are more, those that have kept the service waiting longest are closed."""

    @property
    def host(self) -> str:
        """The address to listen on."""
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port to listen on."""
        return int(self.listen.rpartition(":")[2])

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        return is_loopback_host(self.host)


class DaskSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The Dask cluster whose workers do the reading, for `engine: dask`; PEM files, relative to the configuration's folder."""

    scheduler: str = ""
    """Its scheduler, `tls://HOST:PORT`."""
    ca: str = ""
    """Whose certificates count in the cluster. For nothing else: who has one of them can run any program on its workers and here."""
    cert: str = ""
    """The service's certificate there."""
    key: str = ""
    """The key of that certificate."""


class GraphSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Readings of Graph's documents."""

    beta_submit_status: Literal[200, 202] = 202
    """What an export under /beta answers (GRAPH-13)."""
    user_read_all_exports: bool = False
    """Whether User.Read.All authorizes an export, as two documents say (GRAPH-70)."""


class AuditSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The audit trail."""

    key: str = ""
    """Ed25519 key that signs checkpoints of the trail, 64 hex digits, by `{file: PATH}` or `${NAME}`; `rightful init` makes one. Left out:
    derived from `seal_key`, and another one once that is replaced."""
    earlier_keys: tuple[str, ...] = ()
    """Public keys that signed earlier checkpoints (`key` in `rightful audit checkpoints`)."""

    def __post_init__(self) -> None:
        """Refuse what is no key."""
        if self.key and not _KEY.fullmatch(self.key.strip().lower()):
            raise ValueError("audit.key is not 64 hex digits")
        if not all(map(_KEY.fullmatch, self.earlier_keys)):
            raise ValueError("one of audit.earlier_keys is not 64 hex digits in lower case")

    def __repr__(self) -> str:
        """Leave the key out."""
        return "AuditSettings()"


class IssuerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody whose tokens count in this tenant."""

    issuer: str
    """The exact `iss`; or `local`: the built-in issuer of `rightful token`, only where the service listens on loopback."""
    audience: tuple[str, ...]
    """Accepted values of `aud`, exact."""
    jwks_uri: str = ""
    """Where its keys are; empty: found by the issuer's discovery document."""
    algorithms: Annotated[tuple[Algorithm, ...], msgspec.Meta(min_length=1)] = ("RS256",)
    """How its tokens are signed: `RS256`, `PS256`, `ES256`; any other is refused."""


class IdentitySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose tokens count."""

    issuers: tuple[IssuerSettings, ...]
    """At least one."""


class LimitSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much one tenant may ask for."""

    writes_per_second: Annotated[int, msgspec.Meta(ge=1)] = 60
    """Submits, cancels, resumes, approvals of the whole tenant; what is more is answered 429."""
    writes_per_second_per_app: Annotated[int, msgspec.Meta(ge=1)] = 20
    """The same, of one application."""
    queued: Annotated[int, msgspec.Meta(ge=1)] = 100_000
    """Operations that have not ended; one more is answered 429."""


class DeadlineSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """By when requests have to be answered."""

    regulation: str = NO_REGULATION
    """`gdpr`, `uk-gdpr`, `ccpa`, `pipeda` or `lgpd`: operations say by when they have to be answered, and the service warns in time.
    `none`: nothing is said."""
    time_zone: str = "UTC"
    """Whose days count, for instance `Europe/Berlin`."""
    holidays: tuple[str, ...] = ()
    """Public holidays where the controller is, `2026-12-25`, or `12-25` for every year: where the regulation says so, a period does not
    end on one, nor on a Saturday or Sunday."""
    warn_days: Annotated[int, msgspec.Meta(ge=0, le=90)] = 7
    """How many days before its last day the service warns of a request."""


class RetentionSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long is kept what the service knows of requests; 0: for ever, and `rightful doctor` says so."""

    operations_days: Annotated[int, msgspec.Meta(ge=0, le=36500)] = 0
    """Days after its end that an operation is kept: who asked for whose data, where it went, what was found where. 760 is a little more
    than the two years for which CCPA wants records of requests kept (11 CCR 7101)."""
    receipts_days: Annotated[int, msgspec.Meta(ge=0, le=36500)] = 0
    """Days after the end of an operation that the digest of its receipt is kept beyond it, for receipts of the same person to go on from.
    1461, four years: claims for damages lapse after three in much of the EU, counted from the end of the year."""
    audit_days: Annotated[int, msgspec.Meta(ge=0, le=36500)] = 0
    """Days that records of the audit trail are kept: they prove that requests were answered. 1461, as `receipts_days`."""

    @property
    def is_set(self) -> bool:
        """Whether anything is purged."""
        return bool(self.operations_days or self.receipts_days or self.audit_days)


class ReceiptSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The signed receipts in packages."""

    key: str = ""
    """Ed25519 key that signs them, 64 hex digits, by `{file: PATH}` or `${NAME}`; `rightful init` makes one. Where none is given it is
    derived from `seal_key`, and another one once that is replaced. `rightful keys` says its public part."""
    earlier_keys: tuple[str, ...] = ()
    """Public keys that signed earlier receipts, `RW…`; `rightful keys` lists them, too."""

    def __post_init__(self) -> None:
        """Refuse what is no key."""
        if self.key and not _KEY.fullmatch(self.key.strip().lower()):
            raise ValueError("receipts.key is not 64 hex digits")
        if any(isinstance(minisign.parse_public_key(each), str) for each in self.earlier_keys):
            raise ValueError("one of receipts.earlier_keys is no public key of minisign, RW and 54 more characters")

    def __repr__(self) -> str:
        """Leave the key out."""
        return "ReceiptSettings()"


class ExportSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How packages are made."""

    part_mib: Annotated[int, msgspec.Meta(ge=1, le=64)] = 16
    """The largest part of a dataset, MiB (1 to 64)."""
    leak_check: LeakMode = "sample"
    """Search of records, before they are written, for what names others: in a `sample` of them (of each 4,096 of a person the first 64, and
    one in eight of the rest), in all (`full`), or `off`. A finding fails the export. That each row is the person's is checked always."""
    leak_kinds: tuple[str, ...] = ("id", "upn", "employee_id")
    """Kinds of identifiers that `leak_check` looks for: such as name one person. `id` is always among them."""
    formats: Annotated[tuple[Form, ...], msgspec.Meta(min_length=1)] = (Form.JSONL,)
    """Forms of the records: one or several of `jsonl`, `csv`, `json` and `parquet`, each once; what is counted is the first."""
    layout: Literal["folder", "zip"] = "folder"
    """`folder`: one blob an entry. `zip`: one ZIP file a package, of the same entries; a SAS has to have the right to write."""
    viewer: Literal["on", "off"] = "on"
    """`on`: the package has START-HERE.html, which shows the person what is in it, in a browser, without a network."""
    sealed: Literal["off", "age"] = "off"
    """`age`: each package is sealed to the person's public key, of the request or the directory, or by a passphrase, and a request with
    neither is refused. `off`: only where the request says to whom."""
    language: str = ""
    """Language of packages where neither the request nor the directory says one that there is: `de`, `en`, `es`, `fr`, `ja` or `zh-Hans`.
    Empty: English, and START-HERE.html opens in the browser's language."""
    attempts: Annotated[int, msgspec.Meta(ge=1, le=100)] = 5
    """How often a source that does not answer is tried before the operation fails."""
    retry_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 2.0
    """Wait after the first failed try; doubles with each one."""
    scan_window_s: Annotated[float, msgspec.Meta(ge=0, le=60)] = 2.0
    """How long the first read of a lake waits for others to share its scan, where other work waits or the lake is being read."""
    spool_mib: Annotated[int, msgspec.Meta(ge=1)] = 4096
    """How much a shared scan may gather at once, MiB, encrypted, where the system keeps temporary files; of people who have more together
    fewer share a scan."""
    snapshot_s: Annotated[float, msgspec.Meta(ge=0, le=86400)] = 600.0
    """How long a moment of a database is held at most, so that what is read of a person from all its tables is of that one; 0: each table
    is read as of a moment of its own."""
    wait_h: Annotated[float, msgspec.Meta(ge=0, le=8760)] = 72.0
    """How long an operation waits for a storage location that refuses for a curable reason."""
    compare_days: Annotated[int, msgspec.Meta(ge=0, le=3650)] = 0
    """How many days after an export fingerprints of what it held are kept, so that a later one can bring the difference alone (`since`); 0:
    none are. Keyed hashes of personal data are personal data themselves: say so in the record of processing."""
    approval: Literal["none", "required"] = "none"
    """`required`: no source is read before a second administrator has approved the export."""
    approval_h: Annotated[float, msgspec.Meta(gt=0, le=8760)] = 72.0
    """How long an export waits for its approval before it fails."""


class AccountSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A storage account that callers name instead of sending a SAS URL (GRAPH-23)."""

    url: str
    """`file:///…`: a local folder. `s3://bucket/prefix`, `gs://bucket/prefix`: a bucket of S3 (or of what speaks like it) or of Google
    Cloud Storage."""
    access: AccountAccess = AccountAccess()
    """How a bucket is reached; nothing of it is for local folders."""


class StorageSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where packages may go."""

    checks: Literal["standard", "strict"] = "standard"
    """`standard` takes any SAS that can write; `strict` asks for what Microsoft's service asks for (GRAPH-42)."""
    allow: tuple[str, ...] = ("*.blob.core.windows.net",)
    """What SAS URLs may name: `HOST`, `*.HOST` for all below, or `HOST:PORT`, which may be http and in a private network. Behind each, for
    some containers only, `/CONTAINER` or `/BEGINNING*` (an emulator's account stands before it)."""
    accounts: dict[str, AccountSettings] = {}
    """Named accounts."""


class DirectoryConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The tenant's directory."""

    connector: str
    """`sql`."""
    settings: msgspec.Struct
    """The connector's own settings (in the file they stand beside `connector`)."""

    def __repr__(self) -> str:
        """Name the connector only: its settings may hold a password."""
        return f"DirectoryConfig({self.connector})"


class WebhookSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody who is told what becomes of operations."""

    url: str
    """Where events are posted: https; http on this machine only. By `{file: PATH}` or `${NAME}` where it holds a secret."""
    secret: str
    """What signs them, `whsec_` and 24 to 64 bytes in base64, by `{file: PATH}` or `${NAME}`; the receiver has it too."""
    events: tuple[
        Literal["submitted", "approved", "rejected", "waiting", "resumed", "extended", "completed", "failed", "cancelled"], ...
    ] = ()
    """What is told, of `submitted`, `approved`, `rejected`, `waiting`, `resumed`, `extended`, `completed`, `failed` and `cancelled`; empty:
    all."""

    def __repr__(self) -> str:
        """Leave out the address and the secret."""
        return "WebhookSettings()"


class SourceConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One source."""

    name: str
    connector: str
    """`files`, `http`, `lake`, `mailbox`, `msgraph`, `sql`, or one of a third party: `rightful connectors` lists all."""
    product: str
    """The folder under `data/` that groups sources; the source's name where the file does not say."""
    label: Label | None = None
    on_unreadable_item: Literal["record", "fail"] = "record"
    """What an unreadable item does: a line in the ledger, or the operation's failure."""
    identifiers: dict[str, str | tuple[str, ...]] = {}
    """Kind of identifier to the column, or columns, that hold it: who has rows here is searched for by these too, in every source. For
    sources whose connector finds rows by any column (`sql`, also with `via`, and `lake`)."""
    redact: dict[str, Redaction] = {}
    """Column: what is done with its values before they are delivered: `others` keeps the person's own identifiers alone, `mails_and_phones`
    withholds others' addresses and numbers in free text, `hash` and `drop` all of it. Not for files."""
    third_parties: tuple[str, ...] = ()
    """Columns that rightly name others, so that `export.leak_check` does not look into them: of JSON columns `COLUMN/MEMBER` is one member.
    The further columns of a `match` of several, and those that `redact` clears by `others`, `hash` or `drop`, need not be named."""
    settings: msgspec.Struct
    """The connector's own settings (in the file they stand beside `connector`)."""

    @property
    def unread_columns(self) -> tuple[str, ...]:
        """Columns that are not read at all."""
        return self._named("exclude") if hasattr(self.settings, "match") else ()

    @property
    def unread_paths(self) -> tuple[str, ...]:
        """Patterns of files and folders that are not read at all; `!(…)` is all that fits none of those in it."""
        if hasattr(self.settings, "match"):
            return ()
        include = self._named("include")
        messages = ("messages",) if getattr(self.settings, "messages", True) is False else ()
        return (*((f"!({'|'.join(include)})",) if include else ()), *self._named("exclude"), *messages)

    @property
    def window_column(self) -> tuple[str, ...]:
        """The column that says which rows are not read at all, where some are not."""
        window, column = getattr(self.settings, "window", None), getattr(self.settings, "time", "")
        is_limited = isinstance(window, msgspec.Struct) and any(msgspec.structs.astuple(window))
        return (column,) if is_limited and isinstance(column, str) else ()

    @property
    def unexplained(self) -> tuple[str, ...]:
        """What is left out for no reason that goes without saying: the person may know why (GDPR Art. 12(4))."""
        taken = (column for column, rule in self.redact.items() if rule in TAKING)
        return (*self.unread_columns, *self.unread_paths, *self.window_column, *taken)

    def _named(self, setting: str) -> tuple[str, ...]:
        """Return the texts that a setting lists; a third party's connector may have one of that name that is something else."""
        listed = getattr(self.settings, setting, ())
        return tuple(listed) if isinstance(listed, tuple | list | set | frozenset) and all(isinstance(each, str) for each in listed) else ()

    def __repr__(self) -> str:
        """Name the source only: its settings may hold a password."""
        return f"SourceConfig({self.name}, {self.connector})"


class TenantConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One controller's directory, sources and rules."""

    id: TenantId
    """The `tid` of its tokens."""
    name: str
    """The organization's name; `--tenant` of the command line takes it too."""
    identity: IdentitySettings
    limits: LimitSettings = LimitSettings()
    export: ExportSettings = ExportSettings()
    receipts: ReceiptSettings = ReceiptSettings()
    deadlines: DeadlineSettings = DeadlineSettings()
    retention: RetentionSettings = RetentionSettings()
    storage: StorageSettings = StorageSettings()
    statement: StatementSettings = StatementSettings()
    webhooks: tuple[WebhookSettings, ...] = ()
    """Who is told what becomes of operations."""
    directory: DirectoryConfig
    sources: tuple[SourceConfig, ...]

    def source(self, name: str) -> SourceConfig | None:
        """Return a source by name."""
        return next((source for source in self.sources if source.name == name), None)

    def label(self, source: SourceConfig) -> Label:
        """Return what is said of a source, by itself or by what holds for all of them."""
        return self.statement.label_of(source.label)


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    folder: Path
    """Where the file lies; relative paths start here."""
    server: ServerSettings = ServerSettings()
    store: str = _DEFAULT_STORE
    """`sqlite:///PATH`, relative to the configuration's folder (four slashes: absolute), or `postgresql://USER:PASSWORD@HOST/DATABASE`."""
    store_folder: str = "var"
    """Where files lie that belong to a store in a database: fingerprints, for differences. A SQLite file has them beside it."""
    engine: Literal["embedded", "dask"] = "embedded"
    """Where reads run: `embedded` is in the service's own process, `dask` on the workers of a Dask cluster (`dask`), which takes a store in
    PostgreSQL and rightful[dask]."""
    dask: DaskSettings = DaskSettings()
    seal_key: bytes
    """32 bytes that seal secrets at rest; in the file 64 hex digits, by `{file: PATH}` or `${NAME}`."""
    audit: AuditSettings = AuditSettings()
    seal_key_path: Path | None = None
    """The file that holds it, where it is in one."""
    graph: GraphSettings = GraphSettings()
    tenants: tuple[TenantConfig, ...]

    @property
    def path_beside_a_database(self) -> Path:
        """By whose name files lie beside the store where that is no file."""
        return self.folder / self.store_folder / Path(_DEFAULT_STORE).name

    @property
    def store_path(self) -> Path:
        """Where the store's file lies; what lies beside it has its name. A database has no file, and beside it lies the same."""
        is_file = self.store.startswith(_SQLITE)
        return self.folder / self.store.removeprefix(_SQLITE) if is_file else self.path_beside_a_database

    def tenant(self, tenant_id: str) -> TenantConfig | None:
        """Return a tenant by id."""
        return next((tenant for tenant in self.tenants if tenant.id == tenant_id), None)

    def __repr__(self) -> str:
        """Name the tenants only: the settings hold secrets."""
        return f"Config({', '.join(tenant.name for tenant in self.tenants)})"
