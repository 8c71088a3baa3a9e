"""The case `linear`: what more people, and more rows of one person, cost in time and in memory, drawn as curves."""

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psycopg

from benchmarks import plot, queues
from benchmarks.cluster import CACHE, Cluster
from benchmarks.figures import Figure
from benchmarks.service import Service

PLOT = CACHE / "linear.svg"
PEOPLE = (1, 10, 100, 1_000, 10_000)
ROWS = (10_000, 100_000, 1_000_000, 10_000_000)
_STRAIGHT = 1.2
"""The most that one costs among ten times as many, as a multiple of what it costs among the fewer."""
_WARM = 1
_MAKE = """
CREATE TABLE IF NOT EXISTS growth_people (id text PRIMARY KEY, upn text NOT NULL UNIQUE);
INSERT INTO growth_people VALUES ('{rows}', 'rows{rows}@example.com');
CREATE UNLOGGED TABLE growth_{rows} (id bigint, owner text NOT NULL, at timestamptz NOT NULL, kind text NOT NULL,
  amount numeric(10,2) NOT NULL, is_paid boolean NOT NULL, note text);
INSERT INTO growth_{rows}
SELECT n, '{rows}', timestamptz '2020-01-01 00:00Z' + n * interval '1 second', (ARRAY['view', 'order', 'return'])[n % 3 + 1],
  (n % 100000) / 100.0, n % 2 = 0, CASE WHEN n % 4 = 0 THEN 'Note ' || n || ': "said so", on the phone' END
FROM generate_series(1, {rows}) n;
ALTER TABLE growth_{rows} ADD PRIMARY KEY (id);
CREATE INDEX ON growth_{rows} (owner, id);
ANALYZE growth_{rows};
"""
"""A table for each: in one of few owners PostgreSQL would rightly scan everybody's rows for the least of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """So much work, and what it cost."""

    amount: int
    seconds: float
    cpu_s: float
    peak_rss_mib: float


def linear(cluster: Cluster, runs: int) -> list[Figure]:
    """Export 1 to 10,000 people, then one person of 10⁴ to 10⁷ rows, each with a service of its own; draws `.cache/linear.svg`."""
    del runs  # once each: a curve has many points
    people = [_people(cluster, most) for most in PEOPLE if most <= max(10, PEOPLE[-1] * cluster.scale)]
    amounts = [most for most in ROWS if most <= max(ROWS[1], ROWS[-1] * cluster.scale)]
    _make(cluster, amounts)
    rows = [_rows(cluster, most) for most in amounts]
    PLOT.write_text(
        plot.draw(
            [
                plot.Panel("people of 51 rows, asked for at once", [_dot(point) for point in people]),
                plot.Panel("rows of one person", [_dot(point) for point in rows]),
            ]
        ),
        encoding="utf-8",
    )
    print(f"drew {PLOT}", file=sys.stderr)
    return [*_figures("people", "person", people), *_figures("rows of one person", "row", rows)]


def _dot(point: Point) -> plot.Dot:
    return plot.Dot(point.amount, point.seconds, point.peak_rss_mib)


def _figures(name: str, one: str, points: Sequence[Point]) -> Iterator[Figure]:
    fewer, most = points[-2:]
    case = f"{most.amount:,} {name}, beside {fewer.amount:,}"
    for what, spent in (("CPU", [point.cpu_s for point in (fewer, most)]), ("time", [point.seconds for point in (fewer, most)])):
        share = (spent[1] / most.amount) / (spent[0] / fewer.amount)
        yield Figure(case=case, name=f"{what} of a {one}, as a multiple", value=share, unit="", target=_STRAIGHT if what == "CPU" else None)
    yield Figure(
        case=case, name="peak memory", value=most.peak_rss_mib, unit="MiB", rival=f"of {fewer.amount:,}: {fewer.peak_rss_mib:.0f} MiB"
    )


def _people(cluster: Cluster, number: int) -> Point:
    took = queues.export(cluster, number)
    return Point(amount=number, seconds=took.seconds, cpu_s=took.cpu_s, peak_rss_mib=took.peak_rss_mib)


def _rows(cluster: Cluster, number: int) -> Point:
    with Service(_tenant(cluster.url, number)) as service:
        connection = service.connect()
        connection.follow(connection.submit(_upn(_WARM)))
        before, began = service.cpu_s(), time.perf_counter()
        operation = connection.follow(connection.submit(_upn(number)), pause_s=0.02)
        seconds = time.perf_counter() - began
        point = Point(amount=number, seconds=seconds, cpu_s=service.cpu_s() - before, peak_rss_mib=service.peak_rss_mib())
        connection.close()
    if (found := sum(source["rows"] for source in operation["sources"])) != number:
        raise RuntimeError(f"the package holds {found} rows, not {number}")
    return point


def _upn(rows: int) -> str:
    return f"rows{rows}@example.com"


def _make(cluster: Cluster, amounts: Sequence[int]) -> None:
    """Make those people of so many rows that are not there yet; the cluster is kept."""
    with psycopg.connect(cluster.url, autocommit=True) as connection:
        for number in (_WARM, *amounts):
            if connection.execute("SELECT to_regclass(%s)", [f"growth_{number}"]).fetchone() == (None,):
                print(f"making a person of {number:,} rows (once) …", file=sys.stderr)
                connection.execute(_MAKE.format(rows=number))


def _tenant(url: str, rows: int) -> dict[str, object]:
    return {
        "directory": {"connector": "sql", "url": url, "table": "growth_people", "id": "id", "upn": "upn"},
        "sources": {"growth": {"connector": "sql", "url": url, "table": f"growth_{rows}", "match": {"owner": "id"}, "key": "id"}},
    }
