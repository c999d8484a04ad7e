from pathlib import Path

import h5netcdf
import numpy as np
import pytest
import rasterio
from product_files import UTM, holed, write
from synthetic import grid

from demsr.dem.vertical import DATUMS


def test_netcdf_describes_axes_bands_and_datum_after_cf(tmp_path):
    of = grid(70, 90)
    path = write(tmp_path / "a.nc", holed(), of, MODEL_SHA256="abc", COMMAND="demsr super-resolve in out.nc")
    with h5netcdf.File(path) as file:
        elevation, uncertainty = file["elevation"], file["uncertainty"]
        assert file.attrs["Conventions"] == "CF-1.11"
        assert (file.attrs["model_sha256"], file.attrs["history"]) == ("abc", "demsr super-resolve in out.nc")
        assert elevation.attrs["standard_name"] == "height_above_geopotential_datum"
        assert uncertainty.attrs["standard_name"] == "height_above_geopotential_datum standard_error"
        assert (elevation.attrs["ancillary_variables"], elevation.attrs["units"]) == ("uncertainty", "m")
        assert np.isnan(elevation.attrs["_FillValue"])
        assert (elevation.compression, elevation.shuffle, elevation.chunks) == ("gzip", True, (70, 90))
        assert file["crs"].attrs["geopotential_datum_name"] == "EGM96 geoid"
        assert (file["lat"][0], file["lon"][-1]) == (of.centre(0, 89)[1], of.centre(0, 89)[0])
        np.testing.assert_allclose(file["lon_bnds"][:].mean(axis=1), file["lon"][:], rtol=1e-14)
        np.testing.assert_allclose([file["lat_bnds"][0, 0], file["lat_bnds"][-1, 1]], [of.north, of.south], rtol=1e-14)


def test_netcdf_lies_where_gdal_and_the_grid_say(tmp_path):
    of = grid(70, 90)
    path = write(tmp_path / "a.nc", holed(), of)
    with rasterio.open(f"netcdf:{path}:uncertainty") as file:
        assert file.bounds == pytest.approx((of.west, of.south, of.east, of.north), rel=1e-13)
        np.testing.assert_array_equal(file.read(1), holed()[1])


@pytest.mark.parametrize("datum", ["LAT", "MLLW", "chart datum"])
def test_netcdf_has_no_standard_name_where_cf_has_none(tmp_path, datum):
    path = write(tmp_path / "a.nc", holed(), grid(70, 90), datum=datum)
    with h5netcdf.File(path) as file:
        assert "standard_name" not in {**file["elevation"].attrs, **file["uncertainty"].attrs}
        assert file.attrs["vertical_datum"] == datum


def test_netcdf_without_a_datum_has_no_standard_name_and_says_not_stated(tmp_path):
    with h5netcdf.File(write(tmp_path / "a.nc", holed(), grid(70, 90), datum=None)) as file:
        assert "standard_name" not in {**file["elevation"].attrs, **file["uncertainty"].attrs}
        assert file.attrs["vertical_datum"] == file["elevation"].attrs["VERTICAL_DATUM"] == "not stated"
        assert file.attrs["title"] == "Elevation, vertical datum not stated"
        assert "geopotential_datum_name" not in file["crs"].attrs


@pytest.mark.filterwarnings("ignore")  # of netCDF4 and the checker's own
@pytest.mark.parametrize("datum", DATUMS)
@pytest.mark.parametrize("place", [{}, UTM, {**UTM, "crs": "EPSG:3031"}], ids=["lonlat", "UTM", "polar"])
def test_netcdf_passes_the_compliance_checker(tmp_path, datum, place):
    path = write(tmp_path / "a.nc", holed(), grid(70, 90, **place), datum=datum)
    assert cf_faults(path) == []


@pytest.mark.filterwarnings("ignore")
def test_compliance_checker_would_find_a_wrong_unit(tmp_path):
    path = write(tmp_path / "a.nc", holed(), grid(70, 90))
    with h5netcdf.File(path, "a") as file:
        file["elevation"].attrs["units"] = "s"
    assert any("elevation" in fault for fault in cf_faults(path))


def cf_faults(path: Path) -> list[str]:
    from compliance_checker.suite import CheckSuite

    suite = CheckSuite()
    suite.load_all_available_checkers()
    dataset = suite.load_dataset(str(path))
    results, errors = suite.run_all(dataset, ["cf:1.11"], skip_checks=[])["cf:1.11"]
    dataset.close()
    assert results
    assert not errors
    return [fault for result in results for fault in result.msgs or ()]
