"""Recognises a folder of files of rows, as a system exports its tables, and tells which of them are one table's."""

import glob
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rightful.connectors.local_paths import path_matcher
from rightful.errors import ConfigurationError
from rightful.sources.labels import words_of

_MOST = 1_000
_ENDING = re.compile(r"(?:\.(?P<text>csv|jsonl|ndjson)(?:\.gz|\.zst)?|\.parquet)\Z", re.IGNORECASE)
_NUMBERS = re.compile(r"[0-9]+(?:[-_. ]*[0-9]+)*")
"""What tells the files of one table apart: a number, a day."""


class RowFiles(NamedTuple):
    """What lies in a folder."""

    names: tuple[str, ...]
    others: int
    """How many other files and folders lie beside them."""


class RowTable(NamedTuple):
    """Files that hold one table's rows."""

    name: str
    """In the words of a source's name; may be empty."""
    pattern: str
    last: str
    """The file that is looked at."""


def format_of(name: str) -> str:
    """Return what a file is written in, by its name's ending; empty where it is none of rows."""
    found = _ENDING.search(name)
    if found is None:
        return ""
    return {"csv": "csv", "jsonl": "jsonl", "ndjson": "jsonl"}.get((found["text"] or "").lower(), "parquet")


def stem_of(name: str) -> str:
    """Return a file's name without the ending that says its format."""
    return _ENDING.sub("", name)


def look(path: Path) -> RowFiles | None:
    """Return the files of rows in a folder; None where there are none, or more folders than those.

    Raises:
        ConfigurationError: the folder cannot be listed, or has more such files than are looked at one by one.
    """
    names, others, folders = [], 0, 0
    try:
        for each in path.iterdir():
            if each.name.startswith("."):
                continue  # as for the connector
            is_row_file = format_of(each.name) != "" and each.is_file() and each.stat().st_size > 0
            names += [each.name] if is_row_file else []
            others += not is_row_file
            folders += each.is_dir()
    except OSError as error:
        raise ConfigurationError(f"the folder cannot be listed: {error.strerror}", hint="let this account read it") from None
    if not names or folders > len(names):
        return None
    if len(names) > _MOST:
        raise ConfigurationError(
            f"the folder has more than {_MOST:,} files of rows", hint="give a pattern for each table: FOLDER/orders-*.csv"
        )
    return RowFiles(tuple(sorted(names)), others)


def tables_of(names: Sequence[str], columns: Mapping[str, tuple[str, ...]], *, is_by_person: bool) -> Iterator[RowTable]:
    """Yield the tables that files hold: what has the same columns and, numbers apart, the same name, is one.

    Args:
        names: the files.
        columns: of each file; of a kind of file that need not have all of them in each, nothing.
        is_by_person: names say whose they are, not which table's.
    """
    groups: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for name in names:
        ending = name.removeprefix(stem_of(name))
        pattern = f"*{ending}" if is_by_person else _pattern(name)
        groups.setdefault((pattern, () if is_by_person else columns.get(name, ())), []).append(name)
    for (pattern, _), group in groups.items():
        fits = path_matcher([pattern])
        if is_by_person or (len(group) > 1 and [name for name in names if fits(name)] == group):
            yield RowTable("" if is_by_person else words_of(_NUMBERS.sub(" ", stem_of(group[0]))), pattern, group[-1])
        else:
            yield from (RowTable(words_of(stem_of(name)), glob.escape(name), name) for name in group)


def _pattern(name: str) -> str:
    stem = stem_of(name)
    pieces = map(glob.escape, _NUMBERS.split(stem))
    return "[0-9]*".join(pieces) + name.removeprefix(stem)
