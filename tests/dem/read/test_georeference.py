import numpy as np
import pytest
from raster_files import LAT, LON, VALUES, write_ascii, write_hgt, write_netcdf
from rasterio.transform import Affine
from synthetic import ARCSEC_3, NORTH_UP, dem, plane, rough, write_raw

from demsr.dem.geotiff import write_dem
from demsr.dem.read.declared import Declared
from demsr.dem.read.raster import read_dem, read_raster
from demsr.errors import GridError

NODES = 1201


def tile() -> np.ndarray:
    """Whole metres, a void, the highest in the north-west."""
    elevation = plane(NODES, NODES, level=2000, per_row=-1, per_col=-0.5).round()
    elevation[5, 7] = np.nan
    return elevation


def test_south_up_file_is_flipped(tmp_path):
    values = plane(6, 4)
    south_up = Affine(ARCSEC_3, 0, 10, 0, ARCSEC_3, 50 - 6 * ARCSEC_3)
    back = read_dem(write_raw(tmp_path / "a.tif", values, transform=south_up), vertical_datum="EGM96")
    np.testing.assert_array_equal(back.elevation_m, values[::-1])
    assert (back.grid.west, back.grid.north) == pytest.approx((10, 50))
    assert back.grid.south == pytest.approx(50 - 6 * ARCSEC_3)


def test_file_without_crs_in_metres_is_refused(tmp_path):
    path = write_raw(tmp_path / "a.tif", plane(4, 4), crs=None, transform=Affine(30, 0, 400_000, 0, -30, 5e6))
    with pytest.raises(GridError, match=r"a\.tif: the file has no CRS; declare it, with --crs"):
        read_dem(path, vertical_datum="EGM96")


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_file_without_a_place_is_refused(tmp_path):
    path = write_raw(tmp_path / "a.tif", plane(4, 4), transform=None)
    with pytest.raises(GridError, match=r"a\.tif: the file states no position; .*-a_ullr"):
        read_dem(path, vertical_datum="EGM96")


def test_rotated_grid_is_refused(tmp_path):
    path = write_raw(tmp_path / "a.tif", plane(4, 4), transform=NORTH_UP @ Affine.rotation(10))
    with pytest.raises(GridError, match=r"a\.tif: the grid is rotated; warp it north-up"):
        read_dem(path, vertical_datum="EGM96")


def test_columns_from_the_east_are_turned(tmp_path):
    values = plane(4, 7)
    from_east = Affine(-ARCSEC_3, 0, 10 + 7 * ARCSEC_3, 0, -ARCSEC_3, 50)
    path = write_raw(tmp_path / "a.tif", values[:, ::-1], transform=from_east)
    dem = read_dem(path, vertical_datum="EGM96")
    np.testing.assert_array_equal(dem.elevation_m, values)
    assert (dem.grid.west, dem.grid.north) == pytest.approx((10, 50), abs=1e-12)
    part = read_dem(path, vertical_datum="EGM96", within=(10 + 1e-6, 49, 10 + 3 * ARCSEC_3 - 1e-6, 50))
    np.testing.assert_array_equal(part.elevation_m, values[:, :3])


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


def test_declared_crs_that_proj_does_not_know_is_refused(tmp_path):
    path = write_raw(tmp_path / "a.tif", plane(4, 4))
    with pytest.raises(GridError, match=r"a\.tif: the CRS 'EPSG:0' is not known to PROJ"):
        read_dem(path, vertical_datum="MSL", declared=Declared(crs="EPSG:0"))


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


def test_unusable_grid_is_refused_with_the_name_of_its_file(tmp_path):
    path = write_netcdf(tmp_path / "a.nc", VALUES, lon=LON, lat=np.zeros(4))
    with pytest.raises(GridError, match=r"a\.nc: coordinates lat are not evenly spaced"):
        read_dem(path, vertical_datum="MSL")


@pytest.mark.parametrize(
    ("unit", "crs", "scale", "found"),
    [
        ("radians", "EPSG:4326", np.pi / 180, "'radians', the unit of WGS 84 is 'degree'"),
        ("km", "EPSG:32632", 100, "'km', the unit of WGS 84 / UTM zone 32N is 'metre'"),
        ("m", "EPSG:2225", 1e5, r"'m', the unit of NAD83 / California zone 1 \(ftUS\) is 'US survey foot'"),
    ],
)
def test_coordinates_in_another_unit_than_that_of_the_crs_are_refused(tmp_path, unit, crs, scale, found):
    path = write_netcdf(tmp_path / "a.nc", VALUES, lon=LON * scale, lat=LAT * scale)
    content = path.read_bytes()
    for name in (b"degrees_north", b"degrees_east"):
        content = content.replace(name, unit.encode().ljust(len(name), b" "))
    path.write_bytes(content)
    with pytest.raises(GridError, match=rf"a\.nc: coordinates such as .* are in {found}; convert the coordinates"):
        read_dem(path, vertical_datum="MSL", declared=Declared(crs=crs))
