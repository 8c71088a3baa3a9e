"""Addresses of MySQL and MariaDB databases: `mysql://user:password@host:3306/database?ca=/etc/ssl/db.pem`.

A connection to another machine is encrypted, and the server's certificate and name are checked. Whoever wants that otherwise says so
(`tls=off`); on this machine it is off unless asked for.
"""

import ssl
from collections.abc import Mapping
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import msgspec

from rightful.errors import ConfigurationError

SCHEMES = ("mysql://", "mariadb://")
_PORT = 3306
_OPTIONS = frozenset({"tls", "ca", "cert", "key", "socket"})
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})
_FORM = "write mysql:// and user:password@host:3306/database behind it; what is no letter or digit in a password as %XX"


class BadFile(Exception):
    """A file that an address names for TLS cannot be used."""


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where a database is and who asks. Holds a password: never in a message."""

    host: str
    port: int
    user: str
    password: str
    database: str
    is_encrypted: bool
    socket: str = ""
    """A Unix socket's path, in place of host and port."""
    ca: str = ""
    """File with the certificates that the server's must come from; empty: the system's."""
    cert: str = ""
    """File with a certificate of our own, and its key where `key` names no other."""
    key: str = ""

    def __repr__(self) -> str:
        """Say nothing of it."""
        return "Address(…)"

    def context(self) -> ssl.SSLContext | None:
        """Return how the server is checked; None where the connection is not encrypted. Raises `BadFile`."""
        if not self.is_encrypted:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca or None)  # checks names and certificates
            if self.cert:
                context.load_cert_chain(self.cert, self.key or None)
        except OSError:  # ssl.SSLError is one
            raise BadFile from None
        # Python 3.13 wants extensions that certificates of MySQL's and MariaDB's own making lack. What is checked stays checked.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return context


def parse(url: str) -> Address:
    """Read an address; raises `ConfigurationError`, which says nothing of it."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORT
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError:
        raise ConfigurationError("the address of a MySQL database cannot be read", hint=_FORM) from None
    database = unquote(parts.path.removeprefix("/"))
    if not parts.username or not database or "/" in database or parts.fragment:
        raise ConfigurationError("the address of a MySQL database does not name user and database", hint=_FORM)
    if not options.keys() <= _OPTIONS:
        raise ConfigurationError(
            "the address of a MySQL database has an option that is not known", hint=f"there are: {', '.join(sorted(_OPTIONS))}"
        )
    return _address(parts, port, database, options)


def _address(parts: SplitResult, port: int, database: str, options: Mapping[str, str]) -> Address:
    host, socket = parts.hostname or "", options.get("socket", "")
    if not host and not socket:
        raise ConfigurationError("the address of a MySQL database names no host", hint=_FORM)
    default = "off" if socket or host in _HERE else "verify"
    tls = options.get("tls", "verify" if options.keys() & {"ca", "cert", "key"} else default)
    if tls not in {"verify", "off"}:
        raise ConfigurationError(
            "`tls` in the address of a MySQL database is neither `verify` nor `off`", hint="leave it out to have the server checked"
        )
    if tls == "off" and (needless := options.keys() & {"ca", "cert", "key"}):
        raise ConfigurationError(
            f"the address of a MySQL database names `{min(needless)}`, which is of no use to a connection that is not encrypted",
            hint="leave out `tls=off`, or the files",
        )
    if options.get("key") and not options.get("cert"):
        raise ConfigurationError(
            "the address of a MySQL database names a key without its certificate", hint="add `cert=`, the file with the certificate"
        )
    return Address(
        host=host or "localhost",
        port=port,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        database=database,
        is_encrypted=tls == "verify",
        socket=socket,
        ca=options.get("ca", ""),
        cert=options.get("cert", ""),
        key=options.get("key", ""),
    )
