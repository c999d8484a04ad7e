"""Conversion of elevation between vertical datums, with PROJ and geoid grids.

Conversion is refused if the grid of PROJ's best transformation is missing. Tidal and chart datums are not converted,
because PROJ has no surfaces for them.
"""

import math
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pyproj.datadir import append_data_dir, get_data_dir, set_data_dir
from pyproj.exceptions import ProjError
from pyproj.network import is_network_enabled, set_network_enabled  # type: ignore[attr-defined]
from pyproj.transformer import AreaOfInterest, Transformer, TransformerGroup

from demsr.dem.dem import Dem
from demsr.dem.grid import Grid
from demsr.dem.vertical import compound_crs, named_datum
from demsr.errors import DatumError

# Horizontal CRS of a datum's heights, and three-dimensional CRS to which its grids transform. NAVD88 is tied to
# NAD83(2011), whose ellipsoid is 1 to 2 m off that of WGS 84. PROJ treats the two as equal, but has a transformation
# to ITRF2014 (EPSG:7912), from which WGS 84 differs by centimetres (NGA.STND.0036).
_REFERENCES = {
    "WGS84 ellipsoid": ("EPSG:4979", "EPSG:4979"),
    "EGM96": ("EPSG:4326", "EPSG:4979"),
    "EGM2008": ("EPSG:4326", "EPSG:4979"),
    "NAVD88": ("EPSG:6318", "EPSG:7912"),
}
_BLOCK_PIXELS = 2**20  # some 60 MB of coordinates

_Floats = NDArray[np.float64]


def convert_datum(dem: Dem, to: str, *, grids: Path | None = None, network: bool = False) -> Dem:
    """Convert a raster to another vertical datum: H_to = H + N_from - N_to at pixel centres; voids stay void.

    PROJ's search path and network setting are global to the process: they are changed meanwhile, then restored.

    Parameters
    ----------
    dem : elevation with a stated vertical datum
    to : a name of `demsr.dem.vertical.DATUMS`; a raster on this datum is returned unchanged
    grids : folder of geoid grids with PROJ's file names, GeoTIFF or the older .gtx; searched after PROJ's own folders
    network : allow PROJ to download the parts of grids that it needs; otherwise it does not, whatever PROJ_NETWORK says

    Returns
    -------
    converted : same grid, elevation in metres above `to`

    Raises
    ------
    DatumError : datum not stated or unknown, no transformation, a missing or broken grid, measured pixels outside it
    """
    to, stated = named_datum(to, where=dem.source).name, dem.stated_datum
    if to == stated:
        return dem
    where = f"{dem.source}: {stated} to {to}"
    elevation = np.empty_like(dem.elevation_m)
    with _proj(grids, network=network, where=where):
        both = _transformers((stated, to), dem.grid.lonlat_bounds(), where)
        to_lonlat = Transformer.from_crs(dem.grid.crs, "EPSG:4326", always_xy=True)
        for rows, x, y in _row_blocks(dem.grid):
            start, end = (_undulation(one, *to_lonlat.transform(x, y)) for one in both)
            with np.errstate(invalid="ignore"):  # infinite outside both grids
                elevation[rows] = dem.elevation_m[rows] + (start - end)
        lost = dem.valid & ~np.isfinite(elevation)
        if lost.any():
            row, col = np.argwhere(lost)[0]
            first = to_lonlat.transform(*dem.grid.centre(row, col))
            raise DatumError(_uncovered(f"{lost.sum()} of {dem.valid.sum()} measured pixels", first, both, where))
    return replace(dem, elevation_m=elevation, vertical_datum=to)


@contextmanager
def _proj(grids: Path | None, *, network: bool, where: str) -> Iterator[None]:
    if grids is not None and not grids.is_dir():
        message = f"{where}: {grids} is no folder; name one with geoid grids (harmonise.geoid_grids, --geoid-grids)"
        raise DatumError(message)
    folders, consent = get_data_dir(), is_network_enabled()
    try:
        set_network_enabled(network)
        if grids is not None:
            append_data_dir(grids)
        yield
    finally:
        set_data_dir(folders)
        set_network_enabled(consent)


def _transformers(datums: Sequence[str], bounds: tuple[float, float, float, float], where: str) -> list[Transformer]:
    """Return PROJ's best transformation from each datum to the ellipsoid; raises DatumError if a grid is missing."""
    groups = [_group(datum, bounds, where) for datum in datums]
    lacking = [group.unavailable_operations[0] for group in groups if not group.best_available]
    if lacking:
        missing = [grid for operation in lacking for grid in operation.grids if not grid.available]
        names, urls = " and ".join(grid.short_name for grid in missing), " and ".join(grid.url for grid in missing)
        message = (
            f"{where} needs {names}, which PROJ does not find; download {urls} into a folder and name the folder "
            "(harmonise.geoid_grids in params.yaml, --geoid-grids FOLDER), "
            "or let PROJ download what it needs (harmonise.proj_network: true, --proj-network)"
        )
        raise DatumError(message)
    return [group.transformers[0] for group in groups]


def _group(datum: str, bounds: tuple[float, float, float, float], where: str) -> TransformerGroup:
    if datum not in _REFERENCES:
        message = (
            f"{where}: PROJ has no surface for {datum}, and a geoid does not stand in for it; "
            "keep the datum, or convert beforehand with a separation surface from a hydrographic office"
        )
        raise DatumError(message)
    horizontal, ellipsoid = _REFERENCES[datum]
    try:
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # a missing grid becomes an error here
            crs, area = compound_crs(horizontal, datum), _area(*bounds)
            group = TransformerGroup(crs, ellipsoid, always_xy=True, allow_ballpark=False, area_of_interest=area)
    except ProjError as error:
        message = f"{where}: PROJ cannot read a grid of {datum} ({error}); download the grid anew"
        raise DatumError(message) from error
    if not (group.transformers or group.unavailable_operations):
        west, south, east, north = bounds
        message = (
            f"{where}: PROJ has no transformation of {datum} for longitudes {west:.2f} to {east:.2f}, "
            f"latitudes {south:.2f} to {north:.2f}; keep the datum"
        )
        raise DatumError(message)
    return group


def _area(west: float, south: float, east: float, north: float) -> AreaOfInterest:
    """Return bounds for PROJ: longitudes within 180 degrees, west > east across the antimeridian."""
    return AreaOfInterest(math.remainder(west, 360), south, math.remainder(east, 360), north)


def _row_blocks(grid: Grid) -> Iterator[tuple[slice, _Floats, _Floats]]:
    """Yield blocks of rows with the x and y of their pixel centres, (rows, cols) each."""
    height = max(1, _BLOCK_PIXELS // grid.cols)
    for row in range(0, grid.rows, height):
        part = grid.window(row, 0, min(height, grid.rows - row), grid.cols)
        (west, north), (east, south) = part.centre(0, 0), part.centre(part.rows - 1, part.cols - 1)
        x, y = np.meshgrid(np.linspace(west, east, part.cols), np.linspace(north, south, part.rows))
        yield slice(row, row + part.rows), x, y


def _undulation(to_ellipsoid: Transformer, lon: _Floats, lat: _Floats) -> _Floats:
    height: _Floats = to_ellipsoid.transform(lon, lat, np.zeros_like(lon))[2]
    return height


def _uncovered(count: str, first: tuple[float, float], transformers: Sequence[Transformer], where: str) -> str:
    """Return a message with PROJ's reason for the first uncovered position."""
    used = [name for one in transformers for name in re.findall(r"grids=(\S+)", one.definition)]
    reason = "no reason given"
    for one in transformers:
        try:
            one.transform(*first, 0.0, errcheck=True)
        except ProjError as error:
            reason = str(error)
    return (
        f"{where}: {' or '.join(used)} gives no height to {count}, the first at longitude {first[0]:.4f}, latitude "
        f"{first[1]:.4f} (PROJ: {reason}); cut the raster to the area of the grid, or put the whole grid into a folder "
        "and name that (harmonise.geoid_grids in params.yaml, --geoid-grids FOLDER)"
    )
