"""Super-resolve one raster that fits in memory."""

from torch import nn

from demsr.dem.raster import Dem
from demsr.errors import CheckpointError, GridError, VoidError
from demsr.model.predict import super_resolve_array

METRES = "m"


def super_resolve(dem: Dem, model: nn.Module) -> Dem:
    """Replace every pixel by scale x scale pixels; voids stay exactly void.

    Parameters
    ----------
    dem : at any spacing; the result is `scale` times as fine
    model : from `load_model`, on the device to compute on

    Raises
    ------
    CheckpointError : the model does not take metres
    GridError : a side is shorter than 2 pixels
    VoidError : nothing was measured
    """
    if getattr(model, "unit", METRES) != METRES and getattr(model, "formulation", "") == "direct":
        message = (
            f"{dem.source}: the model takes scaled values whose range is not known; train or import it again "
            "with the range in metres (pairs.scaled_range_m, or `demsr import-mindspore --range`)"
        )
        raise CheckpointError(message)  # the residual formulation has no biases: it fits every unit
    if min(dem.elevation_m.shape) < 2:
        message = f"{dem.source}: the raster has {dem.grid.rows} x {dem.grid.cols} pixels; both sides must be 2 or more"
        raise GridError(message)
    if not dem.valid.any():
        message = f"{dem.source}: all {dem.valid.size} pixels are void; give a raster with measured pixels"
        raise VoidError(message)
    sr = super_resolve_array(dem.elevation_m, model)
    grid = dem.grid.refine(sr.shape[0] // dem.grid.rows)
    return Dem(elevation_m=sr, grid=grid, vertical_datum=dem.vertical_datum, source=f"{dem.source}, super-resolved")
