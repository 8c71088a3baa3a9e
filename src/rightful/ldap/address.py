"""Addresses of LDAP servers: `ldaps://host:636`, or `ldap://host:389` with StartTLS."""

import ssl
from urllib.parse import urlsplit

import msgspec

from rightful.errors import ConfigurationError

_PORTS = {"ldap": 389, "ldaps": 636}
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})


class BadAddress(Exception):
    """Nothing that can be connected to as it should; (what is wrong, what to write instead)."""


class BadCertificates(Exception):
    """The certificates to trust are none."""


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where a server is, and how it is known that it is the right one."""

    host: str
    port: int
    is_tls: bool
    """Whether TLS comes first."""
    start_tls: bool
    """Whether TLS is asked for before anything else is."""
    ca: str = ""
    """The certificates that the server's must come from, in PEM; empty: the system's."""

    def context(self) -> ssl.SSLContext | None:
        """Return how the server is checked; None where the connection is not encrypted. Raises `BadCertificates`."""
        if not self.is_tls and not self.start_tls:
            return None
        try:
            context = ssl.create_default_context(cadata=self.ca or None)  # checks names and certificates
        except (OSError, ValueError):  # ssl.SSLError is an OSError
            raise BadCertificates from None
        # Python 3.13 wants extensions that the certificates of many an organization's own authority lack. What is checked stays checked.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return context


def parse(url: str, *, start_tls: bool, ca: str = "") -> Address:
    """Read an address; raises `BadAddress`, which says nothing of it."""
    form = "write ldaps://HOST, or ldap://HOST with start_tls: true; a port may follow"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadAddress("is no address", form) from None
    host = parts.hostname or ""
    if parts.scheme not in _PORTS or not host or port == 0:
        raise BadAddress("is no address of an LDAP server", form)
    if parts.username is not None or parts.path.strip("/") or parts.query or parts.fragment:
        raise BadAddress("holds more than a host and a port", "user, base and filter have settings of their own: bind_dn, base, filter")
    if parts.scheme == "ldaps" and start_tls:
        raise BadAddress("is encrypted already", "leave start_tls out, or write ldap://")
    if parts.scheme == "ldap" and not start_tls and host not in _HERE:
        raise BadAddress("would send the password and people's data unencrypted", form)
    return Address(host=host, port=port or _PORTS[parts.scheme], is_tls=parts.scheme == "ldaps", start_tls=start_tls, ca=ca)


def must_parse(url: str, *, start_tls: bool, ca: str = "") -> Address:
    """Do as `parse`; raises `ConfigurationError`."""
    try:
        return parse(url, start_tls=start_tls, ca=ca)
    except BadAddress as error:
        what, hint = error.args
        raise ConfigurationError(f"the address of an LDAP server {what}", hint=hint) from None
