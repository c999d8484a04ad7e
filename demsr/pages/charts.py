"""Line charts as SVG in the colours of the page, light or dark."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from demsr.pages.markup import escaped

_WIDTH, _HEIGHT = 480, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 12, 12, 46
_TICKS = 5
_Numbers = NDArray[np.floating]


@dataclass(frozen=True)
class Line:
    """A line of a chart.

    Attributes
    ----------
    name : in the legend
    x, y : (N,) positions; points that are not finite interrupt the line
    style : class of the style sheet, which names its colour
    """

    name: str
    x: _Numbers
    y: _Numbers
    style: str


def line_chart(title: str, lines: Sequence[Line], *, x: str, y: str, log_x: bool = False, log_y: bool = False) -> str:
    """Return a chart with its legend; empty where no point is finite.

    Parameters
    ----------
    title : what the chart shows
    lines : drawn in turn
    x, y : labels of the axes, with units
    log_x, log_y : logarithmic positions along an axis; points that are not positive interrupt the line
    """
    points = [np.stack([_placed(line.x, log=log_x), _placed(line.y, log=log_y)]) for line in lines]
    points = [part[:, np.isfinite(part).all(axis=0)] for part in points]
    if not sum(part.shape[1] for part in points):
        return ""
    across, up = (_Axis.over(np.concatenate([part[row] for part in points])) for row in (0, 1))
    drawn = [
        f'<polyline class="line {escaped(line.style)}" points="{_points(part, across, up)}"/>'
        for line, part in zip(lines, points, strict=True)
    ]
    grid = [_tick_x(across, value, text) for value, text in _marks(across, log=log_x)]
    grid += [_tick_y(up, value, text) for value, text in _marks(up, log=log_y)]
    legend = "".join(f'<li><span class="key {escaped(line.style)}"></span>{escaped(line.name)}</li>' for line in lines)
    middle_x, middle_y = (_LEFT + _WIDTH - _RIGHT) / 2, (_TOP + _HEIGHT - _BOTTOM) / 2
    return (
        f'<figure class="chart"><figcaption>{escaped(title)}</figcaption>\n'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escaped(title)}">{"".join(grid)}'
        f'<text x="{middle_x}" y="{_HEIGHT - 6}" text-anchor="middle">{escaped(x)}</text>'
        f'<text transform="translate(15 {middle_y}) rotate(-90)" text-anchor="middle">{escaped(y)}</text>'
        f'{"".join(drawn)}</svg>\n<ul class="legend">{legend}</ul></figure>\n'
    )


@dataclass(frozen=True)
class _Axis:
    """Range of an axis."""

    low: float
    high: float

    @classmethod
    def over(cls, values: _Numbers) -> "_Axis":
        low, high = float(values.min()), float(values.max())
        margin = 0.04 * (high - low) or max(abs(high), 1.0) / 2
        return cls(low - margin, high + margin)

    def share(self, value: _Numbers | float) -> _Numbers:
        """Return positions between 0 and 1."""
        return (np.asarray(value, np.float64) - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """Return round numbers within the range, 1, 2 or 5 times a power of ten apart."""
        rough = (self.high - self.low) / _TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        return [number * step for number in range(first, last + 1)]


def _placed(values: _Numbers, *, log: bool) -> NDArray[np.float64]:
    placed = values.astype(np.float64)
    return np.log10(np.where(placed > 0, placed, np.nan)) if log else placed


def _marks(axis: _Axis, *, log: bool) -> list[tuple[float, str]]:
    """Return places and labels of ticks: 1, 2 and 5 times powers of ten, of the latter alone on long axes."""
    if not log:
        return [(value, _number(value)) for value in axis.ticks()]
    powers = range(math.floor(axis.low), math.ceil(axis.high) + 1)
    factors = (1, 2, 5) if axis.high - axis.low < 2.5 else (1,)
    values = [factor * 10.0**power for power in powers for factor in factors]
    return [(math.log10(value), _number(value)) for value in values if axis.low <= math.log10(value) <= axis.high]


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _points(part: _Numbers, across: _Axis, up: _Axis) -> str:
    return " ".join(f"{_place_x(across, x):.1f},{_place_y(up, y):.1f}" for x, y in part.T)


def _place_x(axis: _Axis, value: float) -> float:
    return _LEFT + float(axis.share(value)) * (_WIDTH - _LEFT - _RIGHT)


def _place_y(axis: _Axis, value: float) -> float:
    return _HEIGHT - _BOTTOM - float(axis.share(value)) * (_HEIGHT - _TOP - _BOTTOM)


def _tick_x(axis: _Axis, value: float, text: str) -> str:
    x, bottom = _place_x(axis, value), _HEIGHT - _BOTTOM
    return (
        f'<path class="grid" d="M{x:.1f} {_TOP}V{bottom}"/>'
        f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{escaped(text)}</text>'
    )


def _tick_y(axis: _Axis, value: float, text: str) -> str:
    y = _place_y(axis, value)
    return (
        f'<path class="grid" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"/>'
        f'<text x="{_LEFT - 6}" y="{y + 5:.1f}" text-anchor="end">{escaped(text)}</text>'
    )
