"""Asks one LDAP server: searches by pages, from any thread, over a few connections that are opened when they are needed.

A server that was started again is noticed: who gets a connection that ended meanwhile gets a new one. Referrals are never followed.
"""

import ssl
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import suppress

import msgspec
import structlog

from rightful.errors import SourceError, SourceRefused, SourceUnavailable
from rightful.ldap.address import Address, BadCertificates
from rightful.ldap.messages import Done, Entry, Reference, Search
from rightful.ldap.wire import Broken, NotDone, Untrusted, Wire

_log = structlog.get_logger(__name__)

_MOST_CONNECTIONS = 8
_KEPT_S = 60.0
"""A connection that was not used for longer is not used again: a firewall may have forgotten it without a word."""
_MOST_ENTRIES = 5_000_000
_MOST_PAGES = 1_000_000
_NO_SUCH_OBJECT = 32
_REFERRAL = 10
_LATER = {3: "time limit exceeded", 51: "busy", 52: "unavailable", 80: "other"}
"""Codes that another try may not get."""
_REFUSED: Mapping[int, tuple[str, str]] = {
    4: ("gives no more entries than its size limit", "give the account a larger limit, or page_size a smaller number"),
    7: ("does not know simple binds", "have simple binds allowed for this account, over TLS"),
    8: ("wants stronger authentication", "write ldaps://, or start_tls: true"),
    11: ("gives no more than its administrator allows", "give the account a larger limit"),
    13: ("wants an encrypted connection", "write ldaps://, or start_tls: true"),
    _NO_SUCH_OBJECT: ("has nothing at the base", "check base, and the rights of bind_dn"),
    34: ("reads a name otherwise", "check base and bind_dn"),
    48: ("does not let this account bind so", "check bind_dn and password"),
    49: ("does not take bind_dn and password", "check them; the account may also be locked, or its password expired"),
    50: ("does not let this account read that", "give the account of bind_dn the right to read and to search"),
    53: ("is unwilling", "see the server's log: many want TLS, or a bind before anything else"),
}
_NOT_FOLLOWED = "referrals are never followed"


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, and how. Holds a password."""

    dn: str
    password: str
    timeout_s: float
    page_size: int
    ignores_references: bool
    """Whether what other servers keep is left out without refusing; the log says so once."""

    def __repr__(self) -> str:
        """Show nothing."""
        return "Access()"


class LdapServer:
    """One server. Safe to use from any thread; raises `SourceUnavailable` and `SourceRefused` alone."""

    def __init__(self, source_name: str, address: Address, access: Access) -> None:
        self._source_name = source_name
        self._address = address
        self._access = access
        self._lock = threading.Lock()
        self._tls: ssl.SSLContext | None = None
        self._free: list[Wire] = []
        self._in_use: set[Wire] = set()
        self._turns = threading.BoundedSemaphore(_MOST_CONNECTIONS)
        self._has_ended = False
        self._has_warned = False

    def search(self, asked: Search) -> Generator[Entry]:
        """Yield what is found, page by page; who stops earlier closes the iterator."""
        with self._turns:
            yield from self._search(asked)

    def close(self) -> None:
        """End what is under way, with `SourceUnavailable`; nothing is asked afterwards."""
        with self._lock:
            self._has_ended = True
            free, self._free = self._free, []
            for wire in self._in_use:
                wire.abort()
        for wire in free:
            wire.close()

    def refused(self, message: str, hint: str, code: str | None = None) -> SourceRefused:
        """Say that another try would change nothing."""
        return SourceRefused(f"the LDAP server {message}", source_name=self._source_name, hint=hint, code=code)

    # -- how ----------------------------------------------------------------------------------------------------------
    def _search(self, asked: Search) -> Generator[Entry]:
        wire, pages, answer = self._begin(asked)
        entries, is_sound = 0, False
        try:
            for _ in range(_MOST_PAGES):
                while isinstance(answer, Entry):
                    entries += 1
                    if entries > _MOST_ENTRIES:
                        raise self.refused(f"found more than {_MOST_ENTRIES} entries", "narrow base and filter")
                    yield answer
                    answer = next(pages)
                is_sound = not answer.cookie
                if is_sound:
                    return
                pages = self._page(wire, asked, answer.cookie)
                answer = next(pages)
            raise self.refused("never comes to the last page", "ask whoever runs it")
        except Broken as error:
            raise self._broken(error) from None
        except NotDone as error:
            is_sound = True
            raise self._not_done(error) from None
        finally:
            self._give_back(wire) if is_sound else self._drop(wire)

    def _begin(self, asked: Search) -> "tuple[Wire, Generator[Entry | Done], Entry | Done]":
        """Return a connection that has begun to answer: a new one where the server of an earlier one was started again since."""
        while True:
            wire, is_used = self._take()
            pages = self._page(wire, asked)
            try:
                return wire, pages, next(pages)
            except Broken as error:
                self._drop(wire)
                if not is_used:
                    raise self._broken(error) from None
            except NotDone as error:
                self._give_back(wire)
                raise self._not_done(error) from None
            except BaseException:
                self._drop(wire)
                raise

    def _page(self, wire: Wire, asked: Search, cookie: bytes = b"") -> Generator[Entry | Done]:
        access = self._access
        answers = wire.search(asked, timeout_s=access.timeout_s, page=access.page_size, cookie=cookie)
        for answer in answers:
            if not isinstance(answer, Reference):
                yield answer
                continue
            if not access.ignores_references:
                raise self.refused(
                    f"leaves a part below the base to other servers; {_NOT_FOLLOWED}",
                    "name a base that this server keeps whole (for Active Directory perhaps its global catalog, port 3269), "
                    "or write `referrals: ignore` where nobody is kept elsewhere",
                )
            if not self._has_warned:
                self._has_warned = True
                _log.warning(f"the LDAP server leaves a part below the base to others; {_NOT_FOLLOWED}", source=self._source_name)

    def _take(self) -> tuple[Wire, bool]:
        """Return a connection, and whether it was used before."""
        oldest = time.monotonic() - _KEPT_S
        while True:
            with self._lock:
                if self._has_ended:
                    raise self._unavailable("is asked no more", "it is tried again when the service runs")
                wire = self._free.pop() if self._free else None
                if wire is not None:
                    self._in_use.add(wire)
            if wire is None:
                return self._open(), False
            if wire.used_at >= oldest:
                return wire, True
            self._drop(wire)

    def _open(self) -> Wire:
        access = self._access
        try:
            if self._tls is None:
                self._tls = self._address.context()
            wire = Wire(self._address, self._tls, access.dn, access.password, access.timeout_s)
        except BadCertificates:
            raise self.refused("cannot be checked: `ca` holds no certificates", "name their PEM file: ca: {file: PATH}") from None
        except Broken as error:
            raise self._broken(error) from None
        except NotDone as error:
            raise self._not_done(error) from None
        with self._lock:
            self._in_use.add(wire)
        return wire

    def _give_back(self, wire: Wire) -> None:
        with self._lock:
            self._in_use.discard(wire)
            if not self._has_ended:
                wire.used_at = time.monotonic()
                self._free.append(wire)
                return
        wire.close()

    def _drop(self, wire: Wire) -> None:
        with self._lock:
            self._in_use.discard(wire)
        with suppress(OSError):
            wire.close()

    def _broken(self, error: Broken) -> SourceError:
        if isinstance(error, Untrusted):
            return self.refused(str(error), "check the host in url, and let `ca` name the certificate of whoever signed the server's")
        return self._unavailable(str(error), "it is tried again; see that the server is up, and host and port are right")

    def _not_done(self, error: NotDone) -> SourceError:
        if error.code == _REFERRAL:
            return self.refused(f"says that another server keeps this; {_NOT_FOLLOWED}", "name that server in url")
        if error.code in _LATER:
            return self._unavailable(f"answered {error.code} ({_LATER[error.code]})", "it is tried again")
        what, hint = _REFUSED.get(error.code, ("answers with an error", "RFC 4511 A.2 says what the number means; see the server's log"))
        return self.refused(f"{what} ({error.code})", hint)

    def _unavailable(self, message: str, hint: str) -> SourceUnavailable:
        return SourceUnavailable(f"the LDAP server {message}", source_name=self._source_name, hint=hint)
