import os
import re
from pathlib import Path

import numpy as np
import pytest
from raster_files import write_ascii, write_hgt, write_netcdf
from rasterio.transform import Affine
from synthetic import ARCSEC_3, NORTH_UP, dem, plane, rough, write_raw

from demsr.dem.geotiff import write_dem
from demsr.dem.read.declared import Declared
from demsr.dem.read.gdal import raster_name
from demsr.dem.read.raster import read_dem, read_raster
from demsr.errors import DatumError, GridError, RasterError, VoidError


def test_south_up_file_is_flipped(tmp_path):
    values = plane(6, 4)
    south_up = Affine(ARCSEC_3, 0, 10, 0, ARCSEC_3, 50 - 6 * ARCSEC_3)
    back = read_dem(write_raw(tmp_path / "a.tif", values, transform=south_up), vertical_datum="EGM96")
    np.testing.assert_array_equal(back.elevation_m, values[::-1])
    assert (back.grid.west, back.grid.north) == pytest.approx((10, 50))
    assert back.grid.south == pytest.approx(50 - 6 * ARCSEC_3)


def test_packed_values_are_unpacked_and_their_nodata_is_void(tmp_path):
    values = np.array([[0, 10], [20, -32768]], np.int16)
    path = write_raw(tmp_path / "a.tif", values, nodata=-32768, scale=0.5, offset=100)
    expected = np.array([[100, 105], [110, np.nan]], np.float32)
    np.testing.assert_array_equal(read_dem(path, vertical_datum="EGM96").elevation_m, expected)


@pytest.mark.parametrize("nodata", [-32768, -9999, 32767, 0])
def test_declared_nodata_is_void(tmp_path, nodata):
    values = np.array([[5, nodata], [7, 8]], np.int16)
    read = read_dem(write_raw(tmp_path / "a.tif", values, nodata=nodata), vertical_datum="EGM96")
    np.testing.assert_array_equal(read.valid, [[True, False], [True, True]])


def test_nan_is_void_without_being_declared(tmp_path):
    elevation = rough(12, 10)
    elevation[3, 4] = elevation[0, 0] = np.nan
    read = read_dem(write_raw(tmp_path / "a.tif", elevation), vertical_datum="EGM96")
    np.testing.assert_array_equal(read.valid, np.isfinite(elevation))


@pytest.mark.parametrize(
    ("sentinel", "dtype"),
    [
        (32767, np.int16),
        (-32768, np.int16),
        (-9999, np.int16),
        (-99999, np.float32),
        (1e6, np.float64),
    ],
)
def test_undeclared_sentinel_is_void_and_said_so(tmp_path, sentinel, dtype):
    values = np.full((4, 5), 7, dtype)
    values[2, 3] = sentinel
    reading = read_raster(write_raw(tmp_path / "a.tif", values), vertical_datum="EGM96")
    assert np.argwhere(~reading.dem.valid).tolist() == [[2, 3]]
    assert any(
        re.match(rf"voids: 1 pixels are {sentinel:.1g}".replace("+", r"\+")[:18], note) for note in reading.assumptions
    )


def test_usual_sentinel_among_depths_of_a_trench_is_refused_until_declared(tmp_path):
    values = np.array([[-9800, -9999], [-9900, -9950]], np.int16)
    with pytest.raises(VoidError, match=r"a\.tif: 1 pixels are -9999 and the file declares no value for voids"):
        read_dem(write_raw(tmp_path / "a.tif", values), vertical_datum="EGM96")
    trench = read_dem(write_raw(tmp_path / "b.tif", values, nodata=-32768), vertical_datum="MSL")
    assert trench.elevation_m[0, 1] == -9999


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinity_is_refused(tmp_path, value):
    path = write_raw(tmp_path / "a.tif", np.full((4, 5), value, np.float32))
    with pytest.raises(VoidError, match="20 pixels lie outside"):
        read_dem(path, vertical_datum="EGM96")


def test_file_without_crs_in_metres_is_refused(tmp_path):
    path = write_raw(tmp_path / "a.tif", plane(4, 4), crs=None, transform=Affine(30, 0, 400_000, 0, -30, 5e6))
    with pytest.raises(GridError, match=r"a\.tif: the file has no CRS; declare it, with --crs"):
        read_dem(path, vertical_datum="EGM96")


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_file_without_a_place_is_refused(tmp_path):
    path = write_raw(tmp_path / "a.tif", plane(4, 4), transform=None)
    with pytest.raises(GridError, match=r"a\.tif: the file states no position; .*-a_ullr"):
        read_dem(path, vertical_datum="EGM96")


@pytest.mark.parametrize("transform", [NORTH_UP @ Affine.rotation(10), Affine(-ARCSEC_3, 0, 10, 0, -ARCSEC_3, 50)])
def test_rotated_or_mirrored_grid_is_refused(tmp_path, transform):
    path = write_raw(tmp_path / "a.tif", plane(4, 4), transform=transform)
    with pytest.raises(GridError, match=r"a\.tif: the grid is rotated or mirrored; warp it north-up"):
        read_dem(path, vertical_datum="EGM96")


def test_file_with_two_bands_is_refused(tmp_path):
    path = write_raw(tmp_path / "a.tif", np.zeros((2, 4, 4), np.float32))
    with pytest.raises(GridError, match=r"a\.tif: has the layers 1, 2; name the one of elevation"):
        read_dem(path, vertical_datum="EGM96")


def test_file_that_is_no_raster_is_refused(tmp_path):
    path = tmp_path / "a.tif"
    path.write_text("x,y,z\n")
    with pytest.raises(RasterError, match=r"a\.tif: cannot be read as a raster \("):
        read_dem(path)


def test_file_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(RasterError, match=r"a\.tif: cannot be read as a raster \(.*No such file"):
        read_dem(tmp_path / "a.tif")


def test_truncated_file_is_refused(tmp_path):
    path = write_raw(tmp_path / "a.tif", rough(200, 200))
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(RasterError, match=r"a\.tif: cannot be read as a raster"):
        read_dem(path, vertical_datum="EGM96")


def test_file_that_names_no_datum_is_read_and_said_so(tmp_path):
    reading = read_raster(write_raw(tmp_path / "a.tif", plane(4, 4)))
    np.testing.assert_array_equal(reading.dem.elevation_m, plane(4, 4))
    assert reading.dem.vertical_datum is None
    assert "vertical datum: not stated by the file" in reading.assumptions


def test_file_that_names_no_datum_is_refused_where_one_is_required(tmp_path):
    path = write_raw(tmp_path / "a.tif", plane(4, 4))
    with pytest.raises(DatumError, match=r"a\.tif: the file names no vertical datum; .*--vertical-datum"):
        read_dem(path, require_datum=True)


def test_datum_of_the_file_is_believed_over_the_given_one(tmp_path):
    path = write_raw(tmp_path / "a.tif", plane(4, 4), crs="EPSG:4326+3855")
    assert read_dem(path, vertical_datum="EGM96").vertical_datum == "EGM2008"


def test_ellipsoidal_heights_are_not_taken_for_the_given_datum(tmp_path):
    read = read_dem(write_raw(tmp_path / "a.tif", plane(4, 4), crs="EPSG:4979"), vertical_datum="EGM96")
    assert (read.vertical_datum, read.grid.crs) == ("WGS84 ellipsoid", "EPSG:4326")


def test_unknown_vertical_crs_of_a_file_is_refused(tmp_path):
    path = write_raw(tmp_path / "a.tif", plane(4, 4), crs="EPSG:4326+5782")
    with pytest.raises(DatumError, match=r"a\.tif: vertical CRS is 'Alicante height'; known datums are"):
        read_dem(path, vertical_datum="EGM96")


def test_way_out_of_an_unknown_vertical_crs_works(tmp_path):
    path = write_raw(tmp_path / "a.tif", plane(4, 4), crs="EPSG:4326+5782", VERTICAL_DATUM="MSL")
    assert read_dem(path).vertical_datum == "MSL"


def test_unknown_datum_in_a_tag_is_refused(tmp_path):
    path = write_raw(tmp_path / "a.tif", plane(4, 4), VERTICAL_DATUM="Mars")
    with pytest.raises(DatumError, match=r"a\.tif: vertical datum is 'Mars'; it must be one of EGM96"):
        read_dem(path)


@pytest.mark.parametrize(
    ("name", "lowest", "highest"),
    [
        ("land/srtm3_oetztal_alps.tif", 387, 3727),
        ("land/utm30m_kilauea_volcano.tif", 23, 1505),
        ("marine/cudem_sabine_lake.tif", -17.6, 10.5),
        ("gebco/gebco_2024_cardigan_bay.tif", -55, 546),
    ],
)
def test_real_file_has_the_range_of_its_data_card(shared, name, lowest, highest):
    elevation = read_dem(shared / "data" / name, vertical_datum="MSL").elevation_m
    assert (np.nanmin(elevation), np.nanmax(elevation)) == pytest.approx((lowest, highest), abs=0.06)


def test_ellipsoid_and_geoid_differ_by_the_undulation(shared):
    ellipsoid, geoid = (
        read_dem(shared / "data" / "land" / f"glo30_los_angeles_{kind}.tif", vertical_datum="EGM2008")
        for kind in ("ellipsoid", "geoid")
    )
    assert ellipsoid.grid == geoid.grid
    difference = ellipsoid.elevation_m - geoid.elevation_m
    assert np.nanmean(difference) == pytest.approx(-35, abs=1.5)


NODES = 1201


def tile() -> np.ndarray:
    """Whole metres, a void, the highest in the north-west."""
    elevation = plane(NODES, NODES, level=2000, per_row=-1, per_col=-0.5).round()
    elevation[5, 7] = np.nan
    return elevation


@pytest.mark.parametrize("zipped", [False, True])
def test_srtm_tile_is_big_endian_nodes_on_whole_degrees(tmp_path, zipped):
    reading = read_raster(write_hgt(tmp_path, tile(), zipped=zipped))
    grid = reading.dem.grid
    np.testing.assert_array_equal(reading.dem.elevation_m, tile())
    assert grid.registration == "point"
    assert grid.centre(0, 0) == pytest.approx((7, 44), abs=1e-9)
    assert grid.centre(NODES - 1, NODES - 1) == pytest.approx((8, 43), abs=1e-9)
    assert reading.dem.vertical_datum == "EGM96"
    assert any("EGM96 taken, that of its product" in note for note in reading.assumptions)


def test_archive_is_read_by_its_one_raster_and_refused_with_more(tmp_path):
    import zipfile

    one = write_hgt(tmp_path, tile())
    with zipfile.ZipFile(tmp_path / "nasadem.zip", "w") as archive:
        archive.write(one, "n43e007.hgt")
        archive.writestr("n43e007.num", b"0")
    assert read_dem(tmp_path / "nasadem.zip").elevation_m[0, 0] == 2000
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.write(one, "a.hgt")
        archive.write(one, "b.hgt")
    with pytest.raises(RasterError, match=r"two\.zip: holds 2 rasters \(a\.hgt, b\.hgt\); unpack it"):
        read_dem(tmp_path / "two.zip")


LAT = 50 + (np.arange(4) + 0.5) / 240  # of 15 arc-second cells, from the south
LON = 10 + (np.arange(6) + 0.5) / 240
VALUES = np.arange(24, dtype=np.float64).reshape(4, 6) * 4  # row 0 in the south


@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize("turn", [0, 360])
@pytest.mark.parametrize("kind", ["float64", "float32", "int16", "packed"])
def test_netcdf_of_any_layout_gives_the_same_raster(tmp_path, flipped, turn, kind):
    order = slice(None, None, -1) if flipped else slice(None)
    attributes = {"standard_name": "height_above_mean_sea_level", "units": "m"}
    values = VALUES[order].astype("int16" if kind == "packed" else kind)
    if kind == "packed":
        values = ((VALUES[order] - 2) * 2).astype(np.int16)
        attributes |= {"scale_factor": 0.5, "add_offset": 2.0}
    path = write_netcdf(tmp_path / "a.nc", values, lon=LON - 20 + turn, lat=LAT[order], attributes=attributes)
    dem = read_dem(path)
    np.testing.assert_array_equal(dem.elevation_m, VALUES[::-1])
    assert (dem.grid.west, dem.grid.north) == pytest.approx((-10, 50 + 4 / 240), abs=1e-9)
    assert (dem.vertical_datum, dem.grid.registration) == ("MSL", "area")


def test_globe_from_greenwich_starts_at_the_antimeridian(tmp_path):
    lon, lat = np.arange(360) + 0.5, np.arange(-90, 90) + 0.5
    values = np.broadcast_to(lon, (180, 360)).astype(np.float32)
    path = write_netcdf(tmp_path / "gebco.nc", values, lon=lon, lat=lat)
    dem = read_dem(path)
    assert (dem.grid.west, dem.grid.east) == (-180, 180)
    expected = np.where(np.arange(360) < 180, np.arange(180.5, 540.5), np.arange(-179.5, 180.5))
    np.testing.assert_array_equal(dem.elevation_m[0], expected)
    part = read_dem(path, within=(-3, 10, 4, 12))
    assert (part.grid.west, part.grid.south, part.grid.east, part.grid.north) == (-3, 10, 4, 12)
    np.testing.assert_array_equal(part.elevation_m[1], [357.5, 358.5, 359.5, 0.5, 1.5, 2.5, 3.5])


def test_window_of_a_south_up_file_is_the_same_part(tmp_path):
    south_up = Affine(ARCSEC_3, 0, 10, 0, ARCSEC_3, 50 - 60 * ARCSEC_3)
    path = write_raw(tmp_path / "a.tif", rough(60, 40), transform=south_up)
    whole = read_dem(path, vertical_datum="MSL")
    box = whole.grid.window(7, 3, 11, 13).lonlat_bounds()
    inner = (box[0] + 1e-6, box[1] + 1e-6, box[2] - 1e-6, box[3] - 1e-6)
    part = read_dem(path, vertical_datum="MSL", within=inner)
    np.testing.assert_array_equal(part.elevation_m, whole.elevation_m[7:18, 3:16])
    assert part.grid.centre(0, 0) == pytest.approx(whole.grid.centre(7, 3), abs=1e-9)


def test_box_beside_the_raster_is_refused(tmp_path):
    path = write_raw(tmp_path / "a.tif", rough(6, 6))
    with pytest.raises(GridError, match="no cell is in 20 to 21 east"):
        read_dem(path, vertical_datum="MSL", within=(20, 10, 21, 11))


def test_large_raster_is_read_in_pieces_that_fit_together(tmp_path, monkeypatch):
    monkeypatch.setattr("demsr.dem.read.blocks._BLOCK_PIXELS", 100)
    values = rough(60, 40)
    np.testing.assert_array_equal(
        read_dem(write_raw(tmp_path / "a.tif", values), vertical_datum="MSL").elevation_m, values
    )


def test_raster_beyond_memory_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("demsr.dem.read.raster._MAX_PIXELS", 100)
    with pytest.raises(GridError, match=r"60 x 40 pixels exceed the 100 that are read at once; cut it first"):
        read_dem(write_raw(tmp_path / "a.tif", rough(60, 40)), vertical_datum="MSL")


def test_layer_of_elevation_is_found_by_its_name_or_must_be_named(tmp_path):
    tid = {"tid": np.full((4, 6), 11, np.int16)}
    path = write_netcdf(tmp_path / "gebco.nc", VALUES, lon=LON, lat=LAT, others=tid)
    np.testing.assert_array_equal(read_dem(path).elevation_m, VALUES[::-1])
    assert (read_dem(path, declared=Declared(layer="tid")).elevation_m == 11).all()
    other = write_netcdf(tmp_path / "b.nc", VALUES, lon=LON, lat=LAT, name="foo", others=tid)
    with pytest.raises(GridError, match=r"b\.nc: has the layers foo, tid; name the one of elevation"):
        read_dem(other, vertical_datum="MSL")
    with pytest.raises(GridError, match=r"b\.nc: has the layers foo, tid"):
        read_dem(other, vertical_datum="MSL", declared=Declared(layer="bar"))


@pytest.mark.parametrize(("corner", "shift"), [("corner", 0), ("center", 0.5)])
def test_ascii_grid_is_placed_by_corner_or_centre(tmp_path, corner, shift):
    cell = 1 / 240
    path = write_ascii(
        tmp_path / "gebco.asc", VALUES[::-1], west=10 + shift * cell, south=50 + shift * cell, cell=cell, corner=corner
    )
    reading = read_raster(path)
    np.testing.assert_array_equal(reading.dem.elevation_m, VALUES[::-1])
    assert (reading.dem.grid.west, reading.dem.grid.south) == pytest.approx((10, 50), abs=1e-9)
    assert any(note.startswith("CRS: the file names none") for note in reading.assumptions)


@pytest.mark.parametrize(("node_offset", "registration"), [(0, "point"), (1, "area")])
def test_gmt_grid_says_whether_its_samples_are_nodes(tmp_path, node_offset, registration):
    path = write_netcdf(
        tmp_path / "a.grd",
        VALUES.astype(np.float32),
        lon=LON,
        lat=LAT,
        name="z",
        axes=("y", "x"),
        degrees=False,
        node_offset=np.int32(node_offset),
        Conventions="CF-1.7",
    )
    dem = read_dem(path, vertical_datum="MSL")
    np.testing.assert_array_equal(dem.elevation_m, VALUES[::-1])
    assert dem.grid.registration == registration
    assert dem.grid.centre(3, 0) == pytest.approx((LON[0], LAT[0]), abs=1e-9)


def test_area_file_whose_centres_are_multiples_of_the_spacing_holds_nodes(tmp_path):
    nodes = Affine(ARCSEC_3, 0, 10 - ARCSEC_3 / 2, 0, -ARCSEC_3, 50 + ARCSEC_3 / 2)
    reading = read_raster(
        write_raw(tmp_path / "a.tif", rough(6, 6), transform=nodes, AREA_OR_POINT="Area"), vertical_datum="MSL"
    )
    assert reading.dem.grid.registration == "point"
    assert any(note.startswith("registration:") for note in reading.assumptions)
    assert read_dem(write_raw(tmp_path / "b.tif", rough(6, 6)), vertical_datum="MSL").grid.registration == "area"


@pytest.mark.parametrize(("unit", "metres"), [("ft", 0.3048), ("us-ft", 1200 / 3937), ("fathom", 1.8288), ("cm", 0.01)])
def test_declared_unit_is_converted(tmp_path, unit, metres):
    path = write_raw(tmp_path / "a.tif", np.array([[100.0, 200], [300, 400]], np.float32))
    read = read_dem(path, vertical_datum="MSL", declared=Declared(unit=unit))
    np.testing.assert_allclose(read.elevation_m, np.array([[100, 200], [300, 400]]) * metres, rtol=1e-6)


def test_unit_of_the_file_or_of_its_vertical_crs_is_converted(tmp_path):
    path = write_raw(tmp_path / "a.tif", np.full((2, 2), 100, np.float32), crs="EPSG:4326+6360")
    reading = read_raster(path)
    assert reading.dem.elevation_m[0, 0] == pytest.approx(100 * 1200 / 3937)
    assert reading.dem.vertical_datum == "NAVD88"
    assert not any(note.startswith("unit:") for note in reading.assumptions)


def test_unknown_unit_is_refused(tmp_path):
    path = write_netcdf(tmp_path / "a.nc", VALUES, lon=LON, lat=LAT, attributes={"units": "cubit"})
    with pytest.raises(GridError, match=r"a\.nc: heights are in 'cubit'; declare a unit"):
        read_dem(path, vertical_datum="MSL")


def test_depths_positive_down_change_sign_when_declared_or_said(tmp_path):
    path = write_raw(tmp_path / "a.tif", np.full((2, 2), 100, np.float32))
    assert (read_dem(path, vertical_datum="MSL", declared=Declared(positive="down")).elevation_m == -100).all()
    said = write_netcdf(tmp_path / "a.nc", VALUES + 1, lon=LON, lat=LAT, attributes={"positive": "down"})
    assert (read_dem(said, vertical_datum="MSL").elevation_m < 0).all()


@pytest.mark.parametrize("stored", [100, -100])
def test_crs_of_depths_is_settled_by_the_sign_of_the_values(tmp_path, stored):
    path = write_raw(tmp_path / "a.tif", np.full((2, 2), stored, np.float32), crs="EPSG:4326+5715")
    reading = read_raster(path)
    assert (reading.dem.elevation_m == -100).all()
    assert any(note.startswith("sign: the file speaks of depths") for note in reading.assumptions)


def test_declared_crs_nodata_registration_and_datum_win(tmp_path):
    path = write_raw(tmp_path / "a.tif", np.array([[5, 0], [7, 8]], np.int16), crs="EPSG:4326+3855")
    said = Declared(crs="EPSG:4269", nodata=0, registration="point", vertical_datum="NAVD88")
    reading = read_raster(path, declared=said)
    assert (reading.dem.grid.crs, reading.dem.grid.registration) == ("EPSG:4269", "point")
    assert reading.dem.vertical_datum == "NAVD88"
    assert reading.dem.valid.tolist() == [[True, False], [True, True]]


def test_declared_datum_against_the_file_is_said(tmp_path):
    path = write_raw(tmp_path / "a.tif", plane(4, 4), crs="EPSG:4326+3855")
    reading = read_raster(path, declared=Declared(vertical_datum="EGM96"))
    assert reading.dem.vertical_datum == "EGM96"
    assert "vertical datum: the file says EGM2008; EGM96 was declared and is taken" in reading.assumptions


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"unit": "ell"}, "declared unit is 'ell'; it must be one of m, "),
        ({"positive": "left"}, "declared positive is 'left'; it must be one of up, down"),
        ({"registration": "node"}, "declared registration is 'node'"),
        ({"vertical_datum": "sea"}, "declared: vertical datum is 'sea'"),
    ],
)
def test_declaration_of_something_unknown_is_refused(wrong, message):
    with pytest.raises((GridError, DatumError), match=message):
        Declared(**wrong)


def test_declared_crs_that_proj_does_not_know_is_refused(tmp_path):
    path = write_raw(tmp_path / "a.tif", plane(4, 4))
    with pytest.raises(GridError, match=r"a\.tif: the CRS 'EPSG:0' is not known to PROJ"):
        read_dem(path, vertical_datum="MSL", declared=Declared(crs="EPSG:0"))


@pytest.mark.parametrize(
    ("name", "bare"),
    [("N43E007.hgt.zip", "N43E007"), ("a.b.tif", "a.b"), ("x.nc", "x"), ("gebco_n56.3_s55.2", "gebco_n56.3_s55.2")],
)
def test_name_of_a_raster_is_free_of_its_format(name, bare):
    assert raster_name(Path(name)) == bare


def test_window_across_the_end_of_a_globe_goes_on_at_its_beginning(tmp_path):
    lon, lat = np.arange(-180, 180) + 0.5, np.arange(-90, 90) + 0.5
    values = np.broadcast_to(lon, (180, 360)).astype(np.float32)
    part = read_dem(write_netcdf(tmp_path / "gebco.nc", values, lon=lon, lat=lat), within=(178, 10, 182, 11))
    np.testing.assert_array_equal(part.elevation_m[0], [178.5, 179.5, -179.5, -178.5])
    assert (part.grid.west, part.grid.east) == (178, 182)


def test_window_in_another_turn_of_longitudes_is_the_same(tmp_path):
    path = write_raw(tmp_path / "a.tif", rough(6, 6))
    here, there = (read_dem(path, vertical_datum="MSL", within=(10 + turn, 49, 11 + turn, 51)) for turn in (0, 360))
    np.testing.assert_array_equal(here.elevation_m, there.elevation_m)


def test_window_needs_to_know_the_sign(tmp_path):
    path = write_raw(tmp_path / "a.tif", rough(6, 6), crs="EPSG:4326+5715")
    with pytest.raises(GridError, match=r"a\.tif: the file speaks of depths; declare whether its values"):
        read_dem(path, within=(10, 49, 11, 51))


def test_usual_sentinel_is_void_also_where_another_value_is_declared(tmp_path):
    values = np.array([[5, -9999], [7, 8]], np.int16)
    read = read_dem(write_raw(tmp_path / "a.tif", values, nodata=-32768), vertical_datum="MSL")
    assert read.valid.tolist() == [[True, False], [True, True]]


def test_declared_registration_outlives_writing(tmp_path):
    nodes = dem(rough(6, 6), west=10 - ARCSEC_3 / 2, north=50 + ARCSEC_3 / 2, registration="area")
    write_dem(tmp_path / "a.tif", nodes)
    assert read_dem(tmp_path / "a.tif").grid.registration == "area"


@pytest.mark.parametrize(
    ("crs", "transform", "message"),
    [
        ("EPSG:32632", NORTH_UP, "are degrees, WGS 84 / UTM zone 32N is not; declare another CRS"),
        ("EPSG:4326", Affine(30, 0, 400_000, 0, -30, 5e6), "are no degrees; declare the CRS"),
    ],
)
def test_coordinates_that_cannot_be_of_their_crs_are_refused(tmp_path, crs, transform, message):
    with pytest.raises(GridError, match=message):
        read_dem(write_raw(tmp_path / "a.tif", rough(6, 6), crs=crs, transform=transform), vertical_datum="MSL")


def test_sign_is_an_assumption_where_the_file_does_not_say(tmp_path):
    silent = read_raster(write_raw(tmp_path / "a.tif", rough(6, 6)), vertical_datum="MSL")
    assert "sign: the file does not say; heights, positive up, taken" in silent.assumptions
    said = read_raster(write_raw(tmp_path / "b.tif", rough(6, 6), crs="EPSG:4326+3855"))
    assert not any(note.startswith("sign") for note in said.assumptions)


def test_folder_is_no_raster(tmp_path):
    with pytest.raises(RasterError, match="is a folder; name files in it"):
        read_dem(tmp_path)


def test_globe_of_nodes_has_each_meridian_once(tmp_path):
    values = rough(181, 361)
    values[:, 360] = values[:, 0]
    lon, lat = np.linspace(-180, 180, 361), np.linspace(-90, 90, 181)
    path = write_netcdf(tmp_path / "nodes.nc", values, lon=lon, lat=lat)
    reading = read_raster(path, vertical_datum="MSL")
    assert reading.dem.grid.is_periodic
    np.testing.assert_array_equal(reading.dem.elevation_m, values[::-1, :360])
    assert "columns: the last repeats the first, around the globe; left out" in reading.assumptions
    across = read_raster(path, vertical_datum="MSL", within=(178.5, -20.5, 181.5, 20.5)).dem
    np.testing.assert_array_equal(across.elevation_m, values[::-1][70:111, [359, 0, 1]])
    assert across.grid.west == pytest.approx(178.5)


def test_netcdf_by_columns_is_refused(tmp_path):
    axes = {"lon": np.arange(10.0, 13.0), "lat": np.arange(50.0, 55.0)}
    path = write_netcdf(tmp_path / "turned.nc", rough(3, 5), lon=axes["lat"], lat=axes["lon"], axes=("lon", "lat"))
    with pytest.raises(GridError, match="has the dimensions lon, lat; put rows first, with `ncpdq -a lat,lon`"):
        read_raster(path, vertical_datum="MSL")


def test_declared_nodata_takes_the_place_of_what_the_file_says(tmp_path):
    values = np.array([[0, 5, -9998], [1, 2, 3]], np.float32)
    path = write_raw(tmp_path / "a.tif", values, nodata=0)
    found = read_raster(path, vertical_datum="MSL", declared=Declared(nodata=-9998)).dem.elevation_m
    np.testing.assert_array_equal(found, [[0, 5, np.nan], [1, 2, 3]])
