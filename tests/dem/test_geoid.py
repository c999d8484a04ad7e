import os
import struct
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
from rasterio.transform import Affine
from synthetic import dem, plane, rough

from demsr.dem import geoid
from demsr.dem.geoid import convert_datum
from demsr.dem.geotiff import write_dem
from demsr.dem.read.raster import read_dem
from demsr.errors import DatumError

ELLIPSOID = "WGS84 ellipsoid"
FOLDERS = [Path(folder) for folder in (os.environ.get("DEMSR_GEOID_GRIDS"), "/usr/share/proj") if folder]
KINDS = {1: "VERTICAL_OFFSET_GEOGRAPHIC_TO_VERTICAL", 2: "HORIZONTAL_OFFSET"}  # TYPE in PROJ's GeoTIFFs, by bands
TEN_PLACES = [
    (11.02, 49.61),
    (-118.0, 34.0),
    (0.0, 0.0),
    (0.1, -0.1),
    (-0.1, 0.1),
    (78.8, 4.7),
    (147.3, -8.3),
    (-70.1, -33.4),
    (179.97, 67.31),
    (25.3, 89.9),
]


def found(*names):
    """Return the folder with one of the grids."""
    for folder in FOLDERS:
        if any((folder / name).is_file() for name in names):
            return folder
    pytest.skip(f"needs {' or '.join(names)} in /usr/share/proj (Debian's proj-data) or in $DEMSR_GEOID_GRIDS")


@pytest.fixture(scope="module")
def egm96():
    return found("egm96_15.gtx", "us_nga_egm96_15.tif")


@pytest.fixture(scope="module")
def egm2008():
    return found("egm08_25.gtx", "us_nga_egm08_25.tif")


@pytest.fixture(scope="module")
def nodes():
    """Return the nodes of EGM96 as the file has them: 721 rows from the south, 1440 columns from 180 degrees west."""
    content = (found("egm96_15.gtx") / "egm96_15.gtx").read_bytes()
    assert struct.unpack(">4d2i", content[:40]) == (-90, -180, 0.25, 0.25, 721, 1440)
    return np.frombuffer(content, ">f4", offset=40).reshape(721, 1440)


def undulation_m(lon, lat, *, datum="EGM96", **options):
    """Return N = h - H: heights of 0 above a datum, converted to heights above the ellipsoid."""

    def at(lon, lat):
        place = {"west": lon - 5e-7, "north": lat + 5e-7, "pixel_width": 1e-6, "pixel_height": 1e-6}
        return convert_datum(dem(np.zeros((1, 1)), vertical_datum=datum, **place), ELLIPSOID, **options).elevation_m[
            0, 0
        ]

    return np.vectorize(at)(lon, lat)


def write_gtx(path, undulation, *, south=-90.0, west=-180.0, step=5.0, rows=37, cols=72):
    """Write a grid in NOAA's format from a function of longitude and latitude."""
    lat, lon = np.meshgrid(south + step * np.arange(rows), west + step * np.arange(cols), indexing="ij")
    header = struct.pack(">4d2i", south, west, step, step, rows, cols)
    path.write_bytes(header + (undulation(lon, lat) + 0 * lon).astype(">f4").tobytes())


def write_tif(path, level, *, south, west, rows, cols, bands=1):
    """Write a grid of one level with nodes at whole degrees, as GeoTIFF; two bands are horizontal offsets."""
    profile = {"driver": "GTiff", "count": bands, "dtype": "float32", "crs": "EPSG:4326", "width": cols, "height": rows}
    transform = Affine(1, 0, west - 0.5, 0, -1, south + rows - 0.5)
    with rasterio.open(path, "w", transform=transform, **profile) as file:
        file.update_tags(AREA_OR_POINT="Point", TYPE=KINDS[bands])
        file.write(np.full((bands, rows, cols), level, np.float32))


@pytest.fixture
def made(tmp_path):
    """Return a folder in which EGM96 is 5 m everywhere and EGM2008 rises to the north and, up to 30 E, to the east."""
    write_gtx(tmp_path / "egm96_15.gtx", lambda lon, lat: 5.0)
    write_gtx(tmp_path / "egm08_25.gtx", lambda lon, lat: 10 + 0.2 * lat + 0.1 * np.clip(lon, 0, 30))
    return tmp_path


@pytest.mark.parametrize(
    ("lon", "lat", "undulation"),
    [(0, 90, 13.61), (0, -90, -29.53), (0, 0, 17.16), (78.75, 4.75, -106.99), (147.25, -8.25, 85.39)],
    ids=["north pole", "south pole", "0 N 0 E", "lowest", "highest"],
)
def test_well_known_nodes_of_egm96_come_back(egm96, nodes, lon, lat, undulation):
    assert nodes[round((lat + 90) * 4), round((lon + 180) * 4)] == pytest.approx(undulation, abs=0.006)
    assert undulation_m(lon, lat, grids=egm96) == pytest.approx(undulation, abs=0.006)


def bilinear(nodes, lon, lat):
    row, col = (lat + 90) * 4, (lon + 180) * 4
    south, west = min(int(row), 719), int(col)
    up, right = row - south, col - west
    east = (west + 1) % 1440
    lower = (1 - right) * nodes[south, west] + right * nodes[south, east]
    upper = (1 - right) * nodes[south + 1, west] + right * nodes[south + 1, east]
    return (1 - up) * lower + up * upper


def test_ten_places_equal_the_bilinear_interpolation_by_hand(egm96, nodes):
    expected = [bilinear(nodes, lon, lat) for lon, lat in TEN_PLACES]
    got = undulation_m(*np.transpose(TEN_PLACES), grids=egm96)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-4)


def test_places_that_nga_published_come_back(egm96):
    # OUTINTPT.DAT in the README of NGA's EGM96 grid; a spline, up to 6 cm from bilinear
    published = [
        (38.6281550, 269.7791550, -31.628),
        (-14.6212170, 305.0211140, -2.969),
        (46.8743190, 102.4487290, -43.575),
        (-23.6174460, 133.8747120, 15.871),
        (38.6254730, 359.9995000, 50.066),
        (-0.4667440, 0.0023000, 17.329),
    ]
    lat, lon, expected = np.transpose(published)
    np.testing.assert_allclose(undulation_m(lon, lat, grids=egm96), expected, rtol=0, atol=0.06)


def test_orthometric_height_is_ellipsoidal_height_less_a_tilted_geoid(made):
    raster = dem(plane(30, 40), vertical_datum=ELLIPSOID, pixel_width=0.1, pixel_height=0.1)  # from 10 E, 50 N
    row, col = np.indices((30, 40))
    geoid_m = 10 + 0.2 * (50 - 0.1 * (row + 0.5)) + 0.1 * (10 + 0.1 * (col + 0.5))
    converted = convert_datum(raster, "EGM2008", grids=made)
    np.testing.assert_allclose(converted.elevation_m, plane(30, 40) - geoid_m, rtol=0, atol=1e-4)
    assert (converted.vertical_datum, converted.grid, converted.source) == ("EGM2008", raster.grid, raster.source)


def test_from_geoid_to_geoid_heights_change_by_the_difference(made):
    raster = dem(np.full((4, 4), 100), vertical_datum="EGM96", west=0, north=0.00001)
    np.testing.assert_allclose(convert_datum(raster, "EGM2008", grids=made).elevation_m, 95, atol=0.002)


@pytest.mark.parametrize("name", ["us_nga_egm08_25.tif", "egm08_25.gtx"])
def test_a_grid_is_found_under_both_its_names(tmp_path, name):
    if name.endswith(".tif"):
        write_tif(tmp_path / name, 7, south=40, west=0, rows=20, cols=20)
    else:
        write_gtx(tmp_path / name, lambda lon, lat: 7)
    assert undulation_m(10.3, 50.7, datum="EGM2008", grids=tmp_path) == pytest.approx(7)


def test_there_and_back_is_the_same_to_a_millimetre_and_voids_stay(egm96):
    elevation = rough(60, 50, level=4000, rms=800)
    elevation[10:13, 20:31] = np.nan
    raster = dem(elevation, vertical_datum=ELLIPSOID, pixel_width=0.1, pixel_height=0.1)
    orthometric = convert_datum(raster, "EGM96", grids=egm96)
    back = convert_datum(orthometric, ELLIPSOID, grids=egm96)
    assert np.nanmin(np.abs(orthometric.elevation_m - elevation)) > 10
    np.testing.assert_array_equal(orthometric.valid, raster.valid)
    np.testing.assert_allclose(back.elevation_m, elevation, rtol=0, atol=1e-3)


def test_projected_raster_gets_the_undulation_of_each_centre(egm96):
    raster = dem(
        np.zeros((6, 7)),
        vertical_datum="EGM96",
        crs="EPSG:32633",
        west=400_000,
        north=5_400_000,
        pixel_width=20_000,
        pixel_height=30_000,
    )
    to_lonlat = pyproj.Transformer.from_crs("EPSG:32633", "EPSG:4326", always_xy=True)
    expected = [
        [undulation_m(*to_lonlat.transform(*raster.grid.centre(row, col)), grids=egm96) for col in range(7)]
        for row in range(6)
    ]
    assert np.ptp(expected) > 1
    converted = convert_datum(raster, ELLIPSOID, grids=egm96)
    np.testing.assert_allclose(converted.elevation_m, expected, rtol=0, atol=1e-4)


def test_blocks_of_rows_join_without_a_seam(made, monkeypatch):
    raster = dem(rough(23, 10), vertical_datum=ELLIPSOID, pixel_width=0.1, pixel_height=0.1)
    whole = convert_datum(raster, "EGM2008", grids=made)
    monkeypatch.setattr(geoid, "_BLOCK_PIXELS", 45)
    np.testing.assert_array_equal(convert_datum(raster, "EGM2008", grids=made).elevation_m, whole.elevation_m)


@pytest.mark.parametrize("west", [-180.0, 0.0, 179.0, 200.0])
def test_longitudes_may_run_beyond_180_degrees(made, west):
    raster = dem(np.zeros((1, 10)), vertical_datum="EGM96", west=west, pixel_width=36 if west <= 0 else 0.5)
    np.testing.assert_allclose(convert_datum(raster, ELLIPSOID, grids=made).elevation_m, 5)


def test_same_datum_returns_the_raster_itself():
    raster = dem(plane(3, 3), vertical_datum="MSL")
    assert convert_datum(raster, "MSL") is raster


@pytest.mark.parametrize(
    ("start", "end", "missing"),
    [
        (ELLIPSOID, "EGM96", "us_nga_egm96_15.tif"),
        ("EGM96", ELLIPSOID, "us_nga_egm96_15.tif"),
        (ELLIPSOID, "EGM2008", "us_nga_egm08_25.tif"),
        ("EGM96", "EGM2008", "us_nga_egm96_15.tif and us_nga_egm08_25.tif"),
    ],
)
def test_missing_grid_is_named_with_its_address_and_both_ways_out(tmp_path, start, end, missing):
    urls = " and ".join(f"https://cdn.proj.org/{name}" for name in missing.split(" and "))
    pattern = (
        f"made: {start} to {end} needs {missing}, which .*; download {urls} into a folder .*harmonise.geoid_grids"
        ".*--geoid-grids FOLDER.*harmonise.proj_network: true, --proj-network"
    )
    with pytest.raises(DatumError, match=pattern):
        convert_datum(dem(plane(3, 3), vertical_datum=start), end, grids=tmp_path)


@pytest.mark.parametrize("tidal", ["MSL", "LAT", "MLLW", "chart datum"])
@pytest.mark.parametrize("to_tidal", [True, False])
def test_tidal_datums_are_not_converted(made, tidal, to_tidal):
    start, end = ("EGM96", tidal) if to_tidal else (tidal, "EGM96")
    with pytest.raises(DatumError, match=f"{start} to {end}: PROJ has no surface for {tidal}.*hydrographic office"):
        convert_datum(dem(plane(3, 3), vertical_datum=start), end, grids=made)


def test_raster_that_states_no_datum_is_not_converted():
    with pytest.raises(DatumError, match="made: the file names no vertical datum; declare it"):
        convert_datum(dem(plane(3, 3), vertical_datum=None), "EGM96")


def test_unknown_datum_is_refused():
    with pytest.raises(DatumError, match="made: vertical datum is 'EGM84'; it must be one of EGM96"):
        convert_datum(dem(plane(3, 3)), "EGM84")


def test_folder_that_is_none_is_refused(tmp_path):
    with pytest.raises(DatumError, match=r"nowhere is no folder; name one with geoid grids \(harmonise.geoid_grids"):
        convert_datum(dem(plane(3, 3)), ELLIPSOID, grids=tmp_path / "nowhere")


def test_broken_grid_is_refused(tmp_path):
    (tmp_path / "us_noaa_g2012ba0.tif").write_bytes(b"<html>404</html>")
    raster = dem(plane(3, 3), vertical_datum="NAVD88", west=-150, north=62)
    with pytest.raises(DatumError, match="NAVD88 to WGS84 ellipsoid: PROJ cannot read a grid of NAVD88 .*anew"):
        convert_datum(raster, ELLIPSOID, grids=tmp_path)


def test_grid_that_breaks_after_its_first_use_is_refused_too(made):
    raster = dem(plane(3, 3))
    convert_datum(raster, ELLIPSOID, grids=made)
    (made / "egm96_15.gtx").write_bytes(b"<html>404</html>")
    with pytest.raises(DatumError, match="tif gives no height to 9 of 9 measured pixels.*File not found or invalid"):
        convert_datum(raster, ELLIPSOID, grids=made)


def test_measured_pixels_outside_the_grid_are_refused_with_their_number_and_place(tmp_path):
    write_gtx(tmp_path / "egm96_15.gtx", lambda lon, lat: 5.0, south=40, west=0, step=1, rows=11, cols=11)
    elevation = plane(4, 4)
    elevation[0, 0] = np.nan
    raster = dem(elevation, vertical_datum="EGM96", west=8, north=50, pixel_width=1, pixel_height=1)
    pattern = (
        r"us_nga_egm96_15.tif gives no height to 8 of 15 measured pixels, the first at longitude 10.5000, "
        r"latitude 49.5000 \(PROJ: .*outside grid\); cut the raster"
    )
    with pytest.raises(DatumError, match=pattern):
        convert_datum(raster, ELLIPSOID, grids=tmp_path)
    raster = dem(np.zeros((1, 2)), west=-2.5, north=45.5, pixel_width=15, pixel_height=1)
    with pytest.raises(DatumError, match="1 of 2 measured pixels, the first at longitude 20.0000"):
        convert_datum(raster, ELLIPSOID, grids=tmp_path)


def test_pixels_outside_both_grids_are_refused(tmp_path):
    for name in ("egm96_15.gtx", "egm08_25.gtx"):
        write_gtx(tmp_path / name, lambda lon, lat: 5.0, south=40, west=0, step=1, rows=6, cols=6)
    with pytest.raises(DatumError, match="us_nga_egm96_15.tif or us_nga_egm08_25.tif gives no height to 9 of 9"):
        convert_datum(dem(plane(3, 3)), "EGM2008", grids=tmp_path)


def test_voids_may_lie_outside_the_grid(tmp_path):
    write_gtx(tmp_path / "egm96_15.gtx", lambda lon, lat: 5.0, south=40, west=0, step=1, rows=11, cols=11)
    raster = dem(np.array([[1, 2, np.nan]]), vertical_datum="EGM96", west=8, north=50, pixel_width=1, pixel_height=1)
    np.testing.assert_allclose(convert_datum(raster, ELLIPSOID, grids=tmp_path).elevation_m, [[6, 7, np.nan]])


@pytest.mark.parametrize(
    ("west", "north", "missing"),
    [
        (-118, 34, "us_noaa_g2018u0.tif"),
        (-150, 62, "us_noaa_g2012ba0.tif"),
        (179.999, 52, "us_noaa_g2012ba0.tif"),
        (210, 62, "us_noaa_g2012ba0.tif"),
    ],
    ids=["California", "Alaska", "across the antimeridian", "Alaska counted eastwards"],
)
def test_navd88_needs_the_grid_of_its_region(tmp_path, west, north, missing):
    raster = dem(plane(3, 3), vertical_datum="NAVD88", west=west, north=north)
    with pytest.raises(DatumError, match=f"NAVD88 to {ELLIPSOID} needs {missing}, "):
        convert_datum(raster, ELLIPSOID, grids=tmp_path)


def test_navd88_is_not_taken_from_an_older_grid(tmp_path):
    older = "us_noaa_geoid09_conus.tif", "us_noaa_nadcon5_nad83_2007_nad83_2011_conus.tif"
    for name, bands in zip(older, (1, 2), strict=True):
        write_tif(tmp_path / name, 0, south=24, west=-130, rows=20, cols=40, bands=bands)
    with pytest.raises(DatumError, match=f"NAVD88 to {ELLIPSOID} needs us_noaa_g2018u0.tif, "):
        undulation_m(-118, 34, datum="NAVD88", grids=tmp_path)


def test_navd88_is_refused_in_europe(tmp_path):
    with pytest.raises(DatumError, match=r"no transformation of NAVD88 for longitudes 10.00 to 10.00, latitudes 50.00"):
        convert_datum(dem(plane(3, 3), vertical_datum="NAVD88"), ELLIPSOID, grids=tmp_path)


def test_navd88_counts_the_shift_from_nad83_to_itrf2014(tmp_path):
    write_tif(tmp_path / "us_noaa_g2018u0.tif", -33, south=24, west=-130, rows=20, cols=40)
    lon, lat = np.radians([-118.0, 34.0])
    up = np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    shift_m = np.array([1.0053, -1.90921, -0.54157])  # ITRF2014 to NAD83(2011) in 2010, EPSG:8970; rotations are
    expected = -33 - up @ shift_m - 6_371_000 * 0.00036891e-6  # about the centre and hardly change heights
    got = undulation_m(-118, 34, datum="NAVD88", grids=tmp_path)
    assert expected == pytest.approx(-33.7, abs=0.1)
    assert got == pytest.approx(expected, abs=0.02)


def test_proj_is_left_as_it_was(made):
    before = pyproj.datadir.get_data_dir(), pyproj.network.is_network_enabled()
    undulation_m(0, 0, grids=made, network=True)
    assert (pyproj.datadir.get_data_dir(), pyproj.network.is_network_enabled()) == before
    with pytest.raises(DatumError, match="no surface"):
        undulation_m(0, 0, datum="MSL", grids=made, network=True)
    assert (pyproj.datadir.get_data_dir(), pyproj.network.is_network_enabled()) == before
    with pytest.raises(DatumError, match="needs us_nga_egm08_25.tif"):
        undulation_m(0, 0, datum="EGM2008", grids=made.parent)


@pytest.fixture
def mirror():
    """Return a server in the place of cdn.proj.org that has nothing, and the list of what it was asked for."""
    asked = []

    class Nothing(BaseHTTPRequestHandler):
        def do_GET(self):  # noqa: N802
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Nothing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


@pytest.mark.parametrize(
    ("consent", "message"),
    [(False, "needs us_nga_egm08_25.tif"), (True, "gives no height to 1 of 1 measured pixels.*Network error")],
)
def test_network_is_used_only_by_consent_even_if_the_environment_turns_it_on(mirror, tmp_path, consent, message):
    url, asked = mirror
    write_dem(tmp_path / "a.tif", dem(np.zeros((1, 1)), vertical_datum="EGM2008"))
    code = (
        "from demsr.dem.geoid import convert_datum; from demsr.dem.read.raster import read_dem; "
        f"convert_datum(read_dem({os.fspath(tmp_path / 'a.tif')!r}), {ELLIPSOID!r}, network={consent})"
    )
    settings = {"PROJ_NETWORK": "ON", "PROJ_NETWORK_ENDPOINT": url, "PROJ_USER_WRITABLE_DIRECTORY": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **settings}, capture_output=True, text=True, check=False
    )
    with pytest.raises(DatumError, match=message):
        raise DatumError(run.stderr)
    assert asked == [] if not consent else "/us_nga_egm08_25.tif" in asked


@pytest.fixture
def los_angeles(shared):
    """Return Copernicus GLO-30 above the ellipsoid and above EGM2008."""
    land = shared / "data" / "land"
    return (
        read_dem(land / "glo30_los_angeles_ellipsoid.tif", vertical_datum=ELLIPSOID),
        read_dem(land / "glo30_los_angeles_geoid.tif", vertical_datum="EGM2008"),
    )


def test_los_angeles_above_the_ellipsoid_becomes_los_angeles_above_egm2008(los_angeles, egm2008):
    ellipsoidal, orthometric = los_angeles
    converted = convert_datum(ellipsoidal, "EGM2008", grids=egm2008)
    np.testing.assert_allclose(converted.elevation_m, orthometric.elevation_m, rtol=0, atol=0.1)


def test_los_angeles_above_egm96_is_within_a_metre_of_egm2008(los_angeles, egm96):
    ellipsoidal, orthometric = los_angeles
    converted = convert_datum(ellipsoidal, "EGM96", grids=egm96)
    np.testing.assert_allclose(converted.elevation_m, orthometric.elevation_m, rtol=0, atol=1)
