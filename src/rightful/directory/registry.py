"""Directories by name."""

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar, Protocol, cast

import msgspec

from rightful.directory.csv_files import CsvDirectory
from rightful.directory.interface import Directory
from rightful.directory.ldap import LdapDirectory
from rightful.directory.scim import ScimDirectory
from rightful.directory.sql import SqlDirectory
from rightful.errors import ConfigurationError
from rightful.ids import TenantId
from rightful.setting_problem import SettingPath, SettingProblem


class DirectoryType(Protocol):
    """A class that builds directories: its settings, and what it is built from."""

    Settings: ClassVar[type[msgspec.Struct]]
    """The settings that stand beside `connector` in the configuration; field docstrings become its reference."""

    def __call__(self, tenant_id: TenantId, settings: msgspec.Struct, *, folder: Path) -> Directory:
        """Build one; no I/O before the first call. Relative paths start in the configuration's folder."""
        ...

    def kinds_given(self, settings: msgspec.Struct) -> frozenset[str]:
        """Return the kinds of identifiers that a directory with these settings gives; called on the class."""
        ...

    def kinds_used(self, settings: msgspec.Struct) -> Iterable[tuple[SettingPath, str]]:
        """Yield (setting, kind) of each kind that the settings look something up by; called on the class."""
        ...

    def problems(self, settings: msgspec.Struct) -> Iterable[SettingProblem]:
        """Yield what is wrong with settings that are right one by one; called on the class."""
        ...


_DIRECTORIES = {
    "csv": cast("DirectoryType", CsvDirectory),
    "ldap": cast("DirectoryType", LdapDirectory),
    "scim": cast("DirectoryType", ScimDirectory),
    "sql": cast("DirectoryType", SqlDirectory),
}


def names() -> tuple[str, ...]:
    """Return the names of all directories, sorted."""
    return tuple(sorted(_DIRECTORIES))


def find(name: str) -> DirectoryType:
    """Return a directory's class; raises `ConfigurationError` naming those that exist."""
    found = _DIRECTORIES.get(name)
    if found is None:
        raise ConfigurationError(f"there is no directory {name!r}", hint=f"there are: {', '.join(names())}")
    return found
