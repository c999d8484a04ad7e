"""Rasters in formats that demsr reads but does not write, written byte by byte or with a minimal library."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import netcdf_file

LAT = 50 + (np.arange(4) + 0.5) / 240
LON = 10 + (np.arange(6) + 0.5) / 240
VALUES = np.arange(24, dtype=np.float64).reshape(4, 6) * 4
"""Whole metres on 15 arc-second cells, (latitudes from the south, longitudes)."""


def write_hgt(folder: Path, elevation: NDArray[Any], *, name: str = "N43E007", zipped: bool = False) -> Path:
    """Write an SRTM tile: big-endian int16, no header, voids -32768; 1201 x 1201 or 3601 x 3601 nodes."""
    path = folder / f"{name}.hgt"
    path.write_bytes(np.nan_to_num(elevation, nan=-32768).astype(">i2").tobytes())
    if not zipped:
        return path
    with zipfile.ZipFile(folder / f"{name}.hgt.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path, path.name)
    path.unlink()
    return folder / f"{name}.hgt.zip"


def write_netcdf(
    path: Path,
    values: NDArray[Any],
    *,
    lon: NDArray[Any],
    lat: NDArray[Any],
    name: str = "elevation",
    attributes: dict[str, Any] | None = None,
    others: dict[str, NDArray[Any]] | None = None,
    axes: tuple[str, str] = ("lat", "lon"),
    degrees: bool = True,
    **of_file: Any,
) -> Path:
    """Write a classic NetCDF file with one two-dimensional variable, and others of the same shape."""
    with netcdf_file(path, "w") as file:
        for key, value in of_file.items():
            setattr(file, key, value)
        for axis, unit, centres in zip(axes, ("degrees_north", "degrees_east"), (lat, lon), strict=True):
            file.createDimension(axis, len(centres))
            variable = file.createVariable(axis, "d", (axis,))
            variable[:] = centres
            variable.long_name = axis
            variable.axis = "Y" if unit == "degrees_north" else "X"
            if degrees:
                variable.units = unit
        for key, data in {name: values, **(others or {})}.items():
            variable = file.createVariable(key, data.dtype.newbyteorder(">"), axes)
            variable[:] = data
            if key == name:
                for attribute, value in (attributes or {}).items():
                    setattr(variable, attribute, value)
    return path


def write_ascii(
    path: Path,
    values: NDArray[Any],
    *,
    west: float,
    south: float,
    cell: float,
    nodata: float = -9999,
    corner: str = "corner",
) -> Path:
    """Write an Esri ASCII grid."""
    header = {
        "ncols": values.shape[1],
        "nrows": values.shape[0],
        f"xll{corner}": west,
        f"yll{corner}": south,
        "cellsize": repr(cell),
        "NODATA_value": nodata,
    }
    rows = [" ".join(f"{value:g}" for value in row) for row in np.nan_to_num(values, nan=nodata)]
    path.write_text("\n".join([*(f"{key} {value}" for key, value in header.items()), *rows]) + "\n")
    return path
