"""Opening a sealed package, entry by entry.

Nothing in it is believed: whoever can write to the storage location can seal something to a public key. What cannot be opened, or was
changed, becomes a finding and is not written; whether what was opened is what was delivered, `verify` tells afterwards.
"""

import unicodedata
from collections.abc import Callable, Iterable, Iterator

from rightful.age.header import Header, is_by_passphrase, open_by_passphrase, open_with, read_header
from rightful.age.intake import Intake
from rightful.age.keys import Identity, parse_identities
from rightful.age.payload import decrypt
from rightful.age.ssh import SshIdentity, open_with_ssh
from rightful.errors import PackageError
from rightful.package import request_info, sealed
from rightful.package.finding import Finding, FindingKind, shown
from rightful.package.readers import PackageReader

_LARGEST_KEY_BYTES = 65_536
_LONGEST_SEGMENT, _LONGEST_PATH = 255, 1024
"""Bytes: what entries of packages keep to (docs/reference/package-format.md)."""
_COPY = "copy the package again"

Write = Callable[[str, Iterator[bytes], int], None]
"""Writes an entry: path, chunks, their size. What the chunks raise passes, and nothing is written then; `ValueError` refuses the path."""


def open_key(package: PackageReader, passphrase: str) -> list[Identity]:
    """Return the identities that a passphrase opens in the package.

    Raises:
        PackageError: the package has none, or the passphrase is another one.
    """
    return _open_key(
        package,
        lambda header: open_by_passphrase(passphrase, header),
        PackageError(
            "the passphrase does not open this package", code="SealNotOpened", hint="type it as it was agreed, with its capitals and spaces"
        ),
    )


def open_key_with_ssh(package: PackageReader, identity: SshIdentity) -> list[Identity]:
    """Return the identities that a key of SSH opens in the package; raises `PackageError` where it has none, or for another key."""
    refusal = PackageError(
        "the package is not sealed to this key of SSH", code="SealNotOpened", hint="give the secret half of the key that it was sealed to"
    )
    return _open_key(package, lambda header: open_with_ssh(identity, header), refusal)


def _open_key(package: PackageReader, open_: Callable[[Header], bytes | None], refusal: PackageError) -> list[Identity]:
    try:
        intake = Intake((Intake(package.read(sealed.KEY_PATH)).take(_LARGEST_KEY_BYTES),))
        file_key = open_(read_header(intake))
        found = None if file_key is None else parse_identities(b"".join(decrypt(intake, file_key)).decode())
    except FileNotFoundError:
        raise PackageError(
            "this package is opened by neither a passphrase nor a key of SSH",
            code="SealNotOpened",
            hint="give the file of the secret key of age (AGE-SECRET-KEY-1…) by --identity",
        ) from None
    except OSError as error:
        raise PackageError(f"{sealed.KEY_PATH} cannot be read: {error.strerror}", hint="check who may read it") from error
    except ValueError as error:
        raise PackageError(f"{sealed.KEY_PATH} is damaged: {error}", hint=_COPY) from None
    if found is None:
        raise refusal
    return found


def unseal(package: PackageReader, identities: Iterable[Identity], write: Write) -> Iterator[Finding]:
    """Open every entry and write it; yield what could not be.

    Raises:
        PackageError: it is no sealed package, was not finished, or is not sealed to any of these.
        StorageError: the storage location does not answer.
    """
    sizes = dict(package.list())
    keys = list(identities)
    if not sealed.is_sealed(sizes):
        raise PackageError("the package is not sealed", hint="check it with `rightful verify`; or name the folder that sealed.json lies in")
    missing = next((path for path in (sealed.INDEX_PATH, sealed.LIST_PATH) if path not in sizes), "")
    if missing:
        raise PackageError(f"{missing} is missing: the package was not finished, or has lost it", hint=f"wait for its end, or {_COPY}")
    index = _index(package, keys)
    place = _Places()
    for name, path in index:
        problem = place.take(path)
        if problem:
            yield Finding(FindingKind.MALFORMED, shown(path), f"{problem}; it was not opened")
            continue
        yield from _written(write, name, path, _opened(package, name, keys), size_bytes=sizes.get(name), size_of=sealed.opened_bytes)
    info = request_info.PATH
    yield from _written(write, info, info, package.read(info), size_bytes=sizes.get(info), size_of=int)
    known = {name for name, _ in index} | {sealed.INDEX_PATH}
    for name in sorted(name for name in sizes if name.startswith(sealed.FOLDER) and name not in known):
        yield Finding(FindingKind.EXTRA, shown(name), f"{sealed.INDEX_PATH} does not name it; it was not opened")


class _Places:
    """Knows where entries lie, so that no two need the same place on any file system: an index that asks for that is none of ours."""

    def __init__(self) -> None:
        self._entries: set[str] = {_folded(request_info.PATH)}
        self._folders: set[str] = set()

    def take(self, path: str) -> str:
        """Take an entry's place; say what is wrong with it, empty where nothing is."""
        segments = path.split("/")
        if len(path.encode()) > _LONGEST_PATH or any(len(segment.encode()) > _LONGEST_SEGMENT for segment in segments):
            return "its name is longer than an entry's can be"
        folders = {_folded("/".join(segments[:end])) for end in range(1, len(segments))}
        if _folded(path) in self._entries or _folded(path) in self._folders or not folders.isdisjoint(self._entries):
            return "another entry lies at its place, or is the folder that it lies in"
        self._entries.add(_folded(path))
        self._folders |= folders
        return ""


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()


class _NotForUs(Exception):
    """An entry is sealed to somebody else."""


def _index(package: PackageReader, keys: list[Identity]) -> list[tuple[str, str]]:
    """Return (name, path) of every entry, by path."""
    try:
        return sorted(sealed.parse_index(_opened(package, sealed.INDEX_PATH, keys)), key=lambda pair: pair[1])
    except _NotForUs:
        raise PackageError(
            "the package is not sealed to this key", code="SealNotOpened", hint="give the secret half of the key that it was sealed to"
        ) from None
    except ValueError as error:
        raise PackageError(f"{sealed.INDEX_PATH} is damaged: {error}", hint=_COPY) from None
    except OSError as error:
        raise PackageError(f"{sealed.INDEX_PATH} cannot be read: {error.strerror}", hint="check who may read it") from error


def _opened(package: PackageReader, name: str, identities: list[Identity]) -> Iterator[bytes]:
    intake = Intake(package.read(name))
    header = read_header(intake)
    file_key = None if is_by_passphrase(header) else open_with(identities, header)
    if file_key is None:
        raise _NotForUs
    yield from decrypt(intake, file_key)


def _written(
    write: Write, name: str, path: str, chunks: Iterator[bytes], *, size_bytes: int | None, size_of: Callable[[int], int]
) -> Iterator[Finding]:
    """Write an entry; yield what was wrong with it, if anything was."""
    if size_bytes is None:
        yield Finding(FindingKind.MISSING, shown(path), f"{shown(name)} is not there")
        return
    try:
        write(path, chunks, size_of(size_bytes))
    except _NotForUs:
        yield Finding(FindingKind.CHANGED, shown(path), f"{shown(name)} is sealed to another key")
    except OSError as error:
        yield Finding(FindingKind.UNREADABLE, shown(path), error.strerror or type(error).__name__)
    except ValueError as error:
        yield Finding(FindingKind.CHANGED, shown(path), f"{shown(name)}: {shown(str(error))}")
