"""Product as one NetCDF-4 file after CF-1.11."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyproj
import rasterio

from demsr.dem import windows
from demsr.dem.geotiff import elevation_tags
from demsr.dem.grid import Grid
from demsr.dem.vertical import NOT_STATED
from demsr.dem.windows import Window
from demsr.output.product import Band, Product, product_crs, product_title
from demsr.output.tiles import BLOCK, BLOCKS_AT_ONCE, Tiles, Values, check_written, read_block
from demsr.output.vrt import vrt_mosaic
from demsr.runtime.files import atomic_write

if TYPE_CHECKING:
    import h5netcdf

_STANDARD_NAMES = {
    "EGM96": "height_above_geopotential_datum",
    "EGM2008": "height_above_geopotential_datum",
    "NAVD88": "height_above_geopotential_datum",
    "WGS84 ellipsoid": "height_above_reference_ellipsoid",
    "MSL": "height_above_mean_sea_level",
}
"""By the CF standard name table 93. The sea floor is no surface_altitude, and heights above tidal and chart datums
have no standard name."""


def write_netcdf(target: Path, tiles: Tiles, product: Product) -> None:
    """Write a product as one NetCDF file."""
    import h5netcdf  # here, because other formats do not need it

    with atomic_write(target) as temporary:
        with (
            rasterio.open(vrt_mosaic(product, tiles, product.window)) as source,
            _DeferredErrorFile(temporary, "w+") as disk,
            h5netcdf.File(disk, "w") as file,
        ):
            variables = _create_variables(file, product)
            for part in windows.tiles(source.height, source.width, BLOCKS_AT_ONCE):
                for variable, values in zip(variables, read_block(source, part), strict=True):
                    variable[part.slices] = values
                disk.check()
        disk.check()
        with h5netcdf.File(temporary, "r") as file:
            layers = [file[band.name] for band in product.bands]
            check_written(tiles, lambda window: np.stack([layer[window.slices] for layer in layers]))


def read_netcdf(target: Path, window: Window) -> Values:
    """Return the elevation of a window, (rows, cols)."""
    import h5netcdf

    with h5netcdf.File(target, "r") as file:
        elevation: Values = file["elevation"][window.slices]
        return elevation


class _DeferredErrorFile(io.FileIO):
    """File that keeps its first write error until `check`, because HDF5 crashes over a full disk."""

    _error: OSError | None = None

    def check(self) -> None:
        """Raise the first write error."""
        if self._error is not None:
            raise self._error

    def write(self, data: Any) -> int:
        """Write all data, and report success in any case."""
        rest = memoryview(data).cast("B")
        try:
            while rest and self._error is None:
                rest = rest[super().write(rest) :]
        except OSError as error:
            self._error = error
        return memoryview(data).nbytes

    def truncate(self, size: int | None = None) -> int:
        """Set the size of the file, and report success in any case."""
        try:
            return super().truncate(size)
        except OSError as error:
            self._error = error
            return size or 0


def _create_variables(file: "h5netcdf.File", product: Product) -> "list[h5netcdf.Variable]":
    """Write attributes and coordinates, and return the empty variables of the bands."""
    grid = product.grid
    file.attrs.update(
        {
            **{key.lower(): text for key, text in product.tags.items()},
            "Conventions": "CF-1.11",
            "title": product_title(product),
            "source": product.source,
            "history": product.tags.get("COMMAND", "demsr"),
            "vertical_datum": product.vertical_datum or NOT_STATED,
            "node_offset": np.int32(1),  # GMT: cells, not nodes
        }
    )
    axes = _create_axes(file, grid)
    file.create_variable("crs", (), np.int32).attrs.update(_grid_mapping(product_crs(product)))
    compression = {"compression": "gzip", "compression_opts": 4, "shuffle": True}
    storage = {**compression, "chunks": (min(BLOCK, grid.rows), min(BLOCK, grid.cols))}
    variables = []
    for band in product.bands:
        variable = file.create_variable(band.name, axes, np.float32, fillvalue=np.float32(np.nan), **storage)
        variable.attrs.update(_attributes(band, product))
        variables.append(variable)
    _create_edges(file, grid, axes)  # last: GMT reads the first variable with two dimensions
    return variables


def _create_axes(file: "h5netcdf.File", grid: Grid) -> list[str]:
    """Write the coordinates of cell centres, and return the names of the axes."""
    ys = [grid.centre(row, 0)[1] for row in range(grid.rows)]
    xs = [grid.centre(0, col)[0] for col in range(grid.cols)]
    axes = _geographic_axes() if grid.is_geographic else _projected_axes(grid.crs)
    for (name, attributes), centres in zip(axes.items(), (ys, xs), strict=True):
        file.dimensions[name] = len(centres)
        axis = file.create_variable(name, (name,), data=np.array(centres))
        axis.attrs.update({**attributes, "bounds": f"{name}_bnds"})
    return list(axes)


def _create_edges(file: "h5netcdf.File", grid: Grid, axes: list[str]) -> None:
    """Write the coordinates of cell edges."""
    y_edges = grid.north - np.arange(grid.rows + 1) * grid.pixel_height
    x_edges = grid.west + np.arange(grid.cols + 1) * grid.pixel_width
    file.dimensions["bnds"] = 2
    for name, edges in zip(axes, (y_edges, x_edges), strict=True):
        file.create_variable(f"{name}_bnds", (name, "bnds"), data=np.stack([edges[:-1], edges[1:]], axis=1))


def _geographic_axes() -> dict[str, dict[str, str]]:
    return {
        "lat": {"standard_name": "latitude", "units": "degrees_north", "axis": "Y"},
        "lon": {"standard_name": "longitude", "units": "degrees_east", "axis": "X"},
    }


def _projected_axes(crs: str) -> dict[str, dict[str, str]]:
    metres = pyproj.CRS.from_user_input(crs).axis_info[0].unit_conversion_factor
    units = "m" if metres == 1 else f"{metres!r} m"
    return {
        axis.lower(): {"standard_name": f"projection_{axis.lower()}_coordinate", "units": units, "axis": axis}
        for axis in ("Y", "X")
    }


def _grid_mapping(crs: str) -> dict[str, Any]:
    """Return a CRS as CF attributes; CRSs for which CF has no name, such as Web Mercator, are given as WKT alone."""
    attributes: dict[str, Any] = pyproj.CRS.from_user_input(crs).to_cf()
    if attributes.get("grid_mapping_name") == "polar_stereographic":  # CF, Appendix F, requires the pole as well
        pole = float(np.copysign(90, attributes.get("standard_parallel", 90.0)))
        return {"latitude_of_projection_origin": pole, **attributes}
    return attributes


def _attributes(band: Band, product: Product) -> dict[str, Any]:
    datum = product.vertical_datum
    standard_name = None if datum is None else _STANDARD_NAMES.get(datum)
    attributes = {"long_name": band.description, "units": "m", "grid_mapping": "crs"}
    if band.name != "elevation":
        return attributes | ({"standard_name": f"{standard_name} standard_error"} if standard_name else {})
    if standard_name:
        attributes["standard_name"] = standard_name
    if others := " ".join(other.name for other in product.bands if other != band):
        attributes["ancillary_variables"] = others
    attributes["cell_methods"] = "area: mean" if product.grid.registration == "area" else "area: point"
    return attributes | elevation_tags(product.grid, datum, product.source)
