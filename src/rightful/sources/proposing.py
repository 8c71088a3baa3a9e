"""From tables and columns to sources: what is matched by what, over which tables the rest is reached, and what it is called. Pure.

A column is matched where its values are known identifiers, or failing that where its name says what it holds. A table without such a
column is reached over one that has it, by a foreign key or by a column that is named after it (`order_id` for `orders.id`).
"""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import PurePath

import msgspec

from rightful.ids import is_guid
from rightful.sources.labels import category_of_all, words_of
from rightful.subject.matching import FOLDED_KINDS, is_usable, normalise

_LEAST_SHARE = 0.2
"""Of the different values of a column that must be somebody's for it to be matched."""
_LEAST_HITS = 2
_MAIL = re.compile(r"[^@\s]{1,64}@[^@\s]+\.[^@\s.]+")
_SMALL = re.compile(r"-?[0-9]{1,6}")
"""Numbers that are the same by chance: person 17 has nothing to do with order 17."""
_LIKE = 0.8
_NUMBERED = re.compile(r"_(?:no|nr|num|number|id)$")
"""What a column's name adds to the kind that it holds: `badge_no`."""
_NAMED: Mapping[str, re.Pattern[str]] = {
    "mail": re.compile(r"(?:^|_)(?:e?_?mail|sender|recipient|email_address)(?:_|$)"),
    "upn": re.compile(r"(?:^|_)(?:upn|user_?principal_?name|principal)(?:_|$)"),
    "id": re.compile(r"(?:^|_)(?:object_?id|oid|aad_?id|entra_?id)(?:_|$)"),
}


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What the directory knows identifiers by."""

    values: Mapping[str, Collection[str]]
    """Of each kind, normalised."""
    columns: Mapping[str, Collection[str]]
    """What the columns are called there."""

    @classmethod
    def of(cls, values: Mapping[str, Collection[str]], columns: Mapping[str, Collection[str]]) -> "Known":
        """Make one of values as they stand in the directory."""
        return cls(values={kind: frozenset(normalise(kind, each) for each in found) for kind, found in values.items()}, columns=columns)


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A table, or what is alike, as it was found."""

    name: str
    columns: tuple[str, ...]
    samples: Mapping[str, Sequence[str]] = {}
    """Some values of each column."""
    key: tuple[str, ...] = ()
    """The primary key."""
    links: tuple[tuple[str, Mapping[str, str]], ...] = ()
    """(table there, {column here: column there}) of foreign keys."""


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """A source, ready for the configuration."""

    name: str
    settings: dict[str, object]
    reasons: tuple[str, ...] = ()
    """Why it is as it is, line by line; without values."""


class NamedAfter(msgspec.Struct, frozen=True, kw_only=True):
    """What names of files or folders have in common with people's identifiers."""

    kind: str
    """The identifiers' kind; `upn` where no name is one."""
    ending: str
    """What all of them that are have behind it: `.mbox`."""
    count: int

    @property
    def template(self) -> str:
        """What a person's is called."""
        return f"{{{self.kind}}}{self.ending}"


def named_after(names: Sequence[str], known: Known, *, has_endings: bool = False) -> NamedAfter:
    """Return which kind's identifiers most names are; `has_endings`: or are without an ending such as `.mbox`."""
    hits: Counter[tuple[str, str]] = Counter()
    for name in names:
        for ending in dict.fromkeys(("", PurePath(name).suffix if has_endings else "")):
            if not set("{}") & set(ending):
                plain = name.removesuffix(ending)
                hits.update((kind, ending) for kind, values in known.values.items() if normalise(kind, plain) in values)
    if hits:
        kinds = list(known.values)
        kind, ending = max(hits, key=lambda each: (hits[each], -kinds.index(each[0])))
        return NamedAfter(kind=kind, ending=ending, count=hits[kind, ending])
    endings = {PurePath(name).suffix for name in names} if has_endings else set[str]()
    return NamedAfter(kind="upn", ending=endings.pop() if len(endings) == 1 and not set("{}") & set("".join(endings)) else "", count=0)


def names_of(prefix: str, words: Sequence[str]) -> list[str]:
    """Return a name for each of several sources, by what it is called; each another one, whatever letters were left out of it."""
    if len(words) == 1:
        return [prefix]
    names: list[str] = []
    for each in words:
        plain = name = f"{prefix}_{each}".removesuffix("_")
        number = 1
        while name in names:
            number += 1
            name = f"{plain}_{number}"
        names.append(name)
    return names


def propose(
    prefix: str, tables: Sequence[Found], common: Mapping[str, object], known: Known, *, parents: Mapping[str, str], product: str
) -> tuple[list[Proposal], list[str]]:
    """Return a source for each table that leads to people, and the names of those that do not.

    Args:
        prefix: the source's name where there is one table, else what the names begin with.
        tables: what was found.
        common: settings that all have: connector and url.
        known: what the directory knows.
        parents: table to source name, of sources of the same database that are configured already.
        product: the folder of the package.
    """
    names = dict(zip((table.name for table in tables), names_of(prefix, [words_of(table.name) for table in tables]), strict=True))
    found: dict[str, Proposal] = {}
    reached = dict(parents)
    for table in tables:
        match, reasons = _matches(table, known, tables)
        if match:
            way: dict[str, object] = {"match": match}
            mixed = [name for name, kind in match.items() if _is_mixed(kind, table.samples.get(name, ()))]
            if mixed and common.get("connector") == "sql":
                way["caseless"] = mixed
                reasons.append(f"{', '.join(mixed)}: in letters of both cases, so an index on lower(column) helps")
            found[table.name] = _proposal(names[table.name], table, {**common, **way, "product": product}, reasons)
            reached[table.name] = names[table.name]
    _add_ways(found, tables, reached)
    left = [table for table in tables if table.name not in found]
    while progress := [(table, found_way) for table in left if (found_way := _way(table, reached, tables)) is not None]:
        for table, (parent, join, reason) in progress:
            over = {"via": {reached[parent]: dict(join)}}
            found[table.name] = _proposal(names[table.name], table, {**common, **over, "product": product}, [reason])
        reached |= {table.name: names[table.name] for table, _ in progress}
        left = [table for table in left if table.name not in found]
    return [found[table.name] for table in tables if table.name in found], [table.name for table in left]


def _add_ways(found: dict[str, Proposal], tables: Sequence[Found], reached: Mapping[str, str]) -> None:
    """Let rows of a matched table also belong to whom a matched parent's row belongs to; never so that `via` leads back."""
    parents: set[str] = set()
    for table in tables:
        proposal = found.get(table.name)
        way = _way(table, {name: reached[name] for name in found}, tables) if proposal is not None and table.name not in parents else None
        if proposal is None or way is None or "via" in found[way[0]].settings:
            continue
        parent, join, reason = way
        match = proposal.settings["match"]
        if isinstance(match, dict) and join.keys() & match.keys():
            continue  # the same column says whose it is already
        parents.add(parent)
        settings: dict[str, object] = {}
        for key, value in proposal.settings.items():
            settings[key] = value
            if key == "match":
                settings["via"] = {reached[parent]: dict(join)}
        found[table.name] = Proposal(name=proposal.name, settings=settings, reasons=(*proposal.reasons, f"also {reason}"))


def _proposal(name: str, table: Found, given: Mapping[str, object], reasons: Sequence[str]) -> Proposal:
    settings: dict[str, object] = {"connector": given["connector"], "url": given["url"]}
    if given["connector"] == "sql":
        settings["table"] = table.name
    settings |= {key: value for key, value in given.items() if key != "product"}
    if len(table.key) == 1 and given["connector"] == "sql":
        settings["key"] = table.key[0]
    settings |= {"product": given["product"], "label": {"category": category_of_all(table.columns)}}
    return Proposal(name=name, settings=settings, reasons=tuple(reasons))


def _matches(table: Found, known: Known, tables: Sequence[Found]) -> tuple[dict[str, str], list[str]]:
    match: dict[str, str] = {}
    reasons: list[str] = []
    for column in table.columns:
        names = [words_of(column)]
        if not _leads_on(table, column, tables):  # `order_id` of a table `orders` is its key, whatever kinds are called
            names.append(_NUMBERED.sub("", names[0]))
        kind, reason = _kind_of(names, table.samples.get(column, ()), known)
        if kind:
            match[column] = kind
            reasons.append(f"{column} is matched as {kind}: {reason}")
            if table.key == (column,):  # a table of people: the rest says no more
                return {column: kind}, reasons[-1:]
    return match, reasons


def _kind_of(names: Sequence[str], samples: Sequence[str], known: Known) -> tuple[str, str]:
    """Return the kind that a column of these names holds, the likeliest name first, and why; nothing where it holds none."""
    values = {value for value in samples if value.strip()}
    by_name = next(filter(None, ([kind for kind in known.values if _is_named(words, kind, known)] for words in names)), [])
    shares = {kind: _hits(values, kind, known) for kind in known.values}
    proven = [kind for kind, hits in shares.items() if hits >= min(_LEAST_HITS, len(values)) > 0 and hits >= _LEAST_SHARE * len(values)]
    if all(_SMALL.fullmatch(value) for value in values):
        proven = [kind for kind in proven if kind in by_name]
    if proven:
        best = max(proven, key=lambda kind: (kind in by_name, shares[kind], kind == "upn"))
        return best, f"{shares[best]} of {len(values)} values that were looked at are somebody's"
    if by_name and (not values or not known.values[by_name[0]] or _looks_like(values, by_name[0])):
        return by_name[0], "by its name; none of the values that were looked at is known, so look whether that is right"
    return "", ""


def _is_named(words: str, kind: str, known: Known) -> bool:
    names = {words_of(name) for name in (kind, *known.columns.get(kind, ()))} - {"id", "folder", "name"}
    return words in names or (kind in _NAMED and _NAMED[kind].search(words) is not None)


def _hits(values: Collection[str], kind: str, known: Known) -> int:
    return sum(is_usable(kind, value) and normalise(kind, value) in known.values[kind] for value in values)


def _looks_like(values: Collection[str], kind: str) -> bool:
    """Say whether values have a kind's form, which few kinds have: `customer_id` may be another system's number than the directory's."""
    if kind in {"mail", "upn"}:
        return sum(_MAIL.fullmatch(value) is not None for value in values) >= _LIKE * len(values)
    return kind == "id" and all(is_guid(value.lower()) for value in values)


def _is_mixed(kind: str, values: Sequence[str]) -> bool:
    return kind in FOLDED_KINDS and any(value != value.lower() for value in values)


def _way(table: Found, reached: Mapping[str, str], tables: Sequence[Found]) -> tuple[str, Mapping[str, str], str] | None:
    for parent, columns in table.links:
        if parent in reached and parent != table.name:
            return parent, columns, f"reached over {parent} by a foreign key"
    for column in table.columns:
        for each in tables:
            if each.name in reached and each.name != table.name and _is_named_after_key(column, each):
                reason = f"reached over {each.name} by the name of {column}; the database declares no foreign key"
                return each.name, {column: each.key[0]}, reason
    return None


def _leads_on(table: Found, column: str, tables: Sequence[Found]) -> bool:
    """Say whether a column holds another table's key."""
    return any(column in columns for _, columns in table.links) or any(_is_named_after_key(column, each) for each in tables)


def _is_named_after_key(column: str, table: Found) -> bool:
    """Say whether a column has the name of a table and of its key, where that is one column: `order_id` of `orders`."""
    if len(table.key) != 1:
        return False
    plain = words_of(table.name).rpartition(".")[2]
    singular = {plain, plain.removesuffix("s"), plain.removesuffix("es"), re.sub(r"ies$", "y", plain)}
    return words_of(column) in {f"{word}_{words_of(table.key[0])}" for word in singular}
