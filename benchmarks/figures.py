"""Figures, and how they are shown: a table for people, JSON for machines."""

import json
import os
import platform
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

PEER = "Fides 2.86*"
PEER_NOTE = "* Celery, Redis and PostgreSQL, the same data; measured earlier on such a machine when it was quiet, not in this run"

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured figure, beside what it should be and what others take."""

    case: str
    name: str
    value: float
    unit: str
    target: float | None = None
    is_less_better: bool = True
    rival: str = ""
    """What the yardstick took in the same run, or the peer elsewhere."""
    runs: tuple[float, ...] = ()
    """Every single measurement, where `value` is their median."""

    @property
    def verdict(self) -> str:
        """Say whether the target is met; nothing where there is none."""
        if self.target is None:
            return ""
        return "ok" if (self.value <= self.target if self.is_less_better else self.value >= self.target) else "missed"


def median_of(case: str, name: str, runs: Sequence[float], unit: str, *, target: float | None = None, rival: str = "") -> Figure:
    """Return the median of some runs as a figure."""
    return Figure(case=case, name=name, value=statistics.median(runs), unit=unit, target=target, rival=rival, runs=tuple(runs))


def spread(runs: Sequence[float], unit: str) -> str:
    """Write runs as median and range."""
    return f"{_number(statistics.median(runs))} {unit}".rstrip() + f" ({_number(min(runs))} to {_number(max(runs))})"


def machine() -> dict[str, object]:
    """Say where and when the figures were taken."""
    models = [line.partition(":")[2].strip() for line in _lines(Path("/proc/cpuinfo")) if line.startswith("model name")]
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "cpu": models[0] if models else platform.processor(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
    }


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []


def show(figures: Sequence[Figure], facts: dict[str, object]) -> None:
    """Print the table on stdout."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("case", "figure"):
        table.add_column(name, no_wrap=True)
    for name in ("measured", "target"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("others on the same work", overflow="fold")
    for figure in figures:
        sign = "≤" if figure.is_less_better else "≥"
        target = f"{sign} {figure.target:,.6g} {figure.unit}" if figure.target is not None else ""
        table.add_row(figure.case, figure.name, f"{_number(figure.value)} {figure.unit}", target, figure.verdict, figure.rival)
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 170)
    console.print(table)
    console.print(PEER_NOTE, highlight=False)
    console.print(", ".join(f"{name} {value}" for name, value in facts.items()), highlight=False)


def as_markdown(figures: Sequence[Figure], facts: dict[str, object]) -> str:
    """Return the table for docs: every figure, with its target."""
    lines = ["| work | figure | measured | target | others on the same work |", "|---|---|--:|--:|---|"]
    for figure in figures:
        sign = "≤" if figure.is_less_better else "≥"
        target = f"{sign} {figure.target:,.6g} {figure.unit}".rstrip() if figure.target is not None else ""
        missed = " (missed)" if figure.verdict == "missed" else ""
        lines.append(f"| {figure.case} | {figure.name} | {_measured(figure)}{missed} | {target} | {_escaped(figure.rival)} |")
    return _with_origin(lines, facts)


def as_short_markdown(figures: Sequence[Figure], facts: dict[str, object]) -> str:
    """Return the table for README: what others were measured on too."""
    lines = ["| work | figure | Rightful | others on the same work |", "|---|---|--:|---|"]
    lines += [f"| {figure.case} | {figure.name} | {_measured(figure)} | {_escaped(figure.rival)} |" for figure in figures if figure.rival]
    return _with_origin(lines, facts)


def _with_origin(lines: Sequence[str], facts: dict[str, object]) -> str:
    where = (
        f"{facts['cores']} cores, {facts['cpu']}, Python {facts['python']}, {str(facts['date'])[:10]}, load at the start {facts['load']}"
    )
    return "\n".join([*lines, "", f"{_escaped(PEER_NOTE)}.", "", f"Machine: {where}."]) + "\n"


def _measured(figure: Figure) -> str:
    return f"{_number(figure.value)} {figure.unit}".rstrip()


def _escaped(text: str) -> str:
    return text.replace("*", "\\*")


def write_into(path: Path, text: str) -> None:
    """Replace what stands between the marks in a page."""
    page = path.read_text(encoding="utf-8")
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"benchmarks: {path} has no {BEGIN} and {END}")
    path.write_text(f"{head}{begin}\n{text}{end}{tail}", encoding="utf-8")


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def as_json(figures: Sequence[Figure], facts: dict[str, object]) -> str:
    """Return the figures as a JSON document."""
    document = {"machine": facts, "figures": [{**asdict(figure), "verdict": figure.verdict} for figure in figures]}
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"
