"""The cases `files` and `big`: a folder to a blob service that keeps nothing, beside azcopy and rclone, in turn."""

import json
import os
import shutil
import sqlite3
import statistics
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from benchmarks.beside import serving
from benchmarks.cluster import CACHE, Cluster
from benchmarks.figures import Figure, median_of, spread
from benchmarks.rivals import Run, rivals
from benchmarks.service import Connection, Service

FILES, FILE_BYTES, FILES_A_FOLDER = 20_000, 10 << 10, 100
BIG_FILES, BIG_BYTES = 20, 4 << 30
_OURS, UPN, _WARM = "ours", "ann@contoso.example", "bob@contoso.example"
_MIB, _GIB = 1 << 20, 1 << 30
_SAS = "sv=2024-11-04&sr=c&sp=racwl&se=2099-01-01T00%3A00%3A00Z&sig=c2lnbmF0dXJlLW9mLXRoZS1iZW5jaG1hcms%3D"
_AIMS = {"azcopy": 1.5, "rclone": 3.0}
"""How many times as many files a second."""
_MOST_CPU_S, _MOST_MIB = 2.0, 200.0
_PAUSE_S = 0.1

_Turns = Mapping[str, Sequence[Run]]
"""The runs of each program, in turn with those of the others."""


def files(cluster: Cluster, runs: int) -> list[Figure]:
    """Time 20,000 files of 10 KiB: ours from submit to complete, the others' from start to end of their process."""
    number = max(200, int(FILES * cluster.scale))
    turns = _measure(made(number, FILE_BYTES), number, number * FILE_BYTES, runs)
    case = f"{number:,} files of 10 KiB"
    rates = {name: [number / run.wall_s for run in taken] for name, taken in turns.items()}
    own = rates.pop(_OURS)
    multiples = [
        Figure(
            case=case,
            name=f"files a second, as a multiple of {name.split()[0]}'s",
            value=statistics.median(shares),
            unit="",
            target=_AIMS[name.split()[0]],
            is_less_better=False,
            rival=f"{name}, no SHA-256: {spread(theirs, 'a second')}",
            runs=shares,
        )
        for name, theirs in rates.items()
        for shares in [tuple(ours / other for ours, other in zip(own, theirs, strict=True))]
    ]
    cpu = _compared(turns, case, "CPU of a file, SHA-256 included", lambda run: 1e6 * run.cpu_s / number, "µs")
    return [median_of(case, "files a second", own, ""), *multiples, cpu, _memory(turns, case)]


def big(cluster: Cluster, runs: int) -> list[Figure]:
    """Time 4 GiB in 20 files."""
    size = max(_MIB, int(BIG_BYTES * cluster.scale) // BIG_FILES)
    gib = BIG_FILES * size / _GIB
    turns = _measure(made(BIG_FILES, size), BIG_FILES, BIG_FILES * size, runs)
    case = f"{gib:.3g} GiB in {BIG_FILES} files"
    return [
        _compared(turns, case, "CPU of a GiB, SHA-256 included", lambda run: run.cpu_s / gib, "s", target=_MOST_CPU_S),
        _compared(turns, case, "submit to complete", lambda run: run.wall_s, "s"),
        _memory(turns, case, target=_MOST_MIB),
    ]


def _compared(turns: _Turns, case: str, name: str, figure: Callable[[Run], float], unit: str, *, target: float | None = None) -> Figure:
    others = [f"{who} {spread([figure(run) for run in taken], unit)}" for who, taken in turns.items() if who != _OURS]
    return median_of(case, name, [figure(run) for run in turns[_OURS]], unit, target=target, rival="; ".join(others))


def _memory(turns: _Turns, case: str, *, target: float | None = None) -> Figure:
    peaks = {who: max(run.peak_rss_mib for run in taken) for who, taken in turns.items()}
    others = "; ".join(f"{who} {peak:.0f} MiB" for who, peak in peaks.items() if who != _OURS)
    return Figure(case=case, name="peak memory of the service", value=peaks[_OURS], unit="MiB", target=target, rival=others)


def _measure(root: Path, number: int, size_bytes: int, runs: int) -> _Turns:
    """Copy the same folder with each in turn, each time to a container of its own."""
    others = rivals()
    turns: dict[str, list[Run]] = {_OURS: [], **{rival.name: [] for rival in others}}
    with serving("benchmarks.sink") as sink, Service(_tenant(root, sink.address)) as service:
        connection = service.connect()
        connection.follow(connection.submit(_WARM, f"{sink.address}/account/warm?{_SAS}"))
        for turn in range(runs):
            before = _counts(sink.address)
            turns[_OURS].append(_ours(service, connection, f"{sink.address}/account/ours-{turn}?{_SAS}"))
            for rival in others:
                _expect(sink.address, before, number, size_bytes)
                before = _counts(sink.address)
                container = f"{rival.name.split()[0]}-{turn}"
                turns[rival.name].append(rival.copy(root / "people" / UPN, f"{sink.address}/account/{container}?{_SAS}"))
            _expect(sink.address, before, number, size_bytes)
        connection.close()
    return turns


def _ours(service: Service, connection: Connection, url: str) -> Run:
    spent, began = service.cpu_s(), time.perf_counter()
    connection.follow(connection.submit(UPN, url), pause_s=_PAUSE_S)
    wall_s = time.perf_counter() - began
    return Run(wall_s=wall_s, cpu_s=service.cpu_s() - spent, peak_rss_mib=service.peak_rss_mib())


def _counts(sink: str) -> tuple[int, int]:
    with urllib.request.urlopen(f"{sink}/counts", timeout=10) as answer:
        found = json.load(answer)
    return found["blobs"], found["bytes"]


def _expect(sink: str, before: tuple[int, int], number: int, size_bytes: int) -> None:
    """Refuse to compare with who copied less; ours has a package's own files besides."""
    blobs, written = (now - then for now, then in zip(_counts(sink), before, strict=True))
    if blobs < number or written < size_bytes:
        raise RuntimeError(f"{blobs:,} files of {written:,} bytes arrived, not {number:,} of {size_bytes:,}")


def made(number: int, size_bytes: int) -> Path:
    """Make a person's files, and a folder of somebody else's to warm up with, once."""
    root = CACHE / f"files-{number}-{size_bytes}"
    if root.exists():
        return root
    half = root.with_suffix(".half")
    shutil.rmtree(half, ignore_errors=True)
    block = os.urandom(_MIB)
    for place in range(number):
        path = half / "people" / UPN / f"folder-{place // FILES_A_FOLDER:04d}" / f"file-{place:06d}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            for start in range(0, size_bytes, _MIB):
                file.write(place.to_bytes(8, "big") + block[: min(_MIB, size_bytes - start) - 8])
    (half / "people" / _WARM).mkdir()
    (half / "people" / _WARM / "one.txt").write_text("one", encoding="ascii")
    people(half)
    half.rename(root)
    return root


def people(root: Path) -> None:
    """Write down whose files they are."""
    with closing(sqlite3.connect(root / "people.db")) as database:
        database.execute("CREATE TABLE people (id TEXT PRIMARY KEY, upn TEXT UNIQUE)")
        database.executemany("INSERT INTO people VALUES (?, ?)", [("1", UPN), ("2", _WARM)])
        database.commit()


def _tenant(root: Path, sink: str) -> dict[str, object]:
    return {
        "storage": {"allow": [sink.removeprefix("http://")]},
        "directory": {"connector": "sql", "url": f"sqlite:///{root}/people.db", "table": "people", "id": "id", "upn": "upn"},
        "sources": {"files": {"connector": "files", "url": f"file://{root}/people", "path": "{upn}/"}},
    }
