"""Builds the query that finds the rows of a set of subjects, from values alone.

How it works: the identifiers of each kind are a small relation `(n, v)`, subject index and value. Each match column gives one branch,
the relation joined to the table; each `via` one branch too, with the parent's rows (found in the same way) in the relation's place. A later
branch leaves out what an earlier one found for the same subject, so that a row comes once for each subject it belongs to, and each branch
keeps its index. The outer query brings values into the form they travel in and puts them in order: by subject, then by key, or where there
is none by the values themselves.
"""

from collections.abc import Iterator, Mapping, Sequence

import msgspec
import pyarrow as pa

from rightful.database.dialect import Dialect, Pair, text_of
from rightful.database.identifying import TEXTS, Form, Slot
from rightful.database.query import Hidden, Matched, Output, Query, Target, Via, Wanted
from rightful.database.table import Owner, Table, TableColumn
from rightful.subject.matching import FOLDED_KINDS


def build(target: Target, wanted: Wanted, dialect: Dialect) -> Query:
    """Build the query; the names in it were checked against the tables before."""
    return _Builder(dialect).build(target, wanted)


def build_count(target: Target, dialect: Dialect, owners: Sequence[Owner] = ()) -> Query:
    """Build the query whose rows are (subject index, how many rows `build` finds for it); who has none is left out.

    Where columns say whose a row is, different owners are counted: of several columns each combination of values is one, and each row
    in which all are NULL or blank is one more, for it may be anybody's.
    """
    return _Builder(dialect).count(target, owners)


def build_owners(held: Target, reached: Target, dialect: Dialect) -> Query:
    """Build the query whose rows are (subject index, of how many people the rows are that `held` finds); see `Database.build_owners`."""
    return _Builder(dialect).owners(held, reached)


class _Leaf(msgspec.Struct, frozen=True):
    """A value that proves whose row it is, carried along from further up."""

    label: str
    kind: str
    column: str
    is_number: bool
    over: tuple[str, ...]
    """Sources between its row and the table of the one that carries it, and that one."""


class _Finder(msgspec.Struct, frozen=True, kw_only=True):
    """A relation with a column `n`, and how rows of a table join it."""

    relation: str
    pairs: tuple[tuple[TableColumn, str], ...]
    slot: Slot | None = None
    leaves: tuple[_Leaf, ...] = ()


class _Shaped:
    """Gathers the columns of the outer query: `inner` expressions over the table, and the forms they are brought in."""

    def __init__(self, dialect: Dialect, hidden: Hidden) -> None:
        self._dialect = dialect
        self._hidden = hidden
        self.inner: dict[str, str] = {}
        self.outer = ["q.n"]
        self.outputs: list[Output] = []
        self._positions: dict[str, int] = {}

    def inside(self, expression: str) -> str:
        """Return how the outer query names an expression over the table."""
        return f"q.{self.inner.setdefault(expression, f'c{len(self.inner)}')}"

    def bring(self, name: str, column: TableColumn, *, as_text: bool) -> None:
        """Select a column under a name."""
        shape, arrow = (text_of(column, self._dialect), pa.string()) if as_text else (column.select, column.arrow)
        self._positions[name] = len(self.outer)
        self.outputs.append(Output(name, len(self.outer), arrow))
        self.outer.append(shape.format(self.inside(_of(column))))

    def bring_key(self, number: int, key: TableColumn) -> None:
        """Bring a column of the key as an integer, a text or bytes; not twice where it is visible as such."""
        name = self._hidden.key_part(number)
        if key.name in self._positions and not key.keys_as_text:
            self.outputs.append(Output(name, self._positions[key.name], key.arrow))
        else:
            self.bring(name, key, as_text=key.keys_as_text)

    def bring_match(self, column: TableColumn) -> str:
        """Return the output that shows what a row was matched by: the visible column where its values are texts as they are."""
        if column.name in self._positions and column.is_direct:
            return column.name
        name = self._hidden.match_prefix + column.name
        if name not in self._positions:
            self.bring(name, column, as_text=True)
        return name

    def carry(self, label: str, name: str) -> str:
        """Bring what a parent's row was matched by."""
        self.outputs.append(Output(self._hidden.match_prefix + label, len(self.outer), pa.string()))
        self.outer.append(f"q.{name}")
        return self._hidden.match_prefix + label


class _Builder:
    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._slots: list[Slot] = []
        self._relations: list[str] = []
        self._parents = 0

    def build(self, target: Target, wanted: Wanted) -> Query:
        finders = self._finders(target)
        shaped = _Shaped(self._dialect, wanted.hidden)
        for column in wanted.columns:
            shaped.bring(column.name, column, as_text=wanted.as_text)
        shaped.outputs.append(Output(wanted.hidden.subject, 0, pa.int32()))
        for number, key in enumerate(wanted.key):
            shaped.bring_key(number, key)
        matched = [(target.table.column(name), kind) for name, kind in target.match]
        match = [Matched(shaped.bring_match(column), kind, column.form is Form.DECIMAL) for column, kind in matched]
        carried: dict[str, str] = {}
        for leaf in (leaf for finder in finders for leaf in finder.leaves):
            carried[leaf.label] = f"m{len(carried)}"
            match.append(Matched(shaped.carry(leaf.label, carried[leaf.label]), leaf.kind, leaf.is_number, leaf.over))
        order = ["q.n", *(shape.format(shaped.inside(expression)) for expression, shape in _order(target.table, wanted))]
        selected = {name: expression for expression, name in shaped.inner.items()}
        rows = self._branches(
            finders, target.table, selected, carried, where=" AND ".join(filter(None, (_within(target), self._after(wanted))))
        )
        ordered = f" ORDER BY {', '.join(order)}" if wanted.is_ordered else ""
        relations = f"WITH {', '.join(self._relations)} " if self._relations else ""
        sql = f"{relations}SELECT {', '.join(shaped.outer)} FROM ({rows}) q{ordered}"  # noqa: S608 -- names are quoted, values never stand in it
        return Query(
            sql=sql,
            slots=tuple(self._slots),
            outputs=tuple(shaped.outputs),
            key=wanted.key,
            columns=tuple(column.column for column in wanted.columns),
            match=tuple(match),
            hidden=wanted.hidden,
            table=target.table.sql,
            attributes=target.table.attributes,
        )

    def count(self, target: Target, owners: Sequence[Owner]) -> Query:
        selected = {"v": self._owner(target.table, owners)} if owners else {}
        rows = self._branches(self._finders(target), target.table, selected, {}, where=_within(target))
        return self._counting("count(DISTINCT q.v) + count(*) - count(q.v)" if owners else "count(*)", rows)

    def owners(self, held: Target, reached: Target) -> Query:
        joins: list[str] = []
        by_kind: dict[str, list[str]] = {}
        selected: dict[str, str] = {}
        for kind, text in self._climb(reached, "t", joins):
            name = f"o{len(selected)}"
            selected[name] = text
            by_kind.setdefault(kind, []).append(name)
        rows = self._branches(self._finders(held), held.table, selected, {}, where="", joins="".join(joins))
        nobodys = f"CASE WHEN {' AND '.join(f'{name} IS NULL' for name in selected)} THEN 1 END"
        if any(len(names) > 1 for names in by_kind.values()):
            # Values of one kind are the same people in whichever column: they are brought below each other.
            self._relations.append(f"w(n, {', '.join(selected)}) {self._dialect.values_are} ({rows}{self._dialect.kept})")
            pieces = []
            for place in range(max(map(len, by_kind.values()))):
                kinds = [names[place] if place < len(names) else self._dialect.text("NULL") for names in by_kind.values()]
                columns = [f"{name} AS k{number}" for number, name in enumerate(kinds)]
                pieces.append(f"SELECT n, {', '.join(columns)}, {'CASE WHEN 1 = 0 THEN 1 END' if place else nobodys} AS z FROM w")  # noqa: S608 -- names made here
            rows = " UNION ALL ".join(pieces)
        else:
            columns = [f"{names[0]} AS k{number}" for number, names in enumerate(by_kind.values())]
            rows = f"SELECT n, {', '.join(columns)}, {nobodys} AS z FROM ({rows}) w"  # noqa: S608 -- names made here
        return self._counting(" + ".join([*(f"count(DISTINCT q.k{number})" for number in range(len(by_kind))), "count(q.z)"]), rows)

    def _counting(self, counted: str, rows: str) -> Query:
        sql = f"WITH {', '.join(self._relations)} SELECT q.n, {counted} FROM ({rows}) q GROUP BY q.n"  # noqa: S608 -- names are quoted
        return Query(sql=sql, slots=tuple(self._slots), outputs=(), key=(), columns=(), match=(), hidden=Hidden())

    def _climb(self, target: Target, alias: str, joins: list[str]) -> Iterator[tuple[str, str]]:
        """Yield the kind and the text of each column that says whose a row is; adds the joins that lead there from `alias`."""
        for name, kind in target.match:
            yield kind, self._named(target.table.column(name), alias, is_folded=kind in FOLDED_KINDS)
        for via in target.via:
            above, there = f"a{len(joins)}", via.parent.table
            equal = (
                self._dialect.joined(own, f"{alias}.{own.sql}", f"{above}.{theirs.sql}")
                for own, theirs in ((target.table.column(own), there.column(theirs)) for own, theirs in via.join.items())
            )
            joins.append(f" LEFT JOIN {there.sql} {above} ON {' AND '.join(equal)}")
            yield from self._climb(via.parent, above, joins)

    def _named(self, column: TableColumn, alias: str, *, is_folded: bool) -> str:
        """Return an expression for whom a column names, NULL where nobody."""
        text = text_of(column, self._dialect).format(f"{alias}.{column.sql}")
        named = self._dialect.apart(f"trim({f'lower({text})' if is_folded else text})")
        return f"nullif({named}, '')"

    def _owner(self, table: Table, owners: Sequence[Owner]) -> str:
        """Return an expression that is equal for equal owners, NULL where no column names one; lengths keep values apart."""
        values = [self._named(table.column(owner.column), "t", is_folded=owner.is_folded) for owner in owners]
        if len(values) == 1:
            return values[0]
        parts = [f"coalesce({self._dialect.text(f'length({value})')} || ':' || {value}, '-')" for value in values]
        return f"nullif({' || '.join(parts)}, '{'-' * len(parts)}')"

    def _after(self, wanted: Wanted) -> str:
        if not wanted.key or not wanted.is_resumed:
            return ""
        # Each column is compared in the order it is sorted by.
        found = [key.order.format(_of(key)) for key in wanted.key]
        last = [self._dialect.after(number, key) for number, key in enumerate(wanted.key)]
        if self._dialect.has_row_values:
            return f"({', '.join(found)}) > ({', '.join(last)})"
        beyond = f"{found[-1]} > {last[-1]}"
        for here, there in reversed(list(zip(found[:-1], last[:-1], strict=True))):
            beyond = f"({here} > {there} OR ({here} = {there} AND {beyond}))"
        return beyond

    def _finders(self, target: Target) -> list[_Finder]:
        finders = []
        for name, kind in target.match:
            column = target.table.column(name)
            slot = Slot(kind, column.form, column.type_name)
            finders.append(_Finder(relation=self._slot(slot), pairs=((column, "v"),), slot=slot))
        finders += [self._via(target, via) for via in target.via]
        return finders

    def _slot(self, slot: Slot) -> str:
        if slot not in self._slots:
            number = len(self._slots)
            self._slots.append(slot)
            columns = "n, v, i" if self._dialect.is_coarse else "n, v"
            self._relations.append(
                f"s{number}({columns}) {self._dialect.values_are} ({self._dialect.values(number, slot)}{self._dialect.kept})"
            )
        return f"s{self._slots.index(slot)}"

    def _via(self, target: Target, via: Via) -> _Finder:
        """Gather the parent's rows in a relation: subject, join columns and what proves whose they are; each join value once a subject."""
        parent = via.parent
        finders = self._finders(parent)
        joins = [_of(parent.table.column(name)) for name in via.join.values()]
        selected = {f"j{number}": join for number, join in enumerate(joins)}
        leaves: list[_Leaf] = []
        carried: dict[str, str] = {}
        for name, kind in parent.match:
            column, matched = f"m{len(leaves)}", parent.table.column(name)
            leaves.append(_Leaf(f"{parent.source_name}.{name}", kind, column, matched.form is Form.DECIMAL, (parent.source_name,)))
            selected[column] = self._text(matched)
        for finder in finders:
            for leaf in finder.leaves:
                column = f"m{len(leaves)}"
                over = (parent.source_name, *leaf.over)
                leaves.append(_Leaf(f"{parent.source_name}/{leaf.label}", leaf.kind, column, leaf.is_number, over))
                carried[leaf.label] = column
        rows = self._branches(finders, parent.table, selected, carried, where=" AND ".join(f"{join} IS NOT NULL" for join in joins))
        names = ["n", *(f"j{number}" for number in range(len(joins))), *(leaf.column for leaf in leaves)]
        if not parent.table.is_unique(frozenset(via.join.values())):
            once = f"row_number() OVER (PARTITION BY {', '.join(names[: 1 + len(joins)])} ORDER BY n) AS r"
            listed = ", ".join(names)
            rows = f"SELECT {listed} FROM (SELECT {listed}, {once} FROM ({rows}) x) y WHERE r = 1"  # noqa: S608 -- names made here
        relation = f"p{self._parents}"
        self._parents += 1
        # Branches say which column is which by place; a parent's own order is selected columns, then carried ones, as in `names`.
        self._relations.append(f"{relation}({', '.join(names)}) {self._dialect.values_are} ({rows}{self._dialect.kept})")
        pairs = tuple((target.table.column(name), f"j{number}") for number, name in enumerate(via.join))
        return _Finder(relation=relation, pairs=pairs, leaves=tuple(leaves))

    def _branches(
        self,
        finders: Sequence[_Finder],
        table: Table,
        selected: Mapping[str, str],
        carried: Mapping[str, str],
        *,
        where: str,
        joins: str = "",
    ) -> str:
        branches = []
        if not finders:
            columns = ["0 AS n", *(f"{expression} AS {name}" for name, expression in selected.items())]
            branches.append(f"SELECT {', '.join(columns)} FROM {table.sql} t")  # noqa: S608 -- quoted names
        for number, finder in enumerate(finders):
            own = {leaf.label: f"f.{leaf.column}" for leaf in finder.leaves}
            columns = ["f.n AS n", *(f"{expression} AS {name}" for name, expression in selected.items())]
            columns += [f"{own.get(label) or self._dialect.text('NULL')} AS {name}" for label, name in carried.items()]
            conditions = [self._absent(earlier) for earlier in finders[:number]] + ([where] if where else [])
            if self._dialect.is_coarse and finder.slot is not None and finder.slot.form in TEXTS:
                first = self._condition(finder, "e")
                conditions.append(f"NOT EXISTS (SELECT 1 FROM {finder.relation} e WHERE e.n = f.n AND e.i < f.i AND {first})")  # noqa: S608 -- names made here
            joined = self._dialect.source(finder.relation, table, [column for column, _ in finder.pairs], self._condition(finder))
            branch = f"SELECT {', '.join(columns)} FROM {joined}{joins}"  # noqa: S608 -- quoted names
            branches.append(branch + (f" WHERE {' AND '.join(conditions)}" if conditions else ""))
        return " UNION ALL ".join(branches)

    def _condition(self, finder: _Finder, relation: str = "f") -> str:
        if finder.slot is not None:
            column, value = finder.pairs[0]
            return self._dialect.equal(column, _of(column), f"{relation}.{value}", finder.slot)
        return " AND ".join(self._dialect.joined(column, _of(column), f"f.{value}") for column, value in finder.pairs)

    def _text(self, column: TableColumn) -> str:
        return text_of(column, self._dialect).format(_of(column))

    def _absent(self, earlier: _Finder) -> str:
        pairs = [Pair(column, _of(column), value) for column, value in earlier.pairs]
        return self._dialect.absent(earlier.relation, pairs, earlier.slot)


def _within(target: Target) -> str:
    return target.within.sql if target.within else ""


def _order(table: Table, wanted: Wanted) -> list[tuple[str, str]]:
    """Return the expressions that rows of one subject are ordered by, and their shapes."""
    if wanted.key:
        return [(_of(key), key.order) for key in wanted.key]
    if not wanted.is_ordered:
        return []
    if table.order:
        return [(table.order.format("t"), "{}")]
    names = table.primary_key or tuple(column.name for column in wanted.columns)
    return [(_of(column), column.order) for column in (table.column(name) for name in names)]


def _of(column: TableColumn) -> str:
    return f"t.{column.sql}"
