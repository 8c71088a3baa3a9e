"""A spreadsheet opens our CSV and runs nothing of it, whichever separator it takes it to have."""

import csv
import io
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pyarrow as pa
import pytest

from rightful.package.forms import Form, write
from rightful.package.schema import Column, ColumnKind
from rightful.package.serializer import Serializer

TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
SEPARATORS = {"comma": 44, "semicolon": 59, "tab": 9, "bar": 124}

FORMULAS = ["=1+1", "+1+1", "-1+1", "@SUM(1;1)", '=HYPERLINK("http://x.example";"y")', "=cmd|' /C calc'!A0", '=DDE("a";"b";"c")']
HOSTILE = [
    f"{before}{formula}"
    for formula in FORMULAS
    for before in (
        "",
        " ",
        "  ",
        "\t",
        "\n",
        "\r\n",
        "a;",
        "a;;",
        "a\t",
        "a|",
        "a\n",
        "a,",
        '"',
        '";"',
        'a"',
        '"\n',
        "x\n;",
        "\u00a0",
        "a; ",
        "''",
        "'\t",
    )
]
PLAIN = ["Anna", "O'Hara", "a; b", "x -1", "1-1", "äöü 日本語", "mail@contoso.example", "2026-01-02", "'quoted'", "two\nlines"]


def opened(folder: Path, content: bytes, separator: int) -> ET.Element:
    """What LibreOffice makes of a file."""
    (folder / "part.csv").write_bytes(content)
    subprocess.run(
        ["soffice", f"-env:UserInstallation=file://{folder}/profile", "--headless", f"--infilter=CSV:{separator},34,76,1",
         "--convert-to", "fods", "--outdir", str(folder), str(folder / "part.csv")],
        check=True, capture_output=True, timeout=100,
    )  # fmt: skip
    return ET.parse(folder / "part.fods").getroot()


def formulas(document: ET.Element) -> list[str]:
    return [formula for cell in document.iter(f"{TABLE}table-cell") if (formula := cell.get(f"{TABLE}formula"))]


def rows(*texts: str) -> bytes:
    columns = [
        Column(name="id", kind=ColumnKind.INT),
        Column(name="=title", kind=ColumnKind.TEXT),
        Column(name="sum", kind=ColumnKind.DECIMAL),
    ]
    arrays = [pa.array(range(len(texts))), pa.array(texts), pa.array([f"-{number}.50" for number in range(len(texts))])]
    lines = Serializer(columns).lines(pa.RecordBatch.from_arrays(arrays, [column.name for column in columns]))
    return b"".join(write(Form.CSV, columns, [lines]))


@pytest.mark.parametrize("separator", SEPARATORS.values(), ids=SEPARATORS)
def test_nothing_is_a_formula(tmp_path: Path, separator: int) -> None:
    assert formulas(opened(tmp_path, rows(*HOSTILE, *PLAIN), separator)) == []


def test_the_same_texts_would_be_formulas(tmp_path: Path) -> None:
    raw = io.StringIO(newline="")
    csv.writer(raw).writerows([[text] for text in HOSTILE])

    found = formulas(opened(tmp_path, raw.getvalue().encode(), SEPARATORS["comma"]))

    assert len(found) >= 4, "LibreOffice takes those that begin with = alone; Excel does more"


def test_numbers_are_numbers_and_plain_texts_stand_as_they_are(tmp_path: Path) -> None:
    document = opened(tmp_path, rows(*PLAIN), SEPARATORS["comma"])

    found = [
        [" ".join("".join(text.itertext()) for text in cell.iter(f"{TEXT}p")) for cell in row.iter(f"{TABLE}table-cell")]
        for row in document.iter(f"{TABLE}table-row")
    ]
    values = [
        cell.get("{urn:oasis:names:tc:opendocument:xmlns:office:1.0}value") for row in document.iter(f"{TABLE}table-row") for cell in row
    ]
    assert [row[1] for row in found[1 : len(PLAIN) + 1]] == [text.replace("\n", " ") for text in PLAIN]
    assert "-3.5" in values
