"""What commands say: data on stdout, talk on stderr, each free of secrets and of characters that a terminal would obey."""

import json
import sys
from collections.abc import Sequence
from typing import Any, TextIO

from rightful.errors import ExportError
from rightful.redaction import printable, redact

_WIDEST = 80
"""Columns are aligned up to here."""


def say(text: str) -> None:
    """Tell the person something, on stderr."""
    _write(sys.stderr, "\n".join(printable(line) for line in redact(text).splitlines()))


def emit(text: str) -> None:
    """Put a line of data on stdout, as it is."""
    _write(sys.stdout, text)


def _write(stream: TextIO, line: str) -> None:
    stream.write(f"{line}\n")
    stream.flush()


def emit_json(value: Any) -> None:
    """Put one JSON document on stdout."""
    emit(json.dumps(value, ensure_ascii=False, indent=2).encode("utf-8", "backslashreplace").decode())


def emit_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Put an aligned table on stdout; never cut, so that it can be searched and piped. Nothing for no rows.

    A cell that is very long pushes the rest of its own row aside, not of every row.
    """
    if not rows:
        return
    lines = [tuple(heads), *(tuple(printable(cell) for cell in row) for row in rows)]
    widths = [min(_WIDEST, max(len(line[column]) for line in lines)) for column in range(len(heads))]
    for line in lines:
        emit("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def describe(error: ExportError) -> dict[str, Any]:
    """Return an error as `--json` shows it."""
    said: dict[str, Any] = {"code": error.code, "message": redact(error.message), "hint": redact(error.hint)}
    problems = getattr(error, "problems", None)
    if problems is not None:
        said["problems"] = [
            {"file": item.file, "line": item.line, "setting": item.setting, "message": item.message, "hint": item.hint} for item in problems
        ]
    return {"error": said}


def show_error(error: ExportError, *, as_json: bool) -> None:
    """Say what failed, where, why and what to do, on stderr; one line of JSON where that was asked for."""
    if as_json:
        _write(sys.stderr, json.dumps(describe(error)))
        return
    say(f"error: {error.message} [{error.code}]" if "\n" not in error.message else f"error [{error.code}]: {error.message}")
    if error.hint:
        say(f"what to do: {error.hint}")


def format_bytes(size_bytes: int) -> str:
    """Write a size for people: 512 B, 1.5 MiB."""
    amount = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024 or unit == "GiB":  # noqa: PLR2004 - a KiB
            break
        amount /= 1024
    return f"{size_bytes} B" if unit == "B" else f"{amount:.1f} {unit}"


def format_duration(duration_s: float) -> str:
    """Write a duration for people: 0.2 s, 3 min 20 s, 2 h 5 min."""
    if duration_s < 60:  # noqa: PLR2004 - a minute
        return f"{duration_s:.1f} s"
    minutes, seconds = divmod(round(duration_s), 60)
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if hours else f"{minutes} min {seconds} s"
