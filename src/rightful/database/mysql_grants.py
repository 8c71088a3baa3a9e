"""What `SHOW GRANTS` says that an account may do beside reading; pure."""

import re
from collections.abc import Iterable

_NAME = r"`(?:[^`]|``)*`"
_GRANT = re.compile(rf"GRANT (?P<rights>.+?) ON (?:TABLE )?(?P<database>\*|{_NAME})\.(?P<table>\*|{_NAME}) TO ", re.IGNORECASE | re.DOTALL)
_COLUMNS = re.compile(r"\([^)]*\)")
_WRITING = ("ALL PRIVILEGES", "INSERT", "UPDATE", "DELETE", "TRIGGER", "ALTER", "CREATE", "DROP", "SUPER", "FILE")


def excess(grants: Iterable[str], table: str) -> tuple[str, ...]:
    """Return the rights to change a table, or more than that, which any of these grants; `table` is its quoted, qualified name."""
    names = [_plain(name) for name in re.findall(_NAME, table)]
    database, name = names[-2:] if len(names) > 1 else ("", names[-1])
    found: set[str] = set()
    for text in grants:
        grant = _GRANT.match(text)
        if grant is None or not (_is_database(grant["database"], database) and grant["table"] in {"*", _quoted(name)}):
            continue
        found |= {right.strip().upper() for right in _COLUMNS.sub("", grant["rights"]).split(",")}
    return tuple(right for right in _WRITING if right in found)


def _is_database(granted: str, database: str) -> bool:
    """Whether a grant is for a database: the name of one is a pattern of LIKE, with its escapes."""
    if granted == "*":
        return True
    parts = re.findall(r"\\.|[^\\]", _plain(granted), re.DOTALL)
    pattern = "".join({"%": ".*", "_": "."}.get(part, re.escape(part[-1])) for part in parts)
    return re.fullmatch(pattern, database, re.DOTALL | re.IGNORECASE) is not None


def _plain(name: str) -> str:
    return name[1:-1].replace("``", "`")


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
