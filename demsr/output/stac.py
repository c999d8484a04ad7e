"""STAC catalogue of a folder of rasters: one collection, and one item for each raster."""

import datetime as dt
from collections.abc import Mapping
from pathlib import Path

import pystac
from pystac.extensions.file import FileExtension
from pystac.extensions.projection import ProjectionExtension
from pystac.extensions.raster import DataType, NoDataStrings, RasterBand, RasterExtension, Sampling

from demsr.dem.windows import Window
from demsr.output.degrees import lonlat_box
from demsr.output.product import Product, product_crs, product_tags, product_title
from demsr.runtime.escape import as_markdown
from demsr.runtime.files import sha256_of_file, write_json

_ALWAYS = (dt.datetime(1900, 1, 1, tzinfo=dt.UTC), dt.datetime(2100, 1, 1, tzinfo=dt.UTC))
_SHA256_MULTIHASH = "1220"  # code and length of SHA-256, https://github.com/multiformats/multihash


def write_stac(folder: Path, product: Product, squares: Mapping[Window, Path]) -> None:
    """Write a STAC collection with one item for each raster, linked relatively, so that the folder can be moved.

    Elevation has no time, but STAC requires one: items are valid from 1900 to 2100, so that a search for any year
    finds them and two runs write equal bytes.

    Parameters
    ----------
    folder : folder of the rasters and the mosaic, a .vrt
    product : description of the product
    squares : windows of the product's grid, and the rasters that hold them
    """
    collection = _collection(folder, product)
    for window, path in squares.items():
        item = _item(product, window, path, collection.id)
        write_json(folder / f"{item.id}.json", item.to_dict(include_self_link=False, transform_hrefs=False))
        collection.add_link(pystac.Link("item", f"./{item.id}.json", pystac.MediaType.GEOJSON))
    write_json(folder / "collection.json", collection.to_dict(include_self_link=False, transform_hrefs=False))


def _collection(folder: Path, product: Product) -> pystac.Collection:
    mosaic_file = next(folder.glob("*.vrt"))
    bands = ", ".join(band.name for band in product.bands)
    collection = pystac.Collection(
        id=mosaic_file.stem,
        title=product_title(product),
        description=f"{product_title(product)}, in metres: {bands}; made from {as_markdown(product.source)}",
        extent=pystac.Extent(pystac.SpatialExtent([lonlat_box(product.grid)]), pystac.TemporalExtent([[*_ALWAYS]])),
        license="other",
        extra_fields={f"demsr:{key.lower()}": text for key, text in product_tags(product).items()},
    )
    collection.add_link(pystac.Link("root", "./collection.json", pystac.MediaType.JSON))
    collection.add_asset("mosaic", pystac.Asset(f"./{mosaic_file.name}", title="All rasters as one", roles=["data"]))
    return collection


def _item(product: Product, window: Window, path: Path, collection_id: str) -> pystac.Item:
    grid = product.grid.window(window.row, window.col, window.rows, window.cols)
    west, south, east, north = box = lonlat_box(grid)
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    item = pystac.Item(
        id=path.stem,
        geometry={"type": "Polygon", "coordinates": [ring]},
        bbox=box,
        datetime=None,
        start_datetime=_ALWAYS[0],
        end_datetime=_ALWAYS[1],
        properties={},
        collection=collection_id,
    )
    for rel in ("root", "parent", "collection"):
        item.add_link(pystac.Link(rel, "./collection.json", pystac.MediaType.JSON))
    asset = pystac.Asset(f"./{path.name}", media_type=pystac.MediaType.COG, roles=["data"])
    asset.extra_fields["bands"] = [{"name": band.name, "description": band.description} for band in product.bands]
    item.add_asset("raster", asset)
    ProjectionExtension.ext(item, add_if_missing=True).apply(
        code=grid.crs if grid.crs.startswith("EPSG:") else None,
        wkt2=None if grid.crs.startswith("EPSG:") else product_crs(product),
        shape=[grid.rows, grid.cols],
        transform=[grid.pixel_width, 0, grid.west, 0, -grid.pixel_height, grid.north],
    )
    band = RasterBand.create(
        nodata=NoDataStrings.NAN,
        data_type=DataType.FLOAT32,
        unit="m",
        sampling=Sampling(grid.registration),
    )
    RasterExtension.ext(asset, add_if_missing=True).apply(bands=[band] * len(product.bands))
    checksum = _SHA256_MULTIHASH + sha256_of_file(path)
    FileExtension.ext(asset, add_if_missing=True).apply(size=path.stat().st_size, checksum=checksum)
    return item
