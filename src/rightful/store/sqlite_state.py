"""Whether a SQLite file is a store that this version can work on.

What is damaged, foreign or too new is refused with the way out; it is never taken for an empty one.
"""

import os
from contextlib import closing, suppress
from pathlib import Path

import apsw

from rightful.errors import ConfigurationError
from rightful.store import queries
from rightful.store.connection import Connection
from rightful.store.sqlite_connection import SqliteConnection
from rightful.syncing import sync_file, sync_folder

MAGIC = b"SQLite format 3\x00"
HEADER_BYTES = 100
QUICK_BYTES = 64 << 20
"""A store up to this size is read through at each start (some 0.3 s); a larger one by `rightful store check`."""
WAY_OUT = (
    "`rightful store check` says what is wrong; `rightful store restore FILE --replace` puts a backup in its place, and keeps this one"
)
_TABLES = frozenset({"operation", "read", "entry", "audit", "repeat_key"})
_BUSY_S = 10.0


def damaged(path: Path, how: str) -> ConfigurationError:
    """Return the error for a store that cannot be worked on."""
    return ConfigurationError(f"the store {path.name} {how}", code="StoreDamaged", hint=WAY_OUT)


def beside(path: Path) -> tuple[Path, Path]:
    """Return where the write-ahead log of a store lies, and its index."""
    return path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")


def has_content(path: Path) -> bool:
    """Say whether there is a file with something in it: who only reads a store leaves an empty log."""
    return path.exists() and path.stat().st_size > 0


def check_file(path: Path) -> bool:
    """Say whether there is a file; raises `ConfigurationError` (StoreDamaged) where it can be no whole SQLite file."""
    log = beside(path)[0]
    try:
        with path.open("rb") as file:
            header = file.read(HEADER_BYTES)
            size = os.fstat(file.fileno()).st_size
    except FileNotFoundError:
        if has_content(log):
            raise damaged(path, f"is gone, and its write-ahead log {log.name} is still there") from None
        return False
    if not size:
        raise damaged(path, "is empty: it was cut off, or something else made it")
    if not header.startswith(MAGIC):
        raise damaged(path, "is not a SQLite file")
    if len(header) < HEADER_BYTES or (not has_content(log) and size < _said_bytes(header)):
        raise damaged(path, f"is cut off: it has {size} of {_said_bytes(header)} bytes")
    return True


def _said_bytes(header: bytes) -> int:
    """Return how large the file is by its own word (https://www.sqlite.org/fileformat.html, 1.3); 0 where that does not count."""
    page = int.from_bytes(header[16:18], "big")
    if header[24:28] != header[92:96]:
        return 0
    return (65_536 if page == 1 else page) * int.from_bytes(header[28:32], "big")


def check_schema(connection: Connection, path: Path) -> int:
    """Return the number of the schema; raises `ConfigurationError` where this is no store, or one of a newer version."""
    version = int(connection.rows("PRAGMA user_version")[0]["user_version"])
    tables = {row["name"] for row in connection.rows("SELECT name FROM sqlite_master WHERE type = 'table'")}
    newest = len(queries.migrations())
    if version > newest:
        raise ConfigurationError(
            f"the store {path.name} was written by a newer version of Rightful (its schema is {version}, here {newest} is known)",
            code="StoreTooNew",
            hint="install that version again; or restore a backup of this version's time, `rightful store restore FILE --replace`",
        )
    if version and not tables >= _TABLES:
        raise damaged(path, "lacks tables that every store has")
    if not version and tables:
        hint = "name another file in `store`: Rightful makes it"
        raise ConfigurationError(f"{path.name} is a database of something else, not a store", code="StoreDamaged", hint=hint)
    return version


def check_pages(connection: Connection, path: Path, *, most_bytes: int = QUICK_BYTES) -> None:
    """Read a file that is not too large through; raises `ConfigurationError` where it is damaged."""
    if path.stat().st_size > most_bytes:
        return
    found = connection.rows("PRAGMA quick_check(1)")
    if [row["quick_check"] for row in found] != ["ok"]:
        raise damaged(path, "is damaged")


def make(path: Path) -> None:
    """Make an empty store, whole at once: a file that is there and empty was none of ours."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)  # of a start that was killed
    with suppress(FileNotFoundError):
        draft.with_name(f"{draft.name}-journal").unlink()
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    with closing(SqliteConnection(draft, busy_s=_BUSY_S)) as connection:
        connection.run("PRAGMA synchronous = FULL")
        migrate(connection)
    sync_file(draft)
    draft.rename(path)
    sync_folder(path.parent)


def migrate(connection: Connection) -> None:
    """Bring the schema up to date, each step in one transaction."""
    version = int(connection.rows("PRAGMA user_version")[0]["user_version"])
    for number, script in enumerate(queries.migrations()[version:], start=version + 1):
        connection.run(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;")


def reason(error: apsw.Error) -> str:
    """Say whether an error of SQLite means that the file is damaged; empty where it does not."""
    return "is damaged" if isinstance(error, apsw.CorruptError) else "is not a SQLite file" if isinstance(error, apsw.NotADBError) else ""
