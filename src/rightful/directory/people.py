"""Finds people in rows, wherever these are: what every directory of places has in common."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Protocol

import msgspec

from rightful.directory.closure import Known, Limits, admit, close_over
from rightful.directory.interface import AMBIGUOUS_CODE, Everybody
from rightful.directory.place import SOURCE_NAME, Lookup, Place, Row
from rightful.errors import ConfigurationError, SourceRefused
from rightful.ids import SubjectId, TenantId, is_guid, spellings
from rightful.setting_problem import SettingPath
from rightful.subject.matching import is_usable, normalise
from rightful.subject.model import DataSubject, IdentifiedSubject, Reached, SubjectKind

Columns = dict[str, str | tuple[str, ...]]
"""Kind of identifier to the column, or columns, that hold it."""


class MoreColumns(Protocol):
    """What is in a place of further identifiers."""

    @property
    def from_(self) -> dict[str, str]:
        """Kind of a known identifier to the column that it is looked up in."""
        ...

    @property
    def identifiers(self) -> Columns:
        """Kinds that are found there."""
        ...


class InboundColumns(Protocol):
    """What is in the place of inbound shared user profiles."""

    @property
    def user_id(self) -> str:
        """Column of the profile's user id."""
        ...

    @property
    def upn(self) -> str:
        """Column of the user principal name."""
        ...

    @property
    def display_name(self) -> str:
        """Column of the name to show; may be empty."""
        ...

    @property
    def home_tenant_id(self) -> str:
        """Column of the tenant that the person comes from; may be empty."""
        ...

    @property
    def identifiers(self) -> Columns:
        """Further kinds."""
        ...


class PeopleColumns(Protocol):
    """What is in the place of people, and what else there is."""

    @property
    def id(self) -> str:
        """Column of the object id."""
        ...

    @property
    def upn(self) -> str:
        """Column of the user principal name."""
        ...

    @property
    def display_name(self) -> str:
        """Column of the name to show; may be empty."""
        ...

    @property
    def language(self) -> str:
        """Column of the preferred language; may be empty."""
        ...

    @property
    def recipient(self) -> str:
        """Column of the person's public key of age; may be empty."""
        ...

    @property
    def identifiers(self) -> Columns:
        """Further kinds."""
        ...

    @property
    def more(self) -> Sequence[MoreColumns]:
        """Places of further identifiers."""
        ...

    @property
    def limits(self) -> Limits:
        """How far the search goes."""
        ...

    @property
    def inbound_profiles(self) -> InboundColumns | None:
        """None where there are none."""
        ...


OWN_KINDS = frozenset({"id", "upn"})
"""Kinds that tell people apart: a namesake is refused, so nobody shares one."""


def names_in(columns: str | Iterable[str]) -> tuple[str, ...]:
    """Return the columns of one kind, which settings give as one name or as several."""
    return (columns,) if isinstance(columns, str) else tuple(columns)


def refuse_own_kinds(identifiers: Columns) -> None:
    """Refuse kinds that are taken."""
    taken = OWN_KINDS & set(identifiers)
    if taken:
        raise ConfigurationError(f"the kind {min(taken)!r} is given by `{min(taken)}` itself", hint="leave it out of `identifiers`")


class PeopleDirectory:
    """Finds people in places; see `directory.interface.Directory`. Who inherits from it closes the places."""

    def __init__(
        self, tenant_id: TenantId, settings: PeopleColumns, *, people: Place, more: Sequence[Place] = (), inbound: Place | None = None
    ) -> None:
        """Take a place for each part of the settings."""
        self._tenant_id = tenant_id
        self._limits = settings.limits
        identifiers = {"id": settings.id, "upn": settings.upn, **settings.identifiers}
        self._people = _Holdings(
            people,
            {settings.id: ["id"]},
            [settings.id, settings.upn, settings.display_name, settings.language, settings.recipient],
            identifiers,
        )
        self._by_id = people.lookup([(settings.id, "id")], self._people.columns)
        self._by_upn = people.lookup([(settings.upn, "upn")], self._people.columns)
        self._names = people.lookup([], list(dict.fromkeys([settings.id, settings.upn])))
        self._more = [_More(place, said) for place, said in zip(more, settings.more, strict=True)]
        said = settings.inbound_profiles
        self._inbound = None if said is None or inbound is None else _Inbound(inbound, said)

    @staticmethod
    def kinds_given(settings: PeopleColumns) -> frozenset[str]:
        """Return the kinds of identifiers that people can have."""
        inbound = settings.inbound_profiles.identifiers if settings.inbound_profiles is not None else {}
        return frozenset({"id", "upn", *settings.identifiers, *inbound}).union(*(more.identifiers for more in settings.more))

    @staticmethod
    def kinds_used(settings: PeopleColumns) -> Iterable[tuple[SettingPath, str]]:
        """Return the kinds that more is looked up by."""
        return [(("more", number, "from", kind), kind) for number, more in enumerate(settings.more) for kind in more.from_]

    def check(self) -> None:
        """Look at every table and column that the settings name."""
        lookups = [self._by_id, self._by_upn, *(more.lookup for more in self._more)]
        for lookup in lookups + ([self._inbound.by_id, self._inbound.all] if self._inbound else []):
            lookup.check()

    def ambiguous_names(self) -> int:
        """Read all people; see `directory.interface.FindsAmbiguity`."""
        first: dict[str, str] = {}
        pairs = ((row[0], normalise("upn", row[-1])) for row in self._names.list())
        return len({upn for subject_id, upn in pairs if is_usable("upn", upn) and first.setdefault(upn, subject_id) != subject_id})

    def everybody(self, kinds: Collection[str]) -> Everybody | None:
        """Go over all places once; see `directory.interface.ListsEverybody`."""
        return (pair for holdings in self._all_holdings(with_inbound=True) for pair in holdings.everybody(kinds))

    def known(self, limit: int) -> dict[str, frozenset[str]]:
        """Read the beginning of each table; see `directory.interface.KnowsIdentifiers`."""
        found: dict[str, set[str]] = {}
        for holdings in self._all_holdings():
            for each in holdings.identifiers(holdings.all.some(limit)):
                if is_usable(each.kind, each.value):
                    found.setdefault(each.kind, set()).add(each.value)
        return {kind: frozenset(values) for kind, values in found.items()}

    def columns(self) -> dict[str, tuple[str, ...]]:
        """Name the columns of each kind, here and in `more`."""
        found: dict[str, list[str]] = {}
        for holdings in self._all_holdings():
            for kind, columns in holdings.by_kind.items():
                found.setdefault(kind, []).extend(columns)
        return {kind: tuple(dict.fromkeys(columns)) for kind, columns in found.items()}

    def _all_holdings(self, *, with_inbound: bool = False) -> "list[_Holdings]":
        inbound = [self._inbound.holdings] if with_inbound and self._inbound is not None else []
        return [self._people, *inbound, *(more.holdings for more in self._more)]

    def find_user(self, key: str) -> DataSubject | None:
        """Find by exact value first, which an index serves; a UPN then without case, over all rows if there is no index on lower().

        Who is named letter by letter may still share that name, letter case apart: `identify` refuses them.
        """
        if "@" not in key:
            found = self._by_id.find([self._probe("id", *spellings(key))])[0]
            return self._user(_chosen(found, 0, key)) if found else None
        probe = [self._probe("upn", key)]
        found = [row for row in self._by_upn.find(probe)[0] if row[1] == key] or self._by_upn.find(probe, caseless=True)[0]
        return self._user(_chosen(found, 1, key)) if found else None

    def find_inbound_profile(self, user_id: str) -> DataSubject | None:
        """Find by user id."""
        if self._inbound is None:
            return None
        found = self._inbound.by_id.find([self._probe("id", *spellings(user_id))])[0]
        return self._profile(_chosen(found, 0, user_id)) if found else None

    def list_inbound_profiles(self) -> tuple[DataSubject, ...]:
        """Return all, by user id."""
        if self._inbound is None:
            return ()
        return tuple({row[0]: self._profile(row) for row in self._inbound.all.list() if row[0]}.values())

    def subjects(self, ids: Sequence[SubjectId]) -> tuple[DataSubject | None, ...]:
        """Find users by id, in one query."""
        found = self._by_id.find([self._probe("id", value) for value in ids])
        return tuple(self._user(rows[0]) if rows else None for rows in found)

    def identify(self, subjects: Sequence[DataSubject], further: Sequence[Sequence[Reached]] = ()) -> tuple[IdentifiedSubject | None, ...]:
        """Gather identifiers: the person's own rows, then round after round what is found by them.

        Refuses people who share a user principal name, letter case apart: what a source has under that name may be either's.
        """
        found: list[Known | None] = [None] * len(subjects)
        self._own(subjects, found, SubjectKind.USER, self._by_id, self._people)
        self._refuse_namesakes(found, SubjectKind.USER, self._by_upn)
        if self._inbound is not None:
            self._own(subjects, found, SubjectKind.INBOUND_PROFILE, self._inbound.by_id, self._inbound.holdings)
            self._refuse_namesakes(found, SubjectKind.INBOUND_PROFILE, self._inbound.by_upn)
        if further:
            given = [(known, each) for known, several in zip(found, further, strict=True) if known is not None for each in several]
            admit(given, self._sharing, self._limits)
        people = [known for known in found if known is not None]
        kinds = frozenset[str]().union(*(more.kinds for more in self._more))
        close_over(people, self._more, kinds, partial(self._look_further, people), self._limits)
        return tuple(known.identified() if known is not None else None for known in found)

    # -- how ----------------------------------------------------------------------------------------------------------
    def _probe(self, kind: str, *values: str) -> IdentifiedSubject:
        subject = DataSubject(tenant_id=self._tenant_id, subject_id=SubjectId(""))
        return IdentifiedSubject(subject=subject, identifiers={kind: values})

    def _user(self, row: Row) -> DataSubject:
        subject_id, upn, name, language, recipient = self._people.leading(row)
        return DataSubject(
            tenant_id=self._tenant_id,
            subject_id=SubjectId(subject_id),
            user_principal_name=upn,
            display_name=name,
            language=language,
            recipient=recipient,
        )

    def _profile(self, row: Row) -> DataSubject:
        assert self._inbound is not None
        subject_id, upn, name, home = self._inbound.holdings.leading(row)
        return DataSubject(
            tenant_id=self._tenant_id,
            subject_id=SubjectId(subject_id),
            kind=SubjectKind.INBOUND_PROFILE,
            user_principal_name=upn,
            display_name=name,
            home_tenant_id=home,
        )

    def _own(
        self, subjects: Sequence[DataSubject], found: list[Known | None], kind: SubjectKind, lookup: Lookup, holdings: "_Holdings"
    ) -> None:
        """Take the identifiers in the rows of those subjects that are of a kind."""
        places = [place for place, subject in enumerate(subjects) if subject.kind is kind]
        if not places:
            return
        make = self._user if kind is SubjectKind.USER else self._profile
        reached: list[tuple[Known, Reached]] = []
        for place, rows in zip(places, lookup.find([self._probe("id", subjects[place].subject_id) for place in places]), strict=True):
            if rows:
                known = found[place] = Known(make(rows[0]), self._limits)
                reached += [(known, each) for each in holdings.identifiers(rows)]
        # Who shares a name is refused as a whole, a moment later.
        own = [each for each in reached if each[1].kind in OWN_KINDS]
        admit(own, lambda _, values: [1] * len(values), self._limits)
        admit((each for each in reached if each[1].kind not in OWN_KINDS), partial(self._sharing, giver=holdings), self._limits)

    def _refuse_namesakes(self, found: Sequence[Known | None], kind: SubjectKind, by_upn: Lookup) -> None:
        people = [known for known in found if known is not None and known.subject.kind is kind]
        probes = [IdentifiedSubject(subject=known.subject, identifiers={"upn": known.values("upn")}) for known in people]
        for probe, rows in zip(probes, by_upn.find(probes, caseless=True) if probes else (), strict=True):
            if any(row[0] != probe.subject.subject_id for row in rows):
                raise _ambiguous()

    def _look_further(self, people: Sequence[Known], more: "_More", number: int, fresh: Sequence[dict[str, tuple[str, ...]]]) -> None:
        asked = [place for place, kinds in enumerate(fresh) if not more.kinds.isdisjoint(kinds)]
        probes = [IdentifiedSubject(subject=people[place].subject, identifiers=fresh[place]) for place in asked]
        if probes:
            traced = zip(asked, more.lookup.trace(probes), strict=True)
            found = (
                (people[place], msgspec.structs.replace(each, round=number, from_kind=kind, from_value=value))
                for place, rows in traced
                for row, (kind, value) in rows
                for each in more.holdings.identifiers([row])
            )
            admit(found, partial(self._sharing, giver=more.holdings), self._limits)

    def _sharing(self, kind: str, values: Sequence[str], giver: "_Holdings | None" = None) -> Sequence[int]:
        """Say how many people have each value, by the place that gives it to the most: wherever it was found, it is the same value."""
        inbound = [] if self._inbound is None else [self._inbound.holdings]
        tables = [self._people, *inbound, *(more.holdings for more in self._more)]
        counts = [each.sharing(kind, values, is_given=each is giver) for each in tables if kind in each.by_kind]
        return [max(several) for several in zip(*counts, strict=True)] if counts else [1] * len(values)


class _Holdings:
    """Which columns a lookup brings, and what is in each."""

    def __init__(self, place: Place, owners: Mapping[str, Sequence[str]], leading: Sequence[str], identifiers: Columns) -> None:
        self._place, self._owned_by = place, tuple(owners)
        self._owners = place.sharing(owners)
        self.by_kind = {kind: names_in(columns) for kind, columns in identifiers.items()}
        pairs = [(kind, column) for kind, columns in self.by_kind.items() for column in columns]
        self.columns = tuple(dict.fromkeys([*filter(None, leading), *(column for _, column in pairs)]))
        self.all = place.lookup([], self.columns)
        self._leading = [self.columns.index(column) if column else None for column in leading]
        self._identifiers = [(kind, f"{place.name}.{column}", self.columns.index(column)) for kind, column in pairs]

    def sharing(self, kind: str, values: Sequence[str], *, is_given: bool = False) -> Sequence[int]:
        """Say how many people have each of these values."""
        return self._owners.count(kind, self.by_kind[kind], values, is_given=is_given and kind not in OWN_KINDS)

    def everybody(self, kinds: Collection[str]) -> Everybody:
        """Yield what the columns of these kinds hold, all of it; beside these only whose a row is is read, which makes it somebody's."""
        pairs = [(kind, column) for kind, columns in self.by_kind.items() if kind in kinds for column in columns]
        columns = list(dict.fromkeys([*(column for _, column in pairs), *self._owned_by]))
        for piece in self._place.lookup([], columns).every() if pairs else ():
            yield from ((kind, piece[columns.index(column)]) for kind, column in pairs)

    def leading(self, row: Row) -> list[str]:
        """Return the columns that describe a person; empty where the settings name none."""
        return [row[place] if place is not None else "" for place in self._leading]

    def identifiers(self, rows: Sequence[Row]) -> Iterator[Reached]:
        """Yield what all rows hold; an object id that is a GUID in lower case too, as databases with a type for it have it."""
        for kind, name, place in self._identifiers:
            for row in rows:
                yield Reached(kind=kind, value=row[place], place=name)
                if kind == "id" and is_guid(row[place].lower()):
                    yield Reached(kind=kind, value=row[place].lower(), place=name)


class _More:
    """A place of further identifiers."""

    def __init__(self, place: Place, said: MoreColumns) -> None:
        self.kinds = frozenset(said.from_)
        owners: dict[str, list[str]] = {}
        for kind, column in said.from_.items():
            owners.setdefault(column, []).append(kind)
        self.holdings = _Holdings(place, owners, [], said.identifiers)
        self.lookup = place.lookup([(column, kind) for kind, column in said.from_.items()], self.holdings.columns)


class _Inbound:
    """The place of inbound shared user profiles."""

    def __init__(self, place: Place, said: InboundColumns) -> None:
        identifiers = {"id": said.user_id, "upn": said.upn, **said.identifiers}
        leading = [said.user_id, said.upn, said.display_name, said.home_tenant_id]
        self.holdings = _Holdings(place, {said.user_id: ["id"]}, leading, identifiers)
        self.by_id = place.lookup([(said.user_id, "id")], self.holdings.columns)
        self.by_upn = place.lookup([(said.upn, "upn")], self.holdings.columns)
        self.all = self.holdings.all


def _chosen(rows: Sequence[Row], place: int, key: str) -> Row:
    """Return the row of the person that is meant; of several people the one whose value is the key letter by letter."""
    ids = {row[0] for row in rows}
    exact = [row for row in rows if row[place] == key]
    if len(ids) > 1 and len({row[0] for row in exact}) != 1:
        raise _ambiguous()
    return (exact or rows)[0]


def _ambiguous() -> SourceRefused:
    return SourceRefused(
        "several people of the directory answer to one id or user principal name",
        source_name=SOURCE_NAME,
        code=AMBIGUOUS_CODE,
        hint="each must be unique, letter case apart",
    )
