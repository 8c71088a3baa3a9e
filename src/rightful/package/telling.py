"""Tells what a difference says, record by record: it is read beside the earlier package, which alone has what is gone.

Nothing is checked here but that the two belong together; `verify` checks a package.
"""

import base64
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from operator import attrgetter
from typing import Literal, TypeVar

import msgspec

from rightful.errors import PackageError
from rightful.package import datapackage, difference, ledger, receipt
from rightful.package.agreement import DataPackage, Resource
from rightful.package.digest import measure
from rightful.package.fingerprint import WHICH, Fingerprinter
from rightful.package.forms import Form
from rightful.package.readers import PackageReader

T = TypeVar("T")
Change = Literal["new", "changed", "gone", "again"]


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not as it was."""

    source_name: str
    change: Change
    line: bytes = b""
    """A record's JSON line, without the LF at the end."""
    path: str = ""
    """A file's path in its source."""
    fingerprint: str = ""
    """Of what is gone, or there again, and does not lie in the earlier package: that is itself a difference to one that has it."""
    copies: int = 1


class _Since(msgspec.Struct, frozen=True, rename="camel"):
    operation_id: str
    receipt_sha256: str


class _Source(msgspec.Struct, frozen=True):
    searched: bool
    key: tuple[str, ...] = ()


class _Changes(msgspec.Struct, frozen=True, rename="camel"):
    format: str
    since: _Since
    fingerprint_key: str
    sources: dict[str, _Source]


class _Line(msgspec.Struct, frozen=True):
    source: str
    gone: str = ""
    again: str = ""
    copies: int = 1


class _Name(msgspec.Struct, frozen=True, rename="camel"):
    entry: str
    original: str
    original_bytes: str = ""


class _Record(msgspec.Struct, frozen=True):
    folder: str = ""
    names: tuple[_Name, ...] = ()


class _Ledger(msgspec.Struct, frozen=True):
    sources: dict[str, _Record]


def tell(old: PackageReader, new: PackageReader) -> Iterator[Told]:
    """Yield what is new, changed and gone, source by source.

    Holds what is named in gone.jsonl and the keys of what was sent, of one source at a time.

    Raises:
        PackageError: the new package is no difference to the old one, or one of them has no records as JSON lines.
    """
    changes = _decode(new, difference.PATH, _Changes)
    if changes.format != difference.FORMAT:
        raise PackageError(f"{difference.PATH} has a format that this version does not know; it knows {difference.FORMAT}")
    if measure(old.read(receipt.PATH)).sha256 != changes.since.receipt_sha256:
        raise PackageError(
            "the packages do not belong together",
            hint=f"give the package of {changes.since.operation_id}, then its difference",
        )
    then, now = _Package(old), _Package(new)
    listed = groupby(_named(new), key=attrgetter("source"))
    named = next(listed, None)
    for name, source in changes.sources.items():
        lines: Iterable[_Line] = ()
        if named is not None and named[0] == name:
            lines = tuple(named[1])
            named = next(listed, None)
        yield from _tell_source(name, then, now, Fingerprinter(bytes.fromhex(changes.fingerprint_key), source.key), lines)


class _Found(msgspec.Struct, frozen=True):
    fingerprint: bytes
    line: bytes = b""
    path: str = ""


def _tell_source(name: str, then: "_Package", now: "_Package", maker: Fingerprinter, lines: Iterable[_Line]) -> Iterator[Told]:
    left: dict[tuple[bytes, Change], int] = {}
    for line in lines:
        left[bytes.fromhex(line.gone or line.again), "gone" if line.gone else "again"] = line.copies
    sent = {found.fingerprint[:WHICH] for found in now.things(name, maker)}
    changed: set[bytes] = set()
    for found in then.things(name, maker):
        number = left.get((found.fingerprint, "gone"), 0)
        if number:
            left[found.fingerprint, "gone"] = number - 1
            yield Told(source_name=name, change="gone", line=found.line, path=found.path)
        elif found.fingerprint[:WHICH] in sent:
            changed.add(found.fingerprint[:WHICH])
        number = left.pop((found.fingerprint, "again"), 0)
        if number:
            yield Told(source_name=name, change="again", line=found.line, path=found.path, copies=number)
    for (fingerprint, change), number in left.items():
        if number:
            yield Told(source_name=name, change=change, fingerprint=fingerprint.hex(), copies=number)
    for found in now.things(name, maker):
        is_changed = found.fingerprint[:WHICH] in changed
        yield Told(source_name=name, change="changed" if is_changed else "new", line=found.line, path=found.path)


class _Package:
    """What lies in a package, by source."""

    def __init__(self, reader: PackageReader) -> None:
        self._reader = reader
        described = _decode(reader, datapackage.PATH, DataPackage)
        self._resources: dict[str, list[Resource]] = {}
        for resource in (*described.resources, *described.files):
            self._resources.setdefault(resource.source, []).append(resource)
        self._records: Mapping[str, _Record] = _decode(reader, ledger.PATH, _Ledger).sources

    def things(self, name: str, maker: Fingerprinter) -> Iterator[_Found]:
        """Yield the records and files of a source; raises `PackageError` where records lie in other forms alone."""
        resources = self._resources.get(name, ())
        record = self._records.get(name, _Record())
        originals = {each.entry: _original(each) for each in record.names}
        parts = [resource for resource in resources if resource.rows is not None or resource.rows_of_file is not None]
        lines = [part for part in parts if part.path.endswith(f".{Form.JSONL}")]
        if parts and not lines:
            raise PackageError(f"source {name} has no records as JSON lines", hint="have `jsonl` among export.formats")
        for part in lines:
            for content in _whole_lines(self._reader.read(part.path)):
                for line, fingerprint in zip(content.split(b"\n"), maker.lines(content), strict=False):
                    yield _Found(fingerprint, line=line)
        for resource in resources:
            if resource.rows is None and resource.rows_of_file is None:
                path = originals.get(resource.path) or resource.path.removeprefix(record.folder)
                origin = path.encode("utf-8", "surrogateescape")
                yield _Found(maker.file(origin, resource.hash.removeprefix("sha256:")), path=path)


def _named(reader: PackageReader) -> Iterator[_Line]:
    for content in _whole_lines(reader.read(difference.LIST_PATH)):
        try:
            yield from map(msgspec.json.Decoder(_Line).decode, content.split(b"\n")[:-1])
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise PackageError(f"{difference.LIST_PATH} can't be read: {error}", hint="check the package with `rightful verify`") from error


def _whole_lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        whole = rest + chunk
        end = whole.rfind(b"\n") + 1
        rest = whole[end:]
        if end:
            yield whole[:end]


def _original(name: _Name) -> str:
    if not name.original_bytes:
        return name.original
    return base64.b64decode(name.original_bytes).decode("utf-8", "surrogateescape")


def _decode(reader: PackageReader, path: str, type_: type[T]) -> T:
    try:
        return msgspec.json.decode(b"".join(reader.read(path)), type=type_)
    except FileNotFoundError:
        what = "is no difference" if path == difference.PATH else "is not finished"
        raise PackageError(f"the package {what}: it has no {path}", hint="give the earlier package first, then its difference") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise PackageError(f"{path} can't be read: {error}", hint="check the package with `rightful verify`") from error
