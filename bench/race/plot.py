"""Small plots as SVG text: lines with points, and bars; nothing to install."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import floor, log10

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 40, 60
COLORS = ("#1b6ca8", "#d1495b", "#5b8c5a", "#8d6a9f", "#c98a2b", "#4a4a4a", "#2a9d8f")

SMALLEST = 1e-12  # less is nothing

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """Points from left to right under one name."""

    name: str
    points: Sequence[Point]


@dataclass(frozen=True, slots=True)
class Axes:
    """What the plot says, and what its axes measure."""

    title: str
    x: str
    y: str


def line_plot(axes: Axes, lines: Sequence[Line]) -> str:
    """Both axes begin at zero: slopes can be compared by eye."""
    largest_x = max((x for line in lines for x, _ in line.points), default=1.0)
    largest_y = max((y for line in lines for _, y in line.points), default=1.0)
    parts = [*_frame(axes), *_ticks(largest_x, largest_y)]
    for line, color in zip(lines, COLORS, strict=False):
        placed = [(_x(x, largest_x), _y(y, largest_y)) for x, y in line.points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}"/>' for x, y in placed]
    parts += _legend([line.name for line in lines])
    return _svg(parts)


def bar_plot(axes: Axes, bars: Sequence[tuple[str, float]]) -> str:
    """One bar for each name, its value above it."""
    largest = max((value for _, value in bars), default=1.0)
    parts = [*_frame(axes), *_ticks(None, largest)]
    step = (WIDTH - LEFT - RIGHT) / max(1, len(bars))
    for index, (name, value) in enumerate(bars):
        left, top = LEFT + step * (index + 0.15), _y(value, largest)
        middle, height = left + step * 0.35, HEIGHT - BOTTOM - top
        parts.append(
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{step * 0.7:.1f}" '
            f'height="{height:.1f}" fill="{COLORS[0 if index == 0 else 5]}"/>'
        )
        parts.append(_text(middle, top - 5, f"{value:.3g}"))
        parts.append(_text(middle, HEIGHT - BOTTOM + 16, name))
    return _svg(parts)


def nice_step(largest: float, steps: int = 5) -> float:
    """1, 2 or 5 times a power of ten, so that about `steps` of them reach the largest value."""
    if largest < SMALLEST:
        return 1.0
    rough = largest / steps
    power: float = 10.0 ** floor(log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)


def _x(value: float, largest: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * value / max(largest * 1.05, SMALLEST)


def _y(value: float, largest: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / max(largest * 1.1, SMALLEST)


def _frame(axes: Axes) -> list[str]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    middle = (TOP + bottom) / 2
    return [
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<path d="M{LEFT} {TOP}V{bottom}H{right}" fill="none" stroke="#444"/>',
        _text(WIDTH / 2, 20, axes.title, size=15),
        _text((LEFT + right) / 2, HEIGHT - 20, axes.x),
        _upright(16, middle, axes.y),
    ]


def _ticks(largest_x: float | None, largest_y: float) -> list[str]:
    parts = []
    for value in _multiples(largest_y):
        y = _y(value, largest_y)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(_text(LEFT - 8, y + 4, f"{value:g}", anchor="end"))
    if largest_x is not None:
        below = HEIGHT - BOTTOM + 16
        parts += [_text(_x(x, largest_x), below, f"{x:g}") for x in _multiples(largest_x)]
    return parts


def _multiples(largest: float) -> list[float]:
    step = nice_step(largest)
    return [step * count for count in range(int(largest / step + 1e-9) + 1)]


def _legend(names: Sequence[str]) -> list[str]:
    parts = []
    for index, (name, color) in enumerate(zip(names, COLORS, strict=False)):
        y = TOP + 8 + 18 * index
        parts.append(f'<rect x="{LEFT + 12}" y="{y - 9}" width="10" height="10" fill="{color}"/>')
        parts.append(_text(LEFT + 28, y, name, anchor="start"))
    return parts


def _text(x: float, y: float, text: str, *, size: int = 12, anchor: str = "middle") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}">'
        f"{escape(text)}</text>"
    )


def _upright(x: float, y: float, text: str) -> str:
    turn = f"rotate(-90 {x} {y})"
    return f'<text x="{x}" y="{y}" text-anchor="middle" transform="{turn}">{escape(text)}</text>'


def _svg(parts: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">'
    )
    return "\n".join([head, *parts, "</svg>"]) + "\n"
