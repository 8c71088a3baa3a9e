"""What of a configuration lies on the machine that it is used on: every machine that uses it has to have the same there."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import msgspec

from rightful.config.model import Config

_WILD = "*?[{"
_SQLITE = "sqlite:///"
_FILE = "file://"


def urls_in(settings: object) -> Iterator[str]:
    """Yield every `url` in settings as plain values: a directory may be in several databases."""
    if isinstance(settings, dict):
        for name, value in settings.items():
            yield from [value] if name == "url" and isinstance(value, str) else urls_in(value)
    elif isinstance(settings, list | tuple):
        for value in settings:
            yield from urls_in(value)


def of_sources(config: Config) -> dict[str, str]:
    """Return the paths that directories and sources read, each with who reads it."""
    found: dict[str, str] = {}
    for tenant in config.tenants:
        for url in urls_in(msgspec.to_builtins(tenant.directory.settings)):
            _note(found, url, config.folder, f"{tenant.name}: directory")
        for source in tenant.sources:
            for url in urls_in(msgspec.to_builtins(source.settings)):
                _note(found, url, config.folder, f"{tenant.name}: source {source.name}")
    return found


def written(config: Config) -> dict[Path, str]:
    """Return the folders that several machines write to, each with what is there: they have to be the same folder on all of them."""
    found = {
        Path(unquote(account.url.removeprefix(_FILE))): f"{tenant.name}: account {name}"
        for tenant in config.tenants
        for name, account in tenant.storage.accounts.items()
        if account.url.startswith(_FILE)
    }
    if any(tenant.export.compare_days for tenant in config.tenants):
        found[config.store_path.parent] = "store_folder"
    return found


def _note(found: dict[str, str], url: str, folder: Path, who: str) -> None:
    path = None
    if url.startswith(_FILE):
        path = Path(_fixed(unquote(url.removeprefix(_FILE))))
    elif url.startswith(_SQLITE):
        path = folder / unquote(url.removeprefix(_SQLITE).partition("?")[0])
    elif url and "://" not in url:
        path = folder / _fixed(url)
    if path is not None:
        found.setdefault(str(path), who)


def _fixed(path: str) -> str:
    """Return what of a path is the same for everybody: up to the folder of the first pattern or placeholder."""
    wild = min((path.index(sign) for sign in _WILD if sign in path), default=-1)
    return path if wild < 0 else path[: path.rfind("/", 0, wild) + 1]
