"""How an IMAP server is entered, for a person: by a password or a token, as the person or for them."""

import imaplib
import unicodedata
from collections.abc import Callable

from rightful.connectors.imap_address import ImapAddress
from rightful.connectors.imap_answers import code_of
from rightful.connectors.imap_wire import Wire
from rightful.connectors.mailbox_settings import MailboxSettings
from rightful.connectors.path_template import PLACEHOLDER, values_in
from rightful.errors import SourceRefused, SourceUnavailable, StorageUnavailable
from rightful.webapi.oauth import Tokens

_PASSING = frozenset({"UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG", "CONTACTADMIN", "OVERQUOTA"})
"""Codes of a refusal that says nothing about who was refused (RFC 5530)."""
_NOT_THEM = "AUTHORIZATIONFAILED"
"""The account was let in, but not for this person: who is not there, or whose mailbox it may not read (RFC 5530)."""
_MEANT_BY_SERVERS = frozenset('*%\\/",;:<>()[]')
"""What in a name may mean something to a server: `ann*master` is Dovecot's for `ann`, by `master`."""


class NotLetIn(Exception):
    """The server lets the account in, but not for this person."""


class Access:
    """The ways into one server. Safe to use from any thread."""

    def __init__(self, source_name: str, settings: MailboxSettings, address: ImapAddress) -> None:
        self._source_name = source_name
        self._settings = settings
        self._address = address
        self._tokens = Tokens(source_name, settings.oauth2, timeout_s=settings.timeout_s) if settings.oauth2.token_url else None
        before, after = PLACEHOLDER.split(settings.user)[::2]
        self._meant = _MEANT_BY_SERVERS | {each for each in before[-1:] + after[:1] if not each.isalnum() and each not in "._-"}

    def can_be(self, user: str) -> bool:
        """Say whether a name means one user and nothing else: what servers fold or split could be somebody else."""
        [value] = values_in(self._settings.user, user).values()
        has_oddities = any(unicodedata.category(character)[0] in "CZ" for character in value)
        return not has_oddities and unicodedata.normalize("NFKC", value) == value and not self._meant & set(value)

    def enter(self, connect: Callable[[], Wire], user: str) -> Wire:
        """Return a connection that reads a user's mailbox.

        Raises:
            NotLetIn: the server lets the account in, but not for this user.
            SourceRefused: it does not let the account in.
            SourceUnavailable: it lets nobody in now.
        """
        try:
            return self._logged_in(connect(), user)
        except _Refused as refused:
            code = refused.code
        probe = self._settings.probe
        if code == _NOT_THEM or (probe and probe != user and self._is_let_in(connect, probe)):
            raise NotLetIn
        hint = "check `login`, `password` and what the account may do"
        if self._tokens is not None:
            self._tokens.forget(self._token())
            hint = "check `oauth2` and what the client may do"
        if not probe:
            hint += "; with `probe`, a mailbox that is there, a person without a mailbox is told apart from this"
        raise SourceRefused(
            f"{self._address} lets the account in for nobody: {code or 'it says not why'}", source_name=self._source_name, hint=hint
        )

    def check(self, wire: Wire) -> None:
        """See that a server knows a way in that we have; raises `SourceRefused` where it doesn't."""
        self._way(wire)
        if self._tokens is not None:
            self._token()

    def close(self) -> None:
        """End what is under way."""
        if self._tokens is not None:
            self._tokens.close()

    def _is_let_in(self, connect: Callable[[], Wire], user: str) -> bool:
        try:
            self._logged_in(connect(), user).shutdown()
        except _Refused:
            return False
        return True

    def _logged_in(self, wire: Wire, user: str) -> Wire:
        try:
            way = self._way(wire)
            wire.allow(0)
            if way == "LOGIN":
                wire.login(_quoted(user), self._settings.password)
            else:
                wire.authenticate(way, self._answering(way, user))
            wire.allow(0)
            wire.capabilities = tuple(str(wire.capability()[1][-1] or b"", "ascii").upper().split())
        except imaplib.IMAP4.abort:
            wire.shutdown()
            raise
        except imaplib.IMAP4.error as error:
            wire.shutdown()
            code = code_of(error.args[0] if error.args else "")
            if code in _PASSING:
                raise SourceUnavailable(
                    f"{self._address} lets nobody in now: {code}", source_name=self._source_name, hint="it is tried again"
                ) from None
            raise _Refused(code) from None
        except BaseException:
            wire.shutdown()
            raise
        return wire

    def _way(self, wire: Wire) -> str:
        """Return the way in: a mechanism of SASL, or `LOGIN`."""
        known = {each.removeprefix("AUTH=") for each in wire.capabilities if each.startswith("AUTH=")}
        wanted = ("OAUTHBEARER", "XOAUTH2") if self._tokens is not None else ("PLAIN",)
        for way in wanted:
            if way in known:
                return way
        if self._tokens is None and not self._settings.login and "LOGINDISABLED" not in wire.capabilities:
            return "LOGIN"
        raise SourceRefused(
            f"{self._address} knows no {' or '.join(wanted)}",
            source_name=self._source_name,
            hint="let the server offer it (SASL), or choose another way in",
        )

    def _answering(self, way: str, user: str) -> Callable[[bytes], bytes]:
        """Return what answers the server's challenges: the first with who we are, any other, which tells an error, with nothing."""
        said = self._settings
        if way == "PLAIN":  # RFC 4616: for whom, who, and the password
            first = "\0".join((user, said.login, said.password) if said.login else ("", user, said.password))
            rest = b""
        elif way == "XOAUTH2":
            first, rest = f"user={user}\x01auth=Bearer {self._token()}\x01\x01", b""
        else:  # RFC 7628 3.1, RFC 5801 4
            name = user.replace("=", "=3D").replace(",", "=2C")
            first = f"n,a={name},\x01host={self._address.host}\x01port={self._address.port}\x01auth=Bearer {self._token()}\x01\x01"
            rest = b"\x01"
        answers = iter((first.encode(),))
        return lambda _: next(answers, rest)

    def _token(self) -> str:
        assert self._tokens is not None
        try:
            return self._tokens.token()
        except StorageUnavailable as error:
            raise SourceUnavailable(error.message, source_name=self._source_name, hint=error.hint) from None


class _Refused(Exception):
    """The server does not let us in."""

    def __init__(self, code: str) -> None:
        super().__init__()
        self.code = code


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
