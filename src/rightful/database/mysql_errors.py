"""What MySQL's, MariaDB's and PyMySQL's errors mean to us, without repeating the server's words: they may hold values or account names."""

import ssl

from pymysql.err import Error

from rightful.database.interface import SLOW, UNKNOWN_HOST, UNKNOWN_HOST_HINT
from rightful.database.mysql_address import BadFile
from rightful.errors import SourceError, SourceRefused, SourceUnavailable

# https://mariadb.com/kb/en/mariadb-error-code-reference/; from 2000 on they are the client's own.
TIMED_OUT = frozenset({1969, 3024})
"""max_statement_time (MariaDB), max_execution_time (MySQL)."""
_LOST = frozenset({0, 1053, 1080, 1152, 1158, 1159, 1160, 1161, 1184, 1927, 2002, 2003, 2005, 2006, 2013, 2055})
_TRANSIENT = (
    _LOST | TIMED_OUT | {1021, 1037, 1038, 1040, 1041, 1114, 1135, 1203, 1205, 1206, 1213, 1226, 1317, 1412, 1615, 1637, 1969, 3024}
)
_CHANGED = frozenset({1051, 1054, 1146, 1356, 1412})
"""A table is not what it was when we looked."""
_GRANT = "GRANT SELECT on the whole table to the account, or read a view that has the columns it may see"
_SAID = {
    1040: "the server has no connection left",
    1044: "the server refuses the account for this database",
    1045: "the server refuses the account or its password",
    1049: "there is no such database",
    1054: "a column is not there",
    1064: "the server does not understand the query",
    1129: "the server has shut this machine out after too many errors",
    1130: "the server takes no connections of this account from this machine",
    1142: "the account may not read the table",
    1143: "the account may not read all of its columns",
    1146: "a table is not there",
    1153: "the identifiers are more than the server takes at once",
    1203: "the account has no connection left",
    1205: "an object is locked",
    1213: "the server asks to try again",
    1226: "the account has used up what it may ask for",
    1317: "the query was ended at the server",
    1356: "a view refers to what is not there or may not be read",
    1412: "a table was changed meanwhile",
    1698: "the server refuses the account or its password",
    1792: "a view or function writes, and we only read",
    1969: "the query took longer than it may",
    2002: "the server does not answer",
    2003: "the server does not answer",
    2005: UNKNOWN_HOST,
    2026: "the server does not encrypt connections",
    2059: "the server wants another way to log in than we have",
    2061: "the server wants the password over a connection that is not encrypted",
    3024: "the query took longer than it may",
    3159: "the server takes encrypted connections only",
}
_HINTS = {
    1044: "check the database's name in the source's url, and GRANT SELECT on its tables",
    1045: "check user and password in the source's url, and from which machines the account may come",
    1049: "check the database's name in the source's url",
    1064: "MariaDB 10.6 or later and MySQL 8.0 are read",
    1142: _GRANT,
    1143: _GRANT,
    1153: "a larger max_allowed_packet at the server",
    1698: "check user and password in the source's url: the account needs a password",
    1969: SLOW,
    2005: UNKNOWN_HOST_HINT,
    2026: "have it offer TLS; where nobody else is on the way, write tls=off into the source's url",
    2059: "give the account another authentication plugin: mysql_native_password, caching_sha2_password, or ed25519",
    2061: "leave tls=off out of the source's url",
    3024: SLOW,
    3159: "leave tls=off out of the source's url",
}


def code_of(error: Exception) -> int:
    """Return the number of an error, 0 where it has none: the connection broke."""
    first = error.args[0] if isinstance(error, Error) and error.args else 0
    return first if isinstance(first, int) else 0


def is_connection_lost(error: Exception) -> bool:
    """Say whether the connection itself is gone, so that another one may do."""
    return code_of(error) in _LOST


def late() -> Error:
    """Return what the server says of a query that took too long."""
    return Error(min(TIMED_OUT))


def is_changed(error: Exception) -> bool:
    """Say whether what is known of the tables is out of date."""
    return code_of(error) in _CHANGED


def translate(error: Exception, *, where: str, source_name: str) -> SourceError:
    """Return our error for one of the driver's; never with the server's own text."""
    original = getattr(error, "original_exception", error)
    if isinstance(original, ssl.SSLCertVerificationError):
        return SourceRefused(
            f"{where}: the server's certificate is not the one of the host in `url`, or of nobody who is trusted",
            source_name=source_name,
            hint="add ?ca=FILE with the certificates it comes from to the source's url",
        )
    if isinstance(error, BadFile):
        return SourceRefused(
            f"{where}: a file that the address names for TLS cannot be used",
            source_name=source_name,
            hint="check ca, cert and key in the url",
        )
    if isinstance(original, ssl.SSLError):
        return SourceRefused(
            f"{where}: no encrypted connection comes about",
            source_name=source_name,
            hint="check ca, cert and key in the url, and TLS at the server",
        )
    code = code_of(error)
    if code in _LOST:
        said, hint = _SAID.get(code, "the connection is gone"), _HINTS.get(code, "is it running, and can this machine reach it?")
        return SourceUnavailable(f"{where}: {said}", source_name=source_name, hint=hint)
    message = f"{where}: {_SAID.get(code, 'the server refuses the query')} (MySQL code {code})"
    if code in _TRANSIENT:
        return SourceUnavailable(message, source_name=source_name, hint=_HINTS.get(code, "trying again may help"))
    return SourceRefused(message, source_name=source_name, hint=_HINTS.get(code, ""))
