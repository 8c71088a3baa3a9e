"""What has come or gone in the systems since somebody last looked: tables that no source reads, and columns that are new or missing.

Which tables there are is compared with what the configuration names, and with those that somebody looked at and left out. These, and which
columns there were, are recorded in a file beside it, names alone.
"""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import msgspec

from rightful import private_file
from rightful.config.model import TenantConfig
from rightful.database.opening import identity
from rightful.errors import ConfigurationError, ExportError
from rightful.sources.survey import tables_of

FILE = "sources.seen.json"


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What was there when somebody last looked."""

    columns: dict[str, dict[str, tuple[str, ...]]] = {}
    """Tenant id to source to its columns."""
    tables: dict[str, dict[str, tuple[str, ...]]] = {}
    """Tenant id to source, or `directory`, to the tables of its database that no source read. Of further databases that one reads:
    `directory.badges`, after the first table that it names there."""


class Unread(msgspec.Struct, frozen=True, kw_only=True):
    """The tables of one database that neither a source nor the directory names."""

    owners: tuple[str, ...]
    """Who reads that database, in the configuration's order; where that is not the first database of theirs, with a table of it."""
    tables: tuple[str, ...]


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """What is new or gone in one source, or beside it."""

    source_name: str
    what: str
    """`table`, `column`."""
    names: tuple[str, ...]
    is_new: bool = True
    is_unrecorded: bool = False
    """Nobody has looked before: all columns are new."""


def load(folder: Path) -> Seen:
    """Read what was recorded; nothing where nothing was."""
    path = folder / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Seen)
    except FileNotFoundError:
        return Seen()
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigurationError(f"{FILE} cannot be read", hint=f"delete it, and record anew: {path}") from error


def save(folder: Path, seen: Seen) -> None:
    """Record what is there now."""
    private_file.write(folder / FILE, msgspec.json.format(msgspec.json.encode(seen), indent=1) + b"\n")


def changed_columns(source_name: str, before: Iterable[str] | None, now: Iterable[str]) -> list[Drift]:
    """Return what is new and what is gone of one source's columns."""
    if before is None:
        return [Drift(source_name=source_name, what="column", names=names, is_unrecorded=True)] if (names := tuple(now)) else []
    was, is_ = tuple(before), tuple(now)
    new, gone = tuple(name for name in is_ if name not in was), tuple(name for name in was if name not in is_)
    found = [Drift(source_name=source_name, what="column", names=new)] if new else []
    return found + ([Drift(source_name=source_name, what="column", names=gone, is_new=False)] if gone else [])


def new_tables(unread: Iterable[Unread], recorded: Mapping[str, Collection[str]]) -> list[Drift]:
    """Return unread tables that were not recorded as looked at, under the name of the first that reads their database.

    One that some of the database's readers were recorded with and others not is named: rather once more than never.
    """
    found: list[Drift] = []
    for each in unread:
        known = [frozenset(recorded[owner]) for owner in each.owners if owner in recorded]
        new = tuple(table for table in each.tables if not known or not all(table in tables for tables in known))
        if new:
            found.append(Drift(source_name=each.owners[0], what="table", names=new))
    return found


def recorded_tables(unread: Iterable[Unread], before: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Return what to record of unread tables: of a database that could not be looked at, what was recorded before."""
    now: dict[str, tuple[str, ...]] = {}
    for each in unread:
        for owner in each.owners:
            now[owner] = (*now.get(owner, ()), *each.tables)
    return {**before, **now}


def unread_tables(tenant: TenantConfig, folder: Path) -> list[Unread]:
    """Return what neither a source nor the directory names, of each database that one of them reads and that can be looked at."""
    named: dict[str, set[str]] = {}
    urls: dict[str, str] = {}
    owners: dict[str, dict[str, str]] = {}
    names: set[str] = set()
    for owner, settings in [("directory", tenant.directory.settings), *((s.name, s.settings) for s in tenant.sources)]:
        for url, table in _tables(msgspec.to_builtins(settings)):
            try:
                database = identity(url, folder)
            except ConfigurationError:
                continue  # not a database that is read by SQL
            named.setdefault(database, set()).add(_plain(table))
            urls.setdefault(database, url)
            readers = owners.setdefault(database, {})
            if owner not in readers:
                readers[owner] = _name_of(owner, _plain(table), names)
                names.add(readers[owner])
    found: list[Unread] = []
    for database, url in urls.items():
        try:
            tables = tables_of(url, folder, next(iter(owners[database].values())))
        except ExportError:
            continue  # the check of the source says so
        left = tuple(table for table in tables if _plain(table) not in named[database])
        found.append(Unread(owners=tuple(owners[database].values()), tables=left))
    return found


def _name_of(owner: str, table: str, names: Collection[str]) -> str:
    """Return what a database of somebody's is recorded under: what lies in another one of theirs is another table, of whatever name."""
    if owner not in names:
        return owner
    name, number = f"{owner}.{table}", 1
    while name in names:
        number += 1
        name = f"{owner}.{table} {number}"
    return name


def _tables(settings: object, url: str = "") -> Iterable[tuple[str, str]]:
    """Yield (url, table) of settings and of what is in them: a part without a url has the whole's."""
    if isinstance(settings, Mapping):
        here = str(settings.get("url") or url)
        if settings.get("table"):
            yield here, str(settings["table"])
        for value in settings.values():
            yield from _tables(value, here)
    elif isinstance(settings, list | tuple):
        for value in settings:
            yield from _tables(value, url)


def _plain(table: str) -> str:
    return table.removeprefix("public.").removeprefix("main.").replace('"', "").lower()
