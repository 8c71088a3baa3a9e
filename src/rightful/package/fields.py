"""Frictionless Table Schema for parts: what a reader needs to give every value its type back.

Specification: https://datapackage.org/standard/table-schema/ (seen November 2026; descriptors are valid under version 1 and 2).
"""

from collections.abc import Mapping, Sequence

import msgspec

from rightful.package.schema import Column, ColumnKind
from rightful.package.values import EARLIEST, LATEST

Descriptor = dict[str, object]

_INFINITE: Descriptor = {"missingValues": [LATEST, EARLIEST]}  # no date type has them: a reader gets None rather than an error

_TYPES: Mapping[ColumnKind, Descriptor] = {
    ColumnKind.BOOL: {"type": "boolean"},
    ColumnKind.INT: {"type": "integer"},
    ColumnKind.FLOAT: {"type": "number"},
    ColumnKind.DECIMAL: {"type": "number"},  # readers take decimals from strings, and NaN and Infinity with them
    ColumnKind.TEXT: {"type": "string"},
    ColumnKind.DATE: {"type": "date", **_INFINITE},
    ColumnKind.TIMESTAMP: {"type": "datetime", **_INFINITE},
    ColumnKind.TIMESTAMP_TZ: {"type": "datetime", "rightful:timeZone": "UTC", **_INFINITE},
    ColumnKind.TIME: {"type": "time"},
    ColumnKind.UUID: {"type": "string", "format": "uuid"},
    ColumnKind.BYTES: {"type": "string", "format": "binary"},
    ColumnKind.JSON: {"type": "any"},
    ColumnKind.NESTED: {"type": "any"},
}


def frictionless_schema(columns: Sequence[Column]) -> Descriptor:
    """Return the Table Schema of a dataset; `rightful:kind` and `rightful:sourceType` say what the standard's types cannot."""
    return {"fields": [_field(column) for column in columns], "missingValues": []}  # by default "" would count as missing


def jsonl_resource(name: str, path: str, size_bytes: int, sha256: str, columns: Sequence[Column]) -> Descriptor:
    """Return the Frictionless resource of one part; `name` is a slug (`[-a-z0-9._/]+`), unique in its package."""
    return {
        "name": name,
        "type": "table",
        "path": path,
        "scheme": "file",
        "format": "jsonl",
        "mediatype": "application/x-ndjson",
        "encoding": "utf-8",
        "bytes": size_bytes,
        "hash": f"sha256:{sha256}",
        "dialect": {"json": {"keyed": True}, "skipBlankRows": True},  # a record of NULLs alone is none of our errors
        "schema": frictionless_schema(columns),
    }


def _field(column: Column) -> Descriptor:
    source = {"rightful:sourceType": column.source_type} if column.source_type else {}
    redaction = {"rightful:redaction": column.redaction} if column.redaction else {}
    return {"name": column.name, **msgspec.to_builtins(_TYPES[column.kind]), "rightful:kind": column.kind.value, **source, **redaction}
