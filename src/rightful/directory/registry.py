"""Directories by name."""

from importlib import import_module
from pathlib import Path
from typing import ClassVar, Protocol, cast

import msgspec

from rightful.directory.interface import Directory
from rightful.errors import ConfigurationError
from rightful.ids import TenantId

_CLASSES = {"sql": ("rightful.directory.sql", "SqlDirectory")}


class DirectoryType(Protocol):
    """A class that builds directories: its settings, and what it is built from."""

    Settings: ClassVar[type[msgspec.Struct]]
    """The settings that stand beside `connector` in the configuration; field docstrings become its reference."""

    def __call__(self, tenant_id: TenantId, settings: msgspec.Struct, *, folder: Path) -> Directory:
        """Build one for a tenant; no I/O before the first call. Relative paths start at `folder`."""
        ...


def names() -> tuple[str, ...]:
    """Return the names of all directories, sorted."""
    return tuple(sorted(_CLASSES))


def find(name: str) -> DirectoryType:
    """Return a directory's class; raises `ConfigurationError` naming those that exist."""
    if name not in _CLASSES:
        raise ConfigurationError(f"there is no directory connector {name!r}", hint=f"installed: {', '.join(names())}")
    module, attribute = _CLASSES[name]
    return cast("DirectoryType", getattr(import_module(module), attribute))
