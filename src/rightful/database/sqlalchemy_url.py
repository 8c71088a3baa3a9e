"""Addresses of databases that are reached through SQLAlchemy: `dialect+driver://user:password@host/database`."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rightful.errors import ConfigurationError

if TYPE_CHECKING:
    from sqlalchemy import URL

_SCHEME = re.compile(r"([a-z][a-z0-9_]*)(\+[a-z0-9_]+)?://.", re.IGNORECASE)
_OURS = frozenset({"sqlite", "postgresql", "postgres", "mysql", "mariadb"})
"""What is read without SQLAlchemy, unless a driver is named."""
_FILES = frozenset({"sqlite", "duckdb"})
"""Dialects whose databases are files, of which a relative one is below the configuration's folder."""


def is_meant(url: str) -> bool:
    """Say whether an address is one for SQLAlchemy: another scheme than ours, or one with a driver."""
    found = _SCHEME.match(url)
    return found is not None and (bool(found[2]) or found[1].lower() not in _OURS)


def has_dialect(url: str) -> bool:
    """Say whether an address is one for SQLAlchemy, and it has a dialect for that; its driver may be missing."""
    found = _SCHEME.match(url)
    if found is None or not is_meant(url):
        return False
    try:
        from sqlalchemy import exc  # noqa: PLC0415 -- loaded by who uses it
        from sqlalchemy.dialects import registry  # noqa: PLC0415 -- likewise

        registry.load(found[1].lower())
    except ImportError as error:
        return error.name != "sqlalchemy"
    except exc.NoSuchModuleError:
        return False
    return True


def parse(url: str, folder: Path) -> "URL":
    """Return the address of a database; its dialect and driver are installed, or `ConfigurationError` says what to install."""
    try:
        import sqlalchemy as sa  # noqa: PLC0415 -- loaded by who uses it
    except ImportError:
        raise ConfigurationError("what reads other databases is not installed", hint="install rightful[sqlalchemy]") from None
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        raise ConfigurationError(
            "an address of a database cannot be read",
            hint="write dialect+driver://user:password@host:port/database, with what is special in user and password percent-encoded",
        ) from None
    _dialect(parsed)
    name = parsed.get_backend_name()
    if name in _FILES and not parsed.host:
        if not parsed.database or parsed.database == ":memory:":
            raise ConfigurationError(
                "an address of a database names no file", hint=f"write {parsed.drivername}:///file (below the configuration's folder)"
            )
        return parsed.set(database=str((folder / parsed.database).absolute()))
    return parsed


def _dialect(parsed: "URL") -> type[Any]:
    from sqlalchemy import exc  # noqa: PLC0415 -- loaded by who uses it

    name, driver = parsed.get_backend_name(), parsed.drivername.partition("+")[2]
    try:
        dialect: type[Any] = parsed.get_dialect()
    except exc.NoSuchModuleError:
        raise ConfigurationError(
            f"a database of the scheme {parsed.drivername[:40]!r} cannot be read: no dialect of SQLAlchemy of this name is installed",
            hint=(
                "write sqlite:///file.db, postgresql:// or mysql://, or install the package that brings the dialect"
                " (docs.sqlalchemy.org/dialects lists them)"
            ),
        ) from None
    except ImportError as error:
        raise _missing(parsed.drivername, error) from None
    try:
        dialect.import_dbapi()
    except ImportError as error:
        raise _missing(parsed.drivername, error) from None
    if dialect.is_async:
        raise ConfigurationError(
            f"the driver of {parsed.drivername!r} is for asyncio",
            hint=f"name another driver of {name}" + (f" than {driver}" if driver else ""),
        )
    return dialect


def _missing(name: str, error: ImportError) -> ConfigurationError:
    module = (error.name or "").partition(".")[0] or "its driver"
    return ConfigurationError(
        f"the driver of {name!r} is not installed: there is no module {module!r}",
        hint="install the driver beside Rightful, or name one that is there: dialect+driver://",
    )
