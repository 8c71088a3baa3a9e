"""A directory in tables of SQLite, PostgreSQL, MySQL or MariaDB databases."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, cast

import msgspec

from rightful.database.interface import Database
from rightful.database.opening import identity, open_database, url_problem
from rightful.directory.closure import Limits
from rightful.directory.lookup import TableLookup
from rightful.directory.people import Columns, PeopleDirectory, refuse_own_kinds
from rightful.directory.place import SOURCE_NAME
from rightful.directory.sharing import TableSharing
from rightful.ids import TenantId
from rightful.setting_problem import SettingPath, SettingProblem
from rightful.subject.matching import FOLDED_KINDS


class MoreSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table where more identifiers are found by identifiers that are known already."""

    url: str = ""
    """The database; left out: the directory's own."""
    table: str
    """Table or view."""
    from_: dict[str, str] = msgspec.field(name="from")
    """Kind of a known identifier to the column that it is looked up in; of several, either."""
    caseless: tuple[str, ...] = ()
    """Columns of `from` whose mails or UPNs are compared in lower case: by an index on `lower(column)`, else all rows are read."""
    identifiers: Columns
    """Kind of identifier to the column, or columns, that hold it."""


class InboundSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where inbound shared user profiles are (GRAPH-04): people of other tenants."""

    url: str = ""
    """The database; left out: the directory's own."""
    table: str
    """Table or view."""
    user_id: str = "user_id"
    """Column of the profile's user id."""
    upn: str = "upn"
    """Column of the user principal name."""
    display_name: str = "display_name"
    """Column of the name to show."""
    home_tenant_id: str = "home_tenant_id"
    """Column of the tenant that the person comes from."""
    identifiers: Columns = {}
    """Further kinds of identifiers to their columns."""


class SqlDirectorySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table of people, and where else identifiers of theirs are found."""

    url: str
    """`sqlite:///file.db` (below the configuration's folder; four slashes for an absolute path), `postgresql://` or
    `mysql://user:password@host/database`, or `dialect+driver://…` for what SQLAlchemy has a dialect for."""
    table: str
    """Table or view of people; one with several rows for a person gives all the identifiers in them."""
    id: str = "id"
    """Column of the object id, which names a person on the wire and never changes."""
    upn: str = "upn"
    """Column of the user principal name."""
    display_name: str = ""
    """Column of the name to show."""
    language: str = ""
    """Column of the person's language (BCP 47), which packages are written in."""
    recipient: str = ""
    """Column of the person's public key of age (`age1…`) or of SSH (`ssh-ed25519 …`), which packages are sealed to where `export.sealed` is
    `age`."""
    identifiers: Columns = {}
    """Kind of identifier to the column, or columns, that hold it; `id` and `upn` are always there."""
    more: tuple[MoreSettings, ...] = ()
    """Further tables, in any database: identifiers found by identifiers, round after round until nothing new is found."""
    limits: Limits = Limits()
    """How far the search goes, and which identifiers are too weak to be searched for."""
    inbound_profiles: InboundSettings | None = None
    """Inbound shared user profiles; left out: there are none."""

    def __post_init__(self) -> None:
        """Refuse kinds that are taken."""
        refuse_own_kinds(self.identifiers)


class _Table:
    """A table as a place; see `directory.place.Place`."""

    def __init__(self, database: Database, name: str, *, caseless: Collection[str] = ()) -> None:
        self.name = name
        self._database = database
        self._caseless = caseless

    def lookup(self, match: Sequence[tuple[str, str]], columns: Sequence[str]) -> TableLookup:
        """Look up by queries."""
        return TableLookup(self._database, self.name, match, columns, caseless=self._caseless)

    def sharing(self, owners: Mapping[str, Collection[str]]) -> TableSharing:
        """Count by queries."""
        return TableSharing(self._database, self.name, owners)


class SqlDirectory(PeopleDirectory):
    """Finds people in tables; see `directory.interface.Directory`."""

    Settings: ClassVar[type[msgspec.Struct]] = SqlDirectorySettings

    def __init__(self, tenant_id: TenantId, settings: msgspec.Struct, *, folder: Path, database: Database | None = None) -> None:
        """Build one; a `database` that somebody else closes stands for all that `url`s name."""
        said = cast("SqlDirectorySettings", settings)
        self._database = database
        self._folder = folder
        self._databases: dict[str, Database] = {}
        inbound = said.inbound_profiles
        super().__init__(
            tenant_id,
            said,
            people=_Table(self._open(said.url), said.table),
            more=[_Table(self._open(more.url or said.url), more.table, caseless=more.caseless) for more in said.more],
            inbound=None if inbound is None else _Table(self._open(inbound.url or said.url), inbound.table),
        )

    @staticmethod
    def problems(settings: SqlDirectorySettings) -> Iterator[SettingProblem]:
        """Yield what is wrong with the addresses of databases, and with columns that are compared in lower case."""
        urls: list[tuple[SettingPath, str]] = [(("url",), settings.url)]
        urls += [(("more", number, "url"), more.url) for number, more in enumerate(settings.more) if more.url]
        if settings.inbound_profiles is not None and settings.inbound_profiles.url:
            urls.append((("inbound_profiles", "url"), settings.inbound_profiles.url))
        for path, url in urls:
            if (wrong := url_problem(url)) is not None:
                yield path, *wrong
        for number, more in enumerate(settings.more):
            for place, column in enumerate(more.caseless):
                kinds = {kind for kind, found_in in more.from_.items() if found_in == column}
                if not kinds or kinds - FOLDED_KINDS:
                    what = "is not in `from`" if not kinds else f"is looked up by {min(kinds - FOLDED_KINDS)} too, whose letter case counts"
                    yield (
                        ("more", number, "caseless", place),
                        what,
                        f"name columns of `from` that only {' and '.join(sorted(FOLDED_KINDS))} are looked up in",
                    )

    def close(self) -> None:
        """Release the databases."""
        for database in self._databases.values():
            database.close()

    def _open(self, url: str) -> Database:
        if self._database is not None:
            return self._database
        key = identity(url, self._folder)
        if key not in self._databases:
            self._databases[key] = open_database(url, folder=self._folder, source_name=SOURCE_NAME)
        return self._databases[key]
