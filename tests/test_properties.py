"""Properties of reading that hold for all voids, packings, coordinates, axes and reference systems."""

import contextlib
import math
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
import torch
import xarray as xr
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pyproj.database import query_crs_info
from pyproj.enums import PJType
from raster_files import write_netcdf
from synthetic import write_raw

from demsr.dem.axes import even_axis
from demsr.dem.crs import check_horizontal
from demsr.dem.read.declared import Declared
from demsr.dem.read.raster import read_dem, read_raster
from demsr.errors import GridError
from demsr.inference.arrays import super_resolve
from demsr.model.srnet import DemSrNet

ROWS, COLS = 9, 11
LON, LAT = 10 + (np.arange(COLS) + 0.5) / 240, 45 - (np.arange(ROWS) + 0.5) / 240
SENTINELS = {
    "int16": (-32768, -9999, 9999, 32767),
    "int32": (-(2**31), -(2**31) + 1, 65535, -99999),
    "float32": (-9999, -3.4028234663852886e38, 1.70141e38, 9.96921e36, -32768, np.nan),
    "float64": (-1.7976931348623157e308, -3.4e38, 1e20, 32767),
}
GEOGRAPHIC = [one.code for one in query_crs_info(auth_name="EPSG", pj_types=[PJType.GEOGRAPHIC_2D_CRS])]

often = settings(
    max_examples=30, deadline=None, database=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
masks = st.lists(st.tuples(st.integers(0, ROWS - 1), st.integers(0, COLS - 1)), min_size=1, max_size=6, unique=True)
packings = st.tuples(st.sampled_from([0.1, 0.25, 0.5, 2.0, -0.5]), st.sampled_from([0.0, 100.0, -250.0]))


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@contextlib.contextmanager
def folder():
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def terrain(seed):
    return np.random.default_rng(seed).uniform(-1500, -300, (ROWS, COLS))


def at(pixels):
    mask = np.zeros((ROWS, COLS), bool)
    mask[tuple(np.transpose(pixels))] = True
    return mask


@often
@given(st.data(), st.sampled_from(sorted(SENTINELS)), st.integers(0, 99))
def test_voids_are_the_union_of_all_that_is_declared_and_usual(data, dtype, seed):
    """Values where one means void, and nowhere else, are lost: by sentinel, nodata of the file, of the user, mask."""
    values, void = terrain(seed).astype(dtype), np.zeros((ROWS, COLS), bool)
    numbers = {"usual": data.draw(st.sampled_from(SENTINELS[dtype])), "file": 7, "user": 1234, "mask": 0}
    marked = {kind: at(data.draw(masks)) for kind in data.draw(st.sets(st.sampled_from(sorted(numbers))))}
    for kind, mask in marked.items():
        values[mask & ~void] = numbers[kind]
        void |= mask
    with folder() as here:
        path = write_raw(here / "a.tif", values, nodata=7 if "file" in marked else None)
        if "mask" in marked:
            with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as file:
                file.write_mask(~marked["mask"])
        declared = Declared(nodata=1234) if "user" in marked else None
        dem = read_dem(path, vertical_datum="MSL", declared=declared)
    np.testing.assert_array_equal(~dem.valid, void)
    np.testing.assert_array_equal(dem.elevation_m[~void], values[~void].astype(np.float32))


@often
@given(packings, masks, masks, st.integers(0, 99), st.booleans())
def test_packed_numbers_are_judged_as_stored(packing, first, second, seed, as_unpacked):
    scale, offset = packing
    stored = np.round((terrain(seed) - offset) / scale).astype(np.int16)
    expected, void = stored * scale + offset, at(first) | at(second)
    stored[at(second)], stored[at(first)] = 30011, -32768
    nodata = 30011 * scale + offset if as_unpacked else 30011
    assume(not ((stored == nodata) & ~at(second)).any())
    attributes = {"units": "m", "scale_factor": scale, "add_offset": offset}
    with folder() as here:
        path = write_netcdf(here / "a.nc", stored, lon=LON, lat=LAT, attributes=attributes)
        dem = read_dem(path, vertical_datum="MSL", declared=Declared(nodata=nodata))
    np.testing.assert_array_equal(~dem.valid, void)
    np.testing.assert_allclose(dem.elevation_m[~void], expected[~void], rtol=1e-6)


@settings(often, max_examples=12)
@given(packings, masks, st.sampled_from([-32768, 32767]), st.integers(0, 99))
def test_file_and_array_agree_on_voids_and_on_what_they_say(packing, pixels, sentinel, seed):
    scale, offset = packing
    stored = np.round((terrain(seed) - offset) / scale).astype(np.int16)
    stored[at(pixels)] = sentinel
    attributes = {"units": "m", "scale_factor": scale, "add_offset": offset}
    net = DemSrNet(1, 4).eval()
    with folder() as here, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        path = write_netcdf(here / "a.nc", stored, lon=LON, lat=LAT, attributes=attributes)
        reading = read_raster(path, vertical_datum="MSL")
        with xr.open_dataset(path) as dataset:
            fine = super_resolve(dataset.elevation, net, precision="float32")
    notes = [note.replace("the file", "the array") for note in reading.assumptions if note.startswith("voids")]
    assert [str(one.message).removeprefix("elevation: ") for one in warned if one.category is UserWarning] == notes
    assert len(notes) == 1
    np.testing.assert_array_equal(np.isnan(fine), np.kron(~reading.dem.valid, np.ones((5, 5), bool)))
    np.testing.assert_array_equal(~reading.dem.valid, at(pixels))


@often
@given(
    west=st.floats(-180, 179),
    south=st.floats(-80, 70),
    step=st.sampled_from([1 / 240, 1 / 1200, 0.1]),
    rows=st.sampled_from([1, -1]),
    cols=st.sampled_from([1, -1]),
    jitter=st.floats(0, 0.04),
)
def test_coordinates_of_any_place_and_direction_are_where_the_values_are(west, south, step, rows, cols, jitter):
    """Longitudes are written from -180 to 180, so that some jump; each may be a little off."""
    off = jitter * step * np.array([0, *(-1.0) ** np.arange(COLS - 2), 0])
    lon = (west + (np.arange(COLS) + 0.5) * step + off + 180) % 360 - 180
    lat = south + (np.arange(ROWS) + 0.5) * step
    values = np.arange(ROWS * COLS, dtype=np.int16).reshape(ROWS, COLS) * 7 - 900
    with folder() as here:
        path = write_netcdf(here / "a.nc", values[::rows, ::cols], lon=lon[::cols], lat=lat[::rows])
        dem = read_dem(path, vertical_datum="MSL")
    np.testing.assert_array_equal(dem.elevation_m, values[::-1])
    found_lon, found_lat = dem.grid.centre(ROWS - 1, 0)
    assert abs(math.remainder(found_lon - lon[0], 360)) < 0.05 * step
    assert abs(found_lat - lat[0]) < 1e-9


@often
@given(st.integers(5, 200), st.data(), st.floats(0.06, 5))
def test_a_gap_anywhere_is_refused_with_its_place(length, data, gap):
    place = data.draw(st.integers(0, length - 2))
    centres = np.arange(length) / 240
    centres[place + 1 :] += gap / 240
    # the even line through the ends lies between the two parts
    assume(np.abs(centres - np.linspace(centres[0], centres[-1], length)).max() > 0.05 * np.diff(centres).mean())
    with pytest.raises(GridError, match=rf"from x\[{place}\] = .* to x\[{place + 1}\] = "):
        even_axis(centres, name="x", where="a.nc")


@often
@given(st.sampled_from(GEOGRAPHIC))
def test_geographic_systems_are_taken_if_they_are_degrees_from_greenwich(code):
    crs = pyproj.CRS.from_epsg(code)
    area = crs.area_of_use
    assume(area is not None)
    lat = (area.south + area.north) / 2
    lon = area.west + ((area.east - area.west) % 360) / 2
    shape = {"a": crs.ellipsoid.semi_major_metre, "b": crs.ellipsoid.semi_minor_metre}
    greenwich = pyproj.CRS.from_dict({"proj": "longlat", **shape})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = pyproj.Transformer.from_crs(crs, greenwich, always_xy=True).transform(lon, lat)
    are_degrees = math.hypot(math.remainder(found[0] - lon, 360), found[1] - lat) < 0.1
    if are_degrees:
        check_horizontal(crs, where="a.tif")
    else:
        with pytest.raises(GridError, match=r"a\.tif: the CRS .* degrees from Greenwich are needed"):
            check_horizontal(crs, where="a.tif")
