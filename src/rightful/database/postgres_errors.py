"""What PostgreSQL's and its driver's errors mean to us, without repeating the server's words: they may hold values or account names."""

import re

from adbc_driver_manager import Error

from rightful.database.interface import SLOW, UNKNOWN_HOST, UNKNOWN_HOST_HINT
from rightful.errors import SourceError, SourceRefused, SourceUnavailable

# Classes and codes of https://www.postgresql.org/docs/current/errcodes-appendix.html that are worth another try.
_TRANSIENT = ("08", "40", "53", "55", "57", "58", "XX")
_SAID = {
    "28": "the server refuses the account",
    "28P01": "the server refuses the account's password",
    "3D000": "there is no such database",
    "3F000": "there is no such schema",
    "42P01": "a table is not there",
    "42703": "a column is not there",
    "42501": "the account may not read all of it",
    "42883": "columns of different types are compared",
    "42P22": "columns of different collations are compared",
    "42704": "a type is not there",
    "57014": "the query took longer than it may",
    "57P01": "the server was stopped",
    "57P02": "the server broke down",
    "57P03": "the server is starting or stopping",
    "53300": "the server has no connection left",
    "53": "the server is out of resources",
    "55": "an object is locked",
    "40": "the server asks to try again",
    "08": "the connection is gone",
    "58": "the server's disk or system failed",
    "25006": "a view or function writes, and we only read",
}
_HINTS = {
    "57014": SLOW,
    "28": "check the account in the source's url and the server's pg_hba.conf",
    "28P01": "check the password in the source's url",
    "3D000": "check the database's name in the source's url",
    "42501": "GRANT SELECT on the table (and USAGE on its schema) to the account, or leave the column out with `exclude`; "
    "where row-level security hides rows from it, give it BYPASSRLS",
    "42P01": "check the table's name with its schema",
    "42703": "check the columns' names",
    "42P22": "join over a view that gives both one collation",
    "42883": "`via` and `match` compare columns of one type; a view can cast",
}
# Failures to connect have no code: the driver passes on libpq's text only (English unless the server's lc_messages says otherwise).
_CONNECTING = (
    (re.compile(r"password authentication failed|no password supplied|SCRAM|authentication"), "28P01"),
    (re.compile(r"pg_hba\.conf|no encryption|role .* does not exist|not permitted to log in|permission denied for database"), "28"),
    (re.compile(r"database .* does not exist"), "3D000"),
    (re.compile(r"too many (?:clients|connections)|remaining connection slots"), "53300"),
    (re.compile(r"starting up|shutting down|in recovery mode|not yet accepting connections"), "57P03"),
)
_NO_SUCH_HOST = re.compile(r"could not translate host name")
_BAD_ADDRESS = re.compile(r"invalid (?:integer value|port|URI|connection option|sslmode)|unexpected character|missing|extra key/value")
_NO_CONNECTION = re.compile(
    r"server closed|no connection to|terminating connection|connection to server|could not (?:send|receive)|SSL|timeout|reset by peer"
)


def is_connection_lost(error: Error) -> bool:
    """Say whether the connection itself is gone, so that another one may do."""
    code = error.sqlstate or ""
    return code[:2] == "08" or code in {"57P01", "57P02", "57P03"} or (not code and bool(_NO_CONNECTION.search(str(error))))


def translate(error: Error, *, where: str, source_name: str) -> SourceError:
    """Return our error for one of the driver's; never with the server's own text."""
    code = error.sqlstate or ""
    text = str(error)
    if not code:
        if _NO_SUCH_HOST.search(text):
            return SourceUnavailable(f"{where}: {UNKNOWN_HOST}", source_name=source_name, hint=UNKNOWN_HOST_HINT)
        code = next((found for pattern, found in _CONNECTING if pattern.search(text)), "")
        if not code and "Failed to connect" in text and _BAD_ADDRESS.search(text):
            return SourceRefused(
                f"{where}: the address is not one of PostgreSQL's",
                source_name=source_name,
                hint="write postgresql:// and user:password@host:5432/database behind it",
            )
        if not code:
            what = "the server does not answer" if "Failed to connect" in text else "the connection is gone"
            return SourceUnavailable(f"{where}: {what}", source_name=source_name, hint="is it running, and can this machine reach it?")
    said = _SAID.get(code) or _SAID.get(code[:2]) or "the server refuses the query"
    message = f"{where}: {said} (SQLSTATE {code})"
    if code.startswith(_TRANSIENT):
        return SourceUnavailable(message, source_name=source_name, hint=_HINTS.get(code, "trying again may help"))
    return SourceRefused(message, source_name=source_name, hint=_HINTS.get(code) or _HINTS.get(code[:2], ""))
