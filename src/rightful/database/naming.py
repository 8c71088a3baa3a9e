"""Names of tables and columns: how the configuration writes them and how SQL quotes them."""

from collections.abc import Iterable

from rightful import spelling
from rightful.errors import ConfigurationError, SourceRefused


def quote(name: str) -> str:
    """Quote an identifier, in SQLite and PostgreSQL alike; a column of SQLite's may have the empty name."""
    if "\x00" in name:
        raise ConfigurationError("a table or column name contains a NUL character")
    return '"' + name.replace('"', '""') + '"'


def split(name: str) -> tuple[str, ...]:
    """Split a table's name as the configuration writes it: `orders`, `shop.orders`, `shop."table with . and "" in it"`.

    Outside quotes everything but a dot stands for itself, letter case too.
    """
    parts: list[str] = []
    rest = name
    while True:
        part, rest = _quoted(rest) if rest.startswith('"') and rest.find('"', 1) > 0 else _plain(rest)
        parts.append(part)
        if not rest:
            break
        rest = rest[1:]
    if not all(parts) or len(parts) > 2:  # noqa: PLR2004 -- a schema and a table
        raise ConfigurationError(f"{name!r} does not name a table", hint='write `table` or `schema.table`; a name with a dot in it in ""')
    return tuple(parts)


def no_table(name: str, known: Iterable[str], source_name: str) -> SourceRefused:
    """Say that a table is not there, and what may be meant."""
    return SourceRefused(
        f"source {source_name!r}: there is no table or view {name!r} (or this account may not see it)",
        source_name=source_name,
        hint=did_you_mean(name, known),
    )


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """Return a hint that names what comes closest, or what there is."""
    names = sorted(known)
    shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")  # noqa: PLR2004 -- what fits a line
    return spelling.did_you_mean(wrong, names) or (
        f"there are: {shown}"
        if names
        else "there are none that this account may see: look whether this is the right database, and what the account may read"
    )


def _plain(text: str) -> tuple[str, str]:
    part, dot, _ = text.partition(".")
    return part, text[len(part) :] if dot else ""


def _quoted(text: str) -> tuple[str, str]:
    position = 1
    while True:
        end = text.find('"', position)
        if end < 0 or (end + 1 < len(text) and text[end + 1] not in '".'):
            return _plain(text)  # not a quoted name after all: the quotation marks are part of it
        if text[end + 1 : end + 2] != '"':
            return text[1:end].replace('""', '"'), text[end + 1 :]
        position = end + 2
