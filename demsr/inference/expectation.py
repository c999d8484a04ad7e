"""What to expect of a result: the gains that the card of the bundled model states."""

import re
from importlib.resources import files
from pathlib import Path

import numpy as np

from demsr.dem.grid import Grid
from demsr.dem.windows import tiles
from demsr.inference.load import BUILTIN
from demsr.inference.source import SourceReader
from demsr.options import Operator, Placement
from demsr.pairs.source_types import MEASURED

_ROWS = {
    ("gebco", "nominal"): {"on land": "real GEBCO on land", "at sea": "real GEBCO at sea"},
    ("gebco", "srtm"): {"on land": "the same, at true instead of nominal positions", "at sea": "real GEBCO at sea"},
    ("mean", "nominal"): {"on land": "block means on land", "at sea": "block means of the sea floor"},
}
"""Operator and placement -> domain -> row of the card."""
_GAINS = re.compile(r"^\| (?P<row>[^|]+?) \| (?P<mean>-?[\d.]+) % \| (?P<worst>-?[\d.]+) % \|", re.MULTILINE)
_SIDE = 1024  # cells of type identifiers in memory, along a side
_UNKNOWN = "how much better than bicubic interpolation it is was not measured for {}"


def expected_gain(model: str | Path, operator: Operator | None, grid: Grid, placement: Placement) -> str:
    """Return a sentence on the gain over bicubic interpolation, or on why none is known.

    Parameters
    ----------
    model : source of the model
    operator : how the cells came from the terrain
    grid : of the input
    placement : position of the result
    """
    if str(model).partition("#")[0] != BUILTIN:
        return _UNKNOWN.format("this model")
    if not grid.is_fifteen_arcsec:
        return _UNKNOWN.format("this spacing")
    rows = _ROWS.get((operator or "", placement))
    if rows is None:
        return _UNKNOWN.format("cells that were made in this way")
    gains = card_gains()
    means = " and ".join(f"{gains[row][0]:g} % {domain}" for domain, row in rows.items())
    worst = " and ".join(f"{gains[row][1]:g} %" for row in rows.values())
    return (
        f"expect an RMSE below that of bicubic interpolation by {means}, as on average over test places; worst {worst}"
    )


def card_gains() -> dict[str, tuple[float, float]]:
    """Return the rows of the card of the bundled model: mean gain over bicubic, and the least of a place, per cent."""
    card = files("demsr").joinpath("weights/README.md").read_text(encoding="utf-8")
    return {found["row"]: (float(found["mean"]), float(found["worst"])) for found in _GAINS.finditer(card)}


def measured_percent(source: SourceReader) -> float | None:
    """Return the share of the cells that the type identifiers call measured, None without identifiers.

    Parameters
    ----------
    source : open raster
    """
    grid, measured = source.raster.grid, 0
    for window in tiles(grid.rows, grid.cols, _SIDE):
        _, inner, tid = source.around(window, 0)
        if tid is None:
            return None
        measured += int(np.isin(tid[inner.slices], MEASURED).sum())
    return 100 * measured / (grid.rows * grid.cols)
