"""Firebird for tests: its engine, as its own project packs it for Python, in this process; a database is a file."""

import ctypes
import os
import re
from collections.abc import Iterator
from ctypes.util import find_library
from pathlib import Path
from typing import Any

from firebird.driver import connect, create_database, driver_config
from firebird.embedded.provider import FirebirdProvider
from tests.servers.process import skip_without

_FETCHED = Path(__file__).parents[2] / ".cache/libtommath"
_WORD = re.compile(r"(?<![\w\"'])(?<!sub_type )text(?![\w\"'])")
_LOWER = re.compile(r"ON (\w+) \((lower\(\w+\))\)")


class FirebirdFile:
    """One database; statements are those of other databases, in Firebird's words."""

    def __init__(self, path: Path) -> None:
        _load()
        self._path = path
        create_database(str(path), user="SYSDBA", charset="UTF8").close()

    @property
    def url(self) -> str:
        """Return the address."""
        return f"firebird+firebird:///{self._path}?user=SYSDBA&charset=UTF8"

    def execute(self, statements: str) -> list[tuple[Any, ...]]:
        """Run one or several statements, each in a transaction of its own; return the rows of the last one, if it has any."""
        rows: list[tuple[Any, ...]] = []
        with connect(str(self._path), user="SYSDBA", charset="UTF8") as connection:
            for statement in (single for several in _split(statements, ";") for single in _singly(several)):
                cursor = connection.cursor()
                cursor.execute(statement)
                rows = list(cursor.fetchall()) if cursor.description else []
                cursor.close()
                connection.commit()
        return rows


def _load() -> None:
    """Load the client with what it needs beside it: the wheel brings libtomcrypt, the system or `make firebird` libtommath."""
    if driver_config.fb_client_library.value:
        return
    root = FirebirdProvider().root
    fetched = next(_FETCHED.glob("usr/lib/*/libtommath.so.1"), None)
    name = find_library("tommath") or (str(fetched) if fetched else None)
    if name is None:
        skip_without("libtommath, which Firebird needs,")
    os.environ["FIREBIRD"] = str(root)
    for library in (name, str(root / "libtomcrypt.so.1")):
        ctypes.CDLL(library, mode=ctypes.RTLD_GLOBAL)
    driver_config.db_defaults.page_size.value = 32768  # for keys of several texts
    driver_config.fb_client_library.value = str(FirebirdProvider().client_library)


def _singly(statement: str) -> Iterator[str]:
    """Yield an INSERT of several rows as several, and texts of any length as such that can be indexed."""
    into, *rows = re.split(r"\sVALUES\s", statement.strip(), maxsplit=1)
    if rows and into.upper().startswith("INSERT"):
        yield from (f"{into} VALUES {row}" for row in _split(rows[0], ","))
    elif into:
        yield _LOWER.sub(r"ON \1 COMPUTED BY (\2)", _WORD.sub("varchar(250)", statement.strip()))


def _split(text: str, at: str) -> Iterator[str]:
    """Split where no quotes and no parentheses are open."""
    part, quote, depth = "", "", 0
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        else:
            depth += (letter == "(") - (letter == ")")
            if letter == at and not depth:
                yield part
                part = ""
                continue
        part += letter
    if part.strip():
        yield part
