"""How near a preview comes to the export that follows."""

import statistics
import time

from benchmarks.cluster import Cluster
from benchmarks.figures import Figure, median_of
from benchmarks.service import Connection, Service, subjects_config

PEOPLE = {"user4242@example.com": 51, "medium@example.com": 10_001, "large@example.com": 500_001, "ghost@example.com": 1}


def estimates(cluster: Cluster, runs: int) -> list[Figure]:
    """Preview people of all sizes, export them, and compare: by person, the largest error counts."""
    walls: list[float] = []
    rows: list[float] = []
    sizes: list[float] = []
    with Service(subjects_config(cluster.url)) as service:
        connection = service.connect()
        for mail, expected in PEOPLE.items():
            said = _preview(connection, mail, runs, walls)
            sources = connection.follow(connection.submit(mail))["sources"]
            found = sum(source["rows"] for source in sources)
            if found != expected:
                raise RuntimeError(f"{found} rows were exported, not {expected}")
            rows.append(100 * abs(said["rows"] - found) / found)
            sizes.append(100 * abs(said["bytes"] / sum(source["bytes"] for source in sources) - 1))
        connection.close()
    return [
        Figure(case="preview", name="rows, largest error", value=max(rows), unit="%", target=20, runs=tuple(rows)),
        Figure(case="preview", name="bytes, largest error", value=max(sizes), unit="%", target=20, runs=tuple(sizes)),
        median_of("preview", "answered in", walls, "ms", rival=f"slowest {max(walls):.0f} ms, mean {statistics.mean(walls):.0f} ms"),
    ]


def _preview(connection: Connection, mail: str, runs: int, walls: list[float]) -> dict[str, float]:
    said: dict[str, float] = {}
    for _ in range(runs):
        began = time.perf_counter()
        said = dict(connection.preview(mail))
        walls.append(1000 * (time.perf_counter() - began))
    return said
