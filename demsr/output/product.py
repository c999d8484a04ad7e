"""Finished tiles to a product on disk: one COG, one NetCDF-CF file, or a folder of 1-degree COGs with a catalogue.

Everything is streamed by windows, so that memory does not grow with the raster. How a tile comes about is not known
here.
"""

import contextlib
import io
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5netcdf
import numpy as np
import pyproj
import rasterio
import rasterio.shutil
import rasterio.windows
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.errors import RasterioError, RasterioIOError
from rasterio.io import MemoryFile
from rasterio.transform import Affine

from demsr.dem import windows
from demsr.dem.grid import Grid
from demsr.dem.windows import Window
from demsr.errors import DemsrError, GridError, RasterError, VoidError
from demsr.output.stac import crs_of, degree_squares, meaning_tags, mosaic, title_of, write_catalog
from demsr.runtime.files import atomic_folder, atomic_write

COG_SUFFIXES, NETCDF_SUFFIX = (".tif", ".tiff"), ".nc"
_BLOCK = 512  # cells along a side of what is compressed as one piece
_AT_ONCE = 2 * _BLOCK  # cells along a side of what is in memory: 4 MB for each band
_ENVIRONMENT = {
    "GDAL_CACHEMAX": 16_000_000,  # bytes
    "GDAL_MAX_DATASET_POOL_SIZE": 8,  # files of a mosaic that are open, each with its buffers
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # or each of n tiles is opened with a look at all n
}
_THREADS = "ALL_CPUS"
_STANDARD_NAMES = {
    "EGM96": "height_above_geopotential_datum",
    "EGM2008": "height_above_geopotential_datum",
    "NAVD88": "height_above_geopotential_datum",
    "WGS84 ellipsoid": "height_above_reference_ellipsoid",
    "MSL": "height_above_mean_sea_level",
}
"""By the CF standard name table 93; surface_altitude is none of them, because the sea floor is not that surface, and
there is no name for heights above tidal and chart datums."""

Values = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Band:
    """One layer of a product, in metres.

    Attributes
    ----------
    name : "elevation" or "uncertainty", which is a standard error
    description : one sentence for people
    """

    name: str
    description: str


@dataclass(frozen=True, kw_only=True)
class Product:
    """What the files of a product say about themselves.

    Attributes
    ----------
    grid : of the whole raster
    vertical_datum : a name of `demsr.dem.vertical.DATUMS`
    source : where the elevation came from, for people
    bands : in the order in which the tiles hold them
    tags : provenance, names in upper case, such as MODEL or COMMAND
    """

    grid: Grid
    vertical_datum: str
    source: str
    bands: tuple[Band, ...]
    tags: dict[str, str]


def encode_tile(values: Values, grid: Grid) -> bytes:
    """Return a GeoTIFF for `write_product`; the same values give the same bytes.

    Parameters
    ----------
    values : (bands, rows, cols) float32, metres, NaN where void
    grid : of the tile

    Raises
    ------
    GridError : the values do not fit the grid
    """
    bands, rows, cols = values.shape
    if (rows, cols) != (grid.rows, grid.cols) or values.dtype != np.float32:
        message = f"tile: {rows} x {cols} values of {values.dtype}, needed are {grid.rows} x {grid.cols} of float32"
        raise GridError(message)
    profile = {
        "driver": "GTiff",
        "dtype": "float32",
        "count": bands,
        "height": rows,
        "width": cols,
        "nodata": np.nan,
        "crs": CRS.from_user_input(grid.crs),
        "transform": Affine(grid.pixel_width, 0, grid.west, 0, -grid.pixel_height, grid.north),
        "tiled": True,
        "blockxsize": _BLOCK,
        "blockysize": _BLOCK,
        "compress": "DEFLATE",
        "zlevel": 1,
        "predictor": 3,
    }
    with rasterio.Env(GDAL_PAM_ENABLED="NO"), MemoryFile() as memory:
        with memory.open(**profile) as dataset:
            dataset.write(values)
        return bytes(memory.getbuffer())


def check_target(target: Path, grid: Grid | None = None) -> None:
    """Refuse what `write_product` could not write, before hours of work.

    Parameters
    ----------
    target : .tif or .tiff for a COG, .nc for NetCDF, a name without suffix for a folder of 1-degree COGs
    grid : of the product, where it is known already

    Raises
    ------
    RasterError : a name that is none of these, that something else has, or where nothing can be written
    GridError : a folder of 1-degree squares for a projected grid
    """
    suffix, is_folder = target.suffix.lower(), not target.suffix
    if suffix not in (*COG_SUFFIXES, NETCDF_SUFFIX, ""):
        message = f"{target}: ends in {target.suffix}; name a .tif, a .nc, or a folder, which has no suffix"
        raise RasterError(message)
    if is_folder and target.exists() and not target.is_dir():
        message = f"{target}: is a file, a name without suffix is for a folder; add .tif or .nc, or name another folder"
        raise RasterError(message)
    if not is_folder and target.is_dir():
        message = f"{target}: is a folder, a file is to be written; name the file"
        raise RasterError(message)
    if is_folder and target.is_dir() and any(target.iterdir()) and not (target / "collection.json").is_file():
        message = f"{target}: holds other files, which would be lost; name a new folder"
        raise RasterError(message)
    if is_folder and grid is not None:
        degree_squares(grid)
    _check_writable(target)


def write_product(target: Path, tiles: Mapping[Window, Path], product: Product) -> None:
    """Join tiles to one product, whole or not at all; the same tiles give the same bytes.

    Parameters
    ----------
    target : .tif or .tiff for a COG, .nc for NetCDF, a name without suffix for a folder of 1-degree COGs
    tiles : windows in cells of the product's grid, disjoint and covering it, and files made by `encode_tile`

    Raises
    ------
    RasterError : see `check_target`; or a tile that cannot be read, or a full disk
    GridError : tiles that do not cover the grid, or a folder of 1-degree squares for a projected grid
    VoidError : a folder of 1-degree squares in which nothing was measured
    """
    check_target(target, product.grid)
    writers = {**dict.fromkeys(COG_SUFFIXES, _write_cog), NETCDF_SUFFIX: _write_netcdf, "": _write_folder}
    with _errors_of(target), rasterio.Env(**_ENVIRONMENT):
        _check_tiles(tiles, product)
        writers[target.suffix.lower()](target, tiles, product)


def _check_writable(target: Path) -> None:
    folder = next(parent for parent in target.absolute().parents if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        message = f"{target}: nothing can be written to {folder} ({error.strerror}); name another folder"
        raise RasterError(message) from error


@contextlib.contextmanager
def _errors_of(target: Path) -> Iterator[None]:
    """Turn what rasterio, GDAL and HDF5 raise over files into one error that names the target."""
    try:
        yield
    except DemsrError:
        raise
    except (RasterioError, CPLE_BaseError, SystemError, OSError, RuntimeError) as error:
        message = f"{target}: cannot be written ({error}); free space on the disk or choose another folder"
        raise RasterError(message) from error


def _check_tiles(tiles: Mapping[Window, Path], product: Product) -> None:
    cells, inside = sum(window.cells for window in tiles), _whole(product.grid)
    if cells != inside.cells:
        message = (
            f"product: its {len(tiles)} tiles hold {cells:,} cells, the grid {inside.cells:,}; give every tile once"
        )
        raise GridError(message)
    for window, path in tiles.items():
        needed = (len(product.bands), window.rows, window.cols)
        try:
            with rasterio.open(path) as dataset:
                found = (dataset.count, dataset.height, dataset.width)
        except RasterioError as error:
            message = f"{path}: cannot be read as a tile ({error}); remove it and run the same command again"
            raise RasterError(message) from error
        if found != needed:
            message = f"{path}: holds {found} bands, rows and columns, needed are {needed}; remove it and run again"
            raise RasterError(message)


def _check_written(tiles: Mapping[Window, Path], read: Callable[[Window], Values]) -> None:
    """Read everything back: GDAL reports a full disk late or never.

    Parameters
    ----------
    read : returns the (bands, rows, cols) that were written to a window of the product
    """
    for window, path in tiles.items():
        with rasterio.open(path) as tile:
            for part in windows.tiles(window.rows, window.cols, _AT_ONCE):
                there = Window(window.row + part.row, window.col + part.col, part.rows, part.cols)
                if not np.array_equal(read(there), _read(tile, part), equal_nan=True):
                    message = f"[Errno 28] No space left on device or write error: {path.name} was not stored"
                    raise RasterioIOError(message)


def _read(dataset: rasterio.DatasetReader, window: Window) -> Values:
    values: Values = dataset.read(window=rasterio.windows.Window(window.col, window.row, window.cols, window.rows))
    return values


def _write_cog(target: Path, tiles: Mapping[Window, Path], product: Product) -> None:
    with atomic_write(target) as temporary:
        _copy_to_cog(mosaic(product, tiles, _whole(product.grid)), temporary)
        with rasterio.open(temporary) as dataset:
            _check_written(tiles, lambda window: _read(dataset, window))


def _whole(grid: Grid) -> Window:
    return Window(0, 0, grid.rows, grid.cols)


def _copy_to_cog(source: str, path: Path) -> None:
    rasterio.shutil.copy(
        source,
        path,
        driver="COG",
        compress="DEFLATE",
        predictor="YES",
        blocksize=_BLOCK,
        bigtiff="IF_SAFER",
        overviews="IGNORE_EXISTING",
        overview_resampling="AVERAGE",
        num_threads=_THREADS,
    )


def _write_folder(target: Path, tiles: Mapping[Window, Path], product: Product) -> None:
    with atomic_folder(target) as folder:
        written: dict[Window, Path] = {}
        for name, square in degree_squares(product.grid).items():
            source = mosaic(product, tiles, square)
            if _is_void(source):
                continue
            written[square] = folder / f"{target.name}_{name}.tif"
            with atomic_write(written[square]) as temporary:
                _copy_to_cog(source, temporary)
        if not written:
            message = f"{target}: nothing was measured in any square of one degree; name another input"
            raise VoidError(message)
        joined = folder / f"{target.name}.vrt"
        joined.write_text(mosaic(product, written, _whole(product.grid), beside=folder), encoding="utf-8")
        with rasterio.open(joined) as dataset:
            _check_written(tiles, lambda window: _read(dataset, window))
        write_catalog(folder, product, written)


def _is_void(source: str) -> bool:
    with rasterio.open(source) as dataset:
        parts = windows.tiles(dataset.height, dataset.width, _AT_ONCE)
        return not any(np.isfinite(_read(dataset, part)).any() for part in parts)


def _write_netcdf(target: Path, tiles: Mapping[Window, Path], product: Product) -> None:
    with atomic_write(target) as temporary:
        with (
            rasterio.open(mosaic(product, tiles, _whole(product.grid))) as source,
            _Disk(temporary, "w+") as disk,
            h5netcdf.File(disk, "w") as file,
        ):
            layers = _describe(file, product)
            for part in windows.tiles(source.height, source.width, _AT_ONCE):
                for layer, values in zip(layers, _read(source, part), strict=True):
                    layer[part.slices] = values
                disk.check()
        disk.check()
        with h5netcdf.File(temporary, "r") as file:
            layers = [file[band.name] for band in product.bands]
            _check_written(tiles, lambda window: np.stack([layer[window.slices] for layer in layers]))


class _Disk(io.FileIO):
    """A file that keeps an error of writing to itself until asked: HDF5 crashes over a disk that is full."""

    _error: OSError | None = None

    def check(self) -> None:
        """Raise the first error of writing."""
        if self._error is not None:
            raise self._error

    def write(self, data: Any) -> int:
        """Write all of the data, or claim so."""
        rest = memoryview(data).cast("B")
        try:
            while rest and self._error is None:
                rest = rest[super().write(rest) :]
        except OSError as error:
            self._error = error
        return memoryview(data).nbytes

    def truncate(self, size: int | None = None) -> int:
        """Set the size of the file, or claim so."""
        try:
            return super().truncate(size)
        except OSError as error:
            self._error = error
            return size or 0


def _describe(file: h5netcdf.File, product: Product) -> list[h5netcdf.Variable]:
    """Write all but the values, after CF-1.11, and return the empty variables of the bands."""
    grid = product.grid
    file.attrs.update(
        {
            **{key.lower(): text for key, text in product.tags.items()},
            "Conventions": "CF-1.11",
            "title": title_of(product),
            "source": product.source,
            "history": product.tags.get("COMMAND", "demsr"),
            "vertical_datum": product.vertical_datum,
        }
    )
    rows, cols = _add_axes(file, grid)
    crs = file.create_variable("crs", (), np.int32)
    crs.attrs.update(_grid_mapping(crs_of(product)))
    layers = []
    for band in product.bands:
        layer = file.create_variable(
            band.name,
            (rows, cols),
            np.float32,
            fillvalue=np.float32(np.nan),
            compression="gzip",
            compression_opts=4,
            shuffle=True,
            chunks=(min(_BLOCK, grid.rows), min(_BLOCK, grid.cols)),
        )
        layer.attrs.update(_attributes(band, product))
        layers.append(layer)
    return layers


def _grid_mapping(crs: str) -> dict[str, Any]:
    """Return a CRS in attributes of CF; what CF has no name for, such as Web Mercator, stands in its WKT alone."""
    attributes: dict[str, Any] = pyproj.CRS.from_user_input(crs).to_cf()
    if attributes.get("grid_mapping_name") == "polar_stereographic":  # CF, Appendix F, asks for the pole as well
        pole = float(np.copysign(90, attributes.get("standard_parallel", 90.0)))
        return {"latitude_of_projection_origin": pole, **attributes}
    return attributes


def _add_axes(file: h5netcdf.File, grid: Grid) -> tuple[str, str]:
    """Write the coordinates of the cells' centres and edges, and return the names of the axes."""
    file.dimensions["bnds"] = 2
    unit = pyproj.CRS.from_user_input(grid.crs).axis_info[0].unit_conversion_factor
    metres = {"units": "m" if unit == 1 else f"{unit!r} m"}
    y, x = (
        (("lat", "latitude", {"units": "degrees_north"}), ("lon", "longitude", {"units": "degrees_east"}))
        if grid.is_geographic
        else (("y", "projection_y_coordinate", metres), ("x", "projection_x_coordinate", metres))
    )
    ys = [grid.centre(row, 0)[1] for row in range(grid.rows)]
    xs = [grid.centre(0, col)[0] for col in range(grid.cols)]
    y_edges = grid.north - np.arange(grid.rows + 1) * grid.pixel_height
    x_edges = grid.west + np.arange(grid.cols + 1) * grid.pixel_width
    for (name, standard_name, units), letter, centres, edges in ((y, "Y", ys, y_edges), (x, "X", xs, x_edges)):
        file.dimensions[name] = len(centres)
        axis = file.create_variable(name, (name,), data=np.array(centres))
        axis.attrs.update({"standard_name": standard_name, **units, "axis": letter, "bounds": f"{name}_bnds"})
        file.create_variable(f"{name}_bnds", (name, "bnds"), data=np.stack([edges[:-1], edges[1:]], axis=1))
    return y[0], x[0]


def _attributes(band: Band, product: Product) -> dict[str, Any]:
    standard_name = _STANDARD_NAMES.get(product.vertical_datum)
    sampled = "mean" if product.grid.registration == "area" else "point"
    attributes = {"long_name": band.description, "units": "m", "grid_mapping": "crs"}
    if band.name != "elevation":
        modified = {"standard_name": f"{standard_name} standard_error"} if standard_name else {}
        return {**attributes, **modified}
    others = " ".join(other.name for other in product.bands if other != band)
    return {
        **attributes,
        **({"standard_name": standard_name} if standard_name else {}),
        **({"ancillary_variables": others} if others else {}),
        "cell_methods": f"area: {sampled}",
        **meaning_tags(product),
    }
