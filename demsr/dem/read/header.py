"""Header of a raster file: everything except its pixels, with the assumptions made where the file states nothing."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from demsr.dem.axes import read_axes
from demsr.dem.geotiff import SOURCE_TAG
from demsr.dem.grid import Grid
from demsr.dem.read.declared import Declared
from demsr.dem.read.gdal import open_file, raster_name
from demsr.dem.read.georeference import read_crs, read_grid, read_placement
from demsr.dem.read.heights import check_meaning, read_positive, read_unit, read_vertical_datum
from demsr.dem.read.identity import product_of
from demsr.dem.read.netcdf import check_dimension_order, open_variables
from demsr.dem.read.void_values import Storage, declared_voids
from demsr.dem.vertical import vertical_part

_REMEDY = "declare --nodata={number} (or nodata in harmonise.files of params.yaml)"
_NETCDF = "netCDF"


@dataclass(frozen=True, kw_only=True)
class Header:
    """Properties of a raster file, as needed to read its pixels.

    Attributes
    ----------
    path : path that the user named
    gdal_name, band : dataset and band for GDAL
    alpha_band : band that is 0 where the others are void, None without one
    driver, layer, dtype : format, variable or band, type of the stored numbers, for people
    grid : north-up, longitudes from -180 on
    vertical_datum : None where neither the file nor its format states it
    storage : unit, direction, packing and declared voids of the stored numbers
    in_file_order : read rows in the order of the file, whatever GDAL makes of its coordinates
    south_up : rows are read from the south
    from_east : columns are read from the east
    first_col : column, counted from the west, that comes first in `grid`; not 0 for globes that start at Greenwich
    stored_cols : number of columns in the file
    source : origin of the elevation, for people
    product : product that the file shows itself to be, see `demsr.dem.read.identity`; None for any other
    assumptions : properties that the file does not state and were assumed, one sentence each
    """

    path: Path
    gdal_name: str
    band: int
    alpha_band: int | None
    driver: str
    layer: str
    dtype: str
    grid: Grid
    vertical_datum: str | None
    storage: Storage
    in_file_order: bool
    south_up: bool
    from_east: bool
    first_col: int
    stored_cols: int
    source: str
    product: str | None
    assumptions: tuple[str, ...]


def read_header(path: Path, declared: Declared | None = None, *, is_elevation: bool = True) -> Header:
    """Read the header of a raster file.

    Parameters
    ----------
    path : raster in a format of GDAL, .zip archive with one, .gz file of one, or see `demsr.dem.read.names`
    declared : properties that the file lacks or states wrongly
    is_elevation : refuse layers that are no elevation; False for type identifiers, for example

    Raises
    ------
    RasterError : not a raster, or an archive without exactly one
    GridError : no position, a rotated or uneven grid, an unknown unit, numbers that are no heights, or several layers
        of which none is known to be elevation
    DatumError : the file names an unknown vertical datum
    """
    with open_file(path, declared or Declared()) as file, open_variables(file.stored, file.variable) as variables:
        dataset, index, path = file.dataset, file.band - 1, file.path
        if dataset.driver != _NETCDF:
            variables = {}
        is_sure = not is_elevation or check_meaning(file)
        check_dimension_order(path, file.variable, variables)
        layer = file.variable.rpartition("/")[2]
        axes = read_axes(layer, variables, where=str(path))
        place = read_placement(file, axes)
        crs = read_crs(file, place)
        stored = read_grid(file, crs, place)
        vertical = vertical_part(crs)
        unit, metres_per_unit = read_unit(file, vertical)
        vertical_datum, positive = read_vertical_datum(file, vertical), read_positive(file, vertical)
        own = variables.get(layer)
        nodata = dataset.nodatavals[index] if own is None else None  # else GDAL adds the default fill value of NetCDF
        storage = Storage(
            where=str(path),
            scale=dataset.scales[index],
            offset=dataset.offsets[index],
            metres_per_unit=metres_per_unit,
            positive=positive,
            nodata=file.declared.nodata,
            remedy=_REMEDY,
            doubted=None if is_sure else f"declare --layer {file.layer.removeprefix('band ')} if these are heights",
            **declared_voids(np.dtype(dataset.dtypes[index]), file.tags if own is None else own.attributes, nodata),
        )
        return Header(
            path=path,
            gdal_name=file.gdal_name,
            band=file.band,
            alpha_band=file.alpha_band,
            driver=dataset.driver,
            layer=file.layer,
            dtype=f"{dataset.dtypes[index]} in {unit}",
            grid=stored.grid,
            vertical_datum=vertical_datum,
            storage=storage,
            in_file_order=axes is not None,
            south_up=stored.south_up,
            from_east=stored.from_east,
            first_col=stored.first_col,
            stored_cols=dataset.width,
            source=file.tags.get(SOURCE_TAG, raster_name(path)),
            product=product_of(stored.grid, path.name, file.tags),
            assumptions=tuple(file.notes),
        )
