"""Description of a product: its grid, bands and provenance, and the CRS, title and tags that follow from them."""

from dataclasses import dataclass

from demsr.dem.geotiff import elevation_tags
from demsr.dem.grid import Grid
from demsr.dem.vertical import NOT_STATED, compound_crs, named_datum
from demsr.dem.windows import Window


@dataclass(frozen=True, kw_only=True)
class Band:
    """Layer of a product, in metres.

    Attributes
    ----------
    name : "elevation" or "uncertainty", which is a standard error
    description : one sentence for people
    """

    name: str
    description: str


@dataclass(frozen=True, kw_only=True)
class Product:
    """Description that the files of a product carry.

    Attributes
    ----------
    grid : grid of the whole raster
    nominal_grid : grid that names the one-degree squares, if the raster was moved; else None
    vertical_datum : a name of `demsr.dem.vertical.DATUMS`; None if not stated
    source : origin of the elevation, for people
    bands : in the order of the bands in a tile
    tags : provenance, names in upper case, such as MODEL or COMMAND
    """

    grid: Grid
    vertical_datum: str | None
    source: str
    bands: tuple[Band, ...]
    tags: dict[str, str]
    nominal_grid: Grid | None = None

    def __post_init__(self) -> None:
        """Raise DatumError for an unknown datum."""
        if self.vertical_datum is not None:
            named_datum(self.vertical_datum, where=self.source)

    @property
    def window(self) -> Window:
        """All cells of the grid."""
        return Window(0, 0, self.grid.rows, self.grid.cols)


def product_crs(product: Product) -> str:
    """Return the CRS as text for GDAL and PROJ, compound where EPSG defines the vertical datum."""
    return compound_crs(product.grid.crs, product.vertical_datum)


def product_title(product: Product) -> str:
    """Return a title of a few words."""
    if product.vertical_datum is None:
        return f"Elevation, vertical datum {NOT_STATED}"
    return f"Elevation above {product.vertical_datum}"


def product_tags(product: Product) -> dict[str, str]:
    """Return the tags of every GeoTIFF of a product: provenance, datum, source and registration."""
    return {**product.tags, **elevation_tags(product.grid, product.vertical_datum, product.source)}
