"""What the connector `mailbox` is told of where mail is kept, and what of it can be judged without looking there."""

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec

from rightful.connectors.imap_address import ImapAddress, is_imap
from rightful.connectors.local_paths import LOCAL_URL_HINT, local_url_problem, patterns_problems
from rightful.connectors.path_template import TEMPLATE_HINT, kinds_in, template_problem
from rightful.setting_problem import SettingProblem
from rightful.webapi.access import OAuthSettings, oauth_problems


class MailboxSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Mail, a mailbox for each person."""

    url: str
    """Where the mailboxes lie: `file:///var/mail`, a path relative to the configuration's folder, or an IMAP server:
    `imaps://imap.contoso.example`, `imap://…` where TLS begins by STARTTLS."""
    path: str = ""
    """Files: where a person's mailbox lies below it; identifier kinds in braces, one in a segment: `{upn}`, `{employee_id}/Maildir`."""
    format: Literal["mbox", "maildir", ""] = ""
    """Files: `mbox`: a file, or a folder with a file for each folder of mail; `maildir`: a Maildir, with its folders."""
    unquote: Literal["none", "mboxo", "mboxrd"] = "none"
    """`mbox`: how the program that wrote the files marks lines of letters that begin with `From `. `none` delivers them as they lie there;
    `mboxo` takes one `>` off `>From `, `mboxrd` one off `>From `, `>>From ` and so on."""
    include: tuple[str, ...] = ()
    """Only folders of mail that fit one of these patterns (`INBOX`, `Archive/**`)."""
    exclude: tuple[str, ...] = ()
    """No folders of mail that fit one of these."""
    messages: bool = True
    """`false`: the index alone is delivered, and the ledger says that messages are withheld. `redact` needs it: a message names others."""
    allow_empty: bool = False
    """Files: whether an empty root is normal; else it is taken for a file system that was not mounted."""
    user: str = ""
    """IMAP: what the server calls a person, with an identifier kind in braces: `{mail}`; with a master user `{mail}*master`."""
    login: str = ""
    """IMAP: the account that may read everybody's mailbox; it logs in for `user` (SASL PLAIN). Left out: `user` logs in."""
    password: str = ""
    """IMAP: of `login`, or of the master user; by `{file: PATH}` or `${NAME}`."""
    oauth2: OAuthSettings = OAuthSettings()
    """IMAP: how a token is fetched that stands for the password (OAUTHBEARER, XOAUTH2)."""
    probe: str = ""
    """IMAP: a mailbox that is there, written as the server calls it. `rightful doctor` opens it, and where somebody is not let in, it tells
    whether anybody is."""
    absent: Literal["record", "empty"] = "record"
    """IMAP: what it means that somebody is not let in, though others are. `record`: the ledger says it; `empty`: they have no mailbox."""
    ca: str = ""
    """IMAP: certificates to trust instead of the system's, as PEM; by `{file: PATH}`."""
    starttls: bool = True
    """IMAP: `false` leaves `imap://` without TLS; on loopback alone."""
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 120.0
    """IMAP: how long an answer may take, of some 4 MiB at most."""

    def __repr__(self) -> str:
        """Leave everything out: there are secrets in it."""
        return "MailboxSettings()"

    @property
    def template(self) -> str:
        """What a person's mailbox is called, with identifier kinds in braces."""
        return self.user if is_imap(self.url) else self.path


_OF_FILES = ("path", "format", "unquote", "allow_empty")
_OF_IMAP = ("user", "login", "password", "oauth2", "probe", "absent", "ca", "starttls", "timeout_s")
_DEFAULTS = MailboxSettings(url="")


def problems(settings: MailboxSettings) -> Iterator[SettingProblem]:
    """Yield what is wrong with settings that are right one by one."""
    of_imap = is_imap(settings.url)
    for name in _OF_FILES if of_imap else _OF_IMAP:
        if getattr(settings, name) != getattr(_DEFAULTS, name):
            yield (name,), f"is for {'files' if of_imap else 'IMAP'}", "leave it out, or change `url`"
    yield from patterns_problems(include=settings.include, exclude=settings.exclude)
    yield from _of_imap(settings) if of_imap else _of_files(settings)


def _of_files(settings: MailboxSettings) -> Iterator[SettingProblem]:
    problem = local_url_problem(settings.url)
    if problem:
        yield ("url",), problem, f"{LOCAL_URL_HINT}, or imaps://HOST"
    yield from _of_template("path", settings.path, TEMPLATE_HINT)
    if not settings.format:
        yield ("format",), "is missing", "write `mbox` or `maildir`"
    if settings.unquote != "none" and settings.format != "mbox":
        yield ("unquote",), "is for mbox alone", "leave it out"


def _of_template(name: str, template: str, hint: str) -> Iterator[SettingProblem]:
    problem = template_problem(template)
    if problem:
        yield (name,), problem, hint
    elif any(len(kinds_in(segment)) > 1 for segment in template.split("/")):
        yield (name,), "has two identifiers in one segment", "leave one of them: a name must tell whose it is"


def _of_imap(settings: MailboxSettings) -> Iterator[SettingProblem]:
    try:
        address = ImapAddress.parse(settings.url)
    except ValueError as error:
        yield ("url",), str(error), "write for instance imaps://imap.contoso.example"
    else:
        if not settings.starttls and (address.is_encrypted or not address.is_loopback):
            yield ("starttls",), "is false", "only imap:// on loopback may go without TLS: all else could be read on the way"
    if "/" in settings.user or not settings.user.isprintable():
        yield ("user",), "is no name of a user with an identifier kind in braces", "write for instance {mail}"
    else:
        yield from _of_template("user", settings.user, "write for instance {mail}")
    has_token = settings.oauth2 != OAuthSettings()
    if has_token:
        yield from oauth_problems(settings.oauth2)
    if has_token and (settings.password or settings.login):
        yield ("oauth2",), "stands beside `password` or `login`", "keep one of them: the token stands for the account"
    elif not has_token and not settings.password:
        yield ("password",), "is missing", "give the password of the account that reads the mailboxes, or `oauth2`"
    for name in ("login", "password", "probe"):
        if "\0" in getattr(settings, name):
            yield (name,), "has characters that IMAP cannot carry", "see whether its file holds it alone"
