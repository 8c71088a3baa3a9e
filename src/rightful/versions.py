"""What is installed: Rightful, Python, and the libraries that it needs."""

import platform
import re
import sqlite3
from collections.abc import Iterator
from importlib import metadata

from rightful import __version__

_REQUIRED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?\s*(?:\(?>=\s*([0-9.]+))?")


def installed() -> dict[str, str]:
    """Return names and versions: `rightful`, `python`, `sqlite` (the library of both), and each library that is there, extras' too."""
    import apsw  # noqa: PLC0415 - `--help` must not wait for it

    found = {name: version for name, _, version in _libraries() if version}
    return {
        "rightful": __version__,
        "python": platform.python_version(),
        "sqlite": _both(apsw.sqlite_lib_version()),
        **dict(sorted(found.items())),
    }


def outdated() -> Iterator[tuple[str, str, str]]:
    """Yield each library that is missing (then its version is "") or too old: name, the least version, the one that is there."""
    for name, least, version in _libraries(extras=False):
        if not version or _parts(version) < _parts(least):
            yield name, least, version


def _both(own: str) -> str:
    return own if own == sqlite3.sqlite_version else f"{own} (store), {sqlite3.sqlite_version} (sources)"


def _libraries(*, extras: bool = True) -> Iterator[tuple[str, str, str]]:
    """Yield name, least version and installed version ("" where it is not there)."""
    for text in metadata.requires("rightful") or ():
        requirement, _, marker = text.partition(";")
        is_extra = "extra ==" in marker
        is_elsewhere = "win32" in marker and platform.system() == "Windows"
        found = _REQUIRED.match(requirement.strip())
        if found is None or is_elsewhere or (is_extra and (not extras or "'dev'" in marker or '"dev"' in marker)):
            continue
        name = found[1].lower()
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            version = ""
        if name != "rightful":
            yield name, found[2] or "0", version


def _parts(version: str) -> tuple[int, ...]:
    numbers = re.match(r"[0-9]+(?:\.[0-9]+)*", version)
    return tuple(map(int, numbers[0].split("."))) if numbers else ()
