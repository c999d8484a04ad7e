"""One-degree squares of a grid, and bounding boxes in longitude and latitude."""

import math
from collections.abc import Iterator

from demsr.dem.grid import Grid
from demsr.dem.windows import Window
from demsr.errors import GridError

_ON_EDGE = 1e-6  # of a cell: a centre that lies this close to a whole degree lies on it


def degree_tiles(grid: Grid) -> dict[str, Window]:
    """Cut a geographic grid into squares of one degree, from the north-west, row by row.

    A cell belongs to the square in which its centre lies, one on an edge to the square north or east of it, and one
    on the north pole to the square below it. Squares
    are named by their south-western corner as those of SRTM, N12E070 or S01W180, with longitudes from -180 on.

    Raises
    ------
    GridError : the grid is projected, or reaches around the globe more than once
    """
    if not grid.is_geographic:
        message = f"grid is in {grid.crs[:60]!r}, squares of one degree need degrees; name one file, a .tif or .nc"
        raise GridError(message)
    lats = [min(_degree(grid.centre(row, 0)[1], grid.pixel_height), 89) for row in range(grid.rows)]
    lons = [_degree(grid.centre(0, col)[0], grid.pixel_width) for col in range(grid.cols)]
    if lons[-1] - lons[0] >= 360:
        message = f"grid reaches from {grid.west:g} to {grid.east:g} east, at most once around the globe; cut it first"
        raise GridError(message)
    return {
        _square_name(lat, lon): Window(row, col, rows, cols)
        for lat, row, rows in _runs(lats)
        for lon, col, cols in _runs(lons)
    }


def lonlat_box(grid: Grid) -> list[float]:
    """Return [west, south, east, north] in degrees for GeoJSON: inside the globe, west > east across 180."""
    first = _degree(grid.centre(0, 0)[0], grid.pixel_width)
    west, east = (lon + _from_antimeridian(first) - first for lon in (grid.west, grid.east))
    if east - west >= 360:
        west, east = -180.0, 180.0
    elif east - 180 > grid.pixel_width:
        east -= 360
    return [max(west, -180.0), max(grid.south, -90.0), min(east, 180.0), min(grid.north, 90.0)]


def _degree(centre: float, pixel_size: float) -> int:
    """Return the degree to the south or west of a pixel centre, both in degrees."""
    return math.floor(centre + _ON_EDGE * pixel_size)


def _from_antimeridian(lon: int) -> int:
    """Return a longitude from -180 to 179."""
    return (lon + 180) % 360 - 180


def _runs(numbers: list[int]) -> Iterator[tuple[int, int, int]]:
    """Yield (number, first index, count) of each run of equal numbers."""
    first = 0
    for index in range(1, len(numbers) + 1):
        if index == len(numbers) or numbers[index] != numbers[first]:
            yield numbers[first], first, index - first
            first = index


def _square_name(lat: int, lon: int) -> str:
    lon = _from_antimeridian(lon)
    return f"{'S' if lat < 0 else 'N'}{abs(lat):02d}{'W' if lon < 0 else 'E'}{abs(lon):03d}"
