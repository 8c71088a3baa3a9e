"""A lake of many people, made once: Parquet files in which nobody's rows lie together, and the directory of those who are measured."""

import shutil
import sqlite3
from pathlib import Path

from benchmarks.cluster import CACHE

FILES = 200
PEOPLE = 1_000_000
MEASURED = 10_000
"""Those in the directory, spread over all people."""
_GROUP_ROWS = 100_000


def upn(number: int) -> str:
    """Return the name of the measured person of a number below `MEASURED`."""
    return f"u{number * (PEOPLE // MEASURED):07d}@contoso.example"


def build(rows: int) -> Path:
    """Return a folder with `lake/*.parquet`, `rows` in all, and `people.db`."""
    folder = CACHE / f"lake-{FILES}-{rows}"
    if not folder.exists():
        half = folder.with_suffix(".half")
        shutil.rmtree(half, ignore_errors=True)
        (half / "lake").mkdir(parents=True)
        for number in range(FILES):
            _write(half / "lake" / f"part-{number:05d}.parquet", number, rows // FILES)
        _write_directory(half / "people.db")
        half.rename(folder)
    return folder


def _write(path: Path, seed: int, rows: int) -> None:
    import polars as pl  # noqa: PLC0415 - heavy, and needed here only

    def chance(column: int, below: int) -> pl.Expr:
        return pl.int_range(rows, dtype=pl.Int64).hash(seed * 16 + column) % below

    def one_of(column: int, texts: list[str]) -> pl.Expr:
        return pl.lit(pl.Series(texts)).gather(chance(column, len(texts)))

    pl.select(
        user_id=pl.format("u{}@contoso.example", chance(0, PEOPLE).cast(pl.String).str.zfill(7)),
        ts=(chance(1, 10**12).cast(pl.Int64).sort() + 1_700_000_000_000_000).cast(pl.Datetime("us", "UTC")),
        event=one_of(2, ["view", "click", "search", "purchase", "login", "logout", "share", "upload"]),
        page=one_of(3, [f"/catalogue/section-{number % 40}/item-{number}" for number in range(5_000)]),
        session=chance(4, 1 << 62).cast(pl.Int64),
        duration_ms=chance(5, 600_000).cast(pl.Int32),
        amount=chance(6, 10**6) / 100,
        ok=chance(7, 2) == 1,
        address=pl.format("192.0.2.{}", chance(8, 256)),
        device=pl.format("device-{}", chance(9, 100_000)),
    ).write_parquet(path, row_group_size=_GROUP_ROWS, compression="zstd", compression_level=1)


def _write_directory(path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE people (object_id TEXT PRIMARY KEY, upn TEXT NOT NULL COLLATE NOCASE UNIQUE)")
    people = [(f"00000000-0000-4000-8000-{number:012d}", upn(number)) for number in range(MEASURED)]
    database.executemany("INSERT INTO people VALUES (?, ?)", people)
    database.commit()
    database.close()
