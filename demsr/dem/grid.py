"""Geometry of north-up rasters: cell edges, pixel centres, indices and sizes.

The coordinate of a pixel is the centre of its cell, whether the sample stands for the mean over the cell ("area") or
for the point in its middle ("point"). Files are read in `demsr.dem.read`.
"""

import math
import warnings
from dataclasses import dataclass, replace
from functools import lru_cache

import pyproj
from pyproj.transformer import TransformerGroup

from demsr.dem.crs import check_horizontal
from demsr.dem.windows import Window
from demsr.errors import GridError, OutsideError
from demsr.options import Registration

Box = tuple[float, float, float, float]
"""West, south, east and north edge in degrees; east exceeds 180 across the antimeridian."""

_NEAR_M = 5.0
_POLE = 90 + 1e-9  # degrees
_TOUCHING = 1e-6  # of a cell: edges that differ by less coincide


@dataclass(frozen=True, kw_only=True)
class Grid:
    """North-up raster of rectangular cells.

    Attributes
    ----------
    rows, cols : number of cells
    west, north : outer corner of the north-western cell, in units of the CRS
    pixel_width, pixel_height : cell size in units of the CRS, positive
    crs : any text that PROJ understands, such as "EPSG:4326"
    registration : "area" if a sample is the mean over its cell, "point" if it is the value in the middle of the cell

    Raises
    ------
    GridError : no cells, a size that is not positive, or a corner that is not finite

    Examples
    --------
    >>> grid = Grid(rows=2, cols=4, west=10, north=50, pixel_width=0.5, pixel_height=0.5, crs="EPSG:4326")
    >>> grid.south, grid.east
    (49.0, 12.0)
    >>> grid.centre(0, 0)
    (10.25, 49.75)
    >>> grid.index(10.25, 49.75)
    (0.0, 0.0)
    >>> grid.refine(5).rows
    10
    """

    rows: int
    cols: int
    west: float
    north: float
    pixel_width: float
    pixel_height: float
    crs: str
    registration: Registration = "area"

    def __post_init__(self) -> None:
        """Check size and position."""
        if min(self.rows, self.cols) < 1:
            message = f"grid has {self.rows} x {self.cols} cells; both sides must be at least 1"
            raise GridError(message)
        corner, size = (self.west, self.north), (self.pixel_width, self.pixel_height)
        if not all(map(math.isfinite, (*corner, *size))) or min(size) <= 0:
            found = f"grid has cells of {self.pixel_width} x {self.pixel_height} at {corner}"
            message = f"{found}; it must be north-up with a finite corner"
            raise GridError(message)

    @property
    def south(self) -> float:
        """Southern edge, in units of the CRS."""
        return self.north - self.rows * self.pixel_height

    @property
    def east(self) -> float:
        """Eastern edge, in units of the CRS."""
        return self.west + self.cols * self.pixel_width

    @property
    def is_geographic(self) -> bool:
        """Whether coordinates are degrees of longitude and latitude."""
        return _crs(self.crs).is_geographic

    @property
    def is_periodic(self) -> bool:
        """Whether the last column adjoins the first, around the globe."""
        return self.is_geographic and abs(self.cols * self.pixel_width - 360) < self.pixel_width / 2

    @property
    def geographic_crs(self) -> str:
        """Geographic CRS on the horizontal datum of the grid: the CRS itself, or the base of a projected CRS.

        Raises
        ------
        GridError : the CRS is not tied to the Earth, or its base does not count in degrees from Greenwich
        """
        if self.is_geographic:
            return self.crs
        geographic = _crs(self.crs).geodetic_crs
        if geographic is None:
            message = f"grid is in {self.crs[:60]!r}, which is not tied to the Earth; give an EPSG code or WKT that is"
            raise GridError(message)
        check_horizontal(geographic, where=f"grid in {_crs(self.crs).name}")
        epsg = geographic.to_epsg(min_confidence=70)
        return f"EPSG:{epsg}" if epsg else str(geographic.to_wkt())

    @property
    def is_near_wgs84(self) -> bool:
        """Whether the horizontal datum lies within 5 m of WGS 84, as NAD83, ETRS89 and GDA94 do; negligible at 3"."""
        west, south, east, north = self.lonlat_bounds()
        lon, lat = (west + east) / 2, (south + north) / 2
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a better transformation needs a grid; metres are enough here
            group = TransformerGroup(self.geographic_crs, "EPSG:4326", always_xy=True, allow_ballpark=False)
        if not group.transformers:
            return False
        to_lon, to_lat = group.transformers[0].transform(lon, lat)
        lon_m, lat_m = metres_per_degree(lat)
        return math.hypot((to_lon - lon) * lon_m, (to_lat - lat) * lat_m) < _NEAR_M

    def centre(self, row: float, col: float) -> tuple[float, float]:
        """Return (x, y) of a pixel; fractional indices lie between centres."""
        return self.west + (col + 0.5) * self.pixel_width, self.north - (row + 0.5) * self.pixel_height

    def index(self, x: float, y: float) -> tuple[float, float]:
        """Return the fractional (row, col) of a point, the inverse of `centre`."""
        return (self.north - y) / self.pixel_height - 0.5, (x - self.west) / self.pixel_width - 0.5

    def window(self, row: int, col: int, rows: int, cols: int) -> "Grid":
        """Return the part that starts at (row, col); raises GridError if it exceeds the grid."""
        if row < 0 or col < 0 or row + rows > self.rows or col + cols > self.cols:
            message = f"window {rows} x {cols} at ({row}, {col}) leaves the grid of {self.rows} x {self.cols} cells"
            raise GridError(message)
        west, north = self.west + col * self.pixel_width, self.north - row * self.pixel_height
        return replace(self, rows=rows, cols=cols, west=west, north=north)

    def moved(self, east: float, north: float) -> "Grid":
        """Return the same cells elsewhere, by distances in units of the CRS; raises GridError beyond a pole."""
        grid = replace(self, west=self.west + east, north=self.north + north)
        if self.is_geographic and (grid.north > _POLE or grid.south < -_POLE):
            message = f"grid reaches from {grid.south:.4f} to {grid.north:.4f} north; cut the raster before it is moved"
            raise GridError(message)
        return grid

    def refine(self, scale: int) -> "Grid":
        """Split every cell into scale x scale cells."""
        rows, cols = self.rows * scale, self.cols * scale
        width, height = self.pixel_width / scale, self.pixel_height / scale
        return replace(self, rows=rows, cols=cols, pixel_width=width, pixel_height=height)

    def pixel_size_arcsec(self) -> tuple[float, float]:
        """Return (width, height) of a cell in arc-seconds.

        Raises
        ------
        GridError : the CRS is projected
        """
        if not self.is_geographic:
            message = f"grid is in {_crs(self.crs).name}; a spacing in arc-seconds needs geographic coordinates"
            raise GridError(message)
        return self.pixel_width * 3600, self.pixel_height * 3600

    @property
    def is_fifteen_arcsec(self) -> bool:
        """Whether cells have 15 arc-seconds, the spacing of GEBCO that the models are trained for."""
        return self.is_geographic and all(abs(size - 15) < 0.05 for size in self.pixel_size_arcsec())

    @property
    def is_three_arcsec(self) -> bool:
        """Whether cells have 3 arc-seconds: the 15 of GEBCO divided by 5."""
        return self.is_geographic and all(abs(size - 3) < 0.01 for size in self.pixel_size_arcsec())

    def pixel_size_m(self) -> tuple[float, float]:
        """Return (width, height) of a cell in the middle of the grid, in metres."""
        if not self.is_geographic:
            return self._projected_pixel_size_m()
        lon_m, lat_m = metres_per_degree(self.centre((self.rows - 1) / 2, 0)[1])
        return self.pixel_width * lon_m, self.pixel_height * lat_m

    def _projected_pixel_size_m(self) -> tuple[float, float]:
        """Divide by the scale factor of the projection: at 60 degrees, 1 m in Web Mercator is 0.5 m on the ground."""
        crs = _crs(self.crs)
        metres = crs.axis_info[0].unit_conversion_factor
        x, y = self.centre((self.rows - 1) / 2, (self.cols - 1) / 2)
        lon, lat = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(x, y)
        factors = pyproj.Proj(crs).get_factors(lon, lat)
        return self.pixel_width * metres / factors.parallel_scale, self.pixel_height * metres / factors.meridional_scale

    def lonlat_bounds(self) -> Box:
        """Return the bounds in degrees; for a projected grid those of the box around its outline.

        East is never less than west: across the antimeridian it exceeds 180.
        """
        if self.is_geographic:
            return self.west, self.south, self.east, self.north
        to_lonlat = pyproj.Transformer.from_crs(_crs(self.crs), "EPSG:4326", always_xy=True)
        west, south, east, north = to_lonlat.transform_bounds(self.west, self.south, self.east, self.north)
        return west, south, east if east >= west else east + 360, north

    def box_of_lonlat(self, box: Box) -> Box:
        """Return the bounds, in the CRS of the grid, around a box in degrees.

        Raises
        ------
        GridError : the projection is not defined there
        """
        if self.is_geographic:
            return box
        from_lonlat = pyproj.Transformer.from_crs("EPSG:4326", _crs(self.crs), always_xy=True)
        west, south, east, north = from_lonlat.transform_bounds(*box)
        if not all(map(math.isfinite, (west, south, east, north))):
            message = f"{self.crs[:60]} does not reach {box}; give a box nearer to {self.lonlat_bounds()}"
            raise GridError(message)
        return west, south, east, north


def rows_on_the_globe(grid: Grid) -> range:
    """Return the rows of a grid whose centres do not lie beyond a pole; all rows of a projected grid."""
    if not grid.is_geographic:
        return range(grid.rows)
    north = math.ceil((grid.north - 90) / grid.pixel_height - 0.5 - _TOUCHING)
    south = math.ceil((-90 - grid.south) / grid.pixel_height - 0.5 - _TOUCHING)
    return range(max(0, north), grid.rows - max(0, south))


def describe_spacing(grid: Grid) -> str:
    """Return the pixel size as text, such as 1 x 1 arcsec or 30 x 30 m."""
    if grid.is_geographic:
        width, height = grid.pixel_size_arcsec()
        return f"{width:.3g} x {height:.3g} arcsec"
    width, height = grid.pixel_size_m()
    return f"{width:.3g} x {height:.3g} m"


def window_within(grid: Grid, box: Box | None, *, where: str) -> tuple[Window, Grid]:
    """Return the cells that touch a box, and their grid.

    Parameters
    ----------
    grid : grid of a raster
    box : degrees; None for the whole grid
    where : first part of the error message

    Returns
    -------
    window : cells of `grid`; columns of a global grid may continue beyond the last
    part : grid of the window

    Raises
    ------
    OutsideError : no cell touches the box
    """
    if box is None:
        return Window(0, 0, grid.rows, grid.cols), grid
    west, south, east, north = grid.box_of_lonlat(box)
    turn = 360.0 * round((grid.west + grid.east - west - east) / 720) if grid.is_geographic else 0.0
    if grid.is_periodic:
        turn = -360.0 * math.floor((west + 180) / 360)  # the result begins between -180 and 180
    top, left = (index + 0.5 for index in grid.index(west + turn, north))
    bottom, right = (index + 0.5 for index in grid.index(east + turn, south))
    first_row, first_col = math.floor(top + _TOUCHING), math.floor(left + _TOUCHING)
    last_row, last_col = math.ceil(bottom - _TOUCHING), math.ceil(right - _TOUCHING)
    first_row, last_row = max(0, first_row), min(grid.rows, last_row)
    if grid.is_periodic:
        last_col = min(last_col, first_col + grid.cols)
    else:
        first_col, last_col = max(0, first_col), min(grid.cols, last_col)
    if first_row >= last_row or first_col >= last_col:
        extent, asked = (f"{w:g} to {e:g} east, {s:g} to {n:g} north" for w, s, e, n in (grid.lonlat_bounds(), box))
        message = f"{where}: no cell is in {asked}; give a box in {extent}"
        raise OutsideError(message)
    window = Window(first_row, first_col, last_row - first_row, last_col - first_col)
    west, north = grid.west + first_col * grid.pixel_width, grid.north - first_row * grid.pixel_height
    return window, replace(grid, rows=window.rows, cols=window.cols, west=west, north=north)


def metres_per_degree(latitude: float) -> tuple[float, float]:
    """Return the length in metres of a degree of longitude and of latitude on WGS84.

    Source: series of the meridian and parallel arcs, NGA.STND.0036 (WGS 84), exact to a few centimetres.
    """
    phi = math.radians(latitude)
    lon_m = 111_412.84 * math.cos(phi) - 93.5 * math.cos(3 * phi) + 0.118 * math.cos(5 * phi)
    lat_m = 111_132.92 - 559.82 * math.cos(2 * phi) + 1.175 * math.cos(4 * phi) - 0.0023 * math.cos(6 * phi)
    return lon_m, lat_m


@lru_cache(maxsize=64)
def _crs(text: str) -> pyproj.CRS:
    try:
        return pyproj.CRS.from_user_input(text)
    except pyproj.exceptions.CRSError as error:
        message = f"the CRS {text[:60]!r} is not known to PROJ; give an EPSG code or WKT"
        raise GridError(message) from error
