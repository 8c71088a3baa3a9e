"""What each person's package must hold, answered a second time: slowly, plainly, and with none of the service's own query code.

It walks the systems with sqlite3, pyarrow and os.walk, compares values in Python, and writes them the way docs/reference/package-values.md
says. Tests compare packages with it row by row.
"""

import base64
import hashlib
import json
import math
import os
import sqlite3
import stat
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq

from rightful.ids import SubjectId
from rightful.sample.company import SampleCompany
from rightful.sample.people import Person

Record = dict[str, object]
Identifiers = Mapping[str, frozenset[str]]
"""Kind to values; mail and UPN folded."""
Expected = dict[str, list[Record] | dict[str, str]]
"""Source to its rows (sorted by `canonical`), or to its files: path to SHA-256."""
Tables = Mapping[str, Sequence[Record]]
_FEW_VALUES = ["user_id", "action", "item", "client_ip"]
"""Columns of the lake that take a tenth of the memory as dictionaries."""


def canonical(row: Mapping[str, object]) -> str:
    """Return a text that is equal for equal rows, whatever the order of their keys; rows are sorted by it."""
    return json.dumps(row, sort_keys=True, ensure_ascii=True)


def written(value: object) -> object:
    """Return a value in the form in which a package holds it."""
    form = _FORMS.get(type(value))
    return value if form is None else form(value)


def _float(value: float) -> object:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


def _moment(value: datetime) -> str:
    if value.tzinfo is None:
        return value.isoformat(timespec="microseconds")
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


_FORMS: dict[type, Callable[[Any], object]] = {
    float: _float,
    bytes: lambda value: base64.b64encode(value).decode(),
    memoryview: lambda value: base64.b64encode(value).decode(),
    Decimal: lambda value: f"{value:f}",
    datetime: _moment,
    date: date.isoformat,
    UUID: str,
    list: lambda value: [written(part) for part in value],
    dict: lambda value: {name: written(part) for name, part in value.items()},
}


def fold(text: object) -> str:
    """Return an address as it is compared: in lower case, which the sample's letters all have one of."""
    return unicodedata.normalize("NFC", "".join(map(str.lower, unicodedata.normalize("NFC", str(text)))))


def expected(company: SampleCompany, object_id: SubjectId) -> Expected:
    """Return what one person's package must hold. For many people make one `Oracle`: it reads the systems once."""
    return Oracle(company).expected(object_id)


class Oracle:
    """Answers for everybody in a company; reads each system when it is first asked about."""

    def __init__(self, company: SampleCompany) -> None:
        self._company = company

    def expected(self, object_id: SubjectId) -> Expected:
        """Return what a person's (or an inbound profile's) package must hold, source by source."""
        profile = next((one for one in self._company.profiles if one.user_id == object_id), None)
        if profile is not None:
            return self._contoso({"id": frozenset({profile.user_id}), "upn": frozenset({fold(profile.upn)})})
        person = self._company.by_id(object_id)
        return self._contoso(self._identifiers(person)) if person.tenant_id == self._company.tenant_id else self._fabrikam(person)

    def skipped(self, object_id: SubjectId) -> dict[str, list[str]]:
        """Return what cannot be in a package and must be named in its ledger: source to paths, sorted."""
        person = self._company.by_id(object_id)
        root = (self._company.systems if person.tenant_id == self._company.tenant_id else self._company.folder / "fabrikam") / "onedrive"
        return {"onedrive": _irregular(root / person.folder) if person.folder else []}

    def _contoso(self, known: Identifiers) -> Expected:
        people, hr = self._table("systems/people.db"), self._table("systems/hr.db")
        employees = _matching(hr["employees"], known, {"employee_no": "employee_id"})
        numbers = {row["employee_no"] for row in employees} - {None}
        found: Expected = {
            "profile": _finished(_matching(people["people"], known, {"object_id": "id"})),
            "employees": _finished(employees),
            "absences": _finished(row for row in hr["absences"] if row["employee_no"] in numbers),
            "reviews": _finished(_matching(hr["reviews"], known, {"employee_no": "employee_id", "reviewer_no": "employee_id"})),
            "calls": _finished(_matching(hr["calls"], known, {"caller": "telephone", "called": "telephone"})),
            "onedrive": _files(self._company.systems / "onedrive", known.get("folder", frozenset())),
            "activity": self._lake("activity", "user_id", known.get("upn", frozenset()), fold),
            "device_reports": self._lake("devices", "device_id", known.get("device_id", frozenset()), str),
        }
        return found | shop_rows(self._table("systems/shop.db"), known)

    def _fabrikam(self, person: Person) -> Expected:
        known = _known(person)
        employees = _matching(self._table("fabrikam/hr.db")["employees"], known, {"employee_no": "employee_id"})
        return {
            "onedrive": _files(self._company.folder / "fabrikam" / "onedrive", known["folder"]),
            "employees": _finished(employees),
            "activity": self._lake("activity", "user_id", known["upn"], fold),
        }

    def identifiers(self, object_id: SubjectId) -> Identifiers:
        """Return every identifier of a person of the first tenant, those of their devices included."""
        return self._identifiers(self._company.by_id(object_id))

    def _identifiers(self, person: Person) -> Identifiers:
        tables = self._table("systems/people.db")
        devices = {str(row["device_id"]) for row in tables["devices"] if row["owner_upn"] == person.upn}
        telephones = {str(row["telephone"]) for row in tables["sims"] if row["device_id"] in devices and row["telephone"]}
        return {**_known(person), "device_id": frozenset(devices), "telephone": frozenset(telephones)}

    @cached_property
    def _databases(self) -> dict[str, Tables]:
        return {}

    def _table(self, path: str) -> Tables:
        if path not in self._databases:
            self._databases[path] = read_sqlite(self._company.folder / path)
        return self._databases[path]

    @cached_property
    def _lakes(self) -> dict[str, tuple[pa.Table, dict[str, list[int]]]]:
        return {}

    def _lake(self, name: str, column: str, wanted: Iterable[str], form: Callable[[object], str]) -> list[Record]:
        if name not in self._lakes:
            self._lakes[name] = _group(self._company.systems / name, column, form)
        table, places = self._lakes[name]
        chosen = [place for value in wanted for place in places.get(value, ())]
        return _finished(table.take(pa.array(chosen, type=pa.int64())).to_pylist())


def shop_rows(tables: Tables, known: Identifiers) -> Expected:
    """Return a person's part of the shop, given all rows of its tables: for SQLite as for PostgreSQL."""
    customers = _matching(tables["customers"], known, {"customer_no": "customer_id"})
    customer_ids = {row["id"] for row in customers}
    orders = [row for row in tables["orders"] if row["customer_id"] in customer_ids]
    order_ids = {row["id"] for row in orders}
    messages = _matching(tables["messages"], known, {"sender": "mail", "recipient": "mail"})
    return {
        "customers": _finished(customers),
        "orders": _finished(orders),
        "order_lines": _finished(row for row in tables["order_lines"] if row["order_id"] in order_ids),
        "messages": _finished({name: value for name, value in row.items() if name != "spam_score"} for row in messages),
    }


def read_sqlite(path: Path) -> Tables:
    """Return all rows of all tables of a SQLite file."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        connection.row_factory = sqlite3.Row
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()]
        return {name: [dict(row) for row in connection.execute(f'SELECT * FROM "{name}"')] for name in names}  # noqa: S608 - its own names
    finally:
        connection.close()


def _known(person: Person) -> dict[str, frozenset[str]]:
    """Return what the directory's own row says; empty values are no identifiers."""
    return {
        "id": frozenset({str(person.object_id)}),
        "upn": frozenset({fold(person.upn)}),
        "mail": frozenset(fold(mail) for mail in (person.mail, person.other_mail) if mail),
        "employee_id": frozenset({person.employee_no} if person.employee_no else ()),
        "customer_id": frozenset({person.customer_no} if person.customer_no else ()),
        "folder": frozenset({person.folder} if person.folder else ()),
    }


def _matching(rows: Iterable[Record], known: Identifiers, columns: Mapping[str, str]) -> list[Record]:
    """Return rows of which any of the columns holds an identifier of its kind."""
    return [row for row in rows if any(_is(row[column], kind, known) for column, kind in columns.items())]


def _is(value: object, kind: str, known: Identifiers) -> bool:
    if value is None or value == "":
        return False
    return (fold(value) if kind in {"mail", "upn"} else value) in known.get(kind, frozenset())


def _finished(rows: Iterable[Record]) -> list[Record]:
    """Return rows as a package writes them, in the order of `canonical`."""
    return sorted(({name: written(value) for name, value in row.items()} for row in rows), key=canonical)


def _group(folder: Path, column: str, form: Callable[[object], str]) -> tuple[pa.Table, dict[str, list[int]]]:
    """Read a lake once; returns it with the places of each person's rows."""
    table = pa.concat_tables(pq.read_table(path, read_dictionary=_FEW_VALUES) for path in sorted(folder.rglob("*.parquet")))
    table = table.unify_dictionaries().combine_chunks()
    places: defaultdict[str | None, list[int]] = defaultdict(list)
    for place, value in enumerate(table.column(column).to_pylist()):
        places[value].append(place)
    grouped: defaultdict[str, list[int]] = defaultdict(list)
    for value, found in places.items():
        if value:
            grouped[form(value)].extend(found)
    return table, dict(grouped)


def _files(root: Path, folders: Iterable[str]) -> dict[str, str]:
    """Return the regular files below a person's folder: path below it, to SHA-256."""
    found = {}
    for folder in folders:
        for path in _walk(root / folder):
            if stat.S_ISREG(path.lstat().st_mode):
                found[str(path.relative_to(root / folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def _irregular(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in _walk(folder) if not stat.S_ISREG(path.lstat().st_mode))


def _walk(folder: Path) -> Iterable[Path]:
    """Yield everything below a folder that is no folder; links are not followed."""
    for parent, folders, files in os.walk(folder):
        yield from (Path(parent, name) for name in files)
        yield from (path for path in (Path(parent, name) for name in folders) if path.is_symlink())
