"""What lies beside the rasters of a product: the mosaic that joins them (GDAL VRT) and their catalogue (STAC).

Descriptions only; pixels are written by `demsr.output.product`.
"""

import datetime as dt
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement, tostring

import pystac
from pystac.extensions.file import FileExtension
from pystac.extensions.projection import ProjectionExtension
from pystac.extensions.raster import DataType, NoDataStrings, RasterBand, RasterExtension, Sampling

from demsr.dem.dem import DATUM_TAG, SOURCE_TAG
from demsr.dem.grid import Grid
from demsr.dem.vertical import compound_crs, named_datum
from demsr.dem.windows import Window
from demsr.errors import GridError
from demsr.runtime.files import sha256_of_file, write_json

if TYPE_CHECKING:
    from demsr.output.product import Product

_ALWAYS = (dt.datetime(1900, 1, 1, tzinfo=dt.UTC), dt.datetime(2100, 1, 1, tzinfo=dt.UTC))
_ON_EDGE = 1e-6  # of a cell: a centre that lies this close to a whole degree lies on it
_SHA256_MULTIHASH = "1220"  # code and length of SHA-256, https://github.com/multiformats/multihash


def crs_of(product: "Product") -> str:
    """Return the CRS of a product as text for GDAL and PROJ, compound where EPSG has the vertical datum."""
    return compound_crs(product.grid.crs, named_datum(product.vertical_datum, where=product.source))


def tags_of(product: "Product") -> dict[str, str]:
    """Return the tags that every GeoTIFF of a product carries."""
    return {**product.tags, **meaning_tags(product)}


def meaning_tags(product: "Product") -> dict[str, str]:
    """Return the tags by which `demsr.dem.read.header` knows what the elevations of a file mean."""
    area_or_point = {"AREA_OR_POINT": product.grid.registration.title()}
    return {DATUM_TAG: product.vertical_datum, SOURCE_TAG: product.source, **area_or_point}


def title_of(product: "Product") -> str:
    """Return what a product is, in a few words."""
    return f"Elevation above {product.vertical_datum}"


def mosaic(product: "Product", files: Mapping[Window, Path], within: Window, *, beside: Path | None = None) -> str:
    """Join rasters to one, as the text of a GDAL VRT, which GDAL opens like a file.

    Parameters
    ----------
    files : windows in cells of the product's grid, and the rasters that hold them; what none holds is void
    within : the part of the product that the mosaic covers
    beside : folder of the VRT if it is to name the files relative to itself
    """
    grid = product.grid.window(within.row, within.col, within.rows, within.cols)
    root = Element("VRTDataset", rasterXSize=str(grid.cols), rasterYSize=str(grid.rows))
    SubElement(root, "SRS").text = crs_of(product)
    corners = (grid.west, grid.pixel_width, 0.0, grid.north, 0.0, -grid.pixel_height)
    SubElement(root, "GeoTransform").text = ", ".join(map(repr, corners))
    _add_metadata(root, tags_of(product))
    shared = [(window, common, path) for window, path in files.items() if (common := _common(window, within))]
    for number, band in enumerate(product.bands, start=1):
        element = SubElement(root, "VRTRasterBand", dataType="Float32", band=str(number))
        SubElement(element, "Description").text = band.name
        SubElement(element, "UnitType").text = "metre"
        SubElement(element, "NoDataValue").text = "nan"
        _add_metadata(element, {"DESCRIPTION": band.description})
        for window, common, path in shared:
            source = SubElement(element, "SimpleSource")
            name = SubElement(source, "SourceFilename", relativeToVRT="0" if beside is None else "1")
            name.text = str(path.resolve() if beside is None else path.relative_to(beside))
            SubElement(source, "SourceBand").text = str(number)
            _add_rectangles(source, window, common, within)
    return tostring(root, encoding="unicode")


def degree_squares(grid: Grid) -> dict[str, Window]:
    """Cut a geographic grid into squares of one degree, from the north-west, row by row.

    A cell belongs to the square in which its centre lies, one on an edge to the square north or east of it. Squares
    are called by their south-western corner as SRTM's are, N12E070 or S01W180, with longitudes from -180 on.

    Raises
    ------
    GridError : the grid is projected, or reaches around the globe more than once
    """
    if not grid.is_geographic:
        message = f"grid is in {grid.crs[:60]!r}, squares of one degree need degrees; name one file, a .tif or .nc"
        raise GridError(message)
    lats = [_degree(grid.centre(row, 0)[1], grid.pixel_height) for row in range(grid.rows)]
    lons = [_degree(grid.centre(0, col)[0], grid.pixel_width) for col in range(grid.cols)]
    if lons[-1] - lons[0] >= 360:
        message = f"grid reaches from {grid.west:g} to {grid.east:g} east, at most once around the globe; cut it first"
        raise GridError(message)
    return {
        _square_name(lat, lon): Window(row, col, rows, cols)
        for lat, row, rows in _runs(lats)
        for lon, col, cols in _runs(lons)
    }


def write_catalog(folder: Path, product: "Product", squares: Mapping[Window, Path]) -> None:
    """Write a STAC collection with one item for each raster, linked relatively, so that the folder can be moved.

    Elevation is that of no moment, but STAC wants a time: items hold from 1900 to 2100, so that a search for any year
    finds them, and two runs write the same bytes.

    Parameters
    ----------
    folder : where the rasters and the mosaic, a .vrt, lie
    squares : windows of the product's grid, and the rasters that hold them
    """
    collection = _collection(folder, product)
    for window, path in squares.items():
        item = _item(product, window, path, collection.id)
        write_json(folder / f"{item.id}.json", item.to_dict(include_self_link=False, transform_hrefs=False))
        collection.add_link(pystac.Link("item", f"./{item.id}.json", pystac.MediaType.GEOJSON))
    write_json(folder / "collection.json", collection.to_dict(include_self_link=False, transform_hrefs=False))


def _add_metadata(parent: Element, tags: Mapping[str, str]) -> None:
    metadata = SubElement(parent, "Metadata")
    for key, text in tags.items():
        SubElement(metadata, "MDI", key=key).text = text


def _add_rectangles(source: Element, window: Window, common: Window, within: Window) -> None:
    """Say how large a file is, or GDAL opens each to ask, and what of it goes where."""
    size = {"RasterXSize": str(window.cols), "RasterYSize": str(window.rows)}
    SubElement(source, "SourceProperties", {**size, "DataType": "Float32", "BlockXSize": "512", "BlockYSize": "512"})
    for tag, origin in (("SrcRect", window), ("DstRect", within)):
        at = {"xOff": str(common.col - origin.col), "yOff": str(common.row - origin.row)}
        SubElement(source, tag, {**at, "xSize": str(common.cols), "ySize": str(common.rows)})


def _common(one: Window, other: Window) -> Window | None:
    """Return the cells that two windows share, None if there are none."""
    row, col = max(one.row, other.row), max(one.col, other.col)
    rows = min(one.row + one.rows, other.row + other.rows) - row
    cols = min(one.col + one.cols, other.col + other.cols) - col
    return Window(row, col, rows, cols) if min(rows, cols) > 0 else None


def _degree(centre: float, pixel_size: float) -> int:
    return math.floor(centre + _ON_EDGE * pixel_size)


def _runs(numbers: list[int]) -> Iterator[tuple[int, int, int]]:
    """Yield (number, first index, how many) of each run of equal numbers."""
    first = 0
    for index in range(1, len(numbers) + 1):
        if index == len(numbers) or numbers[index] != numbers[first]:
            yield numbers[first], first, index - first
            first = index


def _square_name(lat: int, lon: int) -> str:
    lon = _wrapped(lon)
    return f"{'S' if lat < 0 else 'N'}{abs(lat):02d}{'W' if lon < 0 else 'E'}{abs(lon):03d}"


def _wrapped(lon: int) -> int:
    """Return a longitude from -180 to 179."""
    return (lon + 180) % 360 - 180


def _collection(folder: Path, product: "Product") -> pystac.Collection:
    mosaic_file = next(folder.glob("*.vrt"))
    bands = ", ".join(band.name for band in product.bands)
    collection = pystac.Collection(
        id=mosaic_file.stem,
        title=title_of(product),
        description=f"{title_of(product)}, in metres: {bands}; made from {product.source}",
        extent=pystac.Extent(pystac.SpatialExtent([_lonlat_box(product.grid)]), pystac.TemporalExtent([[*_ALWAYS]])),
        license="other",
        extra_fields={f"demsr:{key.lower()}": text for key, text in tags_of(product).items()},
    )
    collection.add_link(pystac.Link("root", "./collection.json", pystac.MediaType.JSON))
    collection.add_asset("mosaic", pystac.Asset(f"./{mosaic_file.name}", title="All rasters as one", roles=["data"]))
    return collection


def _item(product: "Product", window: Window, path: Path, collection_id: str) -> pystac.Item:
    grid = product.grid.window(window.row, window.col, window.rows, window.cols)
    west, south, east, north = box = _lonlat_box(grid)
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
        wkt2=None if grid.crs.startswith("EPSG:") else crs_of(product),
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


def _lonlat_box(grid: Grid) -> list[float]:
    """Return [west, south, east, north] in degrees as GeoJSON wants it: inside the globe, west > east across 180."""
    first = _degree(grid.centre(0, 0)[0], grid.pixel_width)
    west, east = (lon + _wrapped(first) - first for lon in (grid.west, grid.east))
    if east - west >= 360:
        west, east = -180.0, 180.0
    elif east - 180 > grid.pixel_width:
        east -= 360
    return [max(west, -180.0), max(grid.south, -90.0), min(east, 180.0), min(grid.north, 90.0)]
