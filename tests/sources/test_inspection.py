from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from raster_files import write_hgt
from rasterio.transform import Affine
from synthetic import ARCSEC_3, plane, rough, write_raw

from demsr.dem.read.declared import Declared
from demsr.errors import GridError, RasterError, VoidError
from demsr.sources.inspection import Inspection, inspect_raster

UNIT = "unit: the file names none; metres taken"
SIGN = "sign: the file does not say; heights, positive up, taken"
NODES = "registration: the file says area, but its pixel centres are multiples of its spacing; point taken"
AS_FINE = "input of super-resolution by a factor of 5; the nets are trained for 15 arc-seconds"


def spaced(arcsec: float, *, west: float = 10.0, north: float = 50.0) -> Affine:
    return Affine(arcsec / 3600, 0, west, 0, -arcsec / 3600, north)


def inspected(folder: Path, values: Any, *, said: Declared | None = None, patch_hr: int = 20, **of_file: Any) -> Any:
    return inspect_raster(write_raw(folder / "a.tif", np.asarray(values), **of_file), said, patch_hr=patch_hr)


def test_grid_of_15_arc_seconds_is_an_input_and_yields_no_3_arc_second_pairs(tmp_path):
    found = inspected(tmp_path, plane(45, 30), transform=spaced(15))
    assert found == Inspection(
        tmp_path / "a.tif",
        facts={
            "format": "GTiff, band 1, float32 in m",
            "grid": "45 x 30 at 15 x 15 arcsec, pixel is area, EPSG:4326",
            "pixel": "299.3 x 463.4 m at the centre",  # 1/240 degree at 49.906 degrees north
            "bounds": "10.0000 to 10.1250 east, 49.8125 to 50.0000 north",
            "vertical datum": "not stated; declare it with --vertical-datum",
            "sign": "elevations, positive up",
            "voids": "0 pixels, 0.00 %",
            "range": "13.0 to 188.0 m",  # 100 - 3 * 29 and 100 + 2 * 44
            "operator": "blind: no product by its name and texts; a finer raster beside it shows how it was sampled",
        },
        assumptions=[UNIT, SIGN],
        uses=[
            "input of super-resolution from 15 to 3 arc-seconds, and LR of real pairs",
            "no 3 arc-second pairs: the raster is coarser than 3 arc-seconds",
            "scale-free pairs at its own spacing: 2 patches of 20 x 20 pixels",
        ],
    )


@pytest.mark.parametrize(
    ("half", "registration", "assumed"), [(0, "area", [UNIT, SIGN]), (0.5, "point", [NODES, UNIT, SIGN])]
)
def test_grid_of_3_arc_seconds_gives_pairs_as_it_is_whatever_its_samples_stand_for(
    tmp_path, half, registration, assumed
):
    corner = half * ARCSEC_3
    found = inspected(tmp_path, rough(41, 61), transform=spaced(3, west=10 - corner, north=50 + corner))
    assert found.facts["grid"] == f"41 x 61 at 3 x 3 arcsec, pixel is {registration}, EPSG:4326"
    assert found.assumptions == assumed
    assert found.uses == [AS_FINE, "3 arc-second pairs on its own grid: 6 patches of 20 x 20 pixels"]


def test_nodes_of_1_arc_second_are_averaged_onto_the_cells_between_whole_degrees(tmp_path):
    half = 0.5 / 3600
    found = inspected(tmp_path, rough(121, 181), transform=spaced(1, west=10 - half, north=50 + half))
    assert found.facts["grid"] == "121 x 181 at 1 x 1 arcsec, pixel is point, EPSG:4326"
    assert found.uses == [
        AS_FINE,
        "3 arc-second pairs, averaged to 40 x 60 pixels: 6 patches of 20 x 20 pixels",
        "scale-free pairs at its own spacing: 54 patches of 20 x 20 pixels",
    ]


def test_srtm_tile_says_all_but_the_datum_which_its_product_tells(tmp_path):
    found = inspect_raster(write_hgt(tmp_path, rough(1201, 1201), zipped=True))
    assert found.facts["format"] == "SRTMHGT, band 1, int16 in m"
    assert found.facts["vertical datum"] == "EGM96"
    assert found.assumptions == ["vertical datum: the file names none; EGM96 taken, that of its product"]
    assert found.uses[1] == "3 arc-second pairs on its own grid: 49 patches of 160 x 160 pixels"


def test_projected_raster_is_averaged_and_its_bounds_are_told_in_degrees(tmp_path):
    utm = Affine(30, 0, 500_000, 0, -30, 5_000_000)  # on the central meridian, 9 degrees east
    found = inspected(tmp_path, rough(300, 300), crs="EPSG:32632", transform=utm)
    assert found.facts["grid"] == "300 x 300 at 30 x 30 CRS units, pixel is area, EPSG:32632"
    assert found.facts["pixel"] == "30.0 x 30.0 m at the centre"
    assert found.facts["bounds"].startswith("9.0000 to 9.11")
    # 9 km are 97 cells of 92.6 m from north to south, 136 of 66 m from west to east; borders are cut to whole ones
    assert found.uses[1] == "3 arc-second pairs, averaged to 97 x 137 pixels: 24 patches of 20 x 20 pixels"
    assert found.uses[2] == "scale-free pairs at its own spacing: 225 patches of 20 x 20 pixels"


def test_grid_of_4_arc_seconds_is_good_for_scale_free_pairs_alone(tmp_path):
    found = inspected(tmp_path, rough(20, 20), transform=spaced(4))
    assert found.uses == [
        AS_FINE,
        "no 3 arc-second pairs: the raster is coarser than 3 arc-seconds",
        "scale-free pairs at its own spacing: 1 patch of 20 x 20 pixels",
    ]


def test_raster_smaller_than_a_cell_or_a_patch_says_so(tmp_path):
    found = inspected(tmp_path, rough(5, 5), transform=spaced(0.1, west=10.0001))
    assert found.uses[1].startswith("no 3 arc-second pairs: no whole cell of 3 arc-seconds fits into 10.0001 to 10.00")
    assert found.uses[2] == "scale-free pairs at its own spacing: none, a patch needs 20 x 20 pixels"


@pytest.mark.parametrize(("void_rows", "patches"), [(5, "1 patch of 20 x 20 pixels"), (6, "none, 1 candidate")])
def test_patch_may_be_void_to_a_quarter(tmp_path, void_rows, patches):
    values = rough(20, 20)
    values[:void_rows] = np.nan
    found = inspected(tmp_path, values)
    assert found.facts["voids"] == f"{20 * void_rows} pixels, {5 * void_rows:.2f} %"
    assert found.uses[1].startswith(f"3 arc-second pairs on its own grid: {patches}")


def test_raster_without_a_measured_pixel_is_good_for_nothing(tmp_path):
    found = inspected(tmp_path, np.full((20, 20), np.nan, np.float32))
    assert (found.facts["voids"], found.facts["range"]) == ("400 pixels, 100.00 %", "nothing measured")
    assert found.uses == ["nothing: no pixel is measured"]


def test_depths_and_feet_are_told_as_heights_in_metres(tmp_path):
    said = Declared(positive="down", unit="ft", vertical_datum="MLLW")
    found = inspected(tmp_path, 100 + np.arange(400, dtype=np.float32).reshape(20, 20), said=said)
    assert found.facts["range"] == "-152.1 to -30.5 m"  # 499 and 100 feet of 0.3048 m
    assert found.facts["sign"] == "depths in the file, converted to elevations"
    assert found.facts["format"] == "GTiff, band 1, float32 in ft"
    assert (found.facts["vertical datum"], found.assumptions[1:]) == ("MLLW", [])


def test_crs_of_depths_leaves_the_sign_to_the_values_and_says_which(tmp_path):
    found = inspected(tmp_path, np.full((20, 20), 30, np.float32), crs="EPSG:4326+5866")  # MLLW depth
    assert (found.facts["sign"], found.facts["range"]) == (
        "inferred from the values, see assumptions",
        "-30.0 to -30.0 m",
    )
    assert found.assumptions[-1] == (
        "sign: the file speaks of depths and most values are positive, so they are depths and change sign"
    )


def test_undeclared_sentinel_is_void_and_counted(tmp_path):
    values = np.full((20, 20), 7, np.int16)
    values[0, :3] = -9999
    found = inspected(tmp_path, values)
    assert (found.facts["voids"], found.facts["range"]) == ("3 pixels, 0.75 %", "7.0 to 7.0 m")
    assert found.assumptions == [
        UNIT,
        SIGN,
        "voids: 3 pixels are -9999, which the file does not declare; taken as void",
    ]


def test_file_in_degrees_without_crs_is_taken_for_wgs84(tmp_path):
    found = inspected(tmp_path, rough(20, 20), crs=None)
    assert found.facts["grid"].endswith("EPSG:4326")
    assert found.assumptions[0].startswith("CRS: the file names none and its coordinates are degrees; WGS 84")
    assert inspected(tmp_path, rough(20, 20), crs=None, said=Declared(crs="EPSG:4269")).assumptions[1:] == [UNIT, SIGN]


def test_elevation_of_a_survey_with_several_layers_is_taken_and_others_by_name(tmp_path):
    layers = np.stack([np.full((20, 20), -30, np.float32), np.full((20, 20), 2, np.float32)])
    layers[0, 0] = 1e6
    profile = {"driver": "BAG", "crs": "EPSG:26910", "transform": Affine(8, 0, 500_000, 0, -8, 5_000_000)}
    path = tmp_path / "survey.bag"
    with rasterio.open(path, "w", count=2, dtype="float32", width=20, height=20, nodata=1e6, **profile) as file:
        file.write(layers)
    found = inspect_raster(path, patch_hr=20)
    assert found.facts["format"] == "BAG, elevation, float32 in m"
    assert found.facts["grid"] == "20 x 20 at 8 x 8 CRS units, pixel is point, EPSG:26910"
    assert (found.facts["range"], found.facts["voids"]) == ("-30.0 to -30.0 m", "20 pixels, 5.00 %")
    assert "layer: the file has elevation, uncertainty; elevation taken" in found.assumptions
    other = inspect_raster(path, Declared(layer="uncertainty"), patch_hr=20)
    assert other.facts["range"] == "2.0 to 2.0 m"
    assert not any(text.startswith("layer:") for text in other.assumptions)


def test_bands_without_names_are_refused_until_one_is_named(tmp_path):
    path = write_raw(tmp_path / "a.tif", np.stack([plane(20, 20), plane(20, 20, level=1000)]))
    with pytest.raises(GridError, match="has the layers 1, 2; name the one of elevation with `layer`"):
        inspect_raster(path)
    assert inspect_raster(path, Declared(layer="2")).facts["range"] == "943.0 to 1038.0 m"


def test_impossible_heights_are_refused_with_one_of_them(tmp_path):
    values = rough(20, 20)
    values[3, 4] = 65000
    with pytest.raises(VoidError, match="numbers lie outside -12000 to 9500 m, such as 65000; if these are voids, "):
        inspected(tmp_path, values)


def test_a_file_that_is_not_a_raster_is_refused(tmp_path):
    (tmp_path / "a.txt").write_text("no raster")
    with pytest.raises(RasterError, match=r"a\.txt: cannot be read as a raster"):
        inspect_raster(tmp_path / "a.txt")


def test_cells_of_gebco_are_counted_by_whether_they_follow_its_law_on_land(tmp_path):
    cell = 15 / 3600
    elevation = np.full((240, 10), 5, np.float32)
    elevation[120:, :4] = -20  # a fifth is sea, between 59.5 and 60 degrees
    elevation[:120, 0] = 5.5  # beyond SRTM in any case
    elevation[120:, 9] = 5.5
    path = write_raw(tmp_path / "gebco.tif", elevation, transform=Affine(cell, 0, 10, 0, -cell, 60.5))
    told = inspect_raster(path).facts["operator"]
    assert told.startswith("gebco, for GEBCO: 25.0 % of the cells should be SRTM under a Gaussian of 164 m")
    assert "20.0 % is sea floor" in told
    assert "50.0 % is land beyond SRTM, north of 60 or south of 56 degrees" in told
    assert "5.0 % is land not in whole metres" in told
    named = write_raw(tmp_path / "other.tif", elevation, transform=Affine(cell, 0, 10, 0, -cell, 60.5))
    assert inspect_raster(named).facts["operator"].startswith("blind")
