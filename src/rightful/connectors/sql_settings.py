"""How a table is described in the configuration, and what is wrong with that."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import msgspec

from rightful.connectors.time_window import WindowSettings, window_problems
from rightful.database.naming import did_you_mean
from rightful.database.opening import STREAM_S, identity, url_problem
from rightful.setting_problem import SettingProblem
from rightful.subject.matching import FOLDED_KINDS


class SqlSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table or view, and how its rows belong to people."""

    url: str
    """`sqlite:///file.db` (below the configuration's folder; four slashes for an absolute path), `postgresql://` or
    `mysql://user:password@host/database`, or `dialect+driver://…` for what SQLAlchemy has a dialect for."""
    table: str
    """Table or view: `orders` or `shop.orders`, letter case as in the database; a name with a dot in it in double quotes."""
    match: dict[str, str] = {}
    """Column to kind of identifier; a row belongs to whom any of them names."""
    caseless: tuple[str, ...] = ()
    """Columns of `match` whose mails or UPNs are compared in lower case: by an index on `lower(column)`, else all rows are read."""
    via: dict[str, dict[str, str]] = {}
    """Other source of the same database to {column here: column there}: a row belongs to whom a row there belongs to."""
    key: str | tuple[str, ...] = ()
    """Unique column, or columns that are so together, that rows are ordered by and a read goes on after; left out: the primary key."""
    timeout_s: Annotated[int, msgspec.Meta(ge=1, le=86400)] = STREAM_S
    """How long one query may take, with the time to write its rows away; a read then goes on where it was, in a new one."""
    exclude: tuple[str, ...] = ()
    """Columns that do not get into the package."""
    time: str = ""
    """Column that says when a row came to be; must be there. `window` is about it."""
    window: WindowSettings = WindowSettings()
    """Only rows of this time are delivered, and those that have none. Default: all."""


def problems(
    source_name: str, settings: SqlSettings, siblings: Mapping[str, SqlSettings | None], *, folder: Path
) -> Iterator[SettingProblem]:
    """Yield what the configuration alone shows; of `siblings` those that could not be read are None."""
    known = {**siblings, source_name: settings}
    if not settings.match and not settings.via:
        yield (), "does not say whose a row is", "add `match: {column: kind of identifier}` or `via`"
    if (wrong := url_problem(settings.url)) is not None:
        yield ("url",), *wrong
    yield from _column_problems(settings)
    yield from window_problems(settings.window, settings.time)
    for parent, columns in settings.via.items():
        here = ("via", parent)
        if not columns:
            yield here, "does not say which columns belong together", "write {column here: column there}"
        if parent not in known:
            others = (name for name in known if name != source_name)
            yield here, "there is no source of this name with the connector sql", did_you_mean(parent, others)
        elif (other := known[parent]) is not None and not _is_same_database(settings, other, folder):
            yield here, "is not in the same database: it has another url", "across two databases use directory.more"
    if _leads_back(source_name, known):
        yield ("via",), "leads back to where it began, in a circle", "one table of the chain needs a `match` instead"


def key_names(settings: SqlSettings) -> tuple[str, ...]:
    """Return the columns of the key that the settings name."""
    return (settings.key,) if isinstance(settings.key, str) and settings.key else tuple(settings.key)


def _is_same_database(one: SqlSettings, other: SqlSettings, folder: Path) -> bool:
    """Say whether a join between them is possible; what is no database's URL is told elsewhere."""
    if url_problem(one.url) or url_problem(other.url):
        return True
    return identity(one.url, folder) == identity(other.url, folder)


def _leads_back(name: str, sources: Mapping[str, SqlSettings | None]) -> bool:
    seen: set[str] = set()
    ahead = [name]
    while ahead:
        settings = sources.get(ahead.pop())
        fresh = set(settings.via) - seen if settings is not None else set()
        if name in fresh:
            return True
        seen |= fresh
        ahead += fresh
    return False


def _column_problems(settings: SqlSettings) -> Iterator[SettingProblem]:
    names = key_names(settings)
    if len(set(names)) < len(names):
        yield ("key",), "names a column twice", "name each once"
    for number, column in enumerate(settings.caseless):
        if settings.match.get(column) not in FOLDED_KINDS:
            what = "is not matched" if column not in settings.match else f"is matched as {settings.match[column]}, whose letter case counts"
            yield ("caseless", number), what, f"name columns that are matched as {' or '.join(sorted(FOLDED_KINDS))}"
