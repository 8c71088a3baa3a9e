"""What errors of SQLAlchemy and of drivers mean to us, without repeating their words: they hold statements, values, addresses."""

from typing import Any

from sqlalchemy import exc

from rightful.database.interface import SLOW
from rightful.errors import SourceError, SourceRefused, SourceUnavailable

# Classes of SQLSTATE (SQL:2023 part 2, section 24.1; PostgreSQL, appendix A).
_REFUSED = {
    "22": "a value is not what the query takes it for",
    "28": "the server refuses the account or its password",
    "3D": "there is no such database",
    "3F": "there is no such schema",
    "42": "the server refuses the query: has the table changed, and may the account read it?",
    "54": "the query is more than the database takes at once",
    "0A": "the database cannot do what the query asks for",
}
_HINTS = {
    "28": "check user and password in the source's url",
    "3D": "check the database's name in the source's url",
    "54": "the person has very many identifiers, or `via` goes over many tables: read a view that joins them",
}
_HINT = "has the table changed, and may the account read it? A column that its driver cannot bring: leave it out with `exclude`"
_TRANSIENT = {
    "08": "the connection is gone, or there is none",
    "25": "the transaction is over",
    "40": "the server asks to try again",
    "53": "the server has too little left of something",
    "55": "an object is locked",
    "57": "the query was ended at the server",
    "58": "the server has a fault",
}
_CANCELLED = frozenset({"57014", "HY008", "70100"})
"""PostgreSQL, Firebird (and ODBC), MariaDB."""
_STATES = ("sqlstate", "pgcode")


def _is_connection_lost(error: Exception) -> bool:
    """Say whether the connection itself is gone, so that another one may do."""
    return (isinstance(error, exc.DBAPIError) and error.connection_invalidated) or _state(error)[:2] == "08"


def is_cancelled(error: Exception) -> bool:
    """Say whether the server ended a query, for its time limit mostly."""
    return _state(error) in _CANCELLED


def late(where: str, source_name: str) -> SourceUnavailable:
    """Return what is said of a query that took too long."""
    return SourceUnavailable(f"{where}: the query took longer than it may", source_name=source_name, hint=SLOW)


def translate(error: Exception, *, where: str, source_name: str) -> SourceError:
    """Return our error for another."""
    if is_cancelled(error):
        return late(where, source_name)
    named = f"({_name(error)})"
    kind = _state(error)[:2]
    if kind in _REFUSED:
        return SourceRefused(f"{where}: {_REFUSED[kind]} {named}", source_name=source_name, hint=_HINTS.get(kind, _HINT))
    if _is_connection_lost(error) or kind in _TRANSIENT:
        said = _TRANSIENT.get(kind, _TRANSIENT["08"])
        return SourceUnavailable(f"{where}: {said} {named}", source_name=source_name, hint="is it running, and can this machine reach it?")
    if isinstance(error, exc.OperationalError | exc.InternalError | exc.TimeoutError | OSError):
        return SourceUnavailable(
            f"{where}: the database does not answer, does not let us in, or failed {named}",
            source_name=source_name,
            hint="check the source's url (account, password, host, database), and that this machine can reach the server",
        )
    return SourceRefused(
        f"{where}: the database or its driver refuses the query {named}",
        source_name=source_name,
        hint=_HINT,
    )


def _name(error: Exception) -> str:
    """Name an error by what holds no values: its class, and its code where that is one."""
    original: Any = getattr(error, "orig", None) or error
    code = _state(error) or next(
        (str(each) for each in (getattr(original, "code", None), *getattr(original, "args", ())) if isinstance(each, int)), ""
    )
    return f"{type(original).__module__.partition('.')[0]}.{type(original).__name__}{f' {code}' if code else ''}"


def _state(error: Exception) -> str:
    original = getattr(error, "orig", None) or error
    state = next((found for found in (getattr(original, name, None) for name in _STATES) if found), "")
    return state if isinstance(state, str) and len(state) == 5 and state.isalnum() else ""  # noqa: PLR2004 -- SQLSTATE's length
