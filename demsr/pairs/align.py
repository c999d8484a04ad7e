"""Average HR elevation onto the cells of a real LR grid, after co-registration."""

from dataclasses import replace

import numpy as np

from demsr.dem.average import average, finer_than
from demsr.dem.dem import Dem
from demsr.dem.grid import describe_spacing
from demsr.errors import GridError
from demsr.pairs.coregister import Coregistration, coregister


def align_hr(lr: Dem, hr: Dem, *, scale: int = 5) -> tuple[Dem, Coregistration]:
    """Average HR onto scale x scale pixels per LR cell, shifted and raised as co-registration finds.

    Parameters
    ----------
    lr : real LR grid, geographic
    hr : elevation of the same ground, not coarser than a `scale`-th of an LR cell
    scale : HR pixels per LR pixel along one axis

    Returns
    -------
    aligned : HR on the refined grid of LR, void where LR is void, on the vertical datum of LR
    found : the co-registration

    Raises
    ------
    GridError : the grids do not match, share too few cells, or lie too far apart for co-registration
    """
    lr = with_common_crs(lr, hr)
    target = lr.grid.refine(scale)
    if finer_than(target, hr.grid):
        message = f"coarser than a {scale}th of the cells of {lr.source}"
        raise GridError(message)
    found = coregister(lr, hr)
    if found.unusable:
        raise GridError(found.verdict)
    void = np.kron(np.isnan(lr.elevation_m), np.ones((scale, scale), np.bool_))
    moved = average(hr, target, shift_m=found.shift_m).without(void)
    aligned = replace(
        moved,
        elevation_m=moved.elevation_m + np.float32(found.bias_m),
        vertical_datum=lr.vertical_datum,
        source=f"{hr.source} (laid on LR from {describe_spacing(hr.grid)})",
    )
    return aligned, found


def with_common_crs(lr: Dem, hr: Dem) -> Dem:
    """Return LR in the geographic CRS of HR: CRSs close to WGS 84 differ by less than an HR pixel on the ground.

    Raises
    ------
    GridError : a CRS lies metres from WGS 84, or LR is projected
    """
    for grid in (hr.grid, lr.grid):
        if not grid.is_near_wgs84:
            message = f"its CRS {grid.crs[:60]!r} lies metres from WGS 84; warp it to WGS 84 first, as with gdalwarp"
            raise GridError(message)
    if not lr.grid.is_geographic:
        message = f"the LR grid is in {lr.grid.crs[:60]!r}; warp it to longitude and latitude first, as with gdalwarp"
        raise GridError(message)
    return replace(lr, grid=replace(lr.grid, crs=hr.grid.geographic_crs))
