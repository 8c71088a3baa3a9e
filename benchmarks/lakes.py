"""The case `lakes`: many people's rows out of a large lake, beside polars collecting the same rows, in turn."""

import json
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks import lake_data
from benchmarks.cluster import Cluster
from benchmarks.figures import Figure, spread

_ROOT = Path(__file__).parent.parent
_PEOPLE = {1: 1.2, 1_000: 1.5, lake_data.MEASURED: 1.5}
"""How many ask together, and the most that reading may take, as a share of what polars takes."""
_WHOLE = 2.0
_MOST_MIB = 400.0
_SHARED = 5.0
_ROWS = 100_000_000


def lakes(cluster: Cluster, runs: int) -> list[Figure]:
    """1, 1,000 and 10,000 people whose exports wait together; `--scale` makes the lake smaller."""
    folder = lake_data.build(int(_ROWS * cluster.scale))
    try:
        return _measure(folder, int(_ROWS * cluster.scale), runs)
    finally:
        # Not before the end: for minutes after thousands of files were deleted, ext4 makes new ones several times slower.
        for run in folder.glob("run-*"):
            shutil.rmtree(run, ignore_errors=True)


def _measure(folder: Path, rows: int, runs: int) -> list[Figure]:
    figures: list[Figure] = []
    read_s: dict[int, float] = {}
    for people, most in _PEOPLE.items():
        pairs = [(_run("polars", folder, people), _run("ours", folder, people)) for _ in range(runs)]
        if any(theirs["rows"] != ours["rows"] for theirs, ours in pairs):
            raise RuntimeError("the packages do not hold the rows that polars found")
        read_s[people] = statistics.median(ours["read_s"] for _, ours in pairs)
        figures += _figures(rows, people, pairs, most)
    ratio = read_s[1_000] / read_s[1]
    case = f"lake of {rows:,} rows"
    return [*figures, Figure(case=case, name="data of 1,000 people, as a share of that of one", value=ratio, unit="", target=_SHARED)]


def _figures(rows: int, people: int, pairs: list[tuple[dict[str, float], dict[str, float]]], most: float) -> list[Figure]:
    ours = pairs[0][1]
    case = f"lake of {rows:,} rows in {lake_data.FILES} files, {people:,} {'person' if people == 1 else 'people'}: {ours['rows']:,} rows"
    rival = f"polars, collecting the same rows: {spread([theirs['read_s'] for theirs, _ in pairs], 's')}"
    memory = max(theirs["peak_rss_mib"] for theirs, _ in pairs)
    shares = {
        name: tuple(ours[key] / theirs["read_s"] for theirs, ours in pairs)
        for name, key in (("data written", "read_s"), ("whole packages", "whole_s"))
    }
    targets = {"data written": most, "whole packages": _WHOLE}
    return [
        *(
            Figure(
                case=case,
                name=f"{name}, as a share of collecting",
                value=statistics.median(share),
                unit="",
                target=targets[name],
                rival=rival,
                runs=share,
            )
            for name, share in shares.items()
        ),
        Figure(
            case=case,
            name="peak memory",
            value=max(ours["peak_rss_mib"] for _, ours in pairs),
            unit="MiB",
            target=_MOST_MIB,
            rival=f"polars {memory:.0f} MiB",
        ),
    ]


def _run(what: str, folder: Path, people: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.lake_process", what, str(folder), str(people)]
    ended = subprocess.run(command, cwd=_ROOT, stdout=subprocess.PIPE, check=True)
    found: dict[str, float] = json.loads(ended.stdout.splitlines()[-1])
    return found
