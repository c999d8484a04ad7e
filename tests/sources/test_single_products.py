"""What is special about single products, each against a server of its own."""

import numpy as np
import pytest
from fault_server import Served
from providers import fetched, geotiff, lr_grid, netcdf, path_of, zipped
from synthetic import rough

from demsr.dem.read.declared import Declared
from demsr.dem.read.raster import read_dem
from demsr.download.remote_file import AbsentError
from demsr.errors import FetchError
from demsr.sources.cutting import cut
from demsr.sources.data_sheet import data_sheet
from demsr.sources.fetch_request import raster_requests
from demsr.sources.manifest import verified_path
from demsr.sources.protocols.base import FetchRegion

pytestmark = pytest.mark.usefixtures("own_cache")


def test_a_file_with_another_checksum_than_published_is_refused(server, tmp_path):
    server.files["/dataset/937574/files/IBCSO_v2_bed.nc"] = Served(netcdf(lr_grid(0, -60), "z", tid=False))
    region = FetchRegion(name="weddell", domain="marine", product="ibcso", box=(-50, -72, -45, -70))
    with pytest.raises(FetchError, match="its sha256 is .*, the provider publishes 74d55acb219d.*, in two downloads"):
        fetched(server, region)
    assert not (tmp_path / "cache" / "files").exists()


def test_canadian_depths_in_web_mercator_are_cut_to_their_cells(server):
    region = FetchRegion(name="strait", domain="marine", product="nonna-10", box=(-124.5, 48, -123.5, 48.5))
    requests = raster_requests(data_sheet("nonna-10"), region)
    depths = (-200 + rough(800, 1500, seed=1) / 10).astype(np.float32)
    depths[:50] = np.float32(3.4028234663852886e38)
    content = geotiff(depths, (-13_870_000, 6_100_000, -13_740_000, 6_200_000), crs="EPSG:3857")
    for request in requests:
        server.files[path_of(request.file.url)] = Served(content, kind="image/tiff")
    west, east = (read_dem(verified_path(entry)) for entry in fetched(server, region)["marine"])
    assert west.vertical_datum == "chart datum"
    for dem, request in zip((west, east), requests, strict=True):
        bounds = dem.grid.lonlat_bounds()
        assert max(abs(one - other) for one, other in zip(bounds, request.box, strict=True)) < 0.51
        assert (dem.elevation_m[dem.valid] < 0).all()
    assert west.valid.sum() + east.valid.sum() <= np.isfinite(depths).sum()


def test_the_coastal_relief_model_is_cut_out_of_its_volume(server):
    window = lr_grid(-90, 30)
    server.files["/thredds/fileServer/crm/crm_vol4.nc"] = Served(netcdf(window, "z", tid=False), ranges=False)
    region = FetchRegion(name="delta", domain="marine", product="crm", box=(-90, 28, -88, 29))
    assert len(raster_requests(data_sheet("crm"), region)) == 2
    found = fetched(server, region)["marine"]
    assert [entry.name for entry in found] == ["delta__n28w090-vol4", "delta__n28w089-vol4"]
    dem = read_dem(verified_path(found[0]))
    assert (dem.vertical_datum, dem.grid.registration) == ("MSL", "point")
    assert dem.elevation_m.shape == (240, 240)
    np.testing.assert_array_equal(dem.elevation_m, window.elevation_m[240:480, :240])


def test_european_depths_are_requested_by_longitude_and_latitude(server):
    region = FetchRegion(name="wadden", domain="marine", product="emodnet", box=(5, 53, 6, 54))
    (request,) = raster_requests(data_sheet("emodnet"), region)
    depths = (-20 + rough(96, 96, seed=1) / 100).astype(np.float32)
    server.files[path_of(request.file.url)] = Served(geotiff(depths, (5, 53, 6, 54)))
    (entry,) = fetched(server, region)["marine"]
    dem = read_dem(verified_path(entry))
    assert dem.vertical_datum == "LAT"
    np.testing.assert_array_equal(dem.elevation_m, depths)


def test_a_named_survey_is_stored_unchanged(server, shared):
    content = (shared / "data" / "marine" / "F00788_SR_8m.bag").read_bytes()
    server.files["/surveys/F00788_SR_8m.bag"] = Served(content, faults=["reset"])
    url = f"{server.url}/surveys/F00788_SR_8m.bag"
    region = FetchRegion(name="strait", domain="marine", product="bag", box=(-123, 48, -122, 49), urls=(url,))
    (entry,) = fetched(server, region)["marine"]
    assert verified_path(entry).read_bytes() == content
    assert (entry.name, entry.declared["vertical_datum"]) == ("strait__F00788_SR_8m", "MLLW")
    assert read_dem(verified_path(entry), declared=Declared(**entry.declared)).valid.any()


def test_parts_of_tiles_are_read_by_ranges_and_whole_tiles_at_once(server):
    region = FetchRegion(name="here", domain="land", product="glo-30", box=(10, 46, 11.5, 47))
    sheet, elevation = data_sheet("glo-30"), (1000 + rough(400, 400, seed=1)).astype(np.float32)
    tiles = b"Copernicus_DSM_COG_10_N46_00_E010_00_DEM\r\nCopernicus_DSM_COG_10_N46_00_E011_00_DEM\r\n"
    server.files["/tileList.txt"] = Served(tiles, kind="text/plain")
    for request, west in zip(raster_requests(sheet, region), (10, 11), strict=True):
        server.files[path_of(request.file.url)] = Served(geotiff(elevation, (west, 46, west + 1, 47)))
    whole, part = fetched(server, region)["land"]
    dems = [read_dem(verified_path(entry), declared=Declared(**entry.declared)) for entry in (whole, part)]
    np.testing.assert_array_equal(dems[0].elevation_m, elevation)
    np.testing.assert_array_equal(dems[1].elevation_m, elevation[:, :200])
    assert dems[1].vertical_datum == "EGM2008"
    assert part.declared["nodata"] == -32767
    asked = len(server.seen)
    assert fetched(server, region)["land"] == [whole, part]
    assert len(server.seen) == asked + 1  # the list of tiles alone


def test_cells_cut_from_a_projected_grid_share_no_ground(server, tmp_path):
    depths = (-2000 + rough(400, 400, seed=1)).astype(np.float32)
    content = geotiff(depths, (-400_000, 1_000_000, 400_000, 1_800_000), crs="EPSG:9354", nodata=-32768)
    path = tmp_path / "ibcso.tif"
    path.write_bytes(content)
    region = FetchRegion(name="ross", domain="marine", product="ibcso", box=(-30, -85, 30, -70))
    requests = raster_requests(data_sheet("ibcso"), region)
    counted = 0
    for request in requests:
        try:
            counted += int(cut(path, request.box, data_sheet("ibcso")).valid.sum())
        except AbsentError:
            continue
    assert counted == pytest.approx(depths.size, rel=1e-3)


def test_a_product_without_supported_login_is_fetched_from_the_user_s_server(server, monkeypatch):
    monkeypatch.delenv("EARTHDATA_TOKEN")
    tif = geotiff(np.full((100, 100), 300, np.float32), (10, 49, 11, 50))
    server.files["/TDM1.zip"] = Served(zipped(TDM1_DEM__30_N49E010_DEM__tif=tif))
    region = FetchRegion(
        name="here", domain="land", product="tandem-x-90", box=(10, 49, 11, 50), urls=(f"{server.url}/TDM1.zip",)
    )
    (entry,) = fetched(server, region)["land"]
    assert entry.declared["vertical_datum"] == "WGS84 ellipsoid"
    assert all("Authorization" not in headers for _, headers in server.seen)


def test_an_xml_error_with_status_200_is_detected(server):
    region = FetchRegion(name="strait", domain="marine", product="nonna-10", box=(-124.5, 48, -124, 48.5))
    (request,) = raster_requests(data_sheet("nonna-10"), region)
    words = b"<?xml version='1.0'?><ows:ExceptionReport><ows:ExceptionText>Invalid axis label</ows:ExceptionText>"
    for kind in ("application/xml", "image/tiff"):
        server.files[path_of(request.file.url)] = Served(words, kind=kind)
        with pytest.raises(FetchError, match="received a web page instead of the file: .*Invalid axis label"):
            fetched(server, region)
    server.files[path_of(request.file.url)] = Served(words, kind="application/xml", faults=["404"] * 9)
    with pytest.raises(FetchError, match=r"the service rejects the request \(HTTP 404\): .*Invalid axis label"):
        fetched(server, region)
