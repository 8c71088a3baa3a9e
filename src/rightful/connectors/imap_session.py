"""What is asked of an IMAP server for one person: their folders, and what lies in these; nothing is ever changed there.

Folders are opened by EXAMINE and messages taken by BODY.PEEK, so that none is marked as read (RFC 3501 6.3.2, 6.4.5).
"""

import imaplib
import ssl
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rightful.connectors import imap_answers
from rightful.connectors.file_tree import order
from rightful.connectors.imap_address import ImapAddress
from rightful.connectors.imap_answers import Listed, Node, code_of
from rightful.connectors.imap_wire import NotSafe, TooMuch, Wire
from rightful.connectors.mail_headers import instant_of
from rightful.connectors.mail_message import INBOX, Unread
from rightful.connectors.modified_utf7 import decode_exactly
from rightful.errors import SourceRefused, SourceUnavailable

_PASSING = frozenset({"UNAVAILABLE", "INUSE", "LIMIT"})
_FOLDERS_BYTES = 16 << 20
_UID_BYTES = 12
_MOST_UIDS = 5 << 20
_ABOUT_BYTES = 4 << 10
"""What a message's flags may have; keywords are words of somebody's own."""
_FLAGS = {"$forwarded": "forwarded"}
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of mail."""

    name: str
    raw: bytes
    """As the server calls it."""


@dataclass(frozen=True, slots=True)
class About:
    """What the server says of a message."""

    size_bytes: int
    """Some servers guess."""
    flags: str
    arrived_ns: int | None


class FolderClosed(Exception):
    """A folder cannot be opened; the text says why."""


class Refused(Exception):
    """The server does not give a message."""


class Session:
    """A connection that reads one person's mailbox; of one thread. Raises `SourceUnavailable` and `SourceRefused` besides what is said."""

    def __init__(self, wire: Wire, user: str, source_name: str, address: ImapAddress) -> None:
        self.user = user
        self.is_broken = False
        self.idle_since = 0.0
        self._wire = wire
        self._source_name = source_name
        self._address = address
        self._opened = b""
        self._validity = 0
        self._count = 0
        self._is_utf8 = False
        known = set(wire.capabilities)
        if "ENABLE" in known and known & {"UTF8=ACCEPT", "UTF8=ONLY"}:  # else messages with such headers may be hidden (RFC 6855 7)
            with self._asking():
                self._is_utf8 = wire.enable("UTF8=ACCEPT")[0] == "OK"

    def close(self) -> None:
        """End the connection, without waiting for its end."""
        self._wire.shutdown()

    # -- folders --------------------------------------------------------------------------------------------------------
    def folders(self) -> list[Folder | Unread]:
        """Return the person's own folders in the order of their names, and for those of others that they see the first name in common."""
        others: list[bytes] = []
        if "NAMESPACE" in self._wire.capabilities:
            with self._asking(_FOLDERS_BYTES):
                others = imap_answers.others_prefixes(self._done(self._wire.namespace()))
        with self._asking(_FOLDERS_BYTES):
            found = imap_answers.listed(self._done(self._wire.list('""', '"*"')))
        own: dict[bytes, str] = {}
        apart: dict[str, Unread] = {}
        for each in found:
            if not each.is_selectable or not each.name:
                continue
            prefix = next((prefix for prefix in others if prefix and each.name.startswith(prefix)), None)
            if prefix is None:
                own[each.name] = self._shown(each)
            else:
                name = self._shown(Listed(each.attributes, each.delimiter, prefix.removesuffix(each.delimiter or b"")))
                apart[name] = Unread(name, "shared folders, or somebody else's, are not read")
        folders = [Folder(name, raw) for raw, name in _unlike(own).items()]
        return sorted([*folders, *apart.values()], key=lambda each: order(each.name))

    def _shown(self, each: Listed) -> str:
        """Return what a folder is called, with `/` between it and what it lies in."""
        if each.name.upper() == INBOX.encode():
            return INBOX
        segments = each.name.split(each.delimiter) if each.delimiter else [each.name]
        texts = [segment.decode("utf-8", "surrogateescape") for segment in segments]
        return "/".join(texts if self._is_utf8 else map(decode_exactly, texts))

    def open(self, raw: bytes) -> int:
        """Open a folder to read it; return its UIDVALIDITY. Raises `FolderClosed`."""
        if raw == self._opened:
            return self._validity
        name = imap_answers.quoted(raw)
        if name is None:
            raise FolderClosed("its name cannot be sent to the server")
        self._opened = b""
        with self._asking():
            said, answer = self._wire.select(name, readonly=True)  # type: ignore[arg-type]  # bytes are sent as they are
            code = code_of(answer[-1]) if said != "OK" else ""
            self._see_whether_passing(code)
            self._count = imap_answers.number(answer[-1] or b"0") if said == "OK" else 0
            validity = imap_answers.number(self._wire.response("UIDVALIDITY")[1][-1] or b"0") if said == "OK" else 0
        if said != "OK":
            raise FolderClosed(
                "deleted while the mailbox was read" if code == "NONEXISTENT" else f"the server does not open it {code}".strip()
            )
        self._opened, self._validity = raw, validity
        return validity

    def count(self, raw: bytes) -> tuple[int, int | None]:
        """Return how many messages a folder holds and their size, where the server knows it (RFC 8438). Raises `FolderClosed`."""
        name = imap_answers.quoted(raw)
        if name is None:
            raise FolderClosed("its name cannot be sent to the server")
        wanted = "(MESSAGES SIZE)" if "STATUS=SIZE" in self._wire.capabilities else "(MESSAGES)"
        with self._asking():
            said, pieces = self._wire.status(name, wanted)  # type: ignore[arg-type]  # as above
            if said == "OK":
                for _, items in imap_answers.answers(pieces):
                    assert isinstance(items, list)
                    known = dict(zip(items[::2], items[1::2], strict=True))
                    size = imap_answers.size(known[b"SIZE"]) if b"SIZE" in known else None
                    return imap_answers.number(known[b"MESSAGES"]), size
            self._see_whether_passing(code_of(pieces[-1]))
        raise FolderClosed("the server does not count its messages")

    # -- messages -------------------------------------------------------------------------------------------------------
    def uids(self, after: int) -> Sequence[int]:
        """Return the numbers of the opened folder's messages, ascending, that are larger."""
        if after >= imap_answers.LARGEST_NUMBER:
            return ()
        with self._asking(min(self._count, _MOST_UIDS) * _UID_BYTES):
            found = array("L", imap_answers.searched(self._done(self._wire.uid("SEARCH", f"UID {after + 1}:*"))))
        # `9:*` is `5:9` where 5 is the last (RFC 3501 6.4.8).
        return array("L", sorted({uid for uid in found if uid > after}))

    def about(self, uids: Sequence[int]) -> dict[int, About]:
        """Return what is known of messages; those that are gone are not there."""
        with self._asking(len(uids) * _ABOUT_BYTES):
            asked = self._wire.uid("FETCH", imap_answers.ranges(uids), "(UID RFC822.SIZE FLAGS INTERNALDATE)")
            found = imap_answers.fetched(self._done(asked))
            return {uid: _about(items) for uid, items in found.items() if b"RFC822.SIZE" in items}

    def contents(self, uids: Sequence[int], section: str, *, size_bytes: int) -> dict[int, bytes]:
        """Return what messages hold, of about this size in all; those that are gone, and those that cannot be given, are not there."""
        return self._contents(uids, section, size_bytes)[1]

    def content(self, uid: int, section: str, *, size_bytes: int) -> bytes | None:
        """Return what a message holds; None where it is gone. Raises `Refused`."""
        code, found = self._contents([uid], section, size_bytes)
        if code is not None:
            raise Refused(code)
        return found.get(uid)

    def _contents(self, uids: Sequence[int], section: str, size_bytes: int) -> tuple[str | None, dict[int, bytes]]:
        with self._asking(2 * size_bytes + (1 << 20) + len(uids) * _ABOUT_BYTES):
            said, pieces = self._wire.uid("FETCH", imap_answers.ranges(uids), f"(UID BODY.PEEK{section})")
            code = None
            if said != "OK":
                code = code_of(pieces[-1])
                self._see_whether_passing(code)
                pieces = self._wire.response("FETCH")[1]
            found = {}
            for uid, items in imap_answers.fetched(pieces).items():
                content = next((value for name, value in items.items() if name.startswith(b"BODY[")), None)
                if isinstance(content, bytes):
                    found[uid] = content
            return code, found

    # -- how ------------------------------------------------------------------------------------------------------------
    @contextmanager
    def _asking(self, size: int = 0) -> Iterator[None]:
        """Ask something, with an answer of at most this size, and tell what goes wrong in our words."""
        self._wire.untagged_responses.clear()
        self._wire.allow(size)
        self.is_broken = True
        with told(self._source_name, self._address):
            yield
        self.is_broken = False

    def _done(self, answer: tuple[str, Sequence[imap_answers.Piece]]) -> Sequence[imap_answers.Piece]:
        said, pieces = answer
        if said != "OK":
            last = pieces[-1] if pieces else b""
            code = code_of(last if isinstance(last, bytes) else b"")
            self._see_whether_passing(code)
            raise SourceRefused(
                f"{self._address} does not do what IMAP servers do {code}".rstrip(),
                source_name=self._source_name,
                hint="see in the server's log what it refuses",
            )
        return pieces

    def _see_whether_passing(self, code: str) -> None:
        if code in _PASSING:
            raise SourceUnavailable(f"{self._address} does not answer now: {code}", source_name=self._source_name, hint="it is tried again")


@contextmanager
def told(source_name: str, address: ImapAddress) -> Iterator[None]:
    """Tell what goes wrong on a connection as `SourceUnavailable` or `SourceRefused`; a server's own words may be about somebody."""
    try:
        yield
    except (TooMuch, NotSafe) as error:
        what = str(error) or "it answers more than what was asked for can have"
        raise SourceRefused(f"{address} is not read: {what}", source_name=source_name, hint="see what answers there") from None
    except ssl.SSLCertVerificationError as error:
        raise SourceRefused(
            f"{address} shows a certificate that is not valid for it: {error.verify_message}",
            source_name=source_name,
            hint="check the host name; a certificate of your own goes into `ca`",
        ) from None
    except TimeoutError:
        raise SourceUnavailable(f"{address} does not answer in time", source_name=source_name, hint="it is tried again") from None
    except (imaplib.IMAP4.abort, OSError) as error:
        why = f": {error.strerror}" if isinstance(error, OSError) and error.strerror else ""
        raise SourceUnavailable(
            f"{address} cannot be reached, or hung up{why}", source_name=source_name, hint="it is tried again"
        ) from None
    except (imaplib.IMAP4.error, ValueError, TypeError, AttributeError, LookupError):
        raise SourceRefused(f"{address} answers what is no IMAP", source_name=source_name, hint="see what answers there") from None


def _about(items: dict[bytes, Node]) -> About:
    flags = items.get(b"FLAGS")
    words = sorted({_flag(each) for each in flags or () if isinstance(each, bytes) and each.lower() != rb"\recent"})
    arrived = items.get(b"INTERNALDATE")
    moment = instant_of(arrived.decode("ascii", "replace").replace("-", " ", 2).strip()) if isinstance(arrived, bytes) else None
    return About(
        imap_answers.size(items[b"RFC822.SIZE"]), " ".join(words), None if moment is None else int(moment.timestamp()) * 1000 * _MILLION
    )


def _flag(raw: bytes) -> str:
    word = raw.decode("ascii", "replace")
    return word[1:].lower() if word.startswith("\\") else _FLAGS.get(word.lower(), word)


def _unlike(names: dict[bytes, str]) -> dict[bytes, str]:
    """Return the folders' names, no two alike; those that would be are called what the server calls them, or get a number."""
    taken: set[str] = set()
    found = {}
    for raw, name in sorted(names.items()):
        candidates: Iterator[str] = iter((name, raw.decode("utf-8", "surrogateescape")))
        chosen, again = name, 2
        while chosen in taken:
            chosen = next(candidates, f"{name} ({again})")
            again += 1
        taken.add(chosen)
        found[raw] = chosen
    return found
