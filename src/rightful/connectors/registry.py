"""Connectors by name: ours and those of third parties, by entry point (group `rightful.connectors`)."""

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from inspect import getdoc
from pathlib import Path
from typing import ClassVar, Protocol, cast, runtime_checkable

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


@runtime_checkable
class FindsBy(Protocol):
    """The ability of a connector's class to find rows by whichever column: what `identifiers` of a source needs."""

    def found_by(self, settings: msgspec.Struct, match: Mapping[str, str]) -> msgspec.Struct:
        """Return settings of the same source whose rows, of all times, are found by these columns ({column: kind}); called on the class."""
        ...


class Installed(msgspec.Struct, frozen=True, kw_only=True):
    """A connector that somebody has installed."""

    name: str
    distribution: str
    """Who brings it, with the version."""
    problem: str
    """Why it can't be used, in one sentence; empty where it can."""
    needs: tuple[str, ...] = ()
    """Settings without which it reads nothing."""
    summary: str = ""
    """The first line of its settings' docstring."""


@cache
def _installed() -> Mapping[str, tuple[EntryPoint, ...]]:
    found: dict[str, tuple[EntryPoint, ...]] = {}
    for point in entry_points(group=GROUP):
        found[point.name] = (*found.get(point.name, ()), point)
    return found


def names() -> tuple[str, ...]:
    """Return the names of all installed connectors, sorted."""
    return tuple(sorted(_installed()))


def installed() -> tuple[Installed, ...]:
    """Look at each installed connector, by name; one that is broken says why, and hides none of the others."""
    return tuple(_look(name, points) for name, points in sorted(_installed().items()))


def _look(name: str, points: tuple[EntryPoint, ...]) -> Installed:
    brought = ", ".join(sorted(_brought_by(point) for point in points))
    try:
        settings = find(name).Settings
        needs = tuple(field.encode_name for field in msgspec.structs.fields(settings) if field.required)
    except ConfigurationError as error:
        return Installed(name=name, distribution=brought, problem=error.message)
    except Exception as error:  # noqa: BLE001 - a third party's class may be anything
        return Installed(name=name, distribution=brought, problem=f"is no connector ({type(error).__name__})")
    return Installed(name=name, distribution=brought, problem="", needs=needs, summary=(getdoc(settings) or "").partition("\n")[0])


def _brought_by(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else point.value


def find(name: str) -> ConnectorType:
    """Return a connector's class.

    Raises:
        ConfigurationError: there is none of this name (the others are named), there are several, or it can't be loaded.
    """
    points = _installed().get(name)
    if points is None:
        raise ConfigurationError(f"there is no connector {name!r}", hint=f"installed: {', '.join(names())}")
    if len(points) > 1:
        brought = " and ".join(sorted(map(_brought_by, points)))
        raise ConfigurationError(f"the connector {name!r} is there more than once, from {brought}", hint="uninstall all but one of them")
    try:
        return cast("ConnectorType", points[0].load())
    except Exception as error:
        said = f": {error}" if isinstance(error, ImportError) else ""
        message = f"the connector {name!r} of {_brought_by(points[0])} can't be loaded ({type(error).__name__}{said})"
        raise ConfigurationError(message, hint="install what it misses, or uninstall it") from error
