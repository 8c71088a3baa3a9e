"""A directory in an LDAP server: OpenLDAP, Active Directory, 389 Directory Server and others that speak LDAPv3."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import ClassVar, cast

import msgspec

from rightful.directory.entries import Advice, Entries, Found
from rightful.directory.ldap_settings import LdapDirectorySettings
from rightful.directory.ldap_values import decode, encode
from rightful.directory.people import PeopleDirectory, names_in
from rightful.directory.place import SOURCE_NAME
from rightful.errors import SourceRefused
from rightful.ids import TenantId
from rightful.ldap.address import BadAddress, must_parse, parse
from rightful.ldap.client import Access, LdapServer
from rightful.ldap.filters import ATTRIBUTE, BadFilter, all_of, any_of, equals, present
from rightful.ldap.filters import parse as parse_filter
from rightful.ldap.messages import Entry, Search
from rightful.setting_problem import SettingPath, SettingProblem

_AT_ONCE = 100
"""Values in one search."""
_PARTIAL = "range="
"""The option by which Active Directory says that it gives some of many values (MS-ADTS 3.1.1.3.1.3.3)."""


class _Entries(Entries):
    """Entries below a base."""

    advice = Advice(
        no_entry="check base, filter and `id`, and that bind_dn may read these entries",
        no_owner="give bind_dn the right to read it, or narrow the filter to people",
        no_attribute="check its name, and that bind_dn may read it",
        not_found="the attribute needs an equality rule (caseIgnoreMatch for names and mail), and bind_dn the right to search it",
    )

    def __init__(self, server: LdapServer, base: str, search_filter: str, *, owner: str = "") -> None:
        super().__init__("ldap", owner)
        self._server = server
        self._base = base
        self._filter = parse_filter(search_filter)

    def all(self, attributes: Sequence[str]) -> Generator[Found]:
        """Yield every entry that is somebody."""
        return self._search(all_of([self._filter, present(self.owner)]) if self.owner else self._filter, attributes)

    def having(self, pairs: Sequence[tuple[str, str]], attributes: Sequence[str]) -> Iterator[Found]:
        """Search for some of them at once."""
        wanted = dict.fromkeys((attribute, encoded) for attribute, value in pairs if (encoded := encode(attribute, value)) is not None)
        assertions = [equals(*each) for each in wanted]
        for start in range(0, len(assertions), _AT_ONCE):
            yield from self._search(all_of([self._filter, any_of(assertions[start : start + _AT_ONCE])]), attributes)

    def refused(self, message: str, hint: str) -> SourceRefused:
        """Say what is wrong with the server."""
        return self._server.refused(message, hint)

    def _search(self, search_filter: bytes, attributes: Sequence[str]) -> Generator[Found]:
        wanted = tuple(dict.fromkeys(attributes))
        with closing(self._server.search(Search(self._base, search_filter, wanted))) as entries:
            for entry in entries:
                yield Found(entry.dn, self._texts(entry, wanted))

    def _texts(self, entry: Entry, wanted: Sequence[str]) -> dict[str, list[str]]:
        raw: dict[str, list[bytes]] = {}
        for description, values in entry.attributes:
            name, *options = description.lower().split(";")
            if any(option.startswith(_PARTIAL) for option in options):
                raise self.refused(
                    "gives a part of somebody's values only", "raise its limit (MaxValRange), or leave the attribute out of `identifiers`"
                )
            raw.setdefault(name, []).extend(values)
        return {attribute: decode(attribute, raw.get(attribute.lower(), ())) for attribute in wanted}


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
        named = [(kind, names_in(columns)) for kind, columns in said.identifiers.items()]
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
        ((name,), getattr(settings, name)) for name in ("id", "upn", "display_name", "language", "recipient") if getattr(settings, name)
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
        for attribute in names_in(named):
            yield kind, attribute
