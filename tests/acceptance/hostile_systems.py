"""Systems full of what others wrote to do harm: one package has every payload in every place that can carry it."""

import base64
import hashlib
import json
import os
import re
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from tests.acceptance.service import Document
from tests.viewer.payloads import PAYLOADS, TEXTS

FOLDER = "hostile"
"""Below the configuration's."""
UPN = "ann@contoso.example"
_ID = "aaaaaaaa-0000-4000-8000-{:012}"
_MOST_BYTES = 255
"""Of a file's name."""
_POSTGRES_BYTES = 63
"""Of a name in PostgreSQL."""
_WORD_BYTES = 45
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")

Rows = Sequence[Sequence[object]]


def build(root: Path, url: str) -> None:
    """Write people, tables, files and mails below a folder, and the tables of PostgreSQL into an empty database."""
    root.mkdir()
    names = [(number, _ID.format(number), f"p{number}@contoso.example", name, UPN) for number, name in enumerate(TEXTS, 1)]
    _fill(
        root / "people.db",
        "people",
        "number INTEGER PRIMARY KEY, object_id TEXT, upn TEXT, name TEXT, manager TEXT",
        [(0, _ID.format(0), UPN, TEXTS[0], None), *names],
    )
    profiles = [
        (f"bbbbbbbb-0000-4000-8000-{number:012}", f"g{number}@fabrikam.example", name, _ID.format(9)) for number, name in enumerate(TEXTS)
    ]
    _fill(root / "people.db", "inbound_profiles", "user_id TEXT, upn TEXT, name TEXT, home_tenant TEXT", profiles)
    _fill(
        root / "shop.db",
        "cells",
        "id INTEGER PRIMARY KEY, owner TEXT, cell TEXT",
        [(number, UPN, text) for number, text in enumerate(TEXTS)],
    )
    columns = names_of_sqlite()
    declared = ", ".join(['"id" INTEGER PRIMARY KEY', '"owner" TEXT', *(f"{_quoted(name)} TEXT" for name in columns)])
    _fill(root / "shop.db", "wide", declared, [(1, UPN, *(f"of column {number}" for number in range(len(columns))))])
    _fill_postgres(url)
    for path, content in files().items():
        target = os.path.join(os.fsencode(root / "drive" / UPN), path)  # noqa: PTH118 -- names that are no UTF-8
        os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120
        with open(target, "wb") as file:  # noqa: PTH123
            file.write(content)
    _write_mails(root)


def configure(document: Document, url: str) -> None:
    """Put these systems into the place of a tenant's own."""
    contoso = document["tenants"][0]
    contoso["directory"] = {
        "connector": "sql", "url": f"sqlite:///{FOLDER}/people.db", "table": "people", "id": "object_id", "upn": "upn", "display_name": "name",
        "inbound_profiles": {"table": "inbound_profiles", "user_id": "user_id", "upn": "upn", "display_name": "name", "home_tenant_id": "home_tenant"},
    }  # fmt: skip
    contoso["export"] = {"formats": ["jsonl", "csv", "json", "parquet"]}
    shop = {"connector": "sql", "url": f"sqlite:///{FOLDER}/shop.db", "match": {"owner": "upn"}, "key": "id"}
    postgres = {**shop, "url": url}
    mailbox = {"connector": "mailbox", "path": "{upn}"}
    sources: dict[str, dict[str, Any]] = {
        "names": {
            **shop,
            "url": f"sqlite:///{FOLDER}/people.db",
            "table": "people",
            "match": {"manager": "upn"},
            "key": "number",
            "exclude": ["object_id", "upn"],
        },
        "cells": {**shop, "table": "cells"},
        "wide": {**shop, "table": "wide"},
        "documents": {**postgres, "table": "documents"},
        "narrow": {**postgres, "table": "narrow"},
        "drive": {"connector": "files", "url": f"{FOLDER}/drive", "path": "{upn}/"},
        "mbox": {**mailbox, "url": f"{FOLDER}/mbox", "format": "mbox"},
        "maildir": {**mailbox, "url": f"{FOLDER}/maildir", "format": "maildir"},
    }
    contoso["sources"] = {name: {"product": name.capitalize(), **said} for name, said in sources.items()}


# -- tables ---------------------------------------------------------------------------------------------------------------
def names_of_sqlite() -> list[str]:
    """Return the payloads that SQLite takes for names of columns of one table: no NUL, and case does not tell two of them apart."""
    return list({text.lower(): text for text in reversed(TEXTS) if "\0" not in text}.values())


def names_of_postgres() -> list[str]:
    """Return what PostgreSQL takes of the payloads for names of columns of one table."""
    cut = (text.encode()[:_POSTGRES_BYTES].decode(errors="ignore") for text in TEXTS if "\0" not in text)
    return list(dict.fromkeys(name for name in cut if name))


def written(text: str) -> str:
    """Return a document with a text as its key and as its value, as it lies in the database: by escapes where it has no UTF-8."""
    return json.dumps({text: text}, ensure_ascii=text not in TEXTS)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _fill(path: Path, table: str, columns: str, rows: Rows) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"CREATE TABLE {table} ({columns})")
        connection.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)


def _fill_postgres(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE documents (id int PRIMARY KEY, owner text, document json)")
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO documents VALUES (%s, %s, %s)", [(number, UPN, written(text)) for number, text in enumerate(PAYLOADS)]
            )
        names = names_of_postgres()
        columns = sql.SQL(", ").join(sql.SQL("{} text").format(sql.Identifier(name)) for name in names)
        connection.execute(sql.SQL("CREATE TABLE narrow (id int PRIMARY KEY, owner text, {})").format(columns))
        values = sql.SQL(", ").join(sql.Literal(f"of column {number}") for number in range(len(names)))
        connection.execute(sql.SQL("INSERT INTO narrow VALUES (1, {}, {})").format(sql.Literal(UPN), values))


# -- files ----------------------------------------------------------------------------------------------------------------
def files() -> dict[bytes, bytes]:
    """Return contents by path: each payload is a name as far as the system has such names, in a folder of its own; its slashes make folders."""
    found = {}
    for number, text in enumerate(PAYLOADS):
        raw = text.replace("\0", "").encode("utf-8", "surrogatepass")
        segments = [segment for segment in raw.split(b"/") if segment not in {b"", b".", b".."}]
        if segments:
            path = b"/".join([b"%03d" % number, *(_short(segment) for segment in segments[:9])])
            found[path] = b"file %d" % number
    return found


def _short(segment: bytes) -> bytes:
    """Return as much of a name as one may have, without half a character."""
    return segment if len(segment) <= _MOST_BYTES else segment[:_MOST_BYTES].decode(errors="ignore").encode()


def digests() -> dict[str, str]:
    """Return the files' digests by path, as Python has paths."""
    return {os.fsdecode(path): hashlib.sha256(content).hexdigest() for path, content in files().items()}


# -- mails ----------------------------------------------------------------------------------------------------------------
def subject(text: str) -> str:
    """Return what an index says of a subject (docs/reference/connector-mailbox.md): decoded, controls as blanks."""
    return _CONTROLS.sub(" ", text.encode("utf-16-be", "surrogatepass").decode("utf-16-be", "replace")).strip()


def mails() -> list[str]:
    """Return the digests of the messages in the Maildir, sorted."""
    return sorted(hashlib.sha256(_mail(number, text, is_raw=True)).hexdigest() for number, text in enumerate(PAYLOADS))


def _write_mails(root: Path) -> None:
    mbox, cur = root / "mbox", root / "maildir" / UPN / "cur"
    mbox.mkdir()
    cur.mkdir(parents=True)
    letters = (_mail(number, text, is_raw=False) for number, text in enumerate(PAYLOADS))
    (mbox / UPN).write_bytes(b"\n".join(b"From x@y.example Thu Jan  1 00:00:00 2026\n" + letter for letter in letters))
    for number, text in enumerate(PAYLOADS):
        (cur / f"{number:03}.host:2,S").write_bytes(_mail(number, text, is_raw=True))


def _mail(number: int, text: str, *, is_raw: bool) -> bytes:
    """Return a message; its subject is what programs write that know no RFC 2047, as far as that makes a header."""
    is_line = text in TEXTS and not {"\r", "\n"} & set(text)
    subject_ = text.encode() if is_raw and is_line else _in_words(text)
    return b"From: <x@y.example>\nMessage-ID: <%d@y.example>\nSubject: %b\n\nA letter.\n" % (number, subject_)


def _in_words(text: str) -> bytes:
    """Encode a subject (RFC 2047) over as many lines as it takes."""
    charset, raw = (b"utf-8", text.encode()) if text in TEXTS else (b"utf-16be", text.encode("utf-16-be", "surrogatepass"))
    return b"\n ".join(b"=?%b?B?%b?=" % (charset, base64.b64encode(piece)) for piece in _pieces(raw))


def _pieces(raw: bytes) -> Iterable[bytes]:
    return (raw[start : start + _WORD_BYTES] for start in range(0, len(raw), _WORD_BYTES))
