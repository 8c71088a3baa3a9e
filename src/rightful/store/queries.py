"""The named statements of queries.sql, and the scripts that make the schema."""

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


@cache
def load() -> Mapping[str, str]:
    """Return statement by name."""
    return _parse("queries.sql")


@cache
def load_for_postgres() -> Mapping[str, str]:
    """Return statement by name, as PostgreSQL takes it."""
    return {**load(), **_parse("queries_postgres.sql")}


def _parse(name: str) -> dict[str, str]:
    pieces = _NAME.split(files("rightful.store").joinpath(name).read_text("utf-8"))
    return {name: statement.strip().removesuffix(";") for name, statement in zip(pieces[1::2], pieces[2::2], strict=True)}


def migrations() -> tuple[str, ...]:
    """Return the scripts that make and change the schema, oldest first."""
    folder = files("rightful.store").joinpath("migrations")
    return tuple(
        script.read_text("utf-8") for script in sorted(folder.iterdir(), key=lambda path: path.name) if script.name.endswith(".sql")
    )
