"""The cases `verify` and `zip`: packages checked beside bare SHA-256 of the same bytes, and made as a folder and as a ZIP file."""

import hashlib
import http.client
import json
import os
import random
import shutil
import statistics
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from benchmarks.beside import serving
from benchmarks.blobs import UPN, made, people
from benchmarks.cluster import CACHE, Cluster
from benchmarks.figures import Figure, median_of, spread
from benchmarks.service import ACCOUNT, Service
from rightful.cli.verify import open_package
from rightful.package.readers import PackageReader
from rightful.package.verify import PackageState, verify

FILES, FILE_BYTES = 2_048, 256 << 10
ZIPPED_BYTES = 1 << 30
SHARE = 0.8
"""Of the speed of SHA-256 alone, at least."""
_MIB, _GIB = 1 << 20, 1 << 30
_SAS = "sv=2024-11-04&sr=c&sp=rl&se=2099-01-01T00%3A00%3A00Z&sig=c2lnbmF0dXJlLW9mLXRoZS1iZW5jaG1hcms%3D"

_Layout = Literal["folder", "zip"]


def checks(cluster: Cluster, runs: int) -> list[Figure]:
    """Check packages of 512 MiB in 2,048 files that do not get smaller: where they lie here, and in a container on this machine."""
    number = max(16, int(FILES * min(1.0, cluster.scale)))
    root = _packages(made(number, FILE_BYTES), number)
    folder, [packed] = root / "folder", (root / "zip").glob("*.zip")
    in_folder = sorted(path for path in folder.rglob("*") if path.is_file())
    figures: list[Figure] = []
    with serving("benchmarks.shelf", root) as shelf:
        sas = f"{shelf.address}/account/container?{_SAS}"
        fetch = partial(_fetch, shelf.address, root)
        for what, files, alone, opened in (
            ("a folder", in_folder, _hash, lambda: open_package(str(folder), "")),
            ("a ZIP file", [packed], _hash, lambda: open_package(str(packed), "")),
            ("a folder in a container", in_folder, fetch, lambda: open_package(sas, "folder")),
            ("a ZIP file in a container", [packed], fetch, lambda: open_package(sas, f"zip/{packed.name}")),
        ):
            than = "hashlib over the same bytes" if alone is _hash else "http.client and hashlib over the same bytes, one connection"
            size_mib = sum(path.stat().st_size for path in files) / _MIB
            figures += _compared(f"{what}, {size_mib:,.0f} MiB", than, partial(alone, files), opened, runs)
    return figures


def _compared(
    case: str, than: str, alone: Callable[[], None], opened: Callable[[], AbstractContextManager[PackageReader]], runs: int
) -> list[Figure]:
    """Hash the files and check the package, in turn."""
    alone()  # what is read first comes from a disk
    pairs = [(_timed(alone), _timed(lambda: _check(opened))) for _ in range(runs)]
    figures = []
    for place, name in enumerate(("CPU time", "wall time")):
        bare, ours = [theirs[place] for theirs, _ in pairs], [own[place] for _, own in pairs]
        shares = tuple(one / other for one, other in zip(bare, ours, strict=True))
        figures.append(
            Figure(
                case=f"check of {case}",
                name=f"speed, as a share of SHA-256 alone, by {name}",
                value=statistics.median(shares),
                unit="",
                target=SHARE,
                is_less_better=False,
                rival=f"{than}: {spread(bare, 's')}; ours {spread(ours, 's')}",
                runs=shares,
            )
        )
    return figures


def _fetch(address: str, root: Path, files: Iterable[Path]) -> None:
    connection = http.client.HTTPConnection(address.removeprefix("http://"))
    for path in files:
        connection.request("GET", quote(f"/account/container/{path.relative_to(root).as_posix()}"))
        answer, digest = connection.getresponse(), hashlib.sha256()
        while chunk := answer.read(_MIB):
            digest.update(chunk)
    connection.close()


def _hash(files: Iterable[Path]) -> None:
    for path in files:
        digest = hashlib.sha256()
        with path.open("rb", buffering=0) as file:
            while chunk := file.read(_MIB):
                digest.update(chunk)


def _check(opened: Callable[[], AbstractContextManager[PackageReader]]) -> None:
    with opened() as reader:
        found = verify(reader)
    if found.state is not PackageState.WHOLE:
        raise RuntimeError(f"the package is {found.state.value}: {found.findings[:3]}")


def _timed(work: Callable[[], None]) -> tuple[float, float]:
    """Return the seconds of CPU and of wall time."""
    spent, began = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - spent, time.perf_counter() - began


def _packages(files: Path, number: int) -> Path:
    """Export a person's files in both layouts, once."""
    root = CACHE / f"packages-{number}"
    if root.exists():
        return root
    half = root.with_suffix(".half")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True)
    layouts: tuple[_Layout, ...] = ("folder", "zip")
    for layout in layouts:
        with Service(_tenant(files, layout)) as service:
            connection = service.connect()
            operation_id = connection.submit(UPN, ACCOUNT)
            connection.follow(operation_id, pause_s=0.05)
            connection.close()
            shutil.copytree(service.folder / "exports" / operation_id, half / layout)
    half.rename(root)
    return root


def zipped(cluster: Cluster, runs: int) -> list[Figure]:
    """Export a file of random bytes and one of JSON lines, as a folder and as a ZIP file, in turn, into a local folder."""
    size = max(_MIB, int(ZIPPED_BYTES * min(1.0, cluster.scale)) // 2)
    root, gib = _random_and_lines(size), 2 * size / _GIB
    costs: dict[_Layout, list[float]] = {"folder": [], "zip": []}
    peaks: dict[_Layout, float] = {}
    with Service(_tenant(root, "folder")) as as_folder, Service(_tenant(root, "zip")) as as_zip:
        services: tuple[tuple[_Layout, Service], ...] = (("folder", as_folder), ("zip", as_zip))
        for turn in range(1 + runs):
            for layout, service in services:
                connection = service.connect()
                spent = service.cpu_s()
                connection.follow(connection.submit(UPN, ACCOUNT), pause_s=0.05)
                if turn:  # the first ones warm everything up
                    costs[layout].append((service.cpu_s() - spent) / gib)
                peaks[layout] = service.peak_rss_mib()
                connection.close()
    case = f"{gib:.3g} GiB, half random bytes, half JSON lines"
    return [
        median_of(case, "CPU of a GiB as one ZIP file", costs["zip"], "s", rival=f"as a folder {spread(costs['folder'], 's')}"),
        Figure(
            case=case, name="peak memory as one ZIP file", value=peaks["zip"], unit="MiB", rival=f"as a folder {peaks['folder']:.0f} MiB"
        ),
    ]


def _random_and_lines(size: int) -> Path:
    """Make a person's two files, once."""
    root = CACHE / f"zipped-{size}"
    if root.exists():
        return root
    half = root.with_suffix(".half")
    shutil.rmtree(half, ignore_errors=True)
    folder = half / "people" / UPN
    folder.mkdir(parents=True)
    chance = random.Random(11)
    lines = "".join(
        json.dumps({"id": number, "at": f"2026-11-{number % 28 + 1:02}T10:00:00Z", "text": chance.randbytes(20).hex(), "user": UPN}) + "\n"
        for number in range(_MIB // 128)
    ).encode()
    with (folder / "random.bin").open("wb") as noise, (folder / "lines.jsonl").open("wb") as text:
        for start in range(0, size, _MIB):
            noise.write(os.urandom(min(_MIB, size - start)))
        for start in range(0, size, len(lines)):
            text.write(lines[: size - start])
    people(half)
    half.rename(root)
    return root


def _tenant(root: Path, layout: _Layout) -> dict[str, object]:
    return {
        "directory": {"connector": "sql", "url": f"sqlite:///{root}/people.db", "table": "people", "id": "id", "upn": "upn"},
        "sources": {"files": {"connector": "files", "url": f"file://{root}/people", "path": "{upn}/"}},
        "export": {"layout": layout},
    }
