"""Frictionless Table Schema for parts: what a reader needs to give every value its type back.

Specification: https://datapackage.org/standard/table-schema/ (seen November 2026; descriptors are valid under version 1 and 2).
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import msgspec

from rightful.package.contents import PayloadEntry
from rightful.package.forms import Form
from rightful.package.forms.comma_separated import ESCAPED_KINDS, escape
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


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator says of a column, in one language."""

    title: str = ""
    labels: Mapping[str, str] = {}
    """By code: what it means."""


def frictionless_schema(columns: Sequence[Column]) -> Descriptor:
    """Return the Table Schema of a dataset; `rightful:kind` and `rightful:sourceType` say what the standard's types cannot."""
    return {"fields": [_field(column) for column in columns], "missingValues": []}  # by default "" would count as missing


def part_resource(name: str, part: PayloadEntry, explained: Mapping[str, Explained] | None = None) -> Descriptor:
    """Return the Frictionless resource of one part; `name` is a slug (`[-a-z0-9._/]+`), unique in its package.

    Of the forms that readers of data packages don't take for tables, rows and schema stand in members of our own.
    """
    form = Form(part.path.rpartition(".")[2])
    schema = _csv_schema(part.columns) if form is Form.CSV else frictionless_schema(part.columns)
    if explained:
        _explain(schema, part.columns, explained)
    as_table: Descriptor = {"type": "table", "encoding": "utf-8", "rows": part.rows, "schema": schema}
    as_file: Descriptor = {"type": "file", "rightful:rows": part.rows, "rightful:schema": schema}
    return {
        "name": name,
        "path": part.path,
        "scheme": "file",
        "format": form.value,
        "mediatype": _MEDIA_TYPES[form],
        "bytes": part.size_bytes,
        "hash": f"sha256:{part.sha256}",
        **(as_table | {"dialect": _DIALECTS[form]} if form in _DIALECTS else as_file),
        **({"rightful:notes": _NOTES[form]} if form in _NOTES else {}),
        **({"rightful:copy": True} if part.is_copy else {}),
    }


def _explain(schema: Descriptor, columns: Sequence[Column], explained: Mapping[str, Explained]) -> None:
    """Add to fields what an operator says of them; `enumLabels` is a pattern of the standard, and need not name every value."""
    fields = schema["fields"]
    assert isinstance(fields, list)
    for column, field in zip(columns, fields, strict=True):
        said = explained.get(column.name)
        if said is not None:
            field.update(({"title": said.title} if said.title else {}) | ({"enumLabels": dict(said.labels)} if said.labels else {}))


def _csv_schema(columns: Sequence[Column]) -> Descriptor:
    """Return the schema of a dataset in CSV: an empty cell is NULL, or an empty text; a document is its text."""
    fields = [_field(column) for column in columns]
    for column, field in zip(columns, fields, strict=True):
        field["rightful:escape"] = column.kind in ESCAPED_KINDS
        if (heading := escape(column.name)) != column.name:
            field |= {"name": heading, "rightful:name": column.name}
        if field["type"] == "any":
            field["type"] = "string"
        if "missingValues" in field:
            field["missingValues"] = ["", LATEST, EARLIEST]
    return {"fields": fields, "missingValues": [""]}


_MEDIA_TYPES: Mapping[Form, str] = {
    Form.JSONL: "application/x-ndjson",
    Form.CSV: "text/csv",
    Form.JSON: "application/json",
    Form.PARQUET: "application/vnd.apache.parquet",
}

_DIALECTS: Mapping[Form, Descriptor] = {
    Form.JSONL: {"json": {"keyed": True}, "skipBlankRows": True},  # a record of NULLs alone is none of our errors
    Form.CSV: {"csv": {"delimiter": ",", "quoteChar": '"', "doubleQuote": True}, "skipBlankRows": True},
}
"""Of the forms that readers of data packages take for tables."""

_NOTES: Mapping[Form, Sequence[str]] = {
    Form.CSV: (
        "an empty cell is NULL; a cell of two quotation marks is the empty text, or NULL where it is all of its row",
        "in fields with rightful:escape, an apostrophe stands wherever a spreadsheet might begin a formula",
    ),
    Form.PARQUET: ("a column of strings holds the written form of its kind: Parquet has no type that carries all its values here",),
}
"""What a form cannot carry, or carries differently."""

_LOSSES: Mapping[ColumnKind, Sequence[str]] = {
    ColumnKind.TIMESTAMP_TZ: ("an instant, in UTC: the zone in which the source wrote it, if it kept one, is not told",),
    ColumnKind.JSON: (
        "null is NULL, or the document null: the two are not told apart",
        "ends of lines between the tokens of a document are blanks, and blanks around it are left out; the rest is as in the source",
    ),
}
"""What no form carries of a kind's values."""


def _field(column: Column) -> Descriptor:
    """Describe a column, in a value of the caller's own."""
    return dict(_described(column))


@lru_cache(4096)
def _described(column: Column) -> Descriptor:
    """Describe a column; notes come with its kind, whatever its values, so that parts of one dataset have one schema."""
    said = {"rightful:sourceType": column.source_type, "rightful:redaction": column.redaction, "rightful:notes": _LOSSES.get(column.kind)}
    known = {name: value for name, value in said.items() if value}
    return {"name": column.name, **msgspec.to_builtins(_TYPES[column.kind]), "rightful:kind": column.kind.value, **known}
