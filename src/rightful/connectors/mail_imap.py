"""Mailboxes on an IMAP server: a person's own folders, messages in the order in which they came.

A message is named after the folder's UIDVALIDITY and its UID, which no other message of the folder ever has (RFC 3501 2.3.1.1): a cursor
tells whether the folder is still the one that was read. Messages are asked for in batches; one that is not held in memory is asked for
piece by piece when it is opened, over a connection that may be another one.
"""

import errno
import re
import socket
import ssl
import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial

from rightful.connectors.file_tree import CHUNK_BYTES, changed
from rightful.connectors.imap_access import Access, NotLetIn
from rightful.connectors.imap_address import ImapAddress
from rightful.connectors.imap_session import About, Folder, FolderClosed, Refused, Session, told
from rightful.connectors.imap_wire import Wire
from rightful.connectors.interface import Amount, Estimate
from rightful.connectors.mail_message import EXTENSION, HEAD_BYTES, HELD_BYTES, IsWanted, Message, Unread, folder_of, held, remaining
from rightful.connectors.mailbox_settings import MailboxSettings
from rightful.errors import SourceRefused, SourceUnavailable

_WINDOW = 500
"""Messages in a command: what stands for them stays below the 8,000 bytes that servers take (RFC 7162 4)."""
_BATCH_BYTES = 4 << 20
_KEPT = 4
_IDLE_S = 30.0
_NAME = re.compile(r"([0-9]{1,10})-([0-9]{1,10})\.eml")
_HEADER = f"[HEADER]<0.{HEAD_BYTES}>"
_GONE = "deleted while the mailbox was read"


class ImapStore:
    """An IMAP server. Safe to use from any thread."""

    def __init__(self, source_name: str, settings: MailboxSettings) -> None:
        self._source_name = source_name
        self._settings = settings
        self._address = ImapAddress.parse(settings.url)
        self._access = Access(source_name, settings, self._address)
        self._tls = _context(settings, source_name) if self._address.is_encrypted or settings.starttls else None
        self._lock = threading.Lock()
        self._idle: list[Session] = []
        self._sockets: set[socket.socket] = set()
        self._is_closed = False

    @contextmanager
    def visit(self) -> Iterator["_ImapVisit"]:
        """Begin a look; who is asked for decides who logs in."""
        yield _ImapVisit(self)

    def check(self) -> None:
        """Open the mailbox that is known to be there, or see what the server offers where none is named."""
        probe = self._settings.probe
        with told(self._source_name, self._address):
            if not probe:
                wire = self._connect()
                try:
                    self._access.check(wire)
                finally:
                    wire.shutdown()
                return
            try:
                with self.session(probe) as session:
                    session.folders()
            except NotLetIn:
                raise SourceRefused(
                    f"{self._address} lets the account in, but not for `probe`",
                    source_name=self._source_name,
                    hint="name a mailbox that is there, and let the account read it",
                ) from None

    def close(self) -> None:
        """End all that is under way."""
        self._access.close()
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
            under_way = list(self._sockets)
        for each in under_way:
            _abort(each)
        for session in idle:
            session.close()

    @contextmanager
    def session(self, user: str) -> Iterator[Session]:
        """Have a connection for a user, one that is kept or a new one. Raises `NotLetIn`."""
        taken = self._taken(user)
        if taken is None:
            with told(self._source_name, self._address):
                wire = self._access.enter(self._connect, user)
            try:
                taken = Session(wire, user, self._source_name, self._address)
            except BaseException:
                wire.shutdown()
                raise
        try:
            yield taken
        finally:
            self._give_back(taken)

    def pieces(self, user: str, raw: bytes, validity: int, uid: int, size: int) -> Iterator[bytes]:
        """Yield a message that is not held; raises as `FileItem.open` does."""
        try:
            with self.session(user) as session:
                if session.open(raw) != validity:
                    raise self.rebuilt()
                for start in range(0, size, CHUNK_BYTES):
                    length = min(CHUNK_BYTES, size - start)
                    piece = session.content(uid, f"[]<{start}.{length}>", size_bytes=length)
                    if piece is None or len(piece) != length:
                        raise changed()
                    yield piece
        except (FolderClosed, NotLetIn):
            raise changed() from None
        except Refused:
            raise OSError(errno.EIO, "the server does not give it") from None

    def can_be(self, user: str) -> bool:
        """Say whether a name means one user."""
        return self._access.can_be(user)

    @property
    def is_silent_on_absent(self) -> bool:
        """Whether nobody is told of who is not let in."""
        return self._settings.absent == "empty"

    def rebuilt(self) -> SourceUnavailable:
        """Return the error for a folder whose messages have other numbers than before."""
        return SourceUnavailable("a folder of mail was rebuilt while it was read", source_name=self._source_name, hint="it is tried again")

    def _taken(self, user: str) -> Session | None:
        oldest = time.monotonic() - _IDLE_S
        with self._lock:
            stale = [each for each in self._idle if each.idle_since < oldest]
            self._idle = [each for each in self._idle if each.idle_since >= oldest]
            found = next((each for each in self._idle if each.user == user), None)
            if found is not None:
                self._idle.remove(found)
        for each in stale:
            each.close()
        return found

    def _give_back(self, session: Session) -> None:
        session.idle_since = time.monotonic()
        with self._lock:
            is_kept = not session.is_broken and not self._is_closed
            if is_kept:
                self._idle.append(session)
            surplus = [*self._idle[:-_KEPT], *(() if is_kept else (session,))]
            self._idle = self._idle[-_KEPT:]
            self._sockets = {each for each in self._sockets if each.fileno() >= 0}
        for each in surplus:
            each.close()

    def _connect(self) -> Wire:
        return Wire(
            self._address.host,
            self._address.port,
            tls=self._tls,
            starttls=not self._address.is_encrypted,
            timeout_s=self._settings.timeout_s,
            opening=self._opening,
        )

    def _opening(self, opened: socket.socket) -> None:
        with self._lock:
            if self._is_closed:
                raise ConnectionAbortedError
            self._sockets = {each for each in self._sockets if each.fileno() >= 0}
            self._sockets.add(opened)


class _ImapVisit:
    def __init__(self, store: ImapStore) -> None:
        self._store = store

    def messages(self, place: Sequence[str], *, after: str, is_wanted: IsWanted, heads_only: bool) -> Generator[Message | Unread]:
        """Yield folder by folder, messages in the order of their UIDs."""
        with self._session(place) as session:
            for folder, rest in remaining(session.folders(), after):
                if not is_wanted(folder.name):
                    continue
                if isinstance(folder, Unread):
                    yield folder
                    continue
                try:
                    validity = session.open(folder.raw)
                except FolderClosed as error:
                    yield Unread(folder.name, str(error))
                    continue
                yield from _Reading(self._store, session, folder, validity, heads_only=heads_only).messages(_uid_in(rest, validity))

    def knows(self, place: Sequence[str], path: str) -> bool:
        """Look whether the folder's messages have the numbers that they had."""
        message = _NAME.fullmatch(path.rpartition("/")[2])
        if message is None:
            return True  # a folder, which stands in the order of their names
        with self._session(place) as session:
            for folder in session.folders():
                if isinstance(folder, Folder) and folder.name == folder_of(path):
                    try:
                        return session.open(folder.raw) == int(message[1]) != 0
                    except FolderClosed:
                        return False
        return False

    def estimate(self, place: Sequence[str], *, until_s: float, is_wanted: IsWanted) -> Estimate:
        """Ask for numbers and sizes, folder by folder, as long as there is time."""
        count, size_bytes, is_exact, is_size_known = 0, 0, True, True
        with self._session(place) as session:
            for folder in session.folders():
                if isinstance(folder, Unread) or not is_wanted(folder.name):
                    continue
                if time.monotonic() >= until_s:
                    is_exact = False
                    break
                try:
                    here, size_here = session.count(folder.raw)
                except FolderClosed:
                    continue
                count += here
                size_bytes += size_here or 0
                is_size_known = is_size_known and size_here is not None
        amount = Amount(count, is_exact=is_exact)
        return Estimate(rows=amount, files=amount, size_bytes=Amount(size_bytes) if is_size_known else None)

    @contextmanager
    def _session(self, place: Sequence[str]) -> Iterator[Session]:
        """Have a connection for whose mailbox it is; raises `OSError` where there is none."""
        [user] = place
        if not self._store.can_be(user):
            raise OSError(errno.EINVAL, "what stands for them may mean somebody else to the server")
        try:
            with self._store.session(user) as session:
                yield session
        except NotLetIn:
            if self._store.is_silent_on_absent:
                raise FileNotFoundError from None
            raise PermissionError(errno.EACCES, "the server lets nobody in for them: no mailbox, or no right to read it") from None


class _Reading:
    """Reads one opened folder."""

    def __init__(self, store: ImapStore, session: Session, folder: Folder, validity: int, *, heads_only: bool) -> None:
        self._store = store
        self._session = session
        self._folder = folder
        self._validity = validity
        self._heads_only = heads_only

    def messages(self, after: int) -> Iterator[Message | Unread]:
        """Yield what comes after a UID."""
        uids = self._session.uids(after)
        for start in range(0, len(uids), _WINDOW):
            window = uids[start : start + _WINDOW]
            known = self._session.about(window)
            for batch in self._batches(window, known):
                yield from self._read(batch, known)

    def _batches(self, uids: Sequence[int], known: Mapping[int, About]) -> Iterator[list[int]]:
        """Part messages into what fits into memory; a large one stands alone."""
        batch: list[int] = []
        size = 0
        for uid in uids:
            more = self._held(known[uid]) if uid in known else 0
            if batch and (size + more > _BATCH_BYTES or self._is_large(known.get(uid))):
                yield batch
                batch, size = [], 0
            batch.append(uid)
            size += more
            if self._is_large(known.get(uid)):
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    def _is_large(self, about: About | None) -> bool:
        return about is not None and not self._heads_only and about.size_bytes > HELD_BYTES

    def _held(self, about: About) -> int:
        return min(about.size_bytes, HEAD_BYTES if self._heads_only or self._is_large(about) else HELD_BYTES)

    def _read(self, batch: Sequence[int], known: Mapping[int, About]) -> Iterator[Message | Unread]:
        there = [uid for uid in batch if uid in known]
        size = sum(self._held(known[uid]) for uid in there)
        is_large = any(self._is_large(known[uid]) for uid in there)
        section = _HEADER if self._heads_only else f"[]<0.{HEAD_BYTES}>" if is_large else "[]"
        found = self._session.contents(there, section, size_bytes=size) if there else {}
        for uid in batch:
            name = f"{self._validity}-{uid}{EXTENSION}"
            try:
                content = found.pop(uid, None)
                if content is None and uid in known:  # perhaps it was not given because of another one in the batch
                    content = self._session.content(uid, section, size_bytes=self._held(known[uid]))
                if content is None:
                    yield Unread(f"{self._folder.name}/{name}", _GONE)
                    continue
                yield self._message(uid, name, known[uid], content, is_large=is_large)
            except Refused:
                yield Unread(f"{self._folder.name}/{name}", "the server does not give it")

    def _message(self, uid: int, name: str, about: About, content: bytes, *, is_large: bool) -> Message:
        size = about.size_bytes if self._heads_only else self._size(uid, about.size_bytes, len(content)) if is_large else len(content)
        opened = partial(self._store.pieces, self._session.user, self._folder.raw, self._validity, uid, size)
        return Message(
            folder=self._folder.name,
            name=name,
            size_bytes=size,
            head=content[:HEAD_BYTES],
            open=opened if is_large or self._heads_only else held(content),
            flags=about.flags,
            modified_ns=about.arrived_ns,
        )

    def _size(self, uid: int, said: int, known: int) -> int:
        """Return how long a message is, of which so much is known to be there: servers that guess are asked where it ends."""
        low, high, step = known, max(said, known) + 1, 1
        if self._has(uid, high - 1):
            low = high - 1
            while self._has(uid, low + step):
                low, step = low + step, 2 * step
            high = low + step
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._has(uid, middle) else (low, middle)
        return low

    def _has(self, uid: int, size: int) -> bool:
        """Say whether a message has this many bytes."""
        return bool(self._session.content(uid, f"[]<{size - 1}.1>", size_bytes=1))


def _uid_in(path: str, validity: int) -> int:
    """Return the UID that a cursor names; 0 where it names none. The visit was asked before whether it knows it."""
    found = _NAME.fullmatch(path.rpartition("/")[2])
    return int(found[2]) if found and int(found[1]) == validity else 0


def _context(settings: MailboxSettings, source_name: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cadata=settings.ca or None)
    except (ssl.SSLError, ValueError) as error:
        raise SourceRefused(
            f"source {source_name!r}: ca holds no certificate that can be read", source_name=source_name, hint="give certificates as PEM"
        ) from error


def _abort(opened: socket.socket) -> None:
    """Wake whoever waits for it; they close it."""
    with suppress(OSError):
        opened.shutdown(socket.SHUT_RDWR)
