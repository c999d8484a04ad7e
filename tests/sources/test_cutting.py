from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from fault_server import FaultServer, Served
from providers import geotiff, zipped
from synthetic import dem, rough

from demsr.dem.geotiff import write_dem
from demsr.dem.read.raster import read_dem
from demsr.download.remote_file import AbsentError, RetryPolicy
from demsr.errors import FetchError, VoidError
from demsr.sources.cutting import copy_window, cut, unpack
from demsr.sources.data_sheet import DataSheet, data_sheet

QUICK = RetryPolicy(attempts=2, connect_s=2, stall_s=2, min_bytes_per_s=2000, window_s=1, first_wait_s=0.01)
BOX = (10.0, 49.0, 11.0, 50.0)
ROUGH = np.round(rough(900, 900, seed=1)).astype(np.int16)
CONTENT = geotiff(ROUGH, BOX, nodata=-32768)
PATH = "/cog/tile.tif"


def product(**changes) -> DataSheet:
    return replace(data_sheet("gmrt"), range_m=None, registration="area", **changes)


def window(server: FaultServer, target: Path, box=(10.25, 49.5, 10.5, 49.75)) -> np.ndarray:
    copy_window(server.url + PATH, target, box, retry=QUICK)
    with rasterio.open(target) as dataset:
        assert dataset.bounds == pytest.approx(box, abs=1e-9)
        return dataset.read(1)


def test_a_window_has_the_values_of_the_file_and_reads_only_its_bytes(server, tmp_path):
    server.files[PATH] = Served(CONTENT)
    found = window(server, tmp_path / "part.tif")
    np.testing.assert_array_equal(found, ROUGH[225:450, 225:450])
    ranges = [headers.get("Range", "") for headers in server.headers_of(PATH)]
    asked = sum(int(stop) - int(start) + 1 for start, _, stop in (text[6:].partition("-") for text in ranges if text))
    assert 0 < asked < len(CONTENT) / 2
    with rasterio.open(tmp_path / "part.tif") as dataset:
        assert (dataset.nodata, dataset.crs.to_epsg()) == (-32768, 4326)


@pytest.mark.parametrize(
    "faults", [["503"], ["", "", "503"], ["", "", "429 0"], ["", "", "drip"], ["", "", "shorter"], ["", "", "page"]]
)
def test_a_window_is_complete_whatever_faults_occur(server, tmp_path, faults):
    server.files[PATH] = Served(CONTENT, faults=list(faults))
    np.testing.assert_array_equal(window(server, tmp_path / "part.tif"), ROUGH[225:450, 225:450])


@pytest.mark.parametrize(
    ("served", "message"),
    [
        (Served(CONTENT, faults=["page"] * 99), "cannot be read"),
        (
            Served(b"<html>soon</html>"),
            "cannot be read .*; gave up after 2 attempts, run the same command",
        ),
        (Served(CONTENT, faults=["403"] * 99), "cannot be read .*403"),
        (Served(CONTENT, faults=["", ""] + ["503"] * 99), "cannot be read"),
        (Served(CONTENT[:40_000]), "cannot be read"),
        (Served(CONTENT[:20_000] + bytes(len(CONTENT) - 20_000)), "cannot be read"),
    ],
)
def test_a_failed_window_leaves_no_file(server, tmp_path, served, message):
    server.files[PATH] = served
    with pytest.raises(FetchError, match=message) as raised:
        window(server, tmp_path / "part.tif")
    assert str(raised.value).startswith(f"{server.url}{PATH}: ")
    assert list(tmp_path.iterdir()) == []


def test_an_absent_file_and_a_window_outside_it_differ_from_failures(server, tmp_path):
    with pytest.raises(AbsentError, match="no such file"):
        window(server, tmp_path / "part.tif")
    server.files[PATH] = Served(CONTENT)
    with pytest.raises(AbsentError, match="does not intersect"):
        window(server, tmp_path / "part.tif", (12, 49, 13, 50))


def test_a_window_is_read_without_login(server, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("default login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".netrc").write_text("default login me password secret\n")
    server.files[PATH] = Served(CONTENT)
    window(server, tmp_path / "part.tif")
    assert all("Authorization" not in headers for _, headers in server.seen)


def test_a_part_of_a_projected_raster_in_feet_becomes_metres_above_the_datum_of_the_sheet(tmp_path):
    feet = np.full((400, 300), -3280.84, np.float32)
    feet[:, 150:] -= 328.084
    feet[0, 0] = np.float32(-3.4028235e38)
    box = (755_000, 7_470_000, 755_000 + 300 * 50, 7_470_000 + 400 * 50)
    (tmp_path / "w.tif").write_bytes(geotiff(feet, box, crs="EPSG:32749", nodata=0.0))
    whole = read_dem(tmp_path / "w.tif", vertical_datum="MSL").grid.lonlat_bounds()
    sheet = replace(data_sheet("boem-feet"), vertical_datum="MLLW", unsure=())
    part = cut(tmp_path / "w.tif", whole, sheet)
    assert (part.vertical_datum, part.grid.crs) == ("MLLW", "EPSG:32749")
    assert part.elevation_m.shape == (400, 300)
    assert part.elevation_m[5, 10] == pytest.approx(-1000, abs=0.01)
    assert part.elevation_m[5, 200] == pytest.approx(-1100, abs=0.01)
    assert np.isnan(part.elevation_m[0, 0])
    west, south, east, north = whole
    half = (west, south, (west + east) / 2, north)
    assert 150 <= cut(tmp_path / "w.tif", half, sheet).elevation_m.shape[1] < 200


def test_feet_instead_of_metres_are_detected(tmp_path):
    feet = np.linspace(-131, -11_086, 400 * 300, dtype=np.float32).reshape(400, 300)
    box = (755_000, 7_470_000, 770_000, 7_490_000)
    (tmp_path / "w.tif").write_bytes(geotiff(feet, box, crs="EPSG:32749"))
    whole = read_dem(tmp_path / "w.tif", vertical_datum="MSL").grid.lonlat_bounds()
    with pytest.raises(VoidError, match="elevations range from -11086 to -131 m, .*-3500 to 0 m"):
        cut(tmp_path / "w.tif", whole, data_sheet("boem"))


def test_a_place_without_measured_pixels_is_absent(tmp_path):
    values = np.full((100, 100), np.nan, np.float32)
    values[:50] = -5
    (tmp_path / "a.tif").write_bytes(geotiff(values, BOX, nodata=np.nan))
    for box in ((10.0, 49.0, 11.0, 49.4), (20.0, 49.0, 21.0, 49.4)):
        with pytest.raises(AbsentError):
            cut(tmp_path / "a.tif", box, product())


def test_the_only_matching_member_is_unpacked(tmp_path):
    (tmp_path / "a.zip").write_bytes(zipped(GEBCO_2024__nc=b"grid", GEBCO_2024_terms__pdf=b"words"))
    unpack(tmp_path / "a.zip", "gebco_*.nc", tmp_path / "a.nc")
    assert (tmp_path / "a.nc").read_bytes() == b"grid"
    with pytest.raises(FetchError, match=r"0 members match '\*\.tif', of .*GEBCO_2024.nc"):
        unpack(tmp_path / "a.zip", "*.tif", tmp_path / "b.tif")
    with pytest.raises(FetchError, match="2 members match"):
        unpack(tmp_path / "a.zip", "gebco*", tmp_path / "b.tif")
    assert not (tmp_path / "b.tif").exists()


def test_a_file_overrides_fields_that_the_sheet_is_unsure_of(tmp_path):
    raster = dem(rough(20, 20, seed=1))
    write_dem(
        tmp_path / "a.tif", replace(raster, grid=replace(raster.grid, registration="point"), vertical_datum="LAT")
    )
    box = raster.grid.lonlat_bounds()
    sure, unsure = (product(unsure=some, nodata=None) for some in ((), ("vertical_datum", "registration")))
    found = cut(tmp_path / "a.tif", box, sure)
    assert (found.vertical_datum, found.grid.registration) == ("MSL", "area")
    found = cut(tmp_path / "a.tif", box, unsure)
    assert (found.vertical_datum, found.grid.registration) == ("LAT", "point")
