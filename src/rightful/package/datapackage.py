"""datapackage.json: the payload as a Frictionless Data Package, so that any tool can load it with its types.

Parts of datasets are resources with a schema. Files are resources of type `file`, without one. A few file names mean something else to
readers of data packages (`a.zip` is taken for a compressed table, `$HOME` for a variable): those files stand, with the same members, in
`rightful:files`. What was superseded stands in the ledger alone.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from rightful.ids import OperationId
from rightful.package.contents import PayloadEntry
from rightful.package.fields import Explained, part_resource
from rightful.package.label import Label, choose

PATH = "datapackage.json"

_CHUNK_BYTES = 64 * 1024
_READ_DIFFERENTLY = re.compile(r"\$|\.\./|\.(zip|gz|bz2|xz)$", re.IGNORECASE)
"""Paths that frictionless-py refuses as unsafe, or decompresses before it looks at hash and size."""


class SourceTitle(msgspec.Struct, frozen=True, kw_only=True):
    """How a source is presented."""

    source_name: str
    product: str
    label: Label | None = None


def format_datapackage(
    *, operation_id: OperationId, organization: str, sources: Iterable[SourceTitle], entries: Iterable[PayloadEntry], language: str = ""
) -> Iterator[bytes]:
    """Write datapackage.json, one resource a line.

    Args:
        operation_id: names the package.
        organization: the controller's name, for the title.
        sources: every source, in the configuration's order.
        entries: the payload in ascending order of paths; what was superseded is left out.

        language: of columns' titles and of what codes mean, where there are several; empty: English.

    Yields:
        Chunks of about 64 KiB.
    """
    titles = {source.source_name: source for source in sources}
    head = {
        "profile": "data-package",
        "name": f"personal-data-{operation_id}",
        "title": f"Personal data held by {organization}" if organization else "Personal data",
        "id": operation_id,
        "rightful:sources": {name: _format_title(title) for name, title in titles.items()},
    }
    names = _ResourceNames(titles)
    described, others = _split(entries)
    yield msgspec.json.encode(head)[:-1] + b',\n"rightful:files":[\n'
    yield from _joined(_format_file(entry, names) for entry in others)
    yield b'\n],\n"resources":[\n'
    yield from _joined(_format_entry(entry, names, titles, language) for entry in described)
    yield b"\n]}\n"


def _split(entries: Iterable[PayloadEntry]) -> tuple[list[PayloadEntry], list[PayloadEntry]]:
    described: list[PayloadEntry] = []
    others: list[PayloadEntry] = []
    for entry in entries:
        if not entry.superseded_by:
            is_other = entry.rows is None and _READ_DIFFERENTLY.search(entry.path)
            (others if is_other else described).append(entry)
    return described, others


def _joined(members: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    encoder = msgspec.json.Encoder()
    buffer = bytearray()
    separator = b""
    for member in members:
        buffer += separator
        encoder.encode_into(member, buffer, -1)
        separator = b",\n"
        if len(buffer) >= _CHUNK_BYTES:
            yield bytes(buffer)
            buffer.clear()
    yield bytes(buffer)


class _ResourceNames:
    """Gives out names that are unique in a package and fit the pattern of the standard: `-a-z0-9._/`."""

    def __init__(self, source_names: Iterable[str]) -> None:
        self._slugs: dict[str, str] = {}
        self._files: dict[str, int] = {}
        for name in source_names:
            self._slug(name)

    def part(self, entry: PayloadEntry) -> str:
        stem = entry.path.rpartition("/")[2].removesuffix(".jsonl")
        return f"{self._slug(entry.source_name)}/{stem}"

    def file(self, entry: PayloadEntry) -> str:
        number = self._files.get(entry.source_name, 0)
        self._files[entry.source_name] = number + 1
        return f"{self._slug(entry.source_name)}/file-{number:06d}"

    def _slug(self, source_name: str) -> str:
        known = self._slugs.get(source_name)
        if known is not None:
            return known
        plain = re.sub(r"[^a-z0-9._-]+", "-", source_name.lower()).strip("-.") or ("source" if source_name else "package")
        slug, number = plain, 2
        while slug in self._slugs.values():
            slug, number = f"{plain}-{number}", number + 1
        self._slugs[source_name] = slug
        return slug


def _format_entry(entry: PayloadEntry, names: _ResourceNames, titles: Mapping[str, SourceTitle], language: str) -> dict[str, Any]:
    if entry.rows is None:
        return _format_file(entry, names)
    title = titles.get(entry.source_name)
    return {
        **part_resource(names.part(entry), entry, _explained(title.label if title else None, language)),
        "title": f"{title.product}: {entry.source_name}" if title else entry.source_name,
        "rightful:source": entry.source_name,
    }


def _explained(label: Label | None, language: str) -> dict[str, Explained]:
    """Return what an operator says of columns and codes, in one language."""
    if label is None:
        return {}
    return {
        column: Explained(
            title=choose(label.titles.get(column, ""), language),
            labels={code: choose(meaning, language) for code, meaning in label.values.get(column, {}).items()},
        )
        for column in {*label.titles, *label.values}
    }


def _format_file(entry: PayloadEntry, names: _ResourceNames) -> dict[str, Any]:
    return {
        "name": names.file(entry),
        "type": "file",
        "path": entry.path,
        "bytes": entry.size_bytes,
        "hash": f"sha256:{entry.sha256}",
        "rightful:source": entry.source_name,
    }


def _format_title(title: SourceTitle) -> dict[str, Any]:
    return {"product": title.product, **(msgspec.to_builtins(title.label) if title.label else {})}
