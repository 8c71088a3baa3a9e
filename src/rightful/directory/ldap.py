"""A directory in an LDAP server: OpenLDAP, Active Directory, 389 Directory Server and others that speak LDAPv3."""

from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import ClassVar, cast

import msgspec

from rightful.directory.ldap_settings import LdapDirectorySettings
from rightful.directory.ldap_values import decode, encode
from rightful.directory.people import PeopleDirectory
from rightful.directory.place import SOURCE_NAME, Key, Row
from rightful.ids import TenantId
from rightful.ldap.address import BadAddress, must_parse, parse
from rightful.ldap.client import Access, LdapServer
from rightful.ldap.filters import ATTRIBUTE, BadFilter, all_of, any_of, equals, present
from rightful.ldap.filters import parse as parse_filter
from rightful.ldap.messages import Entry, Search
from rightful.setting_problem import SettingPath, SettingProblem
from rightful.subject.matching import FOLDED_KINDS, is_usable, normalise
from rightful.subject.model import IdentifiedSubject

_AT_ONCE = 100
"""Values in one search."""
_SAMPLED = 20
_PARTIAL = "range="
"""The option by which Active Directory says that it gives some of many values (MS-ADTS 3.1.1.3.1.3.3)."""


class _Found(msgspec.Struct, frozen=True):
    """An entry, in texts."""

    dn: bytes
    values: dict[str, list[str]]
    """By attribute, as the settings write it."""


class _Entries:
    """Entries below a base as a place; see `directory.place.Place`."""

    def __init__(self, server: LdapServer, base: str, search_filter: str, *, owner: str = "") -> None:
        """Take the attribute that each entry must have to be somebody, where there is one."""
        self.name = "ldap"
        self.owner = owner
        self.server = server
        self._base = base
        self._filter = parse_filter(search_filter)

    def lookup(self, match: Sequence[tuple[str, str]], columns: Sequence[str]) -> "_EntryLookup":
        """Look up by searches."""
        return _EntryLookup(self, match, columns)

    def sharing(self, owners: Mapping[str, Collection[str]]) -> "_EntrySharing":
        """Count by searches."""
        return _EntrySharing(self, owners)

    def all(self, attributes: Sequence[str]) -> Generator[_Found]:
        """Yield every entry that is somebody."""
        return self._search(all_of([self._filter, present(self.owner)]) if self.owner else self._filter, attributes)

    def by(self, match: Sequence[tuple[str, str]], values: Mapping[str, Iterable[str]], attributes: Sequence[str]) -> list[_Found]:
        """Return each entry once that may have one of the values of a kind; the server compares more loosely than we do."""
        wanted = dict.fromkeys(
            (attribute, encoded)
            for attribute, kind in match
            for value in values.get(kind, ())
            if (encoded := encode(attribute, value)) is not None
        )
        assertions = [equals(*each) for each in wanted]
        found: dict[bytes, _Found] = {}
        for start in range(0, len(assertions), _AT_ONCE):
            some = all_of([self._filter, any_of(assertions[start : start + _AT_ONCE])])
            for entry in self._search(some, [*attributes, *(attribute for attribute, _ in match)]):
                found.setdefault(entry.dn, entry)
        return list(found.values())

    def _search(self, search_filter: bytes, attributes: Sequence[str]) -> Generator[_Found]:
        wanted = tuple(dict.fromkeys(attributes))
        with closing(self.server.search(Search(self._base, search_filter, wanted))) as entries:
            for entry in entries:
                yield _Found(entry.dn, self._texts(entry, wanted))

    def _texts(self, entry: Entry, wanted: Sequence[str]) -> dict[str, list[str]]:
        raw: dict[str, list[bytes]] = {}
        for description, values in entry.attributes:
            name, *options = description.lower().split(";")
            if any(option.startswith(_PARTIAL) for option in options):
                raise self.server.refused(
                    "gives a part of somebody's values only", "raise its limit (MaxValRange), or leave the attribute out of `identifiers`"
                )
            raw.setdefault(name, []).extend(values)
        return {attribute: decode(attribute, raw.get(attribute.lower(), ())) for attribute in wanted}


class _EntryLookup:
    """Finds entries; see `directory.place.Lookup`. An entry with several values of an attribute is several rows."""

    def __init__(self, place: _Entries, match: Sequence[tuple[str, str]], columns: Sequence[str]) -> None:
        self._place = place
        self._match = tuple(match)
        self._columns = tuple(columns)

    def find(self, subjects: Sequence[IdentifiedSubject], *, caseless: bool = False) -> list[list[Row]]:
        """Return rows; letter case is always of no meaning where it is of none in the kind."""
        del caseless
        return [[row for row, _ in rows] for rows in self.trace(subjects)]

    def trace(self, subjects: Sequence[IdentifiedSubject]) -> list[list[tuple[Row, Key]]]:
        """Return rows, each with what it was found by."""
        asked = self._asked(subjects)
        found: list[list[tuple[Row, Key]]] = [[] for _ in subjects]
        for entry in self._place.by(self._match, asked, self._columns):
            owners: dict[int, Key] = {}
            for attribute, kind in self._match:
                for value in entry.values[attribute]:
                    for index, identifier in asked[kind].get(normalise(kind, value), ()):
                        owners.setdefault(index, (kind, identifier))
            for index, key in owners.items():
                found[index] += [(row, key) for row in self._rows(entry)]
        for rows in found:
            rows.sort()
        return found

    def _asked(self, subjects: Sequence[IdentifiedSubject]) -> dict[str, dict[str, "list[tuple[int, str]]"]]:
        """Return who asks for which value of a kind."""
        asked: dict[str, dict[str, list[tuple[int, str]]]] = {kind: {} for _, kind in self._match}
        for index, subject in enumerate(subjects):
            for kind, values in asked.items():
                for value in subject.values(kind):
                    if is_usable(kind, value):
                        values.setdefault(normalise(kind, value), []).append((index, value))
        return asked

    def list(self) -> list[Row]:
        """Return the rows of all entries."""
        return sorted(row for entry in self._place.all(self._columns) for row in self._rows(entry))

    def some(self, limit: int) -> Sequence[Row]:
        """Return the rows of the first entries."""
        with closing(self._place.all(self._columns)) as entries:
            return list(islice((row for entry in entries for row in self._rows(entry)), limit))

    def check(self) -> None:
        """Look at a few entries, and have the server find one of them by each attribute."""
        with closing(self._place.all([*self._columns, *(attribute for attribute, _ in self._match)])) as entries:
            sample = list(islice(entries, _SAMPLED))
        if not sample:
            raise self._place.server.refused(
                "shows no entry that the filter is true of", "check base, filter and `id`, and that bind_dn may read these entries"
            )
        for attribute, kind in self._match:
            self._check_attribute(attribute, kind, sample)

    def _check_attribute(self, attribute: str, kind: str, sample: Sequence[_Found]) -> None:
        pairs = [(entry, value) for entry in sample for value in entry.values[attribute] if is_usable(kind, value)]
        if not pairs:
            if attribute == self._place.owner or kind == "upn":
                raise self._place.server.refused(
                    f"shows no attribute {attribute!r} of the first {len(sample)} entries", "check its name, and that bind_dn may read it"
                )
            return
        entry, value = pairs[0]
        asked = value.swapcase() if kind in FOLDED_KINDS else value
        if all(found.dn != entry.dn for found in self._place.by([(attribute, kind)], {kind: [asked]}, [])):
            raise self._place.server.refused(
                f"does not find an entry by its own {attribute!r}" + (", letter case apart" if kind in FOLDED_KINDS else ""),
                "the attribute needs an equality rule (caseIgnoreMatch for names and mail), and bind_dn the right to search it",
            )

    def _rows(self, entry: _Found) -> Iterator[Row]:
        if self._place.owner and not entry.values.get(self._place.owner, [""]):
            raise self._place.server.refused(
                f"shows an entry without {self._place.owner!r}", "give bind_dn the right to read it, or narrow the filter to people"
            )
        columns = [entry.values[name] or [""] for name in self._columns]
        for place in range(max(map(len, columns), default=0)):
            yield tuple(values[min(place, len(values) - 1)] for values in columns)


class _EntrySharing:
    """Counts people by their entries; see `directory.place.Sharing`."""

    def __init__(self, place: _Entries, owners: Mapping[str, Collection[str]]) -> None:
        self._place = place
        self._owners = {attribute: tuple(kinds) for attribute, kinds in owners.items()}

    def count(self, kind: str, columns: Sequence[str], values: Sequence[str]) -> list[int]:
        """Count different owners; an entry that names none is somebody of its own."""
        people: dict[str, set[object]] = {normalise(kind, value): set() for value in values}
        match = [(column, kind) for column in columns]
        for entry in self._place.by(match, {kind: values}, list(self._owners)):
            owner = self._owner(entry)
            for column in columns:
                for value in entry.values[column]:
                    if (held := people.get(normalise(kind, value))) is not None:
                        held.add(owner)
        return [len(people[normalise(kind, value)]) for value in values]

    def _owner(self, entry: _Found) -> object:
        named = [
            tuple(sorted({normalise("upn" if FOLDED_KINDS.issuperset(kinds) else kinds[0], value) for value in entry.values[attribute]}))
            for attribute, kinds in self._owners.items()
        ]
        return tuple(named) if any(named) else entry.dn


class LdapDirectory(PeopleDirectory):
    """Finds people in a server's entries; see `directory.interface.Directory`."""

    Settings: ClassVar[type[msgspec.Struct]] = LdapDirectorySettings

    def __init__(self, tenant_id: TenantId, settings: msgspec.Struct, *, folder: Path) -> None:
        del folder  # no setting is a path
        said = cast("LdapDirectorySettings", settings)
        address = must_parse(said.url, start_tls=said.start_tls, ca=said.ca)
        access = Access(
            dn=said.bind_dn,
            password=said.password,
            timeout_s=said.timeout_s,
            page_size=said.page_size,
            ignores_references=said.referrals == "ignore",
        )
        self._server = server = LdapServer(SOURCE_NAME, address, access)
        people = _Entries(server, said.base, said.filter, owner=said.id)
        inbound = said.inbound_profiles
        super().__init__(
            tenant_id,
            said,
            people=people,
            more=[_Entries(server, more.base or said.base, more.filter) for more in said.more],
            inbound=None if inbound is None else _Entries(server, inbound.base or said.base, inbound.filter, owner=inbound.user_id),
        )
        named = [(kind, (columns,) if isinstance(columns, str) else columns) for kind, columns in said.identifiers.items()]
        self._identified_by = people.lookup([(column, kind) for kind, columns in named for column in columns], [])

    @staticmethod
    def problems(settings: LdapDirectorySettings) -> Iterator[SettingProblem]:
        """Yield what is wrong with the address, the account, filters and names of attributes."""
        try:
            parse(settings.url, start_tls=settings.start_tls)
        except BadAddress as error:
            what, hint = error.args
            yield ("url",), what, hint
        if bool(settings.bind_dn) != bool(settings.password):
            # RFC 4513 5.1.2: a name without a password binds as nobody, and looks as if it had worked.
            yield ("password",), "and bind_dn need each other", "write both, or neither to ask as nobody"
        yield from _wrong_filters(settings)
        yield from _wrong_attributes(settings)

    def check(self) -> None:
        """Have the server find somebody by each attribute that people are looked up or counted by."""
        super().check()
        self._identified_by.check()

    def close(self) -> None:
        """Release the connections."""
        self._server.close()


def _wrong_filters(settings: LdapDirectorySettings) -> Iterator[SettingProblem]:
    filters: list[tuple[SettingPath, str]] = [(("filter",), settings.filter)]
    filters += [(("more", number, "filter"), more.filter) for number, more in enumerate(settings.more)]
    if settings.inbound_profiles is not None:
        filters.append((("inbound_profiles", "filter"), settings.inbound_profiles.filter))
    for path, text in filters:
        try:
            parse_filter(text)
        except BadFilter as error:
            yield path, str(error), "write it in the form of RFC 4515, for instance (&(objectClass=user)(mail=*))"


def _wrong_attributes(settings: LdapDirectorySettings) -> Iterator[SettingProblem]:
    named: list[tuple[SettingPath, str]] = [
        ((name,), getattr(settings, name)) for name in ("id", "upn", "display_name", "language") if getattr(settings, name)
    ]
    if not settings.id or not settings.upn:
        yield ("id" if not settings.id else "upn",), "is empty", "name an attribute"
    named += [(("identifiers", kind), each) for kind, each in _flat(settings.identifiers)]
    for number, more in enumerate(settings.more):
        named += [(("more", number, "from", kind), attribute) for kind, attribute in more.from_.items()]
        named += [(("more", number, "identifiers", kind), each) for kind, each in _flat(more.identifiers)]
    if (inbound := settings.inbound_profiles) is not None:
        given = [("user_id", inbound.user_id), ("upn", inbound.upn)]
        given += [
            (name, text) for name, text in (("display_name", inbound.display_name), ("home_tenant_id", inbound.home_tenant_id)) if text
        ]
        named += [(("inbound_profiles", name), text) for name, text in given]
        named += [(("inbound_profiles", "identifiers", kind), each) for kind, each in _flat(inbound.identifiers)]
    for path, attribute in named:
        if not ATTRIBUTE.fullmatch(attribute) or ";" in attribute:
            yield path, "is no name of an attribute", "write it as the server's schema has it, without options"


def _flat(identifiers: Mapping[str, str | tuple[str, ...]]) -> Iterator[tuple[str, str]]:
    for kind, named in identifiers.items():
        for attribute in (named,) if isinstance(named, str) else named:
            yield kind, attribute
