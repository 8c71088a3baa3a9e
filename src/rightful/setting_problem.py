"""What a connector finds wrong with its settings, from the configuration alone.

Its class says it by `problems`, which is asked when the configuration is read, so that each problem is told with its line.
"""

from collections.abc import Iterable

from rightful.errors import ConfigurationError

SettingPath = tuple[str | int, ...]
"""Where a setting stands below the connector's own: `("via", "orders")`; a number is an item of a list. Empty: all of them together."""

SettingProblem = tuple[SettingPath, str, str]
"""Where, what is wrong ("names no column"), and what to write instead. Holds no value: it may be a secret."""


def refuse(source_name: str, problems: Iterable[SettingProblem]) -> None:
    """Raise the first problem as a `ConfigurationError`: for a connector that was built without a configuration being read."""
    for path, message, hint in problems:
        where = f"{'.'.join(map(str, path))} " if path else ""
        raise ConfigurationError(f"source {source_name!r}: {where}{message}", hint=hint)
