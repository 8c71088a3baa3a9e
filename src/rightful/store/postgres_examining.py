"""What a store in PostgreSQL is like: read as it lies there at one moment, while a service works on it or not. Nothing is changed."""

from collections.abc import Iterator, Sequence

from rightful.errors import ConfigurationError
from rightful.store.agreeing import AGREE, told
from rightful.store.connection import Row
from rightful.store.postgres_connection import SCHEMA, PostgresConnection
from rightful.store.postgres_migrating import Script, check_age
from rightful.store.values import StoreCheck

_REPORT = "report it: this is a fault of Rightful; `pg_dump -n rightful` keeps the store as it is"
_RESTORE = "look at what the server's administrators did to the tables; else restore a backup"
_UNFORCED = """
SELECT c.relname AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = to_regnamespace(:schema) AND c.relkind = 'r' AND a.attname IN ('tenant_id', 'operation_id') AND NOT a.attisdropped
  AND NOT (c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid))
ORDER BY 1
"""
_LEASES = """
SELECT (SELECT count(*) FROM read WHERE state = 'leased') + (SELECT count(*) FROM operation WHERE owner IS NOT NULL) AS held,
  (SELECT count(DISTINCT owner) FROM read WHERE state = 'leased') AS owners
"""


def examine(connection: PostgresConnection, known: Sequence[Script], *, is_led: bool) -> Iterator[StoreCheck]:
    """Yield what is found, the most basic first; what rests on something that is broken is left out."""
    if not connection.rows("SELECT 1 WHERE to_regclass(:table) IS NOT NULL", {"table": f"{SCHEMA}.schema_step"}):
        yield StoreCheck(name="schema", ok=False, detail="there is no store", hint="has the service run with this configuration?")
        return
    connection.script("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    applied = {(row["step"], bool(row["is_post"])) for row in connection.rows("SELECT step, is_post FROM schema_step")}
    try:
        check_age(applied, known)
    except ConfigurationError as error:
        yield StoreCheck(name="schema", ok=False, detail=error.message, hint=error.hint)
        return
    later = [script for script in known if (script.step, script.is_post) not in applied]
    newest = max(step for step, _ in applied)
    yield StoreCheck(name="schema", ok=True, detail=f"step {newest}" + (f"; {len(later)} scripts run at the next start" if later else ""))
    yield _rules(connection.rows(_UNFORCED, {"schema": SCHEMA}))
    if any(not script.is_post for script in later):
        return
    for each in AGREE:
        yield told(each, [str(next(iter(row.values()))) for row in connection.rows(each.query)], _REPORT)
    (row,) = connection.rows(_LEASES)
    yield _leases(row, is_led=is_led)


def _rules(found: Sequence[Row]) -> StoreCheck:
    names = ", ".join(row["name"] for row in found)
    detail = f"do not hold for {names}" if names else "hold for every table"
    return StoreCheck(name="rules of rows", ok=not names, detail=detail, hint=_RESTORE if names else "")


def _leases(row: Row, *, is_led: bool) -> StoreCheck:
    if not is_led:
        detail = f"{row['held']} were left by a service that is gone; the next one takes them up" if row["held"] else "none is held"
        return StoreCheck(name="leases", ok=True, detail=detail)
    is_one = row["owners"] <= 1
    detail = f"{row['held']} held by the service" if is_one else f"held by {row['owners']} services"
    return StoreCheck(name="leases", ok=is_one, detail=detail, hint="" if is_one else _REPORT)
