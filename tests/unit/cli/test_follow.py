"""Following an operation: what is drawn, how often is asked, how long a silent service is waited for."""

import io

import msgspec
import pytest
from rich.console import Console

from rightful.cli.client import ServiceUnreachable
from rightful.cli.follow import _drawing, _poll, describe_source
from rightful.cli.output import format_bytes, format_duration
from rightful.cli.wire import Operation, Reason, SourceLine
from rightful.testing.clock import ManualClock

OPERATION = Operation(
    id="0d6f3c51-5b0e-4f0e-9c8a-2f7d1a3b4c5d",
    status="running",
    progress=42.4,
    waiting_for=Reason(code="StorageRefused", message="expired\x1b[2J [bold]"),
    sources=(
        SourceLine(name="shop[red]", state="exported", rows=1, files=0, size_bytes=2048, duration_s=0.5),
        SourceLine(name="hr\x1b[2J", state="running", rows=12_345, skipped=2),
        SourceLine(name="drive", state="empty"),
    ),
)


def test_bars_show_every_source_and_nothing_that_a_terminal_obeys() -> None:
    out = io.StringIO()
    Console(file=out, width=120).print(_drawing(OPERATION))
    text = out.getvalue()
    assert "42 %" in text
    assert "shop[red]" in text
    assert "1 row, 2.0 KiB" in text
    assert "12,345 rows, 2 not readable" in text
    assert "nothing there" in text
    assert "[bold]" in text
    assert "\x1b" not in text


class Silent:
    """A service that does not answer the first so many times."""

    def __init__(self, failures: int, *, retry_after_s: int = 60) -> None:
        self.failures = failures
        self.asked = 0
        self.retry_after_s = retry_after_s

    def operation(self, operation_id: str) -> tuple[Operation, int]:
        self.asked += 1
        if self.asked <= self.failures:
            raise ServiceUnreachable("nobody answers")
        return Operation(id=operation_id, status="complete" if self.asked > self.failures + 20 else "running"), self.retry_after_s


def test_service_that_starts_again_is_waited_for() -> None:
    clock = ManualClock()
    service = Silent(30)
    assert _poll(service, "x", clock, lambda _: None).status == "complete"  # type: ignore[arg-type]  # has what is called
    assert 30 < clock.monotonic() < 30 + 20 * 2.0


def test_service_that_stays_away_is_told_after_a_minute() -> None:
    clock = ManualClock()
    with pytest.raises(ServiceUnreachable):
        _poll(Silent(10_000), "x", clock, lambda _: None)  # type: ignore[arg-type]  # has what is called
    assert 60 <= clock.monotonic() <= 62


@pytest.mark.parametrize(
    ("size_bytes", "text"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5 << 20, "5.0 MiB"), (3 << 40, "3072.0 GiB")]
)
def test_sizes(size_bytes: int, text: str) -> None:
    assert format_bytes(size_bytes) == text


@pytest.mark.parametrize(("duration_s", "text"), [(0.04, "0.0 s"), (59.9, "59.9 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")])
def test_durations(duration_s: float, text: str) -> None:
    assert format_duration(duration_s) == text


def test_files_and_rows_are_counted_apart() -> None:
    found = SourceLine(name="x", state="exported", rows=2, files=1, size_bytes=10)
    assert describe_source(found, is_difference=False) == "2 rows, 1 file, 10 B"


def test_empty_source_of_a_difference_is_not_said_to_hold_nothing() -> None:
    out = io.StringIO()
    Console(file=out, width=120).print(_drawing(msgspec.structs.replace(OPERATION, since="f2b61715-a2f4-4c68-89aa-6ed78a74fd31")))
    assert "nothing new or changed" in out.getvalue()
    assert "nothing there" not in out.getvalue()
