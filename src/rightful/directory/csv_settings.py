"""The settings of a directory in CSV files, and what they mean for tables."""

import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from rightful.directory.closure import Limits
from rightful.directory.people import Columns, names_in
from rightful.directory.sql import InboundSettings, MoreSettings, SqlDirectorySettings
from rightful.subject.matching import FOLDED_KINDS


class CsvMoreSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file where more identifiers are found by identifiers that are known already."""

    file: str
    """The file."""
    from_: dict[str, str] = msgspec.field(name="from")
    """Kind of a known identifier to the column that it is looked up in; of several, either."""
    identifiers: Columns
    """Kind of identifier to the column, or columns, that hold it."""


class CsvInboundSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where inbound shared user profiles are (GRAPH-04): people of other tenants."""

    file: str
    """The file."""
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


class CsvDirectorySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file of people, and where else identifiers of theirs are found."""

    file: str
    """A CSV file (UTF-8, names of columns in the first line) with a row for each person, below the configuration's folder."""
    delimiter: str = ","
    """The character between two values, in every file."""
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
    more: tuple[CsvMoreSettings, ...] = ()
    """Further files: identifiers found by identifiers, round after round until nothing new is found."""
    limits: Limits = Limits()
    """How far the search goes, and which identifiers are too weak to be searched for."""
    inbound_profiles: CsvInboundSettings | None = None
    """Inbound shared user profiles; left out: there are none."""

    def __post_init__(self) -> None:
        """Refuse kinds that are taken."""
        as_tables(self)


def table_name(path: str) -> str:
    """Return what a file's table is called, in the ledger too: `people.csv` is `people`."""
    name = re.sub(r"\W", "_", Path(path).stem)
    return f"csv_{name}" if name.lower().startswith("sqlite_") else name


def as_tables(settings: CsvDirectorySettings) -> SqlDirectorySettings:
    """Return settings of the same directory in tables."""
    more = (MoreSettings(table=table_name(each.file), from_=each.from_, identifiers=each.identifiers) for each in settings.more)
    inbound = settings.inbound_profiles
    return SqlDirectorySettings(
        url="",
        table=table_name(settings.file),
        id=settings.id,
        upn=settings.upn,
        display_name=settings.display_name,
        language=settings.language,
        recipient=settings.recipient,
        identifiers=settings.identifiers,
        more=tuple(more),
        limits=settings.limits,
        inbound_profiles=None
        if inbound is None
        else InboundSettings(
            table=table_name(inbound.file),
            user_id=inbound.user_id,
            upn=inbound.upn,
            display_name=inbound.display_name,
            home_tenant_id=inbound.home_tenant_id,
            identifiers=inbound.identifiers,
        ),
    )


class Wanted:
    """What is read of a file."""

    def __init__(self) -> None:
        self.kinds: dict[str, set[str]] = {}
        """Columns, each with the kinds that somebody is looked up or counted by in it."""
        self.unique = ""
        """The column that names a row."""
        self._shown: set[str] = set()

    @property
    def lowered(self) -> frozenset[str]:
        """Columns that are only looked up, and without letter case."""
        return frozenset(column for column, kinds in self.kinds.items() if kinds <= FOLDED_KINDS and column not in self._shown)

    def look_up(self, identifiers: Mapping[str, str | tuple[str, ...]]) -> list[str]:
        """Take columns by kind; returns them."""
        taken = []
        for kind, named in identifiers.items():
            for column in names_in(named):
                self.kinds.setdefault(column, set()).add(kind)
                taken.append(column)
        return taken

    def show(self, identifiers: Mapping[str, str | tuple[str, ...]], *plain: str) -> None:
        """Take columns whose values are given out."""
        self._shown.update(self.look_up(identifiers), filter(None, plain))
        for column in filter(None, plain):
            self.kinds.setdefault(column, set())


def wanted(settings: CsvDirectorySettings) -> dict[str, Wanted]:
    """Return what is read of which file; a file that is named twice is read once."""
    found: dict[str, Wanted] = {}
    people = found[settings.file] = Wanted()
    people.unique = settings.id
    people.show(
        {"id": settings.id, "upn": settings.upn, **settings.identifiers}, settings.display_name, settings.language, settings.recipient
    )
    for more in settings.more:
        file = found.setdefault(more.file, Wanted())
        file.look_up(more.from_)
        file.show(more.identifiers)
    if (inbound := settings.inbound_profiles) is not None:
        profiles = found.setdefault(inbound.file, Wanted())
        profiles.unique = profiles.unique or inbound.user_id
        own = {"id": inbound.user_id, "upn": inbound.upn, **inbound.identifiers}
        profiles.show(own, inbound.display_name, inbound.home_tenant_id)
    return found
