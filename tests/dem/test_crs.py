import pyproj
import pytest
from rasterio.transform import Affine
from synthetic import rough, write_raw

from demsr.dem.crs import check_crs_text, check_horizontal, horizontal_part
from demsr.dem.grid import Grid
from demsr.dem.read.declared import Declared
from demsr.dem.read.raster import read_dem
from demsr.errors import GridError, RasterError

LOCAL = 'LOCAL_CS["site grid",UNIT["metre",1]]'
ROTATED = pyproj.crs.DerivedGeographicCRS(
    pyproj.CRS("EPSG:4326"), pyproj.crs.coordinate_operation.RotatedLatitudeLongitudeConversion(39, 0, 18)
)


@pytest.mark.parametrize(
    ("crs", "found"),
    [
        ("EPSG:4807", "counts in grads from Paris"),
        ("EPSG:4805", "counts in degrees from Ferro"),
        ("EPSG:4802", "counts in degrees from Bogota"),
        ("EPSG:4901", "counts in grads from Paris RGS"),
        (LOCAL, "'site grid' is not tied to the Earth"),
        ("EPSG:4978", "is not tied to the Earth"),
        ("EPSG:5773", "is not tied to the Earth"),
        ("IAU_2015:30100", "is not tied to the Earth"),
        (ROTATED, "has a rotated pole"),
    ],
)
def test_coordinates_that_are_no_degrees_from_greenwich_are_refused(crs, found):
    with pytest.raises(GridError, match=f"a.tif: the CRS .*{found}"):
        check_horizontal(pyproj.CRS.from_user_input(crs), where="a.tif")


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:4979", "EPSG:4269+5703", "EPSG:32632", "EPSG:27572", "OGC:CRS84"])
def test_usual_systems_are_taken(crs):
    crs = pyproj.CRS.from_user_input(crs)
    check_horizontal(crs, where="a.tif")
    assert len(horizontal_part(crs).axis_info) == 2


def test_site_grid_is_read_after_its_system_was_declared(tmp_path):
    path = write_raw(tmp_path / "a.tif", rough(6, 8), crs=LOCAL, transform=Affine(400, 0, 1000, 0, -400, 2000))
    with pytest.raises(GridError, match="declare the CRS that the coordinates are in, with --crs"):
        read_dem(path, vertical_datum="MSL")
    declared = Declared(crs="EPSG:32632")
    assert read_dem(path, vertical_datum="MSL", declared=declared).grid.crs == "EPSG:32632"


def test_projection_from_paris_has_true_pixel_sizes_and_no_geographic_grid():
    grid = Grid(rows=2, cols=2, west=200_000, north=2_600_000, pixel_width=90, pixel_height=90, crs="EPSG:27572")
    to_lonlat = pyproj.Transformer.from_crs("EPSG:27572", "EPSG:4326", always_xy=True)
    ends = (*to_lonlat.transform(200_000, 2_599_910), *to_lonlat.transform(200_180, 2_599_910))
    width_m = pyproj.Geod(ellps="WGS84").inv(*ends)[2] / 2
    assert grid.pixel_size_m()[0] == pytest.approx(width_m, rel=1e-4)
    with pytest.raises(GridError, match="counts in grads from Paris"):
        _ = grid.geographic_crs


@pytest.mark.parametrize(
    "text",
    [
        "+proj=longlat +nadgrids=/etc/passwd +type=crs",
        "+proj=utm +zone=32 +geoidgrids = @a.gtx",
        "+init=/etc/passwd:4326",
        "+proj=pipeline +step +proj=hgridshift +grids=a.gsb",
        "+proj=tinshift +file=a.json",
        'GEOGCS["a",EXTENSION["PROJ4","+proj=longlat +nadgrids=a.gsb"]]',
        'BOUNDCRS[ABRIDGEDTRANSFORMATION[PARAMETERFILE["shifts","a.gsb"]]]',
        '{"type": "BoundCRS"}',
        "x" * 70_000,
    ],
)
def test_crs_that_makes_proj_open_files_is_refused(tmp_path, text):
    with pytest.raises(RasterError, match=r"a\.tif: its CRS (names a file|has 70,000 letters).*; write it again"):
        check_crs_text(text, where=tmp_path / "a.tif")


@pytest.mark.parametrize("code", [3857, 4326, 32632, 27700, 7415])
@pytest.mark.parametrize("version", ["WKT1_GDAL", "WKT2_2019"])
def test_crs_of_epsg_names_no_file(tmp_path, code, version):
    check_crs_text(pyproj.CRS(code).to_wkt(version), where=tmp_path)
    check_crs_text(f"+init=epsg:{code}", where=tmp_path)
