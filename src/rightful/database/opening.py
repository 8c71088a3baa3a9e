"""Opens databases by URL."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from rightful.database import mysql_address, sqlalchemy_url
from rightful.database.interface import Database
from rightful.database.pool import Pool
from rightful.errors import ConfigurationError

_SQLITE = "sqlite:///"
STREAM_S = 3600
"""A stream waits for whoever writes its rows away, so it may take long; after an interruption it goes on where it was."""
_POSTGRES = ("postgresql://", "postgres://")

# Connections belong to the process, not to a source: ten tables of one server share what they need. A pool lives as long as a user of it.
_pools: WeakValueDictionary[str, Pool[Any]] = WeakValueDictionary()
_lock = threading.Lock()


def identity(url: str, folder: Path) -> str:
    """Return a text that is equal for equal databases. It may hold a password: not for messages.

    Raises `ConfigurationError` where the URL is not one of ours.
    """
    if url.startswith(_SQLITE) and url != _SQLITE:
        return f"{_SQLITE}{(folder / url.removeprefix(_SQLITE)).absolute()}"
    if url.startswith(_POSTGRES):
        return f"postgresql://{url.partition('://')[2]}"
    if url.startswith(mysql_address.SCHEMES):
        mysql_address.parse(url)
        return f"mysql://{url.partition('://')[2]}"
    if sqlalchemy_url.is_meant(url):
        return sqlalchemy_url.parse(url, folder).render_as_string(hide_password=False)
    raise ConfigurationError(
        f"a database of the scheme {url.partition(':')[0][:20]!r} cannot be read",
        hint=(
            "write sqlite:///file.db (below the configuration's folder; four slashes for an absolute path),"
            " or postgresql:// or mysql:// with user:password@host/database behind it,"
            " or dialect+driver:// for what SQLAlchemy has a dialect for"
        ),
    )


def url_problem(url: str) -> tuple[str, str] | None:
    """Return what is wrong with a URL and what to write instead, without any of it; None where it is one of ours."""
    try:
        identity(url, Path())
    except ConfigurationError as error:
        if url.startswith(mysql_address.SCHEMES) or sqlalchemy_url.is_meant(url):
            return f"is not right: {error.message}", error.hint
        return f"does not begin with {_SQLITE}, {_POSTGRES[0]} or {mysql_address.SCHEMES[0]}", error.hint
    return None


def open_database(url: str, *, folder: Path, source_name: str, stream_s: int = STREAM_S) -> Database:
    """Open a database for a source; nothing is connected before the first question.

    Args:
        url: `sqlite:///relative.db` (below `folder`), `sqlite:////absolute.db`, `postgresql://…`, `mysql://…`, or SQLAlchemy's `dialect+driver://…`.
        folder: where relative paths start.
        source_name: for errors.
        stream_s: how long a stream may take.
    """
    known = identity(url, folder)
    if sqlalchemy_url.is_meant(url):
        return _sqlalchemy(known, source_name, stream_s)
    if known.startswith(_SQLITE):
        from rightful.database import sqlite  # noqa: PLC0415 -- each driver is loaded by who uses it

        path = Path(known.removeprefix(_SQLITE))
        return sqlite.SqliteDatabase(_pool(known, lambda: sqlite.connect(path)), path, source_name=source_name, stream_s=stream_s)
    if known.startswith(mysql_address.SCHEMES):
        return _mysql(known, source_name, stream_s)
    from rightful.database import postgres  # noqa: PLC0415 -- each driver is loaded by who uses it

    pool = _pool(known, lambda: postgres.connect(known))
    return postgres.PostgresDatabase(pool, source_name=source_name, stream_s=stream_s)


def _mysql(url: str, source_name: str, stream_s: int) -> Database:
    try:
        from rightful.database import mysql  # noqa: PLC0415 -- each driver is loaded by who uses it
    except ImportError as error:
        if error.name != "pymysql":
            raise
        raise ConfigurationError("what reads MySQL and MariaDB is not installed", hint="install rightful[mysql]") from None
    address = mysql_address.parse(url)
    return mysql.MysqlDatabase(_pool(url, lambda: mysql.connect(address)), source_name=source_name, stream_s=stream_s)


def _sqlalchemy(url: str, source_name: str, stream_s: int) -> Database:
    from sqlalchemy import make_url  # noqa: PLC0415 -- each driver is loaded by who uses it

    from rightful.database.sqlalchemy_connection import Connections  # noqa: PLC0415 -- likewise
    from rightful.database.sqlalchemy_database import SqlalchemyDatabase  # noqa: PLC0415 -- likewise

    return SqlalchemyDatabase(_pool(url, Connections(make_url(url))), source_name=source_name, stream_s=stream_s)


def _pool(key: str, connect: Callable[[], Any]) -> Pool[Any]:
    with _lock:
        pool = _pools.get(key)
        if pool is None:
            pool = _pools[key] = Pool(connect)
        return pool
