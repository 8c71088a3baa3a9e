"""Redaction of records on their way into a package: columns that the operator's rules withhold, hash, or clear of other people.

Rules work on Arrow columns before the serializer, cell by cell, so that a row is delivered the same in whatever batch it comes. They fail
closed: a rule for a column that is not there, or that cannot be searched for people, stops the source before anything is delivered. What
was withheld is counted for each row, so that the ledger can say so for exactly the rows that were delivered.
"""

import hashlib
import hmac
from array import array
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import accumulate
from typing import TypeAlias

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from rightful.errors import PackageError, SourceRefused
from rightful.package.cells import cells, check_json, is_textual, plain
from rightful.package.json_text import replace_strings
from rightful.package.schema import TAKING, Column, ColumnKind, Redaction
from rightful.package.serializer import find_column
from rightful.package.third_parties import Withhold, withhold_contacts, withhold_others
from rightful.spelling import did_you_mean
from rightful.subject.own import Own

_HASH_LABEL = b"rightful redaction: hash"
_MOST_REMEMBERED = 1 << 16
_LONGEST_REMEMBERED = 256
"""Characters: what names people is short, and comes again and again."""

_SUSPECT = r"[@\x{FF20}\x{FE6B}]|%40|&#|&commat;|\\u0040|[0-9](?:[^A-Za-z0-9]{0,4}[0-9]){6}|[^\P{Nd}0-9]"
"""What a text has that `withhold_contacts` might find something in; looked for in whole batches at once. Digits beside ASCII's are suspect
by themselves: a pattern for numbers of any script takes 40 times as long."""
_SUSPECT_JSON = rf"{_SUSPECT}|\\"
"""In JSON any escape may hide one."""

_READ_AS: Mapping[Redaction, Mapping[ColumnKind, ColumnKind]] = {
    "others": {
        ColumnKind.TEXT: ColumnKind.TEXT,
        ColumnKind.INT: ColumnKind.TEXT,
        ColumnKind.UUID: ColumnKind.TEXT,
        ColumnKind.JSON: ColumnKind.JSON,
        ColumnKind.NESTED: ColumnKind.JSON,
    },
    "mails_and_phones": {
        ColumnKind.TEXT: ColumnKind.TEXT,
        ColumnKind.JSON: ColumnKind.JSON,
        ColumnKind.NESTED: ColumnKind.JSON,
    },
    "hash": dict.fromkeys(ColumnKind, ColumnKind.TEXT),
    "drop": {kind: kind for kind in ColumnKind},
}
"""Which kinds of columns a rule can be applied to, and what they are then."""

_SEARCHING: frozenset[Redaction] = frozenset({"others", "mails_and_phones"})

Counts: TypeAlias = "array[int]"
"""How many values were withheld in each row, for one rule."""


class RuledColumn(msgspec.Struct, frozen=True, kw_only=True):
    """A column of the source and its rule."""

    column: Column
    rule: Redaction


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a source's rules make of its columns."""

    columns: tuple[Column, ...]
    """As they are delivered."""
    ruled: tuple[RuledColumn, ...] = ()
    """In the columns' order."""

    @property
    def taken(self) -> tuple[Column, ...]:
        """Columns of the source whose values are taken away as a whole."""
        return tuple(each.column for each in self.ruled if each.rule in TAKING)

    @property
    def needs_identifiers(self) -> bool:
        """Whether what is delivered depends on all identifiers of the subject."""
        return any(each.rule in _SEARCHING for each in self.ruled)


def plan(columns: Sequence[Column], rules: Mapping[str, Redaction], *, source_name: str) -> Plan:
    """Apply rules to columns.

    Raises:
        SourceRefused: a rule cannot be applied (RedactionInvalid): the source is not to be read.
    """
    names = [column.name for column in columns]
    for name in rules:
        if name not in names:
            hint = did_you_mean(name, names) or "correct the name; a column that `exclude` names needs no rule"
            raise _invalid(f"source {source_name!r} has no column {name!r}, which `redact` names", hint, source_name)
    for column in columns:
        rule = rules.get(column.name)
        if rule is not None and column.kind not in _READ_AS[rule]:
            message = f"column {column.name!r} of source {source_name!r} is of kind {column.kind}, which the rule {rule!r} cannot search"
            raise _invalid(message, "use drop or hash", source_name)
    return Plan(
        columns=tuple(_delivered(column, rules.get(column.name)) for column in columns if rules.get(column.name) != "drop"),
        ruled=tuple(RuledColumn(column=column, rule=rules[column.name]) for column in columns if column.name in rules),
    )


def _delivered(column: Column, rule: Redaction | None) -> Column:
    if rule is None:
        return column
    kind = _READ_AS[rule][column.kind]
    return msgspec.structs.replace(column, kind=kind, redaction=rule, is_wrapped=column.is_wrapped and kind is column.kind)


def _invalid(message: str, hint: str, source_name: str) -> SourceRefused:
    return SourceRefused(message, source_name=source_name, code="RedactionInvalid", hint=hint, concerns_everybody=True)


class Owner:
    """The subject of some rows: what names it, and the key of its package's hashes."""

    def __init__(self, own: Own, secret: bytes) -> None:
        """`secret`: of the operation; at least 32 random bytes where a rule hashes."""
        self.own = own
        self._key = hmac.digest(secret, _HASH_LABEL, hashlib.sha256)

    def hash(self, text: str) -> str:
        """Return what is equal for equal texts of this package, and tells nothing to who has no key."""
        return hmac.digest(self._key, text.encode(), hashlib.sha256).hex()


class Redactor:
    """Applies a plan to batches whose rows belong to several owners."""

    def __init__(self, plan: Plan, owners: Sequence[Owner]) -> None:
        self.plan = plan
        self._owners = owners
        self._rules: list[tuple[RuledColumn, _Apply]] = [(each, self._rule(each)) for each in plan.ruled]

    def apply(self, batch: pa.RecordBatch, counts: Sequence[tuple[int, int]]) -> tuple[pa.RecordBatch, tuple[Counts, ...]]:
        """Return the batch as it may be delivered, and for each ruled column how many values were withheld in each row.

        Args:
            batch: rows that lie owner by owner, as the connector gave them.
            counts: (number of the owner, how many rows), in the rows' order.

        Raises:
            PackageError: a column does not hold what its kind says, as from the serializer.
        """
        withheld: list[Counts] = []
        for ruled, apply in self._rules:
            name = ruled.column.name
            values = plain(find_column(batch, name))
            if ruled.rule in _SEARCHING:
                _check_searchable(ruled.column, values)
            redacted, number = apply(values, counts)
            batch = batch.set_column(batch.schema.get_field_index(name), name, redacted)
            withheld.append(number)
        return batch, tuple(withheld)

    def _rule(self, ruled: RuledColumn) -> "_Apply":
        if ruled.rule == "drop":
            return _drop
        if ruled.rule == "hash":
            return partial(self._cell_by_cell, ruled.column, _Memory(self._hash))
        is_json = _READ_AS[ruled.rule][ruled.column.kind] is ColumnKind.JSON
        if ruled.rule == "others":
            withhold = _in_json(withhold_others) if is_json else withhold_others
            return partial(self._cell_by_cell, ruled.column, _Memory(partial(self._withhold, withhold)))
        return partial(self._suspects, ruled.column, _in_json(withhold_contacts) if is_json else withhold_contacts)

    def _hash(self, owner: int, text: str) -> tuple[str, int]:
        return self._owners[owner].hash(text), 1

    def _withhold(self, withhold: Withhold, owner: int, text: str) -> tuple[str, int]:
        return withhold(text, self._owners[owner].own)

    def _cell_by_cell(
        self, column: Column, replace: "_Memory", values: pa.Array, counts: Sequence[tuple[int, int]]
    ) -> tuple[pa.Array, Counts]:
        texts = _written(column, values)
        numbers: Counts = array("I", bytes(4 * len(texts)))
        replaced = list(texts)
        start = 0
        for owner, rows in counts:
            for place in range(start, start + rows):
                text = texts[place]
                if text is not None:
                    replaced[place], numbers[place] = replace(owner, text)
            start += rows
        return pa.array(replaced, pa.large_string()), numbers

    def _suspects(self, column: Column, withhold: Withhold, values: pa.Array, counts: Sequence[tuple[int, int]]) -> tuple[pa.Array, Counts]:
        texts = _as_text(column, values)
        numbers: Counts = array("I", bytes(4 * len(texts)))
        suspect = pc.match_substring_regex(texts, _SUSPECT if column.kind is ColumnKind.TEXT else _SUSPECT_JSON)
        ends = list(accumulate(rows for _, rows in counts))
        changed: dict[int, str] = {}
        for place in pc.indices_nonzero(suspect).to_pylist():
            owner = counts[bisect_right(ends, place)][0]
            text, number = withhold(texts[place].as_py(), self._owners[owner].own)
            if number:
                changed[place], numbers[place] = text, number
        if not changed:
            return texts, numbers
        mask = pc.is_in(pa.array(range(len(texts)), pa.int64()), pa.array(changed, pa.int64()))
        return pc.replace_with_mask(texts, mask, pa.array(changed.values(), texts.type)), numbers


_Apply = Callable[[pa.Array, Sequence[tuple[int, int]]], tuple[pa.Array, Counts]]


class _Memory:
    """Remembers what became of short texts: what names people comes again."""

    def __init__(self, replace: Callable[[int, str], tuple[str, int]]) -> None:
        self._replace = replace
        self._known: dict[tuple[int, str], tuple[str, int]] = {}

    def __call__(self, owner: int, text: str) -> tuple[str, int]:
        found = self._known.get((owner, text))
        if found is None:
            found = self._replace(owner, text)
            if len(text) <= _LONGEST_REMEMBERED:
                if len(self._known) >= _MOST_REMEMBERED:
                    self._known.clear()
                self._known[owner, text] = found
        return found


def _drop(values: pa.Array, _counts: Sequence[tuple[int, int]]) -> tuple[pa.Array, Counts]:
    """Leave the values: the column is not among those that are delivered."""
    return values, array("I", values.is_valid().to_pylist())


def _in_json(withhold: Withhold) -> Withhold:
    """Return the rule for the strings of JSON documents; names of members are searched for contacts alone."""

    def apply(text: str, own: Own) -> tuple[str, int]:
        count = 0

        def replace(value: str, is_name: bool) -> str:  # noqa: FBT001 -- as `replace_strings` calls it
            nonlocal count
            replaced, number = withhold_contacts(value, own) if is_name else withhold(value, own)
            count += number
            return replaced

        return replace_strings(text, replace), count

    return apply


def _check_searchable(column: Column, values: pa.Array) -> None:
    """Refuse lists and structs that hold what is written as a string and is none (a rule would spoil it), or no text at all."""
    if column.kind is ColumnKind.NESTED and not (_holds_text(values.type) and _leaves(values.type) != {"other"}):
        raise PackageError(
            f"column {column.name!r} came as {values.type}, in which no rule can search",
            code="RedactionInvalid",
            hint="Use drop or hash: lists and structs are searched where they hold texts, and beside these numbers and truth values alone.",
        )


def _as_text(column: Column, values: pa.Array) -> pa.Array:
    """Return a column as an array of its written texts."""
    if column.kind is ColumnKind.TEXT and is_textual(values.type):
        return values.cast(pa.large_string())
    return pa.array(_written(column, values), pa.large_string())


def _written(column: Column, values: pa.Array) -> list[str | None]:
    """Return the written form of each value, of strings what is in them."""
    if column.kind in {ColumnKind.TEXT, ColumnKind.JSON} and is_textual(values.type):
        texts: list[str | None] = values.to_pylist()
        if column.kind is ColumnKind.JSON:
            check_json(column, texts)
        return texts
    return [cell if cell is None or isinstance(cell, str) else msgspec.json.encode(cell).decode() for cell in cells(column, values)]


def _leaves(type_: pa.DataType) -> set[str]:
    """Return what a nested type holds: `text`, `other`, or nothing, which a type without values is too."""
    types = pa.types
    if isinstance(type_, pa.BaseExtensionType):
        return _leaves(type_.storage_type)
    if types.is_dictionary(type_) or types.is_run_end_encoded(type_):
        return _leaves(type_.value_type)
    if types.is_nested(type_):
        return set().union(*(_leaves(type_.field(index).type) for index in range(type_.num_fields)))
    return set() if types.is_null(type_) else {"text" if is_textual(type_) else "other"}


def _holds_text(type_: pa.DataType) -> bool:
    """Say whether all that a nested type holds is written as text where it is text, and else as a number or a truth value."""
    types = pa.types
    if isinstance(type_, pa.BaseExtensionType):
        return not isinstance(type_, pa.UuidType) and _holds_text(type_.storage_type)
    if types.is_dictionary(type_) or types.is_run_end_encoded(type_):
        return _holds_text(type_.value_type)
    if types.is_nested(type_):
        return all(_holds_text(type_.field(index).type) for index in range(type_.num_fields))
    plain_types = (is_textual, types.is_null, types.is_boolean, types.is_integer, types.is_floating)
    return any(test(type_) for test in plain_types)
