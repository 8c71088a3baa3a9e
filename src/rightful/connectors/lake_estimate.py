"""How much subjects have in a lake, without reading their rows.

Footers say how many rows there are, not whose. So the match columns alone are read, in files spread over the whole lake, for as long as
there is time, and what was found is scaled up to the files that were not looked at. A text file is broken off behind a block of it. How
long a row is as a line is measured on the first rows of a few files, whoever's they are; only the average is kept.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence

from rightful.connectors.interface import SUBJECT_COLUMN, Amount, Estimate
from rightful.connectors.lake_files import LakeFile
from rightful.connectors.lake_hunt import Meter
from rightful.connectors.lake_scan import LakeScan, LakeSchema
from rightful.connectors.time_window import Window
from rightful.package.serializer import Serializer
from rightful.subject.model import IdentifiedSubject

_MEASURED_FILES = 4
_MEASURED_ROWS = 50
_GOLDEN = 0.618_033_988_749_895


def sample(
    scan: LakeScan,
    files: Sequence[LakeFile],
    schema: LakeSchema,
    subjects: Sequence[IdentifiedSubject],
    *,
    window: Window,
    limit_s: float,
    now: Callable[[], float] = time.monotonic,
) -> tuple[Estimate, ...]:
    """Return an estimate for each subject; exact where there was time for all files."""
    until = now() + limit_s
    found: Counter[int] = Counter()
    seen: list[LakeFile] = []
    seen_bytes = 0
    is_whole = True
    for file in spread(files):
        if now() >= until:
            is_whole = False
            break
        meter = Meter(lambda: now() >= until)
        for batch in scan.rows([file], schema, subjects, window=window, is_counted=True, meter=meter):
            found.update(batch.column(SUBJECT_COLUMN).to_pylist())
        seen.append(file)
        seen_bytes += meter.read_bytes if meter.is_cut else file.size_bytes
        is_whole = is_whole and not meter.is_cut
    if not seen_bytes:
        return (Estimate(),) * len(subjects)
    scale = sum(file.size_bytes for file in files) / seen_bytes
    row_bytes = _row_bytes(scan, seen[:_MEASURED_FILES], schema) if found else 0.0
    counts = [found[index] if is_whole else round(found[index] * scale) for index in range(len(subjects))]
    return tuple(
        Estimate(rows=Amount(count, is_exact=is_whole), size_bytes=Amount(round(count * row_bytes), is_exact=is_whole and not count))
        for count in counts
    )


def spread(files: Sequence[LakeFile]) -> list[LakeFile]:
    """Return the files in an order of which every beginning is spread evenly over the whole: a lake is mostly ordered by time."""
    return [files[number] for number in sorted(range(len(files)), key=lambda number: number * _GOLDEN % 1.0)]


def _row_bytes(scan: LakeScan, files: Sequence[LakeFile], schema: LakeSchema) -> float:
    serializer = Serializer(schema.columns)
    rows = size = 0
    for file in files:
        for batch in scan.head(file, schema, _MEASURED_ROWS):
            rows += batch.num_rows
            size += len(serializer.lines(batch))
    return size / max(1, rows)
