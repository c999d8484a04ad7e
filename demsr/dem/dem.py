"""Elevation model in memory, and the range checks of its values."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from demsr.dem.grid import Grid
from demsr.dem.vertical import named_datum
from demsr.errors import DatumError, GridError, VoidError

SYNTHETIC = "synthetic"
"""First word of `Dem.source` for generated terrain."""
LOWEST_M, HIGHEST_M = -12_000.0, 9_500.0  # Challenger Deep and Everest, with a margin for measurement errors


@dataclass(frozen=True, kw_only=True)
class Dem:
    """Elevation on a grid.

    Attributes
    ----------
    elevation_m : (rows, cols) float32, metres, positive up, NaN where void; read-only
    grid : position of the pixels
    vertical_datum : reference surface of the heights, a name of `demsr.dem.vertical.DATUMS`; None if not stated
    source : origin of the elevation, for people

    Raises
    ------
    GridError : the array does not fit the grid or is not float32
    DatumError : unknown vertical datum
    VoidError : values that cannot be elevations on Earth

    Examples
    --------
    >>> grid = Grid(rows=1, cols=3, west=10, north=50, pixel_width=1, pixel_height=1, crs="EPSG:4326")
    >>> elevation_m = np.array([[310, np.nan, 324]], np.float32)
    >>> dem = Dem(elevation_m=elevation_m, grid=grid, vertical_datum="EGM2008", source="survey")
    >>> dem.valid.tolist()
    [[True, False, True]]
    """

    elevation_m: NDArray[np.float32]
    grid: Grid
    vertical_datum: str | None
    source: str

    def __post_init__(self) -> None:
        """Check shape, type, datum and range."""
        shape = self.elevation_m.shape
        if shape != (self.grid.rows, self.grid.cols):
            expected = f"its grid has {self.grid.rows} x {self.grid.cols} cells"
            message = f"{self.source}: elevation has shape {shape}, {expected}"
            raise GridError(message)
        if self.elevation_m.dtype != np.float32:
            message = f"{self.source}: elevation is {self.elevation_m.dtype}, it must be float32; convert it"
            raise GridError(message)
        if self.vertical_datum is not None:
            named_datum(self.vertical_datum, where=self.source)
        check_range(self.elevation_m, self.source)
        self.elevation_m.setflags(write=False)

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Mask of measured pixels, (rows, cols)."""
        return np.isfinite(self.elevation_m)

    @property
    def stated_datum(self) -> str:
        """Vertical datum; raises DatumError if it is not stated."""
        if self.vertical_datum is None:
            message = f"{self.source}: the file names no vertical datum; declare it, for example with --vertical-datum"
            raise DatumError(message)
        return self.vertical_datum

    def window(self, row: int, col: int, rows: int, cols: int) -> "Dem":
        """Return the part that starts at (row, col)."""
        part = self.elevation_m[row : row + rows, col : col + cols]
        return replace(self, elevation_m=part, grid=self.grid.window(row, col, rows, cols))

    def without(self, pixels: NDArray[np.bool_]) -> "Dem":
        """Return a copy with additional void pixels, given as a (rows, cols) mask."""
        return replace(self, elevation_m=np.where(pixels, np.float32(np.nan), self.elevation_m))


def out_of_range(elevation: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return a mask of values that cannot be elevations on Earth in metres."""
    return np.isinf(elevation) | (elevation < LOWEST_M) | (elevation > HIGHEST_M)


def check_range(elevation: NDArray[np.float32], source: str) -> None:
    """Raise VoidError if any value cannot be an elevation on Earth in metres."""
    wrong = out_of_range(elevation)
    if wrong.any():
        row, col = np.argwhere(wrong)[0]
        message = (
            f"{source}: {int(wrong.sum())} pixels lie outside {LOWEST_M:.0f} to {HIGHEST_M:.0f} m, "
            f"the first is {elevation[row, col]:g} at row {row}, column {col}; "
            "declare their unit or the value for voids (--unit, --nodata, or harmonise.files in params.yaml)"
        )
        raise VoidError(message)


def check_result(elevation: NDArray[np.float32], where: str) -> None:
    """Raise VoidError if a model has computed what cannot be an elevation on Earth in metres.

    Parameters
    ----------
    elevation : (rows, cols), metres, NaN where void
    where : first part of the message
    """
    wrong = out_of_range(elevation)
    if wrong.any():
        found = f"{int(wrong.sum())} pixels of the result lie outside {LOWEST_M:.0f} to {HIGHEST_M:.0f} m"
        hint = "check the input around them for undeclared voids, or give another model"
        message = f"{where}: {found}, such as {elevation[wrong][0]:g}; {hint}"
        raise VoidError(message)


def check_product_range(dem: Dem, range_m: tuple[float, float] | None, where: str) -> None:
    """Raise VoidError if elevations lie outside the product's range: wrong unit, wrong sign or undeclared voids."""
    if range_m is None or not dem.valid.any():
        return
    lowest, highest = float(np.nanmin(dem.elevation_m)), float(np.nanmax(dem.elevation_m))
    if lowest < range_m[0] or highest > range_m[1]:
        message = (
            f"{where}: elevations range from {lowest:.0f} to {highest:.0f} m, its product has {range_m[0]:.0f} to "
            f"{range_m[1]:.0f} m; declare the unit, the sign or the value for voids"
        )
        raise VoidError(message)
