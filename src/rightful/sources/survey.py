"""Looks at an address: which tables, columns and folders lie there. A few values of each column are looked at in memory, never shown."""

from collections.abc import Collection, Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from rightful.config.model import SourceConfig
from rightful.connectors.lake import LakeConnector, LakeSettings
from rightful.connectors.local_paths import has_wildcard, local_path
from rightful.database import sqlalchemy_url
from rightful.database.interface import Database
from rightful.database.opening import open_database
from rightful.database.query import Target, Wanted
from rightful.database.table import Table, TableColumn
from rightful.directory.interface import Directory, KnowsIdentifiers
from rightful.errors import ConfigurationError, SourceRefused
from rightful.package.schema import ColumnKind
from rightful.sources import mailboxes, row_files
from rightful.sources.proposing import Found, Known

_SAMPLED = 200
"""Rows that are looked at in each table."""
_LONGEST = 1_000
"""Bytes that values have on average in columns that are looked into: no identifier is longer."""
_KNOWN = 20_000
"""Rows of the directory whose identifiers columns are compared with."""
_IDENTIFYING = frozenset({ColumnKind.TEXT, ColumnKind.INT, ColumnKind.UUID})
_SCHEMES = {"sqlite": "sql", "postgresql": "sql", "postgres": "sql", "mysql": "sql", "mariadb": "sql"}


def known_of(directory: Directory, sources: Sequence[SourceConfig] = ()) -> Known:
    """Return what the directory knows people by, and the names of kinds that sources give."""
    given: dict[str, Collection[str]] = {kind: () for source in sources for kind in source.identifiers}
    if not isinstance(directory, KnowsIdentifiers):
        return Known.of(given, {})
    return Known.of({**given, **directory.known(_KNOWN)}, directory.columns())


def connector_of(url: str, folder: Path) -> str:
    """Return the connector that reads what lies at an address; raises `ConfigurationError` where there is none for it."""
    scheme, separator, _ = url.partition("://")
    if separator and scheme in _SCHEMES:
        return _SCHEMES[scheme]
    if separator and sqlalchemy_url.has_dialect(url):
        return "sql"
    if separator and scheme != "file":
        raise ConfigurationError(
            f"nothing is known of how to look at {scheme[:20]}:// addresses",
            hint="write the source into the configuration by hand; `rightful source test` tries it",
        )
    if lake_format(url, folder):
        return "lake"
    path = local_path(url, folder)
    if mailboxes.look(path) is not None:
        return "mailbox"
    if not has_wildcard(url) and not path.exists():
        raise ConfigurationError(
            "there is no such file or folder, and this is no address of a database",
            hint="look how it is written, and whether it is mounted; a relative path begins at the configuration's folder",
        )
    if has_wildcard(url) or not path.is_dir():
        raise ConfigurationError(
            "this is neither a database, nor files of rows, nor a mailbox, nor a folder",
            hint="give sqlite:///FILE, postgresql://…, mysql://…, FOLDER/**/*.parquet (.csv, .jsonl), or a folder "
            "of such files, or with a folder or a mailbox for each person",
        )
    return "files" if row_files.look(path) is None else "lake"


def look_at_database(url: str, folder: Path, source_name: str, wanted: Sequence[str]) -> list[Found]:
    """Look at the wanted tables of a database, or at all that this account may read."""
    with closing(open_database(url, folder=folder, source_name=source_name)) as database:
        return [_table(database, name) for name in wanted or database.names()]


def tables_of(url: str, folder: Path, source_name: str) -> list[str]:
    """Return the names of all tables of a database."""
    with closing(open_database(url, folder=folder, source_name=source_name)) as database:
        return database.names()


def _table(database: Database, name: str) -> Found:
    table = database.table(name)
    readable = tuple(column for column in table.columns if column.is_readable)
    links = tuple((link.table, link.columns) for link in database.links(table))
    names = tuple(column.name for column in readable)
    widths = database.widths(table)
    short = tuple(column for column in readable if column.column.kind in _IDENTIFYING and widths.get(column.name, 0) <= _LONGEST)
    samples = _samples(database, table, short)
    return Found(name=name, columns=names, samples=samples, key=table.primary_key, links=links)


def _samples(database: Database, table: Table, columns: tuple[TableColumn, ...]) -> dict[str, list[str]]:
    if not columns:
        return {}
    wanted = Wanted(columns=columns, is_ordered=False, as_text=True)
    query = database.build_lookup(Target(source_name=table.name, table=table, match=()), wanted)
    try:
        rows = database.rows(query, [], most=_SAMPLED)
    except SourceRefused:
        return {}  # a text that is none, mostly: names have to do
    return {column.name: [str(row[place]) for row in rows if row[place] is not None] for place, column in enumerate(columns, 1)}


def lake_format(url: str, folder: Path) -> str:
    """Return what a lake at an address is written in; empty where there is none."""
    if url.endswith(".parquet"):
        return "parquet"
    if (local_path(url, folder) / "_delta_log").is_dir():
        return "delta"
    if (local_path(url, folder) / "metadata" / "version-hint.text").is_file():
        return "iceberg"
    return row_files.format_of(url)


def look_at_lake(url: str, folder: Path, source_name: str) -> Found:
    """Look at a lake's columns, and at the first rows of its last file."""
    kind = lake_format(url, folder)
    settings = msgspec.convert({"url": url, "format": kind, "match": {"?": "?"}}, LakeSettings)
    columns, samples = LakeConnector(source_name, settings, siblings={}, folder=folder).look(_SAMPLED)
    return Found(name=source_name, columns=columns, samples=samples)


def look_at_folders(url: str, folder: Path) -> list[str]:
    """Return the names of some folders below a folder."""
    return [path.name for path in sorted(local_path(url, folder).iterdir())[:_SAMPLED] if path.is_dir()]
