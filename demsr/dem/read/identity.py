"""Products that a raster file shows itself to be, by its name or its texts."""

import re

from demsr.dem.grid import Grid

GEBCO, SRTM15 = "GEBCO", "SRTM15+"
LAND_OFFSET_ARCSEC = 1.5
"""The land of these products lies so far to the east and to the north of where it is: half an SRTM pixel."""
LAND_SIGMA_M = 164.0
"""Standard deviation of the Gaussian under which the cells of that land are SRTM."""
SRTM_SOUTH, SRTM_NORTH = -56.0, 60.0
"""Latitudes between which there is SRTM, and so this law."""
_PATTERNS = {GEBCO: r"gebco", SRTM15: r"srtm15|earth[_ ]relief[_ ](15s|at 15 arc)|relief model at 15 arc"}
_TEXTS = re.compile(r"title|source|description|comment|history|references|acknowledg", re.IGNORECASE)
_ON_LATTICE = 0.05  # of a cell


def product_of(grid: Grid, name: str, tags: dict[str, str]) -> str | None:
    """Return the product that a file names, if its cells are those of the product; None for any other file.

    GEBCO and SRTM15+ have cells of 15 arc-seconds whose edges are multiples of 15 arc-seconds from whole degrees. A
    raster that was warped to other cells is no longer the product.

    Parameters
    ----------
    grid : of the raster
    name : of the file
    tags : texts of the file by name
    """
    if not grid.is_fifteen_arcsec:
        return None
    corner = grid.west / grid.pixel_width, grid.north / grid.pixel_height
    if max(abs(place - round(place)) for place in corner) > _ON_LATTICE:
        return None
    texts = " ".join([name, *(text for key, text in tags.items() if _TEXTS.search(key))]).lower()
    return next((product for product, pattern in _PATTERNS.items() if re.search(pattern, texts)), None)
