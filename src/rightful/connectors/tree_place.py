"""Where a tree of files lies, and how it is reached: addresses, credentials, and what is wrong with them.

One scheme stands for one way; the module of a way, with the library that it needs, is imported where one is opened.
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

import msgspec

from rightful.connectors.file_tree import FileTree
from rightful.connectors.local_paths import LOCAL_URL_HINT, local_path, local_url_problem
from rightful.connectors.local_tree import LocalTree
from rightful.errors import ConfigurationError
from rightful.secret_settings import SecretSettings, is_loopback
from rightful.setting_problem import SettingProblem

_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
_VISIBLE = re.compile(r"[\x21-\x7e]*")
_FORMS = {
    "az": "az://account/container/prefix",
    "s3": "s3://bucket/prefix",
    "https": "https://host/path",
    "http": "https://host/path",
    "sftp": "sftp://host/path",
}
OBJECT_STORES = ("az", "s3")


class ObjectAccess(SecretSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How an object store is reached, and as whom. Secrets are best given as `{file: PATH}` or `${NAME}`; none is ever shown."""

    endpoint: str = ""
    """`az`, `s3`: another address than the cloud's own, `https://…`; `http://` on loopback alone, for an emulator."""
    region: str = ""
    """`s3`: the bucket's region. Default: `us-east-1`."""
    account_key: str = ""
    """`az`: a key of the account."""
    access_key_id: str = ""
    """`s3`: who reads."""
    secret_access_key: str = ""
    """`s3`: the secret that belongs to it."""
    session_token: str = ""
    """`s3`: what temporary credentials have besides."""
    ca: str = ""
    """`az`, `s3`, `https`: certificates (PEM) to trust instead of the system's: `{file: PATH}`."""


class Access(ObjectAccess, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How another system is reached, and as whom."""

    user: str = ""
    """`https` (WebDAV): who reads, with `password` (RFC 7617). `sftp`: who reads."""
    password: str = ""
    """`https` (WebDAV), `sftp`: the password that belongs to it."""
    token: str = ""
    """`https` (WebDAV): sent as `Authorization: Bearer …`, instead of user and password."""
    private_key: str = ""
    """`sftp`: a private key that the server knows, as `ssh-keygen` writes it, without a passphrase: `{file: PATH}`."""
    known_hosts: str = ""
    """`sftp`: the server's host keys, as lines of OpenSSH's known_hosts: `{file: PATH}`."""
    fingerprint: str = ""
    """`sftp`: instead, `SHA256:…` of the host key; several with spaces between them."""


class TreePlace(msgspec.Struct, frozen=True, kw_only=True):
    """The root of a tree, as the settings have it."""

    url: str
    access: ObjectAccess
    allow_empty: bool

    @property
    def scheme(self) -> str:
        """How it is reached; empty for local folders."""
        scheme, found, _ = self.url.partition("://")
        return scheme.lower() if found and scheme.lower() != "file" else ""


class RemoteRoot(msgspec.Struct, frozen=True, kw_only=True):
    """An address, in its parts, with what opens it."""

    source_name: str
    scheme: str
    host: str
    port: int | None
    segments: tuple[str, ...]
    """Of the root, below the host."""
    access: ObjectAccess
    allow_empty: bool


_USED: dict[str, frozenset[str]] = {
    "": frozenset(),
    "az": frozenset({"endpoint", "account_key", "ca"}),
    "s3": frozenset({"endpoint", "region", "access_key_id", "secret_access_key", "session_token", "ca"}),
    "https": frozenset({"user", "password", "token", "ca"}),
    "http": frozenset({"user", "password", "token"}),
    "sftp": frozenset({"user", "password", "private_key", "known_hosts", "fingerprint"}),
}


def place_problems(place: TreePlace, schemes: Collection[str] = tuple(_FORMS)) -> Iterator[SettingProblem]:
    """Yield what is wrong with an address of one of these schemes, or a local one, and what stands beside it."""
    if not place.scheme:
        problem = local_url_problem(place.url)
        if problem:
            yield ("url",), problem, LOCAL_URL_HINT
    elif place.scheme not in schemes:
        forms = dict.fromkeys(_FORMS[scheme] for scheme in schemes)
        yield ("url",), "has a scheme that is not known here", f"write file:///path, {', '.join(forms)}"
        return
    else:
        problem = _url_problem(place)
        if problem:
            yield ("url",), problem, f"write {_FORMS[place.scheme]}; what opens it belongs to access"
    for name in place.access.given:
        if name not in _USED[place.scheme]:
            yield ("access", name), "is not used at this address", "leave it out, or correct url"
    yield from _access_problems(place.access, place.scheme)


def _access_problems(access: ObjectAccess, scheme: str) -> Iterator[SettingProblem]:
    if access.endpoint and not (access.endpoint.startswith("https://") or is_loopback(access.endpoint)):
        yield ("access", "endpoint"), "is no https:// address", "write https://…; http:// is for emulators on loopback alone"
    if bool(access.access_key_id) != bool(access.secret_access_key):
        yield ("access", "secret_access_key"), "and access_key_id belong together", "give both, or none for those of the machine"
    if not isinstance(access, Access):
        return
    yield from (_ssh_problems if scheme == "sftp" else _http_problems)(access)


def _ssh_problems(access: Access) -> Iterator[SettingProblem]:
    if not access.user:
        yield ("access", "user"), "is missing", "say who reads"
    if not (access.password or access.private_key):
        yield ("access", "private_key"), "is missing, and so is password", "give one of them"
    if bool(access.known_hosts) == bool(access.fingerprint):
        yield (
            ("access", "known_hosts"),
            "or else fingerprint has to say which host key the server has",
            "give one of them: nobody is trusted at first sight",
        )
    if not all(map(_FINGERPRINT.fullmatch, access.fingerprint.split())):
        yield ("access", "fingerprint"), "is none", "write SHA256:… as `ssh-keygen -l` shows it"


def _http_problems(access: Access) -> Iterator[SettingProblem]:
    if access.token and (access.user or access.password):
        yield ("access", "token"), "stands beside user and password", "keep one of them"
    if ":" in access.user or bool(access.user) != bool(access.password):
        yield ("access", "user"), "and password belong together, and no colon into it", "give both, or none"
    if not _VISIBLE.fullmatch(access.token):
        yield ("access", "token"), "has characters that no header can carry", "see whether the secret's file holds the secret alone"


def _url_problem(place: TreePlace) -> str:
    try:
        parts = urlsplit(place.url)
        port = parts.port
    except ValueError:
        return "is no address"
    segments = _segments_of(parts)
    problems = {
        "names no host": not parts.hostname,
        "holds a user or a password": "@" in parts.netloc,
        "has a query or a fragment: write ? as %3F and # as %23": "?" in place.url or "#" in place.url,
        "has a port": port is not None and place.scheme in {"az", "s3"},
        "has an empty segment, . or ..": any(segment in {"", ".", ".."} or set("\0/") & set(segment) for segment in segments),
        "is no https:// address": place.scheme == "http" and not is_loopback(place.url),
        "names its host in other letters than ASCII": not parts.netloc.isascii(),
        "names no container": place.scheme == "az" and not segments,
    }
    return next((problem for problem, is_met in problems.items() if is_met), "")


def _segments_of(parts: SplitResult) -> tuple[str, ...]:
    path = parts.path.strip("/")
    return tuple(unquote(segment, errors="surrogateescape") for segment in path.split("/")) if path else ()


def open_tree(source_name: str, place: TreePlace, fixed: Sequence[str], folder: Path) -> FileTree:
    """Return the tree at a place, `fixed` segments below its address; no I/O yet.

    Raises:
        ConfigurationError: a library that it needs is not installed.
    """
    if not place.scheme:
        return LocalTree(source_name, local_path(place.url, folder) / "/".join(fixed), allow_empty=place.allow_empty)
    return _opener(place.scheme)(remote_root(source_name, place, fixed))


def remote_root(source_name: str, place: TreePlace, fixed: Sequence[str] = ()) -> RemoteRoot:
    """Return the parts of a place that is not local, `fixed` segments below its address."""
    parts = urlsplit(place.url)
    return RemoteRoot(
        source_name=source_name,
        scheme=place.scheme,
        host=parts.netloc.rpartition(":")[0] or parts.netloc if parts.port is not None else parts.netloc,
        port=parts.port,
        segments=(*_segments_of(parts), *fixed),
        access=place.access,
        allow_empty=place.allow_empty,
    )


def _opener(scheme: str) -> Callable[[RemoteRoot], FileTree]:
    try:
        if scheme in {"https", "http"}:
            from rightful.connectors.webdav_tree import open_webdav  # noqa: PLC0415 - only where it is used

            return open_webdav
        if scheme == "sftp":
            from rightful.connectors.sftp_tree import open_sftp  # noqa: PLC0415 - needs an optional library

            return open_sftp
        if scheme == "az":
            from rightful.connectors.object_tree import open_azure  # noqa: PLC0415 - likewise

            return open_azure
        from rightful.connectors.object_tree import open_s3  # noqa: PLC0415 - likewise
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"url begins with {scheme}://, for which the library {error.name} is not installed",
            hint=f"install rightful[{'sftp' if scheme == 'sftp' else 'object-stores'}]",
        ) from error
    else:
        return open_s3
