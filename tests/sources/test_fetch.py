from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fault_server import FaultServer, Served
from providers import QUICK, fetched, geotiff, lr_grid, netcdf, path_of, quick_cache, serve_gebco, serve_nasadem, zipped
from synthetic import rough

from demsr.dem.dem import Dem
from demsr.dem.read.declared import Declared
from demsr.dem.read.raster import read_dem
from demsr.download.cache import Cache
from demsr.download.credentials import Credentials
from demsr.errors import FetchError, ParamsError, RasterError
from demsr.sources.data_sheet import data_sheet
from demsr.sources.fetch import check_login, fetch_all, fetch_input
from demsr.sources.fetch_request import FetchInput, FetchRequest, input_requests, raster_requests
from demsr.sources.manifest import InputFile, read_manifest, verified_path, write_manifest
from demsr.sources.protocols.base import FetchRegion

pytestmark = pytest.mark.usefixtures("own_cache")
ALPS = FetchRegion(name="alps", domain="land", product="nasadem", box=(10, 46, 12, 47))
TILE = np.round(1000 + rough(121, 121, seed=1))


def hgt(server: FaultServer, *tiles: str) -> None:
    for tile in tiles:
        serve_nasadem(server, tile, np.round(1000 + rough(1201, 1201, seed=sum(tile.encode()))))


def test_tiles_are_listed_by_region_with_the_properties_of_the_sheet(server, tmp_path):
    hgt(server, "n46e010", "n46e011")
    found = fetched(server, ALPS)
    assert [entry.name for entry in found["land"]] == ["alps__n46e010", "alps__n46e011"]
    first = found["land"][0]
    assert first.path.startswith("cache:files/")
    assert verified_path(first).parent.name == first.sha256
    assert first.origin.startswith("https://data.lpdaac.earthdatacloud.nasa.gov/")
    assert Declared(**first.declared) == Declared(vertical_datum="EGM96", registration="point", positive="up")
    write_manifest(tmp_path / "inputs.json", found)
    assert read_manifest(tmp_path / "inputs.json") == found
    assert (found["marine"], found["lr"]) == ([], [])


def test_a_login_page_is_never_stored_as_a_tile(server, tmp_path):
    hgt(server, "n46e010", "n46e011")
    path = next(path for path in server.files if "n46e011" in path)
    server.files[path].faults = ["page"] * 99
    with pytest.raises(FetchError, match=r"received a web page instead of the file.*Earthdata Login"):
        fetched(server, ALPS)
    assert not list((tmp_path / "cache" / "files").rglob("*n46e011*"))
    server.files[path].faults = []
    assert len(fetched(server, ALPS)["land"]) == 2


def test_a_missing_login_is_reported_before_any_request(server, monkeypatch):
    monkeypatch.delenv("EARTHDATA_TOKEN")
    hgt(server, "n46e010")
    with pytest.raises(FetchError, match="nasadem: its server requires a login"):
        fetch_all(
            FetchRequest(regions=(ALPS,)), Cache(mirrors={"https://cmr.earthdata.nasa.gov": server.url}, retry=QUICK)
        )
    assert server.seen == []
    mirrored = fetched(server, ALPS)["land"]  # a mirror is never given a login, so none is needed
    cached = fetch_all(FetchRequest(regions=(ALPS,)), Cache(mirrors={"https://cmr.earthdata.nasa.gov": server.url}))[
        "land"
    ]
    assert cached == mirrored


def test_a_region_without_any_file_is_refused(server):
    sea = FetchRegion(name="sea", domain="marine", product="gmrt", box=(0.2, 0.2, 0.8, 0.8))
    with pytest.raises(FetchError, match="region sea: the server has none of its gmrt files, such as https://www.gmrt"):
        fetched(server, sea)


def test_a_large_file_is_fetched_once_and_cut_into_cells(server):
    elevation = np.round(-1500 + np.clip(rough(600, 600, seed=1), -900, 900)).astype(np.float32)
    content = geotiff(elevation, (-88, 28, -86, 30), nodata=-99999)
    server.files["/w.zip"] = Served(zipped(BOEMbathyW_m__tif=content), faults=["reset"])
    region = FetchRegion(
        name="gulf", domain="marine", product="boem", box=(-88, 28, -86, 30), urls=(f"{server.url}/w.zip",)
    )
    with pytest.raises(FetchError, match="its CRS is 'EPSG:4326', boem has projected"):
        fetched(server, region)
    utm = geotiff(elevation, (410_000, 3_100_000, 440_000, 3_130_000), crs="EPSG:32616", nodata=-99999)
    server.files["/x.zip"] = Served(zipped(BOEMbathyW_m__tif=utm), faults=["reset"])
    region = replace(region, urls=(f"{server.url}/x.zip",))
    found = fetched(server, region)["marine"]
    assert [path for path, _ in server.seen].count("/x.zip") == 2
    assert {entry.name for entry in found} <= {f"gulf__n{lat}w0{lon}-x" for lat in (28, 29) for lon in (87, 88)}
    assert found
    assert all(entry.declared == {} for entry in found)  # what was cut says all of itself
    valid = sum(read_dem(verified_path(entry)).valid.sum() for entry in found)
    assert valid >= elevation.size


def test_windows_of_gebco_and_of_its_source_types_are_one_grid_each(server):
    hgt(server, "n46e010", "n46e011")
    serve_gebco(server, "gebco-2024", [ALPS.box], [], [])
    window = lr_grid(10, 50)
    (request,) = input_requests(data_sheet("gebco-2024"), [ALPS.box], whole=False)
    server.files[path_of(request.file.url)] = Served(netcdf(window, "elevation", tid=False))
    found = fetched(server, ALPS, lr="gebco-2024", tid=True)
    (lr,), (types,) = found["lr"], found["lr_tid"]
    part = read_dem(verified_path(lr), declared=Declared(**lr.declared), within=(10, 46, 12, 47))
    assert part.grid.is_geographic
    assert part.elevation_m.shape == (240, 480)
    np.testing.assert_array_equal(part.elevation_m, window.elevation_m[720:960, :480])
    assert (lr.name, types.name) == ("gebco-2024", "gebco-2024-tid")
    everywhere = read_dem(verified_path(lr), declared=Declared(**lr.declared), within=(0, 0, 1, 1))
    assert np.isnan(everywhere.elevation_m).all()


def test_the_whole_file_of_gebco_is_resumed_and_unpacked(server, tmp_path):
    content = zipped(GEBCO_2021__nc=netcdf(lr_grid(10, 50), "elevation", tid=False), GEBCO_Grid_terms__pdf=b"words")
    server.files["/data/open_download/gebco/gebco_2021/zip/"] = Served(content, faults=["reset"])
    found = fetched_lr(server, whole=True)
    assert found.name == "gebco-2021"
    dem = read_dem(verified_path(found), declared=Declared(**found.declared), within=(10, 49, 11, 50))
    np.testing.assert_array_equal(dem.elevation_m, lr_grid(10, 50).elevation_m[:240, :240])
    first, second = server.headers_of("/data/open_download/gebco/gebco_2021/zip/")
    assert second["Range"] == f"bytes={len(content) // 2}-"


def fetched_lr(server: FaultServer, *, whole: bool) -> InputFile:
    sheet = data_sheet("gebco-2021")
    requests = input_requests(sheet, [ALPS.box], whole=whole)
    return fetch_input(FetchInput(kind="lr", sheet=sheet, requests=requests), quick_cache(server, "gebco-2021"))


def test_a_missing_window_of_an_input_is_an_error(server):
    with pytest.raises(FetchError, match="the server has no such file; the provider has moved it, choose another year"):
        fetched_lr(server, whole=False)


def test_files_of_equal_names_or_wrong_positions_are_refused(server):
    content = geotiff((-10 + rough(50, 50, seed=1) / 1e3).astype(np.float32), (10, 49, 10.2, 49.2), crs="EPSG:4269")
    server.files |= {path: Served(content) for path in ("/a/bathy.tif", "/b/bathy.tif")}
    urls = tuple(server.url + path for path in ("/a/bathy.tif", "/b/bathy.tif"))
    region = FetchRegion(name="gulf", domain="marine", product="cudem", box=(10, 49, 11, 50), urls=urls)
    with pytest.raises(FetchError, match="several files are named gulf__bathy; rename one"):
        fetched(server, region)
    elsewhere = replace(region, urls=urls[:1], box=(-94, 29, -93, 30))
    with pytest.raises(FetchError, match="covers 10 to 10.2 east, 49 to 49.2 north, requested was -94 to -93 east"):
        fetched(server, elsewhere)
    assert fetched(server, replace(region, urls=urls[:1]))["marine"][0].name == "gulf__bathy"


def test_a_listed_but_missing_tile_is_an_error(server):
    hgt(server, "n46e010", "n46e011")
    del server.files[next(path for path in server.files if "n46e011" in path)]
    with pytest.raises(
        FetchError, match="region alps: .*NASADEM_HGT_n46e011.zip is listed by the provider but missing on the server"
    ):
        fetched(server, ALPS)


def gmrt(server: FaultServer, content: bytes) -> FetchRegion:
    region = FetchRegion(name="rise", domain="marine", product="gmrt", box=(10.2, 49.2, 10.8, 49.8))
    (request,) = raster_requests(data_sheet("gmrt"), region)
    server.files[path_of(request.file.url)] = Served(content)
    return region


def test_an_unreadable_file_is_evicted_and_impossible_elevations_are_reported(server, tmp_path):
    depths = (-2000 + rough(300, 300, seed=1)).astype(np.float32)
    whole = geotiff(depths, (10, 49, 11, 50))
    with pytest.raises(
        FetchError,
        match="region rise: .* cannot be read as a raster .* is evicted from the cache, run",
    ):
        fetched(server, gmrt(server, whole[: len(whole) // 2]))
    with pytest.raises(FetchError, match="product has -11100 to 300 m; .*, delete .* if the provider has corrected it"):
        fetched(server, gmrt(server, geotiff(-depths, (10, 49, 11, 50))))
    next((tmp_path / "cache" / "files").rglob("gmrt*.tif")).unlink()
    (entry,) = fetched(server, gmrt(server, whole))["marine"]
    np.testing.assert_array_equal(read_dem(verified_path(entry)).elevation_m, depths)
    assert len(entry.fetched_on) == 10  # a product without versions


def test_a_window_of_another_size_than_requested_is_refused(server):
    product = data_sheet("gebco-2021")
    (request,) = input_requests(product, [ALPS.box], whole=False)
    window = lr_grid(10, 50)
    small = replace(window, elevation_m=window.elevation_m[:480, :480], grid=window.grid.window(0, 0, 480, 480))
    server.files[path_of(request.file.url)] = Served(netcdf(small, "elevation", tid=False))
    with pytest.raises(
        FetchError, match=r"covers .* requested was \(10.0, 45.0, 15.0, 50.0\); the service has changed"
    ):
        fetched_lr(server, whole=False)


def test_a_damaged_cached_file_is_removed_and_downloaded_again(server):
    hgt(server, "n46e010", "n46e011")
    entry = fetched(server, ALPS)["land"][0]
    content = bytearray(entry.place.read_bytes())
    content[1000] ^= 1
    entry.place.write_bytes(content)
    with pytest.raises(
        ParamsError, match="missing or damaged, and is now removed; run `dvc repro --force --single-item fetch`"
    ):
        verified_path(entry)
    assert fetched(server, ALPS)["land"][0] == entry
    verified_path(entry)
    entry.place.write_bytes(content)  # noticed by fetch itself, too
    assert fetched(server, ALPS)["land"][0] == entry
    verified_path(entry)


def test_a_neighbouring_tile_under_the_wrong_name_is_refused(server):
    hgt(server, "n46e010", "n46e011", "n47e010")
    wrong, right = (next(path for path in server.files if tile in path) for tile in ("n46e010", "n47e010"))
    server.files[wrong] = Served(server.files[right].content)
    with pytest.raises(FetchError, match=r"region alps: .* covers 9.99.* requested was 10 to 11 east, 46 to 47 north"):
        fetched(server, ALPS)


def test_a_full_disk_keeps_the_downloaded_file(server, tmp_path, monkeypatch):
    def full(path: Path, dem: Dem) -> None:
        raise RasterError(f"{path}: cannot be written (No space left on device)")

    region = gmrt(server, geotiff((-2000 + rough(300, 300, seed=1)).astype(np.float32), (10, 49, 11, 50)))
    with monkeypatch.context() as patched:
        patched.setattr("demsr.sources.fetch.write_dem", full)
        with pytest.raises(RasterError, match="No space left"):
            fetched(server, region)
    asked = len(server.seen)
    assert len(fetched(server, region)["marine"]) == 1
    assert len(server.seen) == asked


def test_files_beside_a_fetched_one_do_not_change_its_checksum(server):
    entry = fetched(server, gmrt(server, geotiff(np.full((300, 300), -5, np.float32), (10, 49, 11, 50))))["marine"][0]
    entry.place.with_suffix(".tif.ovr").write_bytes(entry.place.read_bytes())
    assert verified_path(entry) == entry.place


def test_signatures_in_addresses_are_not_kept(server):
    content = geotiff(np.full((100, 100), -5, np.float32), (10, 49, 10.2, 49.2), crs="EPSG:4269")
    server.files["/a.tif"] = Served(content)
    url = f"{server.url}/a.tif?X-Amz-Signature=SECRET"
    region = FetchRegion(name="gulf", domain="marine", product="cudem", box=(10, 49, 11, 50), urls=(url,))
    (entry,) = fetched(server, region)["marine"]
    assert entry.origin == f"{server.url}/a.tif"


def test_a_login_is_required_by_the_provider_only_and_an_unsupported_one_is_explained(own_cache):
    sheet, cache = data_sheet("nasadem"), Cache()
    (request, _) = raster_requests(sheet, ALPS)
    check_login(request, sheet, {"earthdata": Credentials("token")}, cache)
    check_login(request, sheet, {"earthdata": Credentials(None, {"urs.earthdata.nasa.gov": ("me", "secret")})}, cache)
    with pytest.raises(FetchError, match="nasadem: its server requires a login and none was found; create an account"):
        check_login(request, sheet, {"earthdata": Credentials()}, cache)
    other = replace(sheet, access=replace(sheet.access, login="download the files by hand"))
    with pytest.raises(FetchError, match="none was found; download the files by hand"):
        check_login(request, other, {"earthdata": Credentials("token")}, cache)
    check_login(request, data_sheet("tandem-x-90"), {}, cache)  # the user names addresses without logins
    check_login(request, data_sheet("gmrt"), {}, cache)
