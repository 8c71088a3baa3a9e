"""How text files are written, as the settings say it, and what is wrong with that."""

import codecs
import re
from collections.abc import Iterator, Mapping

import msgspec

from rightful.setting_problem import SettingProblem

TYPES = frozenset({"text", "int", "float", "bool", "date", "timestamp", "timestamp_tz"})
_DECIMAL = re.compile(r"decimal\(([1-9][0-9]?), ?([0-9]{1,2})\)")
_MAX_DIGITS = 38


class CsvSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How CSV files are written."""

    delimiter: str = ","
    """What stands between two values: one character, `\\t` for a tab."""
    quote: bool = True
    """Whether values may stand in `"…"`; else a quote is a character like any other."""
    encoding: str = "utf-8"
    """How characters are written: `latin-1`, `cp1252`, `utf-16`, …"""
    columns: tuple[str, ...] = ()
    """The columns' names, where files have no line with them."""


class IcebergSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What says which metadata of an Iceberg table is current. Default: the table's own `version-hint.text`."""

    catalog: str = ""
    """The database of a SQL (JDBC) catalog, as SQLAlchemy has it: `sqlite:///catalog.db`, `postgresql+psycopg://user:password@host/database`."""
    name: str = ""
    """What the catalog is called in that database (`catalog_name`)."""
    table: str = ""
    """The table: `sales.activity`."""
    metadata: str = ""
    """Instead of a catalog a file of the folder `metadata`: the table as it was then."""

    def __repr__(self) -> str:
        """Leave the catalog's address out: a password may be in it."""
        return f"{type(self).__name__}(table={self.table!r})"


def iceberg_problems(kind: str, said: IcebergSettings) -> Iterator[SettingProblem]:
    """Yield what is wrong with what the settings say of an Iceberg table."""
    if kind != "iceberg" and said != IcebergSettings():
        yield ("iceberg",), "is for Iceberg tables alone", "leave it out, or write format: iceberg"
    if said.metadata and said.catalog:
        yield ("iceberg", "metadata"), "and catalog both say which metadata is current", "leave one of them out"
    if "/" in said.metadata or (said.metadata and not said.metadata.endswith(".metadata.json")):
        yield ("iceberg", "metadata"), "is no metadata file's name", "write the name alone: 00003-….metadata.json"
    if said.catalog and not ("://" in said.catalog and said.name):
        yield ("iceberg", "name"), "and catalog belong together", "write the catalog's address, and what it is called (catalog_name)"
    if bool(said.catalog) != bool(said.table) or bool(said.name) > bool(said.catalog):
        yield ("iceberg", "table"), "and catalog belong together", "give catalog, name and table, or none of them"
    elif said.table and not ("." in said.table and all(said.table.split("."))):
        yield ("iceberg", "table"), "is no table of a namespace", "write namespace.table"


def format_problems(kind: str, types: Mapping[str, str], csv: CsvSettings, match: Mapping[str, str]) -> Iterator[SettingProblem]:
    """Yield what is wrong with what the settings say of text files."""
    if kind not in {"csv", "jsonl"} and types:
        yield ("types",), "is for csv and jsonl: other files say their types themselves", "leave it out, or correct format"
    if kind != "csv" and csv != CsvSettings():
        yield ("csv",), "is for csv alone", "leave it out, or write format: csv"
    for column, word in types.items():
        if word not in TYPES and decimal_of(word) is None:
            yield ("types", column), "is no type", f"write decimal(12, 2), or one of {', '.join(sorted(TYPES))}"
        elif column in match and word != "text":
            yield ("types", column), "is stated for a match column", "leave it out: match columns are texts"
    if len(csv.delimiter) != 1 or csv.delimiter in '"\r\n' or not csv.delimiter.isascii():
        yield ("csv", "delimiter"), "is not one character, or one that has another meaning", 'write , or ; or | or "\\t"'
    if len(set(csv.columns)) < len(csv.columns):
        yield ("csv", "columns"), "names a column twice", "give each another name"
    if not _is_text_encoding(csv.encoding):
        yield ("csv", "encoding"), "is no encoding that is known", "write utf-8, cp1252, latin-1, utf-16, …"


def decimal_of(word: str) -> tuple[int, int] | None:
    """Return precision and scale of `decimal(12, 2)`; None where it is nothing like it."""
    found = _DECIMAL.fullmatch(word)
    if found is None or int(found[1]) > _MAX_DIGITS or int(found[2]) > int(found[1]):
        return None
    return int(found[1]), int(found[2])


def _is_text_encoding(name: str) -> bool:
    try:
        codecs.lookup(name)
        return bool("a".encode(name))
    except LookupError:  # or a codec between bytes, such as hex
        return False
