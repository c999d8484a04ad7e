"""Responses of the providers of elevation data on a local server, made from rasters of the development data."""

import io
import json
import zipfile
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import numpy as np
import xarray
from affine import Affine
from fault_server import FaultServer, Served
from numpy.typing import NDArray
from rasterio.io import MemoryFile

from demsr.dem.average import average
from demsr.dem.dem import Dem
from demsr.dem.grid import Box, Grid
from demsr.download.cache import Cache
from demsr.download.remote_file import RetryPolicy
from demsr.sources.cells import cells
from demsr.sources.data_sheet import data_sheet
from demsr.sources.fetch import fetch_all
from demsr.sources.fetch_request import FetchRequest, raster_requests
from demsr.sources.manifest import InputFile
from demsr.sources.protocols.base import FetchRegion, server_of

Elevation = NDArray[np.float32]
_GEBCO_DEG = 15 / 3600


def served_by(server: FaultServer, *products: str) -> dict[str, str]:
    """Return mirrors that redirect the requests for products and for catalogues of tiles to a server."""
    hosts = {"https://cmr.earthdata.nasa.gov": server.url}
    for name in products:
        access = data_sheet(name).access
        files = [request.file.url for request in access.whole_files(name)]
        hosts |= {server_of(url): server.url for url in (access.address, *files) if url}
    return hosts


def path_of(url: str) -> str:
    """Return path and query of an address."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def serve_nasadem(server: FaultServer, tile: str, elevation: Elevation, water: NDArray[np.bool_] | None = None) -> None:
    """Serve a tile as a zip of .hgt, .num and .swb, and list it in the catalogue."""
    stored = np.where(np.isnan(elevation), -32768, np.round(elevation)).astype(">i2")
    mask = np.zeros(stored.shape, np.uint8) if water is None else np.where(water, 255, 0).astype(np.uint8)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for suffix, content in ((".hgt", stored.tobytes()), (".num", mask.tobytes()), (".swb", mask.tobytes())):
            archive.writestr(tile + suffix, content)
    name = f"NASADEM_HGT_{tile}"
    path = f"/lp-prod-protected/NASADEM_HGT.001/{name}/{name}.zip"
    server.files[path] = Served(packed.getvalue(), kind="application/zip")
    empty = Served(b'{"feed": {"entry": []}}', kind="application/json")
    listed = server.files.setdefault("/search/granules.json", empty)
    answer = json.loads(listed.content)
    links = [{"href": f"https://data.lpdaac.earthdatacloud.nasa.gov{path}"}, {"href": "https://example.org/browse.png"}]
    answer["feed"]["entry"].append({"id": "G1-LPCLOUD", "granule_size": "7.1", "links": links})
    listed.content = json.dumps(answer).encode()


def serve_gebco(server: FaultServer, name: str, boxes: list[Box], truths: list[Dem], grids: list[Dem]) -> None:
    """Serve the windows of regions, from real GEBCO where available, else from means of the ground truth."""
    grid = data_sheet(name)
    for sheet in (grid, grid.source_types()):
        for box in boxes:
            for request in raster_requests(sheet, FetchRegion(name="any", domain="land", product=name, box=box)):
                words = parse_qs(urlsplit(request.file.url).query)
                west, south, east, north = (float(words[edge][0]) for edge in ("west", "south", "east", "north"))
                window = gebco_window((west, south, east, north), truths, grids)
                content = netcdf(window, sheet.access.variable, tid=sheet is not grid)
                server.files[path_of(request.file.url)] = Served(content, kind="application/x-netcdf")


def gebco_window(box: Box, truths: list[Dem], grids: list[Dem]) -> Dem:
    """Return whole metres on the cells of GEBCO, 0 without data."""
    west, south, east, north = box
    grid = Grid(
        rows=round((north - south) / _GEBCO_DEG),
        cols=round((east - west) / _GEBCO_DEG),
        west=west,
        north=north,
        pixel_width=_GEBCO_DEG,
        pixel_height=_GEBCO_DEG,
        crs="EPSG:4326",
    )
    elevation = np.zeros((grid.rows, grid.cols), np.float32)
    for dem in (*truths, *grids):
        west_of, south_of, east_of, north_of = dem.grid.lonlat_bounds()
        if west_of < east and west < east_of and south_of < north and south < north_of:
            top, left = (int(np.floor(edge)) for edge in grid.index(west_of, north_of))
            bottom, right = (int(np.ceil(edge)) for edge in grid.index(east_of, south_of))
            first_row, first_col = max(0, top), max(0, left)
            rows, cols = min(grid.rows, bottom + 1) - first_row, min(grid.cols, right + 1) - first_col
            cells_there = replace(grid.window(first_row, first_col, rows, cols), crs=dem.grid.geographic_crs)
            mean = average(dem, cells_there).elevation_m
            part = elevation[first_row : first_row + rows, first_col : first_col + cols]
            part[...] = np.where(np.isnan(mean), part, np.round(mean))
    return Dem(elevation_m=elevation, grid=grid, vertical_datum="MSL", source="made of the truth")


def netcdf(dem: Dem, variable: str, *, tid: bool) -> bytes:
    """Return a grid like a subset service: NetCDF-3, rows from the south."""
    grid = dem.grid
    lats = grid.north - (np.arange(grid.rows) + 0.5) * grid.pixel_height
    lons = grid.west + (np.arange(grid.cols) + 0.5) * grid.pixel_width
    values = np.full(dem.elevation_m.shape, 11, np.int8) if tid else dem.elevation_m.astype(np.int16)
    attributes = {} if tid else {"standard_name": "height_above_mean_sea_level", "units": "m"}
    data = xarray.Dataset(
        {variable: (("lat", "lon"), values[::-1], attributes)},
        coords={
            "lat": ("lat", lats[::-1], {"units": "degrees_north", "standard_name": "latitude"}),
            "lon": ("lon", lons, {"units": "degrees_east", "standard_name": "longitude"}),
        },
    )
    return bytes(data.to_netcdf(engine="scipy", format="NETCDF3_64BIT"))


def geotiff(elevation: Elevation, box: Box, *, crs: str = "EPSG:4326", **profile) -> bytes:
    """Return a tiled GeoTIFF."""
    west, south, east, north = box
    rows, cols = elevation.shape
    transform = Affine((east - west) / cols, 0, west, 0, -(north - south) / rows, north)
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff",
            width=cols,
            height=rows,
            count=1,
            dtype=elevation.dtype,
            crs=crs,
            transform=transform,
            tiled=True,
            blockxsize=256,
            blockysize=256,
            compress="deflate",
            **profile,
        ) as dataset:
            dataset.write(elevation, 1)
        return bytes(memory.read())


def zipped(**files: bytes) -> bytes:
    """Return a zip of files, double underscores in their names for dots."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "."), content)
    return packed.getvalue()


def cell_at(lon: float, lat: float) -> Box:
    """Return the 1-degree cell that contains a place."""
    return next(cells((lon, lat, lon + 1e-6, lat + 1e-6)))


QUICK = RetryPolicy(attempts=2, connect_s=2, stall_s=2, min_bytes_per_s=2000, window_s=1, first_wait_s=0.01)


def quick_cache(server: FaultServer, *products: str) -> Cache:
    return Cache(mirrors=served_by(server, *products), retry=QUICK)


def fetched(server: FaultServer, *regions: FetchRegion, lr: str | None = None, **more) -> dict[str, list[InputFile]]:
    products = {region.product for region in regions} | ({lr} if lr else set())
    return fetch_all(FetchRequest(regions=regions, lr=lr, **more), quick_cache(server, *products))


def lr_grid(west: float, north: float) -> Dem:
    spacing = 15 / 3600
    rows, cols = np.mgrid[:1200, :1200]
    grid = Grid(
        rows=1200, cols=1200, west=west, north=north, pixel_width=spacing, pixel_height=spacing, crs="EPSG:4326"
    )
    return Dem(elevation_m=(rows - 2 * cols).astype(np.float32), grid=grid, vertical_datum="MSL", source="plane")
