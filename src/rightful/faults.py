"""How an unforeseen error may be told: by its type and its place. Its text may hold anything that was being worked on."""

import os
import sqlite3
import traceback
from collections.abc import Iterator

import apsw

from rightful.errors import ExportError

_FRAMES = 8


def describe(error: BaseException) -> str:
    """Return types and places of an error and its causes, innermost frame last, without personal data; for logs."""
    return "; caused by ".join(map(_describe_one, _chain(error)))


def _describe_one(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    places = " > ".join(f"{os.path.basename(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames)  # noqa: PTH119 - the name alone
    return f"{type(error).__name__}{_text(error)} at {places or 'an unknown place'}"


def reason_of(error: BaseException) -> str:
    """Return an error's type and, where it is safe, why: for whoever waits for the result."""
    return f"{type(error).__name__}{_text(error)}"


def _text(error: BaseException) -> str:
    """Return what may be said of the text: our own messages hold nothing personal, and the system's stand for a number."""
    if isinstance(error, ExportError):
        return f": {error.message}"
    if isinstance(error, apsw.Error):
        return f": {_code(error)}"
    if isinstance(error, sqlite3.Error):
        return f": {getattr(error, 'sqlite_errorname', 'unknown')}"  # SQLITE_FULL and the like
    return f": {os.strerror(error.errno)}" if isinstance(error, OSError) and error.errno else ""


def _code(error: apsw.Error) -> str:
    """Return the result code by which SQLite names an error."""
    code = getattr(error, "extendedresult", getattr(error, "result", 0))
    return str(apsw.mapping_extended_result_codes.get(code) or apsw.mapping_result_codes.get(code, "unknown"))


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        following = following.__cause__ or (None if following.__suppress_context__ else following.__context__)
