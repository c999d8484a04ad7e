"""Masks of water that a DEM shows as flat: sea, lakes and rivers, which must not be learnt as terrain.

Water whose measured roughness the producer kept is not found.
"""

import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from demsr.dem.dem import Dem
from demsr.errors import RasterError

_WATER = 255  # in .swb files; land is 0
_MIN_SHARE = 0.01  # of a tile, to compare water with land


def find_water(dem: Dem, *, sea_level_m: float | None, min_area_km2: float) -> NDArray[np.bool_]:
    """Find the sea, at one level, and flat areas that an almost unbroken shore encloses.

    Finished DEMs show a lake at one level and a river in steps of one level each, with a shore that is higher. Whole
    metres make flat areas of real ground as well, but from these the ground falls away on many sides. So a flat area
    (equal pixels joined by their sides) is water if it is large and the part of its outline beyond which the ground is
    lower (a dam, the next step of a river) is no longer than the side of a square of as many pixels. The raster's edge
    and voids are neither higher nor lower: a raster of one level is water, as is the lowest terrace at its edge.

    Parameters
    ----------
    dem : finished DEM
    sea_level_m : level of the sea, which needs no shore; None if the raster has none
    min_area_km2 : smallest area of water, as smaller flat areas may be hollows; with the pixel size of the middle row

    Returns
    -------
    water : (rows, cols) mask; false on islands and voids

    Source: SRTM Data Editing Rules, version 2.0 (2003), section 2.1: the sea is 0 m, lakes longer than 600 m and
    rivers wider than 183 m are flattened, land beside them is at least 1 m higher. The limit on the outline is ours.
    Checked on 18 rasters, mostly SRTM at 3 arc-seconds: of 96 areas found above 0.5 km2 none is ground, 3 ponds are
    missed; of 85 between 0.25 and 0.5 km2 about 9 are ground, nearly all on plains.
    """
    elevation = dem.elevation_m
    areas = _flat_areas(elevation)
    pixels = np.bincount(areas.ravel())
    width_m, height_m = dem.grid.pixel_size_m()
    large = pixels * (width_m * height_m / 1e6) >= min_area_km2
    number = np.where(large, large.cumsum(dtype=np.int32), 0)  # of the large areas, few of millions, from 1
    areas, pixels = np.take(number, areas), np.append(0, pixels[large])
    enclosed = _lower_sides(elevation, areas, count=pixels.size) ** 2 <= pixels
    water: NDArray[np.bool_] = (areas > 0) & enclosed[areas]
    if sea_level_m is not None:
        water |= (areas > 0) & (elevation == sea_level_m)
    return water & dem.valid


def read_water_mask(path: Path, dem: Dem) -> NDArray[np.bool_] | None:
    """Read the water body mask in the archive of a raster, such as NASADEM's .swb; None without one.

    Parameters
    ----------
    path : archive, or any other file, which has no mask
    dem : raster in the archive

    Returns
    -------
    water : (rows, cols) mask; false on voids

    Raises
    ------
    RasterError : the mask has another size, or its water is rougher than its land
    """
    if path.suffix.lower() != ".zip":
        return None
    with zipfile.ZipFile(path) as archive:
        masks = [name for name in archive.namelist() if name.lower().endswith(".swb")]
        if not masks:
            return None
        if (size := archive.getinfo(masks[0]).file_size) != dem.elevation_m.size:
            message = f"{path}: {masks[0]} has {size} values, the raster {dem.elevation_m.size}; fetch it again"
            raise RasterError(message)
        stored = np.frombuffer(archive.read(masks[0]), np.uint8)
    water: NDArray[np.bool_] = stored.reshape(dem.elevation_m.shape) == _WATER
    both = min(water.mean(), 1 - water.mean()) > _MIN_SHARE
    if both and _roughness_m(dem, water) > _roughness_m(dem, ~water):
        message = (
            f"{path}: the water of {masks[0]} is rougher than its land, so {_WATER} may be land in it; look at the "
            "tile, or keep water with harmonise.land.min_water_km2: null"
        )
        raise RasterError(message)
    return water & dem.valid


def _roughness_m(dem: Dem, where: NDArray[np.bool_]) -> float:
    """Return the mean step from one pixel to the next within a mask, 0 if it has no neighbours."""
    both = where[:, 1:] & where[:, :-1] & dem.valid[:, 1:] & dem.valid[:, :-1]
    return float(np.abs(np.diff(dem.elevation_m, axis=1))[both].mean()) if both.any() else 0.0


def _flat_areas(elevation: NDArray[np.float32]) -> NDArray[np.int32]:
    """Number the areas of equal pixels from 0; a void is an area of its own."""
    begins = np.ones(elevation.shape, np.bool_)
    begins[:, 1:] = elevation[:, 1:] != elevation[:, :-1]
    runs = begins.cumsum(dtype=np.int32).reshape(elevation.shape) - 1  # equal pixels within a row: far fewer nodes
    joined = elevation[1:] == elevation[:-1]
    joined[:, 1:] &= begins[1:, 1:] | ~joined[:, :-1]  # one edge for two runs that touch along several pixels
    place = np.flatnonzero(joined)
    above, below = runs.ravel()[place], runs.ravel()[place + elevation.shape[1]]
    graph = coo_array((np.ones(above.size, np.bool_), (above, below)), shape=(runs[-1, -1] + 1,) * 2)
    area_of_run: NDArray[np.int32] = connected_components(graph, directed=False)[1]
    return np.take(area_of_run, runs)


def _lower_sides(elevation: NDArray[np.float32], areas: NDArray[np.int32], *, count: int) -> NDArray[np.int64]:
    """Count the pixel sides on the outline of each area beyond which the ground is lower; none for area 0."""
    sides = np.zeros(count, np.int64)
    down, up, right, left = np.s_[1:], np.s_[:-1], np.s_[:, 1:], np.s_[:, :-1]
    for here, beyond in ((up, down), (down, up), (left, right), (right, left)):
        lower = (elevation[beyond] < elevation[here]) & (areas[here] > 0)
        sides += np.bincount(areas[here][lower], minlength=count)
    return sides
