"""Curves on logarithmic axes, as SVG: time on the left, memory on the right."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

_WIDTH, _HEIGHT = 380, 230
_LEFT, _TOP, _GAP = 60, 40, 150
_TIME, _MEMORY = "#1f5fa8", "#b4541a"


@dataclass(frozen=True, slots=True)
class Dot:
    """What so much took."""

    amount: float
    seconds: float
    mib: float


@dataclass(frozen=True, slots=True)
class Panel:
    """One pair of curves."""

    title: str
    dots: Sequence[Dot]


def draw(panels: Sequence[Panel]) -> str:
    """Return a drawing of panels side by side; a dotted line rises as straight as the amount does."""
    step = _WIDTH + _GAP
    width, height = _LEFT * 2 + step * len(panels) - _GAP + 10, _TOP + _HEIGHT + 60
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for number, panel in enumerate(panels):
        lines += [f'<g transform="translate({_LEFT + number * step} {_TOP})">', *_panel(panel), "</g>"]
    legend = (
        f'<tspan fill="{_TIME}">time, left</tspan>; <tspan fill="{_MEMORY}">peak memory of the service, right</tspan>; '
        '<tspan fill="#777">dotted: as much for each as at the end</tspan>'
    )
    lines.append(f'<text x="{width / 2}" y="{height - 12}" text-anchor="middle">{legend}</text>')
    return "\n".join([*lines, "</svg>", ""])


def _panel(panel: Panel) -> Iterator[str]:
    dots = panel.dots
    across = _scale([dot.amount for dot in dots], _WIDTH)
    time_up = _scale([dot.seconds for dot in dots], _HEIGHT)
    memory_up = _scale([10, *(dot.mib for dot in dots), 1000], _HEIGHT)
    yield f'<text x="{_WIDTH / 2}" y="-18" text-anchor="middle" font-weight="bold">{panel.title}</text>'
    yield f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="none" stroke="#999"/>'
    for value, x in across.ticks:
        yield f'<text x="{x:.1f}" y="{_HEIGHT + 18}" text-anchor="middle">{value:,.0f}</text>'
    for scale, unit, colour, x, anchor in ((time_up, "s", _TIME, -6, "end"), (memory_up, "MiB", _MEMORY, _WIDTH + 6, "start")):
        for value, y in scale.ticks:
            yield f'<text x="{x}" y="{_HEIGHT - y + 4:.1f}" text-anchor="{anchor}" fill="{colour}">{value:,g} {unit}</text>'
    last = dots[-1]
    straight = [(dot.amount, last.seconds * dot.amount / last.amount) for dot in dots]
    yield _line([(across.at(x), time_up.at(y)) for x, y in straight if y >= time_up.low], "#999", dashes=True)
    yield from _curve([(across.at(dot.amount), time_up.at(dot.seconds), f"{dot.seconds:.3g} s") for dot in dots], _TIME)
    yield from _curve([(across.at(dot.amount), memory_up.at(dot.mib), f"{dot.mib:.0f} MiB") for dot in dots], _MEMORY)


def _curve(points: Sequence[tuple[float, float, str]], colour: str) -> Iterator[str]:
    yield _line([(x, y) for x, y, _ in points], colour)
    for x, y, text in points:
        yield f'<circle cx="{x:.1f}" cy="{_HEIGHT - y:.1f}" r="3.5" fill="{colour}"><title>{text}</title></circle>'


def _line(points: Sequence[tuple[float, float]], colour: str, *, dashes: bool = False) -> str:
    path = " ".join(f"{x:.1f},{_HEIGHT - y:.1f}" for x, y in points)
    dashed = ' stroke-dasharray="3 4"' if dashes else ""
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"{dashed}/>'


@dataclass(frozen=True, slots=True)
class _Scale:
    low: float
    at: Callable[[float], float]
    """Where a value lies, from the axis' start."""
    ticks: Sequence[tuple[float, float]]
    """Powers of ten, and where they lie."""


def _scale(values: Sequence[float], length: float) -> _Scale:
    """Return an axis of whole powers of ten that holds these values."""
    first = math.floor(math.log10(min(values)))
    last = max(first + 1, math.ceil(math.log10(max(values))))

    def at(value: float) -> float:
        return length * (math.log10(value) - first) / (last - first)

    return _Scale(10.0**first, at, [(10.0**power, at(10.0**power)) for power in range(first, last + 1)])
