"""What GDAL does not say about NetCDF files."""

from pathlib import Path

import xarray as xr

from demsr.errors import GridError

_LATITUDE = ("lat", "latitude")


def check_order(path: Path, layer: str) -> None:
    """Refuse variables that are stored by columns: GDAL takes their last dimension for x, and never asks its name.

    Raises
    ------
    GridError : the last dimension is latitude
    """
    try:
        with xr.open_dataset(path, decode_cf=False) as file:
            dims = [str(name) for name in file[layer].dims]
            units = str(file[dims[-1]].attrs.get("units", "")) if dims and dims[-1] in file.coords else ""
    except (ValueError, OSError, KeyError, TypeError):
        return  # GDAL reads more kinds of NetCDF than xarray
    if dims and (dims[-1].lower() in _LATITUDE or units.lower().startswith("degrees_n")):
        order = f"{dims[-1]},{dims[0]}"
        message = f"{path}: {layer} has the dimensions {', '.join(dims)}; put rows first, with `ncpdq -a {order}`"
        raise GridError(message)
