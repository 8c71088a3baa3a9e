"""The note beside a SQLite store that was copied into another database: whoever went on with both would do everything twice."""

import os
from datetime import UTC, datetime
from pathlib import Path

from rightful import private_file
from rightful.errors import ConfigurationError
from rightful.syncing import sync_folder


def note_path(path: Path) -> Path:
    """Return where the note lies."""
    return path.with_name(f"{path.name}.moved")


def note(path: Path, place: str) -> None:
    """Put the note down, durably; one that is there is replaced at once."""
    _write(path, f"{place} at {datetime.now(UTC):%Y-%m-%d %H:%M} UTC\n".encode())


def read(path: Path) -> bytes | None:
    """Return what a note says that is there."""
    there = note_path(path)
    return there.read_bytes() if os.path.lexists(there) else None


def put_back(path: Path, before: bytes | None) -> None:
    """Have it say what it said before, or take it away where there was none."""
    if before is not None:
        _write(path, before)
        return
    note_path(path).unlink(missing_ok=True)
    sync_folder(path.absolute().parent)


def _write(path: Path, content: bytes) -> None:
    private_file.write(note_path(path), content)
    sync_folder(path.absolute().parent)


def check(path: Path) -> None:
    """Raise `ConfigurationError` where the store was copied elsewhere."""
    there = note_path(path)
    if os.path.lexists(there):
        raise ConfigurationError(
            f"the store {path.name} was copied to {there.read_text('utf-8').strip() or 'another place'}",
            code="StoreMoved",
            hint=f"let `store` name that one; to go back to this file without what was done there since, remove {there.name}",
        )
