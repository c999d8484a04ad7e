"""Product as a folder of one-degree GeoTIFFs with a mosaic (GDAL VRT) and a catalogue (STAC)."""

from pathlib import Path

import numpy as np
import rasterio

from demsr.dem import windows
from demsr.dem.grid import Grid
from demsr.dem.windows import Window
from demsr.errors import RasterError, VoidError
from demsr.output.cog import copy_to_cog, read_cog
from demsr.output.degrees import degree_tiles
from demsr.output.product import Product
from demsr.output.tiles import BLOCKS_AT_ONCE, Tiles, Values, check_written, read_block
from demsr.output.vrt import vrt_mosaic
from demsr.runtime.files import atomic_folder, atomic_write


def write_folder(target: Path, tiles: Tiles, product: Product) -> None:
    """Write a product as a folder; squares without a measurement have no file.

    Raises
    ------
    GridError : see `degree_tiles`
    VoidError : no square has a measurement
    """
    from demsr.output.stac import write_stac  # imports pystac, which only this format needs

    with atomic_folder(target) as folder:
        written: dict[Window, Path] = {}
        for name, square in degree_tiles(product.nominal_grid or product.grid).items():
            source = vrt_mosaic(product, tiles, square)
            if _is_void(source):
                continue
            written[square] = folder / f"{target.name}_{name}.tif"
            with atomic_write(written[square]) as temporary:
                copy_to_cog(source, temporary)
        if not written:
            message = f"{target}: nothing was measured in any square of one degree; name another input"
            raise VoidError(message)
        mosaic = folder / f"{target.name}.vrt"
        mosaic.write_text(vrt_mosaic(product, written, product.window, relative_to=folder), encoding="utf-8")
        with rasterio.open(mosaic) as dataset:
            check_written(tiles, lambda window: read_block(dataset, window))
        write_stac(folder, product, written)


def read_folder(target: Path, window: Window) -> Values:
    """Return the elevation of a window, (rows, cols)."""
    return read_cog(target / f"{target.name}.vrt", window)


def check_folder(target: Path, grid: Grid | None) -> None:
    """Refuse a folder with files of another kind, and a grid that cannot be cut into one-degree squares.

    Raises
    ------
    RasterError : the folder holds other files
    GridError : see `degree_tiles`
    """
    if target.is_dir() and any(target.iterdir()) and not (target / "collection.json").is_file():
        message = f"{target}: holds other files, which would be lost; name a new folder"
        raise RasterError(message)
    if grid is not None:
        degree_tiles(grid)


def _is_void(source: str) -> bool:
    with rasterio.open(source) as dataset:
        parts = windows.tiles(dataset.height, dataset.width, BLOCKS_AT_ONCE)
        return not any(np.isfinite(read_block(dataset, part)).any() for part in parts)
