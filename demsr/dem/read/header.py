"""Header of a raster file: everything except its pixels, with the assumptions made where the file states nothing."""

from dataclasses import dataclass
from pathlib import Path

from demsr.dem.geotiff import SOURCE_TAG
from demsr.dem.grid import Grid
from demsr.dem.read.declared import Declared
from demsr.dem.read.gdal import open_file, raster_name
from demsr.dem.read.georeference import read_crs, read_grid
from demsr.dem.read.heights import read_positive, read_unit, read_vertical_datum
from demsr.dem.read.identity import product_of
from demsr.dem.read.netcdf import check_dimension_order
from demsr.dem.vertical import vertical_part
from demsr.options import Positive


@dataclass(frozen=True, kw_only=True)
class Header:
    """Properties of a raster file, as needed to read its pixels.

    Attributes
    ----------
    path : path that the user named
    gdal_name, band : dataset and band for GDAL
    driver, layer, dtype : format, variable or band, type of the stored numbers, for people
    grid : north-up, longitudes from -180 on
    vertical_datum : None where neither the file nor its format states it
    metres_per_unit : factor from the stored unit to metres
    positive : direction of the heights; None where only the values show it
    nodata : stored value of void pixels, None where none is stated
    south_up : rows are stored from the south
    first_col : stored column that comes first in `grid`; not 0 for global rasters that start at Greenwich
    source : origin of the elevation, for people
    product : product that the file shows itself to be, see `demsr.dem.read.identity`; None for any other
    assumptions : properties that the file does not state and were assumed, one sentence each
    """

    path: Path
    gdal_name: str
    band: int
    driver: str
    layer: str
    dtype: str
    grid: Grid
    vertical_datum: str | None
    metres_per_unit: float
    positive: Positive | None
    nodata: float | None
    south_up: bool
    first_col: int
    source: str
    product: str | None
    assumptions: tuple[str, ...]


def read_header(path: Path, declared: Declared | None = None) -> Header:
    """Read the header of a raster file.

    Parameters
    ----------
    path : raster in a format of GDAL, or .zip archive with one
    declared : properties that the file lacks or states wrongly

    Raises
    ------
    RasterError : not a raster, or an archive without exactly one
    GridError : no position, a rotated grid, an unknown unit, or several layers of which none is known to be elevation
    DatumError : the file names an unknown vertical datum
    """
    with open_file(path, declared or Declared()) as file:
        dataset, index, layer = file.dataset, file.band - 1, file.layer
        crs = read_crs(file)
        stored = read_grid(file, crs)
        vertical = vertical_part(crs)
        unit, metres_per_unit = read_unit(file, vertical)
        if dataset.driver == "netCDF":
            check_dimension_order(path, layer)
        vertical_datum, positive = read_vertical_datum(file, vertical), read_positive(file, vertical)
        return Header(
            path=path,
            gdal_name=file.gdal_name,
            band=file.band,
            driver=dataset.driver,
            layer=layer,
            dtype=f"{dataset.dtypes[index]} in {unit}",
            grid=stored.grid,
            vertical_datum=vertical_datum,
            metres_per_unit=metres_per_unit,
            positive=positive,
            nodata=dataset.nodatavals[index] if file.declared.nodata is None else file.declared.nodata,
            south_up=stored.south_up,
            first_col=stored.first_col,
            source=file.tags.get(SOURCE_TAG, raster_name(path)),
            product=product_of(stored.grid, path.name, file.tags),
            assumptions=tuple(file.notes),
        )
