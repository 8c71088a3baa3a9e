"""Build the sample company in a folder: its systems, its people, and a `rightful.yaml` that connects them.

    rightful.yaml  seal.key  tls/  var/          what the service needs
    systems/people.db onedrive/ hr.db shop.db activity/ devices/        the first tenant, Contoso
    fabrikam/people.db onedrive/ hr.db           the second tenant
    exports/  fabrikam/exports/                  where the storage account MyStorageAccount lies

What the systems hold is the same every time and everywhere; the seal key and the certificate are each folder's own.
"""

import os
import re
import secrets
import shutil
import socket
import sqlite3
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rightful import certificate, private_file
from rightful.errors import ConfigurationError
from rightful.ids import SubjectId, TenantId
from rightful.sample import configuration, directory, drives, hr, people, shop
from rightful.sample.people import CONTOSO, FABRIKAM, Person, Profile
from rightful.sample.tables import Row, Table, fill_sqlite

OnProgress = Callable[[float], None]
"""Gets how much of the company stands, 0.0 to 1.0, from any thread."""

_VERSION = "2"
_MARK = ".sample-company"
_PREFERRED_PORT = 8443
_LISTEN = re.compile(r"^  listen: .*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class SampleCompany:
    """The company as it lies in its folder."""

    folder: Path
    people: tuple[Person, ...]
    """Of the first tenant, Contoso."""
    fabrikam: tuple[Person, ...]
    """Of the second tenant."""
    profiles: tuple[Profile, ...]
    """Inbound shared user profiles of the first tenant."""
    tenant_id: TenantId = CONTOSO
    fabrikam_id: TenantId = FABRIKAM
    storage_account: str = configuration.STORAGE_ACCOUNT
    audience: str = configuration.AUDIENCE

    @property
    def config_path(self) -> Path:
        """Its configuration."""
        return self.folder / "rightful.yaml"

    @property
    def ca_path(self) -> Path:
        """The authority that its clients must trust."""
        return self.folder / "tls" / "ca.pem"

    @property
    def exports(self) -> Path:
        """Where the first tenant's storage account lies."""
        return self.folder / "exports"

    @property
    def systems(self) -> Path:
        """The first tenant's systems."""
        return self.folder / "systems"

    def person(self, key: str) -> Person:
        """Return somebody by key (`ann`, `ANN`, `leaver`, …); `fabrikam/ann` for the second tenant."""
        tenant, _, name = key.rpartition("/")
        return next(person for person in (self.fabrikam if tenant else self.people) if person.key == name)

    def by_id(self, object_id: SubjectId) -> Person:
        """Return somebody by object id."""
        return next(person for person in (*self.people, *self.fabrikam) if person.object_id == object_id)


def build(folder: Path, *, scale: float = 1.0, listen: str | None = None, on_progress: OnProgress = lambda _share: None) -> SampleCompany:
    """Build the company, or find it built: a folder that holds it already, whole and of this version, is kept as it is.

    Args:
        folder: made where it is missing; must be empty otherwise, or hold a sample company.
        scale: how much activity there is; 1.0 is 2 million rows. People, files and databases are always the same.
        listen: address of the service in `rightful.yaml`; None: port 8443 of the loopback, or another where that is taken.
        on_progress: is told how much stands.

    Raises:
        ConfigurationError: the folder holds something else.
    """
    folder = folder.absolute()
    company = SampleCompany(folder, people.contoso(), people.fabrikam(), people.profiles())
    contents, mark = f"{_VERSION} {scale:g}", f"{_VERSION} {scale:g} {folder}\n"
    if not (_read_mark(folder) or "").startswith(f"{contents} "):
        _clear(folder)
        (folder / _MARK).write_text("unfinished\n", encoding="utf-8")
        _write_systems(company, scale, on_progress)
        _write_service(company)
    if _read_mark(folder) != mark:
        # Made now, or moved here: the file URLs in rightful.yaml name the folder.
        _write_config(company, configuration.render(folder, listen=listen or f"127.0.0.1:{free_port()}"))
        (folder / _MARK).write_text(mark, encoding="utf-8")
    on_progress(1.0)
    return company


def _read_mark(folder: Path) -> str | None:
    try:
        return (folder / _MARK).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def _clear(folder: Path) -> None:
    """Make the folder, or empty it of an unfinished or older company; what is not ours is never touched."""
    if folder.exists() and _read_mark(folder) is None and any(folder.iterdir()):
        raise ConfigurationError(f"{folder} is not empty and holds no sample company", hint="name a folder that does not exist yet")
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("systems", "tls", "var", "fabrikam/onedrive"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in ("seal.key", "fabrikam/people.db", "fabrikam/hr.db"):
        (folder / name).unlink(missing_ok=True)


class _Steps:
    """Adds up steps that several threads take."""

    def __init__(self, total: int, on_progress: OnProgress) -> None:
        self._taken: list[None] = []
        self._total = total
        self._on_progress = on_progress

    def take(self) -> None:
        """Count one step; safe from any thread, since appending is."""
        self._taken.append(None)
        self._on_progress(min(1.0, len(self._taken) / self._total))


def _write_systems(company: SampleCompany, scale: float, on_progress: OnProgress) -> None:
    from rightful.sample import lake  # noqa: PLC0415 - polars is heavy, and a company that stands already does not need it

    systems, fabrikam = company.systems, company.folder / "fabrikam"
    everyone, devices = (*company.people, *company.fabrikam), people.devices()
    steps = _Steps(lake.FILES + len(everyone), on_progress)
    users = lake.known_users(everyone, company.profiles)
    with ThreadPoolExecutor(1) as side:
        activity = side.submit(lake.write, systems / "activity", users, rows=int(lake.ROWS * scale), on_file=steps.take)
        drives.write(systems / "onedrive", company.people, on_person=steps.take)
        drives.write(fabrikam / "onedrive", company.fabrikam, on_person=steps.take)
        _write_database(systems / "people.db", directory.tables(company.people, devices, company.profiles))
        _write_database(systems / "hr.db", hr.tables(company.people, devices))
        _write_database(systems / "shop.db", shop.tables(company.people))
        _write_database(fabrikam / "people.db", directory.tables(company.fabrikam, (), ()))
        _write_database(fabrikam / "hr.db", hr.tables(company.fabrikam, ()))
        lake.write_devices(systems / "devices", devices, scale=scale)
        activity.result()


def _write_database(path: Path, tables: Iterable[tuple[Table, Iterable[Row]]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        fill_sqlite(connection, tables)
    finally:
        connection.close()


def _write_service(company: SampleCompany) -> None:
    for path in (company.exports, company.folder / "fabrikam" / "exports", company.folder / "var"):
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    certificate.write(company.folder / "tls", datetime.now(UTC))
    private_file.write(company.folder / "seal.key", secrets.token_hex(32).encode() + b"\n")


def set_listen(company: SampleCompany, listen: str) -> None:
    """Change the address in `rightful.yaml` and nothing else."""
    text = company.config_path.read_text(encoding="utf-8")
    _write_config(company, _LISTEN.sub(lambda _: f"  listen: {listen}", text, count=1))


def _write_config(company: SampleCompany, text: str) -> None:
    fresh = company.config_path.with_suffix(f".{os.getpid()}.new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(company.config_path)


def free_port() -> int:
    """Return port 8443 of the loopback, or another one where that is taken."""
    for port in (_PREFERRED_PORT, 0):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ConfigurationError("there is no free port on the loopback", hint="end a service that listens on it")
