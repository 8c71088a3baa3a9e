"""What a SQLite store is like: read as it lies there at one moment, while a service works on it or not. Nothing is changed."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import apsw

from rightful.errors import ConfigurationError
from rightful.store import queries, sqlite_state
from rightful.store.agreeing import AGREE, told
from rightful.store.sqlite_connection import SqliteConnection
from rightful.store.sqlite_file import kept_free
from rightful.store.values import StoreCheck

_BUSY_S = 10.0
_MOST = 5
"""So many findings of one kind are told one by one."""


_BACKUP = "stop the service, and put a backup in its place: `rightful store restore FILE --replace`; this one is kept aside"
_REPORT = "report it: this is a fault of Rightful; `rightful store backup FILE` keeps the store as it is"


def examine(path: Path) -> Iterator[StoreCheck]:
    """Yield what is found, the most basic first; what rests on something that is broken is left out."""
    with kept_free(path) as is_free:
        use = "no service works on it" if is_free else "a service works on it"
        try:
            if not sqlite_state.check_file(path):
                yield StoreCheck(
                    name="file", ok=False, detail=f"there is no store {path}", hint="has the service run with this configuration?"
                )
                return
            yield _file(path, use)
            with closing(SqliteConnection(path, busy_s=_BUSY_S)) as connection:
                version = sqlite_state.check_schema(connection, path)
        except ConfigurationError as error:
            yield StoreCheck(name="file", ok=False, detail=error.message, hint=_BACKUP if error.code == "StoreDamaged" else error.hint)
            return
        except apsw.Error as error:
            yield StoreCheck(name="file", ok=False, detail=sqlite_state.reason(error) or str(error), hint=_BACKUP)
            return
        newest = len(queries.migrations())
        later = "" if version == newest else f"; the next start brings it to {newest}"
        yield StoreCheck(name="schema", ok=True, detail=f"version {version}{later}")
        yield from _inside(path, version == newest, is_free=is_free)


def _file(path: Path, use: str) -> StoreCheck:
    if os.name == "posix" and path.stat().st_mode & 0o077:
        detail = "can be read by other users of this machine: it says whose data was asked for"
        return StoreCheck(name="file", ok=False, detail=detail, hint=f"chmod 600 {path}*")
    return StoreCheck(name="file", ok=True, detail=f"{path.stat().st_size / 2**20:.1f} MiB, {use}")


def _inside(path: Path, is_current: bool, *, is_free: bool) -> Iterator[StoreCheck]:  # noqa: FBT001 - a fact
    try:
        with closing(_read_only(path)) as connection:
            connection.execute("BEGIN")
            found = [str(row[0]) for row in connection.execute(f"PRAGMA integrity_check({_MOST})")]
            is_whole = found == ["ok"]
            detail = "every page fits" if is_whole else "; ".join(found)
            yield StoreCheck(name="pages", ok=is_whole, detail=detail, hint="" if is_whole else _BACKUP)
            if not is_whole or not is_current:
                return
            yield _references(connection)
            for each in AGREE:
                yield told(each, [str(row[0]) for row in connection.execute(each.query)], _REPORT)
            yield _leases(connection, is_free=is_free)
    except sqlite3.DatabaseError as error:
        yield StoreCheck(name="pages", ok=False, detail=f"cannot be read: {error}", hint=_BACKUP)


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True, isolation_level=None, timeout=_BUSY_S)


def _references(connection: sqlite3.Connection) -> StoreCheck:
    found = sum(1 for _ in connection.execute("PRAGMA foreign_key_check"))
    detail = f"{found} rows belong to operations that are not there" if found else "every read and entry belongs to an operation"
    return StoreCheck(name="references", ok=not found, detail=detail, hint=_BACKUP if found else "")


def _leases(connection: sqlite3.Connection, *, is_free: bool) -> StoreCheck:
    def count(query: str) -> int:
        return int(connection.execute(query).fetchone()[0])

    held = count("SELECT count(*) FROM read WHERE state = 'leased'") + count("SELECT count(*) FROM operation WHERE owner IS NOT NULL")
    owners = count("SELECT count(DISTINCT owner) FROM read WHERE state = 'leased'")
    if is_free:
        detail = f"{held} were left by a service that was killed; the next start takes them up" if held else "none is held"
        return StoreCheck(name="leases", ok=True, detail=detail)
    detail = f"{held} held by the service" if owners < 2 else f"held by {owners} services"  # noqa: PLR2004 - more than the one
    return StoreCheck(name="leases", ok=owners < 2, detail=detail, hint="" if owners < 2 else _REPORT)  # noqa: PLR2004 - likewise
