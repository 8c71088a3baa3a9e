"""Resources of a SCIM server as a place where people are (RFC 7643), found by filters (RFC 7644 3.4.2.2)."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from urllib.parse import quote

from rightful.directory.entries import Advice, Entries, Found
from rightful.directory.scim_paths import AttributePath, BadPath, Resource, parse
from rightful.directory.scim_server import ScimServer
from rightful.directory.scim_settings import ScimDirectorySettings
from rightful.errors import SourceRefused

_LONGEST = 3_000
"""Characters of a filter as a URL has it, where it searches for several values: many servers take 4 KiB and no more."""
_NOBODY = "nobody.rightful@example.invalid"  # RFC 2606: belongs to nobody
_MOST = 100_000
"""Resources that a search for some values may give."""


class Resources(Entries):
    """Resources of one kind, found by filters; see `directory.place.Place`."""

    advice = Advice(
        no_entry="check resources, filter and `id`, and that the account may read these resources",
        no_owner="give the account the right to read it, or narrow the filter to people",
        no_attribute="check its name, and that the account may read it; perhaps the server needs selects: false",
        not_found="the server must filter by it, without letter case for names and mail; else write find_by: list, or for `id` ids: path",
    )

    def __init__(
        self, server: ScimServer, said: ScimDirectorySettings, resources: str, text: str, *, schema: str = "", owner: str = ""
    ) -> None:
        """Take the filter that they are told by, and the schema that they must have."""
        super().__init__("scim", owner)
        self._server = server
        self._said = said
        self._resources = resources
        self._filter = text
        self._schema = schema

    def all(self, attributes: Sequence[str]) -> Generator[Found]:
        """Yield every resource that is somebody."""
        for found in self.everything(attributes):
            if not self.owner or found.values[self.owner]:
                yield found

    def everything(self, attributes: Sequence[str]) -> Generator[Found]:
        """Yield every resource, somebody's or not."""
        return self._search(self._filter, attributes)

    def having(self, pairs: Sequence[tuple[str, str]], attributes: Sequence[str]) -> Iterator[Found]:
        """Search for some of them at once; an `id` by its address, where the settings say so."""
        what = f" to a filter by {', '.join(sorted({repr(attribute) for attribute, _ in pairs}))}"
        terms = []
        for attribute, value in pairs:
            path = parse(attribute)
            if not _is_whole(value):
                continue
            if path.is_id and self._said.ids == "path":
                yield from self._by_address(value, attributes)
            else:
                terms.append(path.equals(value))
        count = 0
        for text in self._filters(terms):
            for found in self._search(text, attributes, what=what):
                count += 1
                if count > _MOST:
                    raise self.refused(f"gives more than {_MOST:,} resources for a few values", "ask whoever runs the server")
                yield found

    def refused(self, message: str, hint: str) -> SourceRefused:
        """Say what is wrong with the server."""
        return self._server.refused(message, hint)

    def check(self, attribute: str) -> None:
        """Have the server turn a page, and find two resources by one filter of this attribute."""
        self.check_pages()
        with closing(self.all([attribute])) as entries:
            values = {found.name: found.values[attribute][0] for found in islice(entries, 2) if found.values[attribute]}
        pairs = [(attribute, value) for value in values.values()]
        if any(True for _ in self.having([(attribute, _NOBODY)], [])):
            raise self.refused(f"gives people for a filter of {attribute!r} that is nobody's", "it heeds no filters: write find_by: list")
        if len(set(pairs)) > 1 and self._said.at_once > 1 and not {each.name for each in self.having(pairs, [])}.issuperset(values):
            raise self.refused(f"does not find two people by one filter of {attribute!r}", "it knows no `or`: write at_once: 1")

    def check_pages(self) -> None:
        """Have the server turn a page."""
        if not self._server.has_cursor():
            self._server.check_pages(self._resources, self._filter, self._requested({}))

    def _filters(self, terms: Sequence[str]) -> Iterator[str]:
        """Put terms together, no more than may be and than a URL takes."""
        some: list[str] = []
        length = 0
        for term in dict.fromkeys(terms):
            needed = len(quote(f" or {term}", safe=""))
            if some and (len(some) >= self._said.at_once or length + needed > _LONGEST):
                yield self._both(some)
                some, length = [], 0
            some.append(term)
            length += needed
        if some:
            yield self._both(some)

    def _both(self, terms: Sequence[str]) -> str:
        text = " or ".join(terms)
        return f"({self._filter}) and ({text})" if self._filter else text

    def _search(self, text: str, attributes: Sequence[str], *, what: str = "") -> Generator[Found]:
        paths = self._paths(attributes)
        found = self._server.search(self._resources, text, self._requested(paths), what=what)
        with closing(found) as resources:
            for resource in resources:
                yield self._found(resource, paths)

    def _by_address(self, name: str, attributes: Sequence[str]) -> Iterator[Found]:
        paths = self._paths(attributes)
        if name not in {".", ".."} and (resource := self._server.one(self._resources, name, self._requested(paths))) is not None:
            yield self._found(resource, paths)

    def _paths(self, attributes: Sequence[str]) -> dict[str, AttributePath]:
        return {attribute: parse(attribute) for attribute in (*attributes, *filter(None, [self.owner]))}

    def _requested(self, paths: Mapping[str, AttributePath]) -> list[str]:
        return list(dict.fromkeys(["id", *(path.requested for path in paths.values())])) if self._said.selects else []

    def _found(self, resource: Resource, paths: Mapping[str, AttributePath]) -> Found:
        schemas = resource.get("schemas")
        if self._schema and isinstance(schemas, list) and schemas and self._schema.lower() not in {str(each).lower() for each in schemas}:
            raise self.refused("gives resources of another schema than of people", "check resources and schema")
        values = {}
        for attribute, path in paths.items():
            try:
                values[attribute] = path.values(resource)
            except BadPath as error:
                raise self.refused(f"gives a resource whose {attribute!r} {error}", "name the attribute's path to a text") from None
        return Found(str(resource["id"]), values)


def _is_whole(value: str) -> bool:
    """Say whether a text can be sent: one with half of a surrogate pair cannot, and nothing holds it."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
