"""What `rightful preview` shows of a preview."""

import msgspec
import pytest

from rightful.cli.preview import _show
from rightful.cli.wire import PreviewLine, PreviewOf

FILES = PreviewLine(name="onedrive", kinds=("upn",), identifiers=1, files=2, size_bytes=2048, is_exact=True, duration_s=0.1)
TABLE = PreviewLine(name="orders", kinds=("mail",), identifiers=1, rows=40, size_bytes=512, is_exact=True, duration_s=0.1)
MAILBOX = PreviewLine(name="letters", kinds=("mail",), identifiers=1, rows=5, files=5, size_bytes=1024, is_exact=True, duration_s=0.1)


def shown(capsys: pytest.CaptureFixture[str], *sources: PreviewLine, is_exact: bool = True) -> list[str]:
    """Return the lines of a preview of some sources."""
    found = PreviewOf(
        subject_id="s",
        rows=sum(source.rows or 0 for source in sources),
        files=sum(source.files or 0 for source in sources),
        size_bytes=sum(source.size_bytes or 0 for source in sources),
        is_exact=is_exact,
        duration_s=sum(source.duration_s or 0 for source in sources),
        sources=sources,
    )
    _show(found)
    return capsys.readouterr().out.splitlines()


def test_sums_of_what_is_known_are_said_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, FILES, TABLE)[1] == "in all     40 rows, 2 files, 2.5 KiB, 0.2 s"
    assert shown(capsys, FILES, TABLE, is_exact=False)[1] == "in all     about 40 rows, 2 files, 2.5 KiB, 0.2 s"


def test_sums_that_a_source_is_missing_from_are_the_least(capsys: pytest.CaptureFixture[str]) -> None:
    unmeasured = msgspec.structs.replace(TABLE, size_bytes=None, duration_s=None)
    assert shown(capsys, FILES, unmeasured)[1] == "in all     40 rows, 2 files, at least 2.0 KiB, at least 0.1 s"
    unknown = msgspec.structs.replace(unmeasured, rows=None, is_exact=False)
    assert shown(capsys, FILES, unknown, is_exact=False)[1] == "in all     at least 0 rows, 2 files, 2.0 KiB, 0.1 s"


def test_bytes_are_estimated_wherever_there_are_rows(capsys: pytest.CaptureFixture[str]) -> None:
    lines = {line.split()[0]: line.split() for line in shown(capsys, FILES, TABLE, MAILBOX) if line}
    assert "2.0" in lines["onedrive"]
    assert "~512" in lines["orders"]
    assert "~1.0" in lines["letters"]
