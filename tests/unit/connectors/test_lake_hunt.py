"""Whose each row of a lake is, where a value belongs to very many."""

import subprocess
import sys

import polars as pl

from rightful.connectors.interface import SUBJECT_COLUMN
from rightful.connectors.lake_hunt import Hunt, owners_of

_TYPES = {"card": pl.String(), "device": pl.Int64(), "n": pl.Int64()}


def _hunt(sharing: int) -> Hunt:
    """Look for so many subjects, who all have one card, and each a device of its own."""
    cards = owners_of({"shared": list(range(sharing)), "own": [0]}, pl.String())
    devices = owners_of({str(subject): [subject] for subject in range(sharing)}, pl.Int64())
    return Hunt(
        types=_TYPES,
        lake=_TYPES,
        output={name: name for name in _TYPES},
        owners={"card": cards, "device": devices},
        constants={},
        count=sharing,
    )


def _rows(count: int) -> pl.DataFrame:
    numbers = pl.Series("n", range(count), dtype=pl.Int64)
    cards = (["shared", "own", None, "other"] * count)[:count]
    return pl.DataFrame([pl.Series("card", cards, dtype=pl.String), numbers.alias("device"), numbers])


def test_each_row_goes_once_to_each_of_very_many_in_order() -> None:
    sharing, count = 5000, 400
    found = pl.concat(list(_hunt(sharing).attributed(_rows(count))))
    expected = []
    for row in range(count):
        if row % 4 == 0:
            expected += [(row, subject) for subject in range(sharing)]
        elif row % 4 == 1:
            expected += [(row, 0), (row, row)]
        else:
            expected.append((row, row))
    assert list(zip(found["n"].to_list(), found[SUBJECT_COLUMN].to_list(), strict=True)) == expected


_MEASURED = """
import resource
from tests.unit.connectors.test_lake_hunt import _hunt, _rows
hunt, rows = _hunt(5000), _rows(16000)
sum(part.height for part in _hunt(5000).attributed(_rows(100)))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
most = max(part.height for part in hunt.attributed(rows))
print(most <= rows.height, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_memory_does_not_grow_with_how_many_share_a_value() -> None:
    run = subprocess.run([sys.executable, "-c", _MEASURED], capture_output=True, text=True, timeout=300, check=True)
    is_bounded, grown_mib = run.stdout.split()
    assert is_bounded == "True"
    assert int(grown_mib) < 250, "20 million pairs"
