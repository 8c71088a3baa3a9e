"""A directory in a SCIM server (RFC 7643, RFC 7644): what identity providers give their people out by."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar, cast

import msgspec

from rightful.directory import scim_settings
from rightful.directory.entries import Entries
from rightful.directory.people import Columns, PeopleDirectory, names_in
from rightful.directory.place import SOURCE_NAME
from rightful.directory.scim_listing import ListedResources
from rightful.directory.scim_resources import Resources
from rightful.directory.scim_server import ScimServer
from rightful.directory.scim_settings import ScimDirectorySettings, ScimInboundSettings
from rightful.ids import TenantId
from rightful.setting_problem import SettingProblem, refuse


class ScimDirectory(PeopleDirectory):
    """Finds people in a server's resources; see `directory.interface.Directory`."""

    Settings: ClassVar[type[msgspec.Struct]] = ScimDirectorySettings

    def __init__(self, tenant_id: TenantId, settings: msgspec.Struct, *, folder: Path) -> None:
        del folder  # no setting is a path
        self._said = said = cast("ScimDirectorySettings", settings)
        refuse(SOURCE_NAME, self.problems(said))
        _, base = scim_settings.address(said.url)
        self._server = server = ScimServer(
            SOURCE_NAME, scim_settings.access_of(said), base, page_size=said.page_size, is_post=said.ask_by == "post"
        )
        self._users = Resources(server, said, said.resources, said.filter, schema=said.schema, owner=said.id)
        people = self._place(self._users, [said.id, said.upn, said.display_name, said.language, said.recipient], said.identifiers)
        more = [
            self._place(Resources(server, said, each.resources, each.filter), list(each.from_.values()), each.identifiers)
            for each in said.more
        ]
        super().__init__(tenant_id, said, people=people, more=more, inbound=self._inbound_place(said.inbound_profiles))
        self._identified_by = people.lookup([(attribute, kind) for kind, attribute in _flat(said.identifiers)], [])

    @staticmethod
    def problems(settings: ScimDirectorySettings) -> Iterable[SettingProblem]:
        """Yield what is wrong with the address, what lets us in, filters and paths of attributes."""
        return scim_settings.problems(settings)

    def check(self) -> None:
        """Have the server turn pages, and find somebody by each attribute that people are looked up or counted by."""
        if self._said.find_by == "list":
            self._users.check_pages()
        else:
            self._users.check(self._said.upn)
        super().check()
        self._identified_by.check()

    def close(self) -> None:
        """Release the connections."""
        self._server.close()

    def _inbound_place(self, said: ScimInboundSettings | None) -> Entries | None:
        if said is None:
            return None
        profiles = Resources(self._server, self._said, said.resources, said.filter, schema=self._said.schema, owner=said.user_id)
        return self._place(profiles, [said.user_id, said.upn, said.display_name, said.home_tenant_id], said.identifiers)

    def _place(self, resources: Resources, attributes: Sequence[str], identifiers: Columns) -> Entries:
        if self._said.find_by == "filter":
            return resources
        named = [*attributes, *(attribute for _, attribute in _flat(identifiers))]
        return ListedResources(resources, list(dict.fromkeys(filter(None, named))), age_s=self._said.list_age_s)


def _flat(identifiers: Columns) -> list[tuple[str, str]]:
    """Return each kind with each of its attributes."""
    return [(kind, each) for kind, named in identifiers.items() for each in names_in(named)]
