"""Mosaic of rasters as GDAL VRT: an XML text that GDAL opens like a file."""

from collections.abc import Mapping
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, tostring

from demsr.dem.windows import Window
from demsr.output.product import Product, product_crs, product_tags


def vrt_mosaic(
    product: Product, files: Mapping[Window, Path], within: Window, *, relative_to: Path | None = None
) -> str:
    """Return the VRT that joins rasters to a part of a product; cells that no raster covers are void.

    Parameters
    ----------
    product : description of the product
    files : windows of the product's grid, and the rasters that hold them
    within : part of the product that the mosaic covers
    relative_to : folder of the VRT, if it is to name the files relative to itself
    """
    grid = product.grid.window(within.row, within.col, within.rows, within.cols)
    root = Element("VRTDataset", rasterXSize=str(grid.cols), rasterYSize=str(grid.rows))
    SubElement(root, "SRS").text = product_crs(product)
    transform = (grid.west, grid.pixel_width, 0.0, grid.north, 0.0, -grid.pixel_height)
    SubElement(root, "GeoTransform").text = ", ".join(map(repr, transform))
    _add_metadata(root, product_tags(product))
    shared = [(window, common, path) for window, path in files.items() if (common := window.intersect(within)).cells]
    for number, band in enumerate(product.bands, start=1):
        element = SubElement(root, "VRTRasterBand", dataType="Float32", band=str(number))
        SubElement(element, "Description").text = band.name
        SubElement(element, "UnitType").text = "metre"
        SubElement(element, "NoDataValue").text = "nan"
        _add_metadata(element, {"DESCRIPTION": band.description})
        for window, common, path in shared:
            source = SubElement(element, "SimpleSource")
            name = SubElement(source, "SourceFilename", relativeToVRT="0" if relative_to is None else "1")
            name.text = str(path.resolve() if relative_to is None else path.relative_to(relative_to))
            SubElement(source, "SourceBand").text = str(number)
            _add_rectangles(source, window, common, within)
    return tostring(root, encoding="unicode")


def _add_metadata(parent: Element, tags: Mapping[str, str]) -> None:
    metadata = SubElement(parent, "Metadata")
    for key, text in tags.items():
        SubElement(metadata, "MDI", key=key).text = text


def _add_rectangles(source: Element, window: Window, common: Window, within: Window) -> None:
    """Declare the size of a file, so that GDAL need not open it, and its source and destination rectangles."""
    size = {"RasterXSize": str(window.cols), "RasterYSize": str(window.rows)}
    SubElement(source, "SourceProperties", {**size, "DataType": "Float32", "BlockXSize": "512", "BlockYSize": "512"})
    for tag, origin in (("SrcRect", window), ("DstRect", within)):
        offset = {"xOff": str(common.col - origin.col), "yOff": str(common.row - origin.row)}
        SubElement(source, tag, {**offset, "xSize": str(common.cols), "ySize": str(common.rows)})
