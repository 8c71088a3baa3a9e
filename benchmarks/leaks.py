"""The case `leak`: what looking for other people's names costs an export of 500,001 rows."""

import statistics
from typing import Literal

from benchmarks.cluster import Cluster
from benchmarks.figures import Figure, spread
from benchmarks.service import Service, subjects_config

SMALL, LARGE, ROWS = "ghost@example.com", "large@example.com", 500_001

_Mode = Literal["off", "sample", "full"]
_MODES: tuple[_Mode, ...] = ("off", "sample", "full")


def leaks(cluster: Cluster, runs: int) -> list[Figure]:
    """Export the same person with `leak_check` off, sample and full, in turn, each by a service of its own."""
    costs = {mode: [0.0] * runs for mode in _MODES}
    config = subjects_config(cluster.url)
    with (
        Service({**config, "export": {"leak_check": "off"}}) as off,
        Service({**config, "export": {"leak_check": "sample"}}) as sample,
        Service({**config, "export": {"leak_check": "full"}}) as full,
    ):
        services = dict(zip(_MODES, (off, sample, full), strict=True))
        for service in services.values():
            _cost(service, SMALL, 1)  # lists the directory, too
        for turn in range(runs):
            for mode, service in services.items():
                costs[mode][turn] = _cost(service, LARGE, ROWS)
    rival = f"the whole export without it: {spread(costs['off'], 's')}"
    figures = []
    for mode in _MODES[1:]:
        more = [with_it - without for with_it, without in zip(costs[mode], costs["off"], strict=True)]
        figures.append(
            Figure(
                case=f"{ROWS:,} rows, leak_check: {mode}",
                name="CPU of the check",
                value=statistics.median(more),
                unit="s",
                rival=rival,
                runs=tuple(more),
            )
        )
    return figures


def _cost(service: Service, mail: str, rows: int) -> float:
    connection = service.connect()
    spent = service.cpu_s()
    operation = connection.follow(connection.submit(mail), pause_s=0.02)
    cost = service.cpu_s() - spent
    connection.close()
    found = sum(source["rows"] for source in operation["sources"])
    if found != rows:
        raise RuntimeError(f"the package holds {found} rows, not {rows}")
    return cost
