"""Connectors by name: ours and those of third parties, by entry point (group `rightful.connectors`)."""

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, ClassVar, Protocol, cast, runtime_checkable

import msgspec

from rightful.connectors.interface import Connector
from rightful.errors import ConfigurationError
from rightful.setting_problem import SettingPath, SettingProblem

GROUP = "rightful.connectors"


class ConnectorType(Protocol):
    """A class that builds connectors: its settings, and what it is built from."""

    Settings: ClassVar[type[msgspec.Struct]]
    """The settings that stand beside `connector` in the configuration; field docstrings become its reference."""

    def __call__(self, source_name: str, settings: msgspec.Struct, *, siblings: Mapping[str, msgspec.Struct], folder: Path) -> Connector:
        """Build one; no I/O before the first call.

        Args:
            source_name: its name in the configuration, for errors.
            settings: an instance of `Settings`.
            siblings: the settings of the tenant's sources of the same connector, by name (for `via`).
            folder: the configuration's folder; relative paths start there.
        """
        ...


@runtime_checkable
class FindsProblems(Protocol):
    """The ability of a connector's class to tell what is wrong with settings that are right one by one."""

    def problems(
        self, source_name: str, settings: msgspec.Struct, *, siblings: Mapping[str, msgspec.Struct | None], folder: Path
    ) -> Iterable[SettingProblem]:
        """Yield everything that the configuration alone shows; called on the class, before one is built, with what one is built from.

        `siblings` has None for each source that could not be read: it has problems of its own.
        """
        ...


@runtime_checkable
class UsesKinds(Protocol):
    """The ability of a connector's class to tell which kinds of identifiers its settings name elsewhere than in `match`."""

    def kinds_used(self, settings: msgspec.Struct) -> Iterable[tuple[SettingPath, str]]:
        """Yield (setting, kind); a kind that the directory does not give is a problem there."""
        ...


@cache
def _installed() -> Mapping[str, Any]:
    return {point.name: point for point in entry_points(group=GROUP)}


def names() -> tuple[str, ...]:
    """Return the names of all installed connectors, sorted."""
    return tuple(sorted(_installed()))


def find(name: str) -> ConnectorType:
    """Return a connector's class; raises `ConfigurationError` naming those that exist."""
    point = _installed().get(name)
    if point is None:
        raise ConfigurationError(f"there is no connector {name!r}", hint=f"installed: {', '.join(names())}")
    return cast("ConnectorType", point.load())
