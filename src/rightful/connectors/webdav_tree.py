"""Trees on a WebDAV server (RFC 4918), for `files`.

A folder is listed with `Depth: 1`, never more: what lies below is asked for folder by folder. What the server names is never followed: its
last segment becomes a name, and what is asked for is made of names. No redirect is followed.
"""

import base64
import errno
import math
import ssl
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPMessage
from typing import NoReturn
from urllib.parse import quote_from_bytes, unquote_to_bytes, urlsplit

from rightful.connectors.file_tree import ENDLESS, Patience, TreeFile, TreeFolder, TreeSkip, changed, order
from rightful.connectors.listed_tree import Listed, ListedTree, unnameable
from rightful.connectors.tree_place import Access, ObjectAccess, RemoteRoot
from rightful.connectors.webdav_listing import REQUEST, Member, NotUnderstood, members
from rightful.errors import ConfigurationError, SourceRefused, SourceUnavailable, StorageRefused, StorageUnavailable
from rightful.pinned import DEFAULT_PORTS, PinnedHost

_GONE = frozenset({404, 410})
_WORTH_ANOTHER_TRY = frozenset({408, 425, 429})
_REFUSALS = {
    401: ("does not accept the credentials", "correct user, password or token in access"),
    403: ("does not let us list the root", "give the account the right to read it"),
    404: ("has no such folder", "correct url or path"),
    405: ("speaks no WebDAV at this address", "correct url: it begins where the server's WebDAV does"),
    501: ("speaks no WebDAV at this address", "correct url: it begins where the server's WebDAV does"),
}


def open_webdav(root: RemoteRoot) -> "WebdavTree":
    """Return a tree on a WebDAV server."""
    return WebdavTree(root)


class WebdavTree(ListedTree):
    """A folder on a WebDAV server with all that is in it. It is its own visit: nothing is held."""

    def __init__(self, root: RemoteRoot) -> None:
        super().__init__(root.source_name)
        self._allow_empty = root.allow_empty
        self._root = tuple(order("/".join(root.segments))) if root.segments else ()
        self._scheme, self._host = root.scheme, root.host.strip("[]").lower()
        self._port = root.port or DEFAULT_PORTS[root.scheme]
        # The operator named this host for the service to read: it may lie in a private network.
        self._pinned = PinnedHost(self._scheme, self._host, self._port, may_be_private=True, tls=_tls(root))
        self._headers = (*_authorization(root.access), ("Accept-Encoding", "identity"), ("User-Agent", "rightful"))

    def close(self) -> None:
        """End what is under way."""
        self._pinned.close()

    @contextmanager
    def visit(self) -> Iterator["WebdavTree"]:
        """See that something is there."""
        try:
            is_empty = self._is_empty()
        except OSError as error:
            raise self._refused(f"does not give the root: {error.strerror}", "correct url or path, or give the right to read it") from None
        if is_empty and not self._allow_empty:
            raise SourceUnavailable("the root holds nothing", source_name=self._source_name, hint="correct url, or set allow_empty: true")
        yield self

    def read(self, folder: Sequence[str], found: TreeFile) -> Iterator[bytes]:
        """Yield a file's content, from one request."""
        try:
            yield from self._content(folder, found)
        except FileNotFoundError:
            raise changed() from None
        now = self.look(folder, found)
        if not isinstance(now, TreeFile) or now.stamp != found.stamp:
            raise changed()

    def _content(self, folder: Sequence[str], found: TreeFile) -> Iterator[bytes]:
        with self._asking("GET", order("/".join((*folder, found.path))), is_folder=False) as (headers, chunks):
            self._compare(headers, found)
            left = found.size_bytes
            for chunk in chunks:
                left -= len(chunk)
                if left < 0:
                    raise changed()
                yield chunk
        if left:
            raise changed()

    def _look_at(self, segments: Sequence[bytes], path: str) -> Listed:
        return _listed(self._ask_for_one(segments), path)

    # -- asking -------------------------------------------------------------------------------------------------------
    def _ask_for_one(self, segments: Sequence[bytes]) -> Member:
        with self._asking("PROPFIND", segments, is_folder=False, depth="0") as (_, chunks):
            found = list(self._understood(chunks))
        if len(found) != 1 or self._name_of(found[0].href, segments) is not None:
            raise self._refused("answers for another file than it was asked for", "ask whoever runs the server")
        self._raise_for_member(found[0].status)
        return found[0]

    def _list(self, segments: Sequence[bytes], patience: Patience, prefix: str = "") -> Generator[Listed]:
        """List a folder, in the server's order; raises `OSError` where that cannot be done."""
        is_named = False
        with self._asking("PROPFIND", segments, is_folder=True, depth="1", patience=patience) as (_, chunks):
            for member in self._understood(chunks, patience):
                name = self._name_of(member.href, segments)
                if name is not None:
                    yield _listed(member, prefix + name) if not set("/\0") & set(name) else unnameable(prefix, name)
                    continue
                is_named = True
                self._raise_for_member(member.status)
                if not member.is_folder:
                    raise NotADirectoryError(errno.ENOTDIR, "not a folder")
        if not (is_named or patience.ran_out):
            raise self._refused("gives a listing without the folder that was asked for", "ask whoever runs the server")

    def _understood(self, chunks: Iterator[bytes], patience: Patience = ENDLESS) -> Iterator[Member]:
        try:
            yield from members(chunks)
        except NotUnderstood as error:
            if patience.ran_out:
                return  # it ended there
            raise self._refused(f"gives an answer that {error}", "correct url: it begins where the server's WebDAV does") from None

    def _name_of(self, href: str, segments: Sequence[bytes]) -> str | None:
        """Return the name of what lies in a folder; None for the folder itself. Refuses everything else."""
        try:
            parts = urlsplit(href)
            port = parts.port or DEFAULT_PORTS.get(parts.scheme)
        except ValueError:
            parts, port = urlsplit(""), None
        is_ours = not (parts.scheme or parts.netloc) or (parts.scheme, parts.hostname, port) == (self._scheme, self._host, self._port)
        is_path = parts.path.startswith("/") and "?" not in href and "#" not in href
        found = [unquote_to_bytes(segment) for segment in parts.path.removesuffix("/").split("/")[1:]]
        asked = [*self._root, *segments]
        if is_ours and is_path and found == asked:
            return None
        if not (is_ours and is_path and found[:-1] == asked) or found[-1] in {b"", b".", b".."}:
            raise self._refused("names what lies elsewhere than in the folder that it was asked for", "ask whoever runs the server")
        return found[-1].decode(errors="surrogateescape")

    @contextmanager
    def _asking(
        self, method: str, segments: Sequence[bytes], *, is_folder: bool, depth: str = "", patience: Patience = ENDLESS
    ) -> Iterator[tuple[HTTPMessage, Iterator[bytes]]]:
        """Ask for something below the root; what is raised while the answer is read is translated too.

        Where the patience runs out meanwhile, the answer ends there.
        """
        target = "".join(f"/{quote_from_bytes(segment, safe='')}" for segment in (*self._root, *segments))
        target += "/" if is_folder or not target else ""
        more = (("Depth", depth), ("Content-Type", "application/xml; charset=utf-8")) if depth else ()
        chunks: Generator[bytes] | None = None
        is_answered = False
        try:
            answer, chunks = self._pinned.stream(
                target,
                (*self._headers, *more),
                method=method,
                body=REQUEST if depth else b"",
                within_s=math.inf if patience.left_s is None else patience.left_s,
            )
            if answer.status != (HTTPStatus.MULTI_STATUS if depth else HTTPStatus.OK):
                self._raise(answer.status, is_root=not segments)
            is_answered = True
            yield answer.headers, chunks
        except StorageUnavailable as error:
            if patience.is_over():
                if not is_answered:
                    yield HTTPMessage(), iter(())
                return
            raise SourceUnavailable(
                error.message, source_name=self._source_name, hint="see that it is up, and reachable from here"
            ) from None
        except StorageRefused as error:
            raise SourceRefused(error.message, source_name=self._source_name, hint=error.hint) from None
        finally:
            if chunks is not None:
                chunks.close()

    def _raise(self, status: int, *, is_root: bool) -> NoReturn:
        if status in _WORTH_ANOTHER_TRY or (status >= 500 and status != HTTPStatus.NOT_IMPLEMENTED):  # noqa: PLR2004 - HTTP's classes
            raise SourceUnavailable(
                f"the server answers HTTP {status}", source_name=self._source_name, hint="see that it is up, and reachable from here"
            )
        if status == HTTPStatus.UNAUTHORIZED or (is_root and status in _REFUSALS):
            raise self._refused(*_REFUSALS[status])
        if is_root and 300 <= status < 400:  # noqa: PLR2004 - RFC 9110 15.4
            raise self._refused("redirects", "no redirect is followed: name the address that it leads to in url, if it is to be trusted")
        self._raise_for_member(status)
        raise self._refused("gives no listing", "correct url: it begins where the server's WebDAV does")

    @staticmethod
    def _raise_for_member(status: int) -> None:
        if status in _GONE:
            raise FileNotFoundError(errno.ENOENT, "no longer there")
        if reason := _reason(status):
            raise OSError(errno.EACCES if status == HTTPStatus.FORBIDDEN else errno.EIO, reason)

    def _refused(self, what: str, hint: str) -> SourceRefused:
        return SourceRefused(f"the server {what}", source_name=self._source_name, hint=hint)

    @staticmethod
    def _compare(headers: HTTPMessage, found: TreeFile) -> None:
        """See that an answer is the file that was listed, as far as it says."""
        if headers.get("Content-Encoding", "identity").strip().lower() != "identity":
            raise OSError(errno.EIO, "the server compresses it though asked not to")
        length, etag = headers.get("Content-Length"), headers.get("ETag")
        if (length is not None and length != str(found.size_bytes)) or (found.etag and etag and _bare(etag) != found.etag):
            raise changed()


def _listed(member: Member, path: str) -> Listed:
    if reason := _reason(member.status):
        return TreeSkip(path, reason)
    if member.is_folder:
        return TreeFolder(path)
    if member.size_bytes is None:
        return TreeSkip(path, "the server does not say how large it is")
    etag = _bare(member.etag)
    return TreeFile(path, member.size_bytes, member.modified_ns, (member.size_bytes, member.modified, etag), etag=etag)


def _reason(status: int) -> str:
    """Say why something cannot be read; empty where it can."""
    if 200 <= status < 300:  # noqa: PLR2004 - HTTP's classes
        return ""
    if 300 <= status < 400:  # noqa: PLR2004 - RFC 9110 15.4
        return "redirect, not followed"
    return "permission denied" if status == HTTPStatus.FORBIDDEN else f"the server refuses to give it: HTTP {status}"


def _bare(etag: str) -> str:
    """Return an entity tag without quotes and mark: some servers leave them out in a listing."""
    return etag.strip().removeprefix("W/").strip('"')


def _authorization(access: ObjectAccess) -> tuple[tuple[str, str], ...]:
    if not isinstance(access, Access):
        return ()
    if access.token:
        return (("Authorization", f"Bearer {access.token}"),)
    if access.user:
        return (("Authorization", f"Basic {base64.b64encode(f'{access.user}:{access.password}'.encode()).decode()}"),)
    return ()


def _tls(root: RemoteRoot) -> ssl.SSLContext | None:
    if not root.access.ca:
        return None
    try:
        return ssl.create_default_context(cadata=root.access.ca)
    except (ssl.SSLError, ValueError) as error:
        raise ConfigurationError("access.ca holds no certificate that can be read", hint="give certificates as PEM") from error
