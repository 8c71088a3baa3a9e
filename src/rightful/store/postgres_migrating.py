"""The schema in a PostgreSQL database, brought up to date while versions of Rightful that differ by a little run beside each other.

Scripts come in steps; a step has a script `pre`, a script `post`, or both. `pre` adds what new code needs and old code can live with: it
runs before new code does. `post` takes away what only old code needs, or narrows it: it runs once no old code is connected. Code of step N
therefore works on a database that has all `pre` up to N, whatever later `pre` there are, and no `post` later than N.
"""

import re
from collections.abc import Sequence
from importlib.resources import files

import msgspec

from rightful.errors import ConfigurationError
from rightful.store.postgres_connection import APPLICATION, SCHEMA, PostgresConnection

_NAME = re.compile(r"(\d{4})_(pre|post)_\w+\.sql")
_LOCK = "hashtextextended('rightful.migrations', 0)"


class Script(msgspec.Struct, frozen=True, order=True):
    """One half of a step."""

    step: int
    is_post: bool
    text: str


def scripts() -> tuple[Script, ...]:
    """Return the scripts of this version, in their order."""
    folder = files("rightful.store").joinpath("migrations/postgres")
    found = [(match, path) for path in folder.iterdir() if (match := _NAME.fullmatch(path.name))]
    return tuple(sorted(Script(int(match[1]), match[2] == "post", path.read_text("utf-8")) for match, path in found))


def application(steps: Sequence[Script]) -> str:
    """Return the name by which connections of code that knows these scripts say so."""
    return f"{APPLICATION} {steps[-1].step}"


def migrate(connection: PostgresConnection, known: Sequence[Script]) -> None:
    """Bring the schema up to date, each script in a transaction of its own; one after the other where several processes begin at once.

    Raises `ConfigurationError` where a later version has taken away what this one needs; that database is left as it is.
    """
    connection.run(f"SELECT pg_advisory_lock({_LOCK})")
    try:
        if not connection.rows("SELECT 1 FROM pg_namespace WHERE nspname = :name", {"name": SCHEMA}):
            connection.script(f"CREATE SCHEMA {SCHEMA}")
        connection.script(
            "CREATE TABLE IF NOT EXISTS schema_step (step BIGINT NOT NULL, is_post BIGINT NOT NULL, "
            "applied_at TIMESTAMPTZ NOT NULL DEFAULT now(), PRIMARY KEY (step, is_post))"
        )
        applied = {(row["step"], bool(row["is_post"])) for row in connection.rows("SELECT step, is_post FROM schema_step")}
        check_age(applied, known)
        for script in known:
            if (script.step, script.is_post) in applied:
                continue
            if script.is_post and _is_old_code_connected(connection, script.step):
                break  # and nothing after it: the next start looks again
            connection.script(
                f"BEGIN; {script.text};\nINSERT INTO schema_step (step, is_post) VALUES ({script.step}, {int(script.is_post)}); COMMIT"
            )
    finally:
        if connection.is_usable:
            if connection.is_in_transaction:
                connection.script("ROLLBACK")
            connection.run(f"SELECT pg_advisory_unlock({_LOCK})")


def check_age(applied: set[tuple[int, bool]], known: Sequence[Script]) -> None:
    """Refuse a database that a later version has changed so that this one cannot work on it."""
    newest = max((step for step, is_post in applied if is_post), default=0)
    if newest > known[-1].step:
        raise ConfigurationError(
            "the store's database was changed by a newer version of Rightful, which left nothing of what this one needs",
            hint="install that version again; to go back, restore a backup that was made before it ran",
        )


def _is_old_code_connected(connection: PostgresConnection, step: int) -> bool:
    found = connection.rows(
        "SELECT application_name AS name FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE :like",
        {"like": f"{APPLICATION} %"},
    )
    names = [row["name"].removeprefix(f"{APPLICATION} ") for row in found]
    return any(name.isdecimal() and int(name) < step for name in names)
