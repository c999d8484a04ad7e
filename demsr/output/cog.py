"""Product as one cloud-optimised GeoTIFF."""

from pathlib import Path

import rasterio
import rasterio.shutil

from demsr.dem.windows import Window
from demsr.dem.write_errors import heard_write_errors
from demsr.output.product import Product
from demsr.output.tiles import BLOCK, Tiles, Values, check_stored, check_written, read_block
from demsr.output.vrt import vrt_mosaic
from demsr.runtime.files import atomic_write

_THREADS = "ALL_CPUS"


def write_cog(target: Path, tiles: Tiles, product: Product) -> None:
    """Write a product as one GeoTIFF."""
    with atomic_write(target) as temporary:
        copy_to_cog(vrt_mosaic(product, tiles, product.window), temporary)
        with rasterio.open(temporary) as dataset:
            check_written(tiles, lambda window: read_block(dataset, window))


def read_cog(target: Path, window: Window) -> Values:
    """Return the elevation of a window, (rows, cols)."""
    with rasterio.open(target) as dataset:
        elevation: Values = read_block(dataset, window)[0]
        return elevation


def copy_to_cog(source: str | Path, target: Path) -> None:
    """Copy a dataset of GDAL, or the text of a VRT, to a cloud-optimised GeoTIFF, and check what was stored.

    The pixels of the full size are not checked.

    Raises
    ------
    RasterioError : see `check_stored`, or GDAL reported an error
    """
    compression = {"compress": "DEFLATE", "predictor": "YES", "blocksize": BLOCK, "bigtiff": "IF_SAFER"}
    overviews = {"overviews": "IGNORE_EXISTING", "overview_resampling": "AVERAGE"}
    with heard_write_errors():
        rasterio.shutil.copy(source, target, driver="COG", num_threads=_THREADS, **compression, **overviews)
    check_stored(source, target)
