"""Real elevation of many makers: what is understood of each file, and what it gives.

The table holds what the data card and a plain read of the files say; patches are counted beside each other.
"""

import re
import zipfile
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import pytest
import rasterio
from ruamel.yaml import YAML
from scipy.io import netcdf_file

from demsr import profiles
from demsr.dem.read.gdal import raster_name
from demsr.dem.read.header import read_header
from demsr.dem.read.raster import read_dem, read_elevation
from demsr.pairs.build import plan_pairs
from demsr.pairs.cut import CutRule, cut_patches
from demsr.pairs.degradations.block_mean import BlockMean
from demsr.pairs.split import split_raster
from demsr.sources.harmonise import HarmoniseOptions, HarmoniseRecord, harmonise
from demsr.sources.held_out import HeldOutRule, choose_held_out
from demsr.sources.inspection import inspect_raster
from demsr.sources.manifest import describe_file

SIDE = 160  # HR pixels of a patch
FEW, EMPTY = f"none, a patch needs {SIDE} x {SIDE} pixels", "none, {} with too many voids"
# kinds of assumptions
NODES_DATUM, NODES = "registration, unit, vertical datum, sign", "registration, unit, sign"
SILENT_DATUM, SILENT = "unit, vertical datum, sign", "unit, sign"
OWN, COARSE = "3 arc-second pairs on its own grid: ", "the raster is coarser than 3 arc-seconds"
TIFF, FLOAT = "GTiff, band 1, int16 in m", "GTiff, band 1, float32 in m"
NETCDF = "netCDF, elevation, int16 in m"


class Known(NamedTuple):
    """One file.

    Attributes
    ----------
    size : rows, columns
    pixel : width and height, arc-seconds or metres
    assumed : kinds, in the order in which they are told
    own : patches on its own grid, or why none
    target : OWN, COARSE, or rows and columns of 3 arc-seconds and patches there
    """

    stored: str
    size: tuple[int, int]
    pixel: tuple[float, float]
    registration: str
    crs: str
    datum: str | None
    void_percent: float
    range_m: tuple[float, float]
    assumed: str
    own: int | str
    target: str | tuple[int, int, int | str]

    @property
    def uses(self) -> list[str]:
        """What it is good for besides super-resolution."""
        if self.target == OWN:
            return [OWN + counted(self.own)]
        scale_free = f"scale-free pairs at its own spacing: {counted(self.own)}"
        if self.target == COARSE:
            return [f"no 3 arc-second pairs: {COARSE}", scale_free]
        rows, cols, patches = self.target
        return [f"3 arc-second pairs, averaged to {rows} x {cols} pixels: {counted(patches)}", scale_free]


def counted(patches: int | str) -> str:
    """Say how many, or pass on why none."""
    if isinstance(patches, str):
        return patches
    return f"{patches} patch{'es' if patches > 1 else ''} of {SIDE} x {SIDE} pixels"


def srtm3(void_percent: float, low: float, high: float, *, cols: int = 1201, patches: int = 49) -> Known:
    """Return a tile of nodes on multiples of 3 arc-seconds, as a GeoTIFF that says nothing but its CRS."""
    return Known(
        TIFF,
        (1201, cols),
        (3, 3),
        "point",
        "EPSG:4326",
        "EGM96",
        void_percent,
        (low, high),
        NODES_DATUM,
        patches,
        OWN,
    )


def glo30(low: float, high: float) -> Known:
    return Known(
        FLOAT,
        (361, 361),
        (1, 1),
        "point",
        "EPSG:4326",
        None,
        0,
        (low, high),
        NODES,
        4,
        (120, 120, FEW),
    )


KNOWN = {
    "land/N43E007.hgt.zip": Known(
        "SRTMHGT, band 1, int16 in m",
        (1201, 1201),
        (3, 3),
        "point",
        "EPSG:4326",
        "EGM96",
        0.1,
        (-11, 2064),
        "vertical datum",
        49,
        OWN,
    ),
    "land/glo30_los_angeles_ellipsoid.tif": glo30(5.8, 386.8),
    "land/glo30_los_angeles_geoid.tif": glo30(41.1, 421.8),
    "land/srtm1_N48W125_olympic_peninsula.tif": Known(
        TIFF,
        (1801, 3601),
        (1, 1),
        "point",
        "EPSG:4326",
        "EGM96",
        0,
        (-13, 1095),
        NODES_DATUM,
        242,
        (600, 1200, 21),
    ),
    "land/srtm3_N41E001_catalonia_coast.tif": srtm3(0, -20, 1204),
    "land/srtm3_N42E001_pyrenees.tif": srtm3(0.5, 349, 3100),
    "land/srtm3_N43E006_provence_coast.tif": srtm3(0, -12, 1923),
    "land/srtm3_N44E005_prealps_ventoux.tif": srtm3(0.3, 32, 2757),
    "land/srtm3_N44W072_white_mountains.tif": srtm3(0, 115, 1908),
    "land/srtm3_N49E011_franconian_jura.tif": srtm3(0, 234, 920),
    "land/srtm3_N50E011_thuringia_highlands.tif": srtm3(0, 129, 1044),
    "land/srtm3_N51W001_chilterns_london.tif": srtm3(0, -30, 296),
    "land/srtm3_N52E008_north_german_plain.tif": srtm3(0, -1, 357),
    "land/srtm3_N53E027_belarus_plain.tif": srtm3(0, 142, 354),
    "land/srtm3_S29W072_atacama_coast.tif": srtm3(0, -3, 1899, cols=561, patches=21),
    "land/srtm3_oetztal_alps.tif": Known(
        TIFF,
        (444, 582),
        (2.99999, 2.99999),
        "area",
        "EPSG:4326",
        "EGM96",
        0,
        (387, 3727),
        SILENT_DATUM,
        6,
        OWN,
    ),
    "land/utm30m_bigtujunga_san_gabriel.tif": Known(
        TIFF, (643, 1197), (30, 30), "area", "EPSG:32611", None, 0, (315, 2295), SILENT, 28, (212, 470, 2)
    ),
    "land/utm30m_kilauea_volcano.tif": Known(
        TIFF, (600, 857), (30, 30), "area", "EPSG:32605", None, 0, (23, 1505), SILENT, 15, (198, 295, 1)
    ),
    "land/utm50m_meghalaya_shillong_plateau.tif": Known(
        TIFF,
        (1056, 1800),
        (50, 50.0009),
        "area",
        "EPSG:32646",
        None,
        8.6,
        (2, 1964),
        SILENT,
        65,
        (580, 1077, 18),
    ),
    "marine/F00788_SR_8m.bag": Known(
        "BAG, elevation, float32 in m",
        (179, 179),
        (8, 8),
        "point",
        "EPSG:26910",
        None,
        79.6,
        (-68.4, -36.2),
        "layer",
        EMPTY.format("1 candidate"),
        (14, 22, FEW),
    ),
    "marine/cudem_sabine_lake.tif": Known(
        FLOAT,
        (648, 648),
        (1.11111, 1.11111),
        "area",
        "EPSG:4269",
        None,
        0,
        (-17.6, 10.5),
        SILENT,
        16,
        (239, 239, 1),
    ),
    "marine/emodnet_wadden_sea_ameland.tif": Known(
        FLOAT, (316, 674), (3.75, 3.75), "area", "EPSG:4326", None, 22.5, (-40.6, 3.2), SILENT, 4, COARSE
    ),
    "marine/ga250m_abrolhos_margin_9arcsec.tif": Known(
        TIFF, (1200, 1400), (9, 9), "area", "EPSG:4326", None, 11.9, (-5853, 0), SILENT, 51, COARSE
    ),
    "marine/gmrt_balanus_seamount.tif": Known(
        FLOAT,
        (1332, 1082),
        (1.97937, 1.52904),
        "area",
        "EPSG:4326",
        None,
        0.1,
        (-4849.5, -1424.9),
        SILENT,
        48,
        (678, 713, 16),
    ),
    "marine/ncei_monterey_bay_7arcsec.tif": Known(
        FLOAT, (540, 540), (6.66667, 6.66667), "area", "EPSG:4269", None, 0, (-2805.5, 1515.9), SILENT, 9, COARSE
    ),
    "marine/topobathy_gironde_4arcsec.tif": Known(
        FLOAT, (1000, 1000), (4.09875, 4.2825), "area", "EPSG:4326", None, 0, (-100.9, 104.3), SILENT, 36, COARSE
    ),
    "marine/utm50m_ningaloo_multibeam.tif": Known(
        FLOAT,
        (2941, 1914),
        (50, 50),
        "area",
        "EPSG:32749",
        None,
        92.7,
        (-195, -50),
        SILENT,
        4,
        (1611, 1145, EMPTY.format("70 candidates")),
    ),
    "gebco/gebco_2020_n56.3_s55.2_w12.2_e13.1.nc": Known(
        NETCDF, (264, 216), (15, 15), "area", "EPSG:4326", "MSL", 0, (-43, 185), "CRS", 1, COARSE
    ),
    "gebco/gebco_2024_cardigan_bay.tif": Known(
        TIFF, (180, 180), (15, 15), "area", "EPSG:4326", "MSL", 0, (-55, 546), SILENT_DATUM, 1, COARSE
    ),
    "gebco/gebco_2024_n39.8_s39.0_w-65.8_e-65.0.nc": Known(
        NETCDF, (192, 192), (15, 15), "area", "EPSG:4326", "MSL", 0, (-4884, -1438), "CRS", 1, COARSE
    ),
    "gebco/gebco_2025_n54.0_s53.3_w-3.7_e-3.0_geotiff.tif": Known(
        "GTiff, elevation, int16 in m", (168, 168), (15, 15), "area", "EPSG:4326", "MSL", 0, (-59, 213), "", 1, COARSE
    ),
    "gebco/gebco_western_india_margin.tif": Known(
        TIFF, (1080, 1128), (15, 15), "area", "EPSG:4326", "MSL", 0, (-3701, 92), SILENT_DATUM, 42, COARSE
    ),
}
each_file = pytest.mark.parametrize("name", KNOWN)


def files_of(domain: str) -> list[str]:
    """Return the names in the table, which stay the same when the folder grows."""
    return sorted(name for name in KNOWN if name.startswith(f"{domain}/"))


@pytest.fixture(scope="module")
def data(shared) -> Path:
    return shared / "data"


def plain(path: Path) -> np.ndarray:
    """Read elevation without demsr: NaN for what the file declares void."""
    if path.suffix == ".zip":
        values, void = np.frombuffer(zipfile.ZipFile(path).read(path.stem), ">i2").reshape(1201, 1201), -32768
    elif path.suffix == ".nc":
        with netcdf_file(path, mmap=False) as file:
            values, void = file.variables["elevation"][::-1], -32767  # rows from the south, as in a BAG
    elif path.suffix == ".bag":
        with h5py.File(path) as file:
            values, void = file["BAG_root/elevation"][()][::-1], 1e6
    else:
        with rasterio.open(path) as file:
            values, void = file.read(1), file.nodata
    return np.where(values == void, np.nan, values).astype(np.float32)


def blocks(elevation: np.ndarray) -> list[np.ndarray]:
    """Return what lies beside each other in requests of a patch's size."""
    rows, cols = (range(0, length - SIDE + 1, SIDE) for length in elevation.shape)
    return [elevation[row : row + SIDE, col : col + SIDE] for row in rows for col in cols]


def mostly_measured(elevation: np.ndarray) -> int:
    return sum(np.isnan(block).mean() <= 0.25 for block in blocks(elevation))


@each_file
def test_table_agrees_with_the_data_card(data, name):
    card = (data / "README.md").read_text(encoding="utf-8")
    row = next(line for line in card.splitlines() if line.startswith(f"| `{Path(name).name}`"))
    bounds, size, pixel, crs, datum, nodata, lowest_highest = (cell.strip() for cell in row.split("|")[5:12])
    known = KNOWN[name]
    numbers = partial(re.findall, r"-?\d+(?:\.\d+)?(?:e\+\d+)?")
    assert size == f"{known.size[1]} x {known.size[0]}, {known.stored.split()[-3]}"
    sizes = list(map(float, numbers(pixel)))
    np.testing.assert_allclose(sizes, known.pixel[: len(sizes)], atol=0.006)
    assert crs.removesuffix(" (not in file)") == known.crs or (crs, known.crs) == (
        "NAD83 / UTM 10N (compound)",
        "EPSG:26910",
    )
    assert known.datum is None or {"MSL": "mean sea level"}.get(known.datum, known.datum) in datum
    assert float(numbers(nodata)[-1]) == pytest.approx(100 - known.void_percent, abs=0.6)
    np.testing.assert_allclose(list(map(float, numbers(lowest_highest))), known.range_m, atol=0.01)
    if isinstance(known.target, tuple):
        west, south, east, north = map(float, numbers(bounds))
        cells = np.array([north - south, east - west]) * 1200
        assert (np.abs(cells - 1 - known.target[:2]) <= 1.2).all()  # card: 4 decimals, an eighth of a cell


@each_file
def test_pixels_are_those_of_a_plain_read(data, name):
    truth, known = plain(data / name), KNOWN[name]
    assert truth.shape == known.size
    assert 100 * np.isnan(truth).mean() == pytest.approx(known.void_percent, abs=0.051)
    assert (np.nanmin(truth), np.nanmax(truth)) == pytest.approx(known.range_m, abs=0.051)
    elevation, grid, assumed = read_elevation(read_header(data / name))
    np.testing.assert_array_equal(elevation, truth)
    assert (grid.rows, grid.cols, assumed) == (*known.size, [])
    assert mostly_measured(truth) == (0 if isinstance(known.own, str) else known.own)


@each_file
def test_file_is_understood_as_the_table_says(data, name):
    known, found = KNOWN[name], inspect_raster(data / name)
    (rows, cols), (width, height) = known.size, known.pixel
    unit = "arcsec" if known.crs in ("EPSG:4326", "EPSG:4269") else "CRS units"
    assert found.facts["format"] == known.stored
    assert found.facts["grid"] == (
        f"{rows} x {cols} at {width:.6g} x {height:.6g} {unit}, pixel is {known.registration}, {known.crs}"
    )
    assert found.facts["vertical datum"] == (known.datum or "not stated; declare it with --vertical-datum")
    assert found.facts["sign"] == "elevations, positive up"
    assert float(found.facts["voids"].split()[-2]) == pytest.approx(known.void_percent, abs=0.051)
    np.testing.assert_allclose(list(map(float, found.facts["range"].split()[:3:2])), known.range_m, atol=0.101)
    assert ", ".join(text.split(":")[0] for text in found.assumptions) == known.assumed
    assert ("from 15 to 3 arc-seconds, and LR of real pairs" in found.uses[0]) == name.startswith("gebco/")
    assert found.uses[1:] == known.uses


def recipe(domain: str) -> HarmoniseOptions:
    """Return what the profile `local` does to a domain."""
    values = YAML(typ="safe").load((Path(profiles.__file__).parent / "local.yaml").read_text(encoding="utf-8"))
    return HarmoniseOptions(**values["harmonise"][domain], sea_floor=domain == "marine")


@pytest.fixture(scope="module")
def harmonised(data, tmp_path_factory) -> dict[str, tuple[Path, dict[str, HarmoniseRecord]]]:
    """Folder and records of both domains, read by the recipes of the profile `local`."""
    result = {}
    for domain in ("land", "marine"):
        folder = tmp_path_factory.mktemp(domain)
        entries = [describe_file(data / name) for name in files_of(domain)]
        records = harmonise(entries, folder / "out", recipe(domain), work=folder / "work")
        result[domain] = (folder / "out", {record.name: record for record in records})
    return result


@pytest.mark.slow
@pytest.mark.parametrize("domain", ["land", "marine"])
def test_every_file_is_harmonised_with_the_datum_of_its_domain_where_it_names_none(harmonised, domain):
    folder, records = harmonised[domain]
    names = {raster_name(Path(name)): KNOWN[name] for name in files_of(domain)}
    assert {name: record.result for name, record in records.items()} == dict.fromkeys(names, "written")
    assert {path.stem for path in folder.iterdir()} == set(names)
    taken = {"land": "EGM96", "marine": "MSL"}[domain]
    for name, known in names.items():
        record = records[name]
        assert record.vertical_datum == taken
        assert (f"vertical datum: the file names none; {taken} taken" in record.assumptions) == (known.datum is None)
        averaged = domain == "land" and isinstance(known.target, tuple)
        rows, cols = known.target[:2] if averaged else known.size
        assert record.grid.startswith(f"{rows} x {cols} at")


@pytest.mark.slow
def test_sea_and_lakes_become_void_and_all_other_land_keeps_its_heights(data, harmonised):
    folder, _ = harmonised["land"]
    for name in [name for name in files_of("land") if KNOWN[name].target == OWN]:
        before, after = plain(data / name), read_dem(folder / f"{raster_name(Path(name))}.tif")
        np.testing.assert_array_equal(after.elevation_m[after.valid], before[after.valid])
        sea_or_void = np.isnan(before) | (before == 0)
        assert -0.02 < 100 * ((~after.valid).mean() - sea_or_void.mean()) < 1, name
        assert (after.valid & sea_or_void).mean() < 5e-4  # single pixels of 0 m on salt marshes


@pytest.mark.slow
def test_marine_files_keep_every_pixel(data, harmonised):
    folder, _ = harmonised["marine"]
    for name in files_of("marine"):
        after = read_dem(folder / f"{raster_name(Path(name))}.tif")
        np.testing.assert_array_equal(after.elevation_m, plain(data / name))


SMALL, THIN, VOID = f"region smaller than one patch of {SIDE} x {SIDE} HR pixels", "more than 25% void", "wholly void"
LAND = {  # pairs at 3 arc-seconds and why others are left out, where that differs from a whole tile of 49
    "N43E007": (12, {THIN: 8, VOID: 29}),
    "glo30_los_angeles_ellipsoid": (0, {SMALL: 1}),
    "glo30_los_angeles_geoid": (0, {SMALL: 1}),
    "srtm1_N48W125_olympic_peninsula": (5, {THIN: 11, VOID: 5}),
    "srtm3_N41E001_catalonia_coast": (43, {THIN: 5, VOID: 1}),
    "srtm3_N43E006_provence_coast": (39, {THIN: 8, VOID: 2}),
    "srtm3_S29W072_atacama_coast": (8, {THIN: 5, VOID: 8}),
    "srtm3_oetztal_alps": (6, {}),
    "utm30m_bigtujunga_san_gabriel": (2, {}),
    "utm30m_kilauea_volcano": (1, {}),
    "utm50m_meghalaya_shillong_plateau": (18, {}),
}
SEA_FLOOR = {
    "F00788_SR_8m": (0, {THIN: 1}),
    "cudem_sabine_lake": (15, {"relief below 1 m": 1}),
    "emodnet_wadden_sea_ameland": (4, {}),
    "ga250m_abrolhos_margin_9arcsec": (51, {THIN: 5}),
    "gmrt_balanus_seamount": (48, {}),
    "ncei_monterey_bay_7arcsec": (9, {}),
    "topobathy_gironde_4arcsec": (36, {}),
    "utm50m_ningaloo_multibeam": (4, {THIN: 40, VOID: 154}),
}


def planned(folder: Path, *, domain: str, scale_free: bool) -> Any:
    whole = partial(split_raster, method="files", quadrant_splits=[], valid=[], test=[], gap_lr=2, scale=5)
    rasters = sorted(folder.iterdir())
    return plan_pairs(rasters, whole, domain=domain, scale_free=scale_free, degradations=[BlockMean()])


@pytest.mark.slow
@pytest.mark.parametrize(("domain", "expected"), [("land", LAND), ("marine", SEA_FLOOR)])
def test_files_yield_the_pairs_that_are_measured_enough(harmonised, domain, expected):
    plan = planned(harmonised[domain][0], domain=domain, scale_free=domain == "marine")
    rule = CutRule(patch_lr=SIDE // 5, stride_hr=SIDE, gap_lr=2, max_void_share=0.25, min_relief_m=1)
    found = {}
    for job in plan.jobs:
        left_out: Counter[str] = Counter()
        lr = job.region_lr(scale=5, seed=0)
        count = sum(1 for _ in cut_patches(lr, rule, keep_away_from=[], left_out=left_out))
        assert mostly_measured(lr.hr.elevation_m) == count + left_out["relief below 1 m"]
        found[job.raster.stem] = (count, dict(left_out))
    assert found == {name: expected.get(name, (49, {})) for name in harmonised[domain][1]}
    assert not plan.left_out


@pytest.mark.slow
def test_no_sea_floor_has_the_spacing_of_the_product_unless_it_is_averaged(harmonised):
    plan = planned(harmonised["marine"][0], domain="marine", scale_free=False)
    assert plan.jobs == []
    reason = "spacing is not 3 arc-seconds and scale_free is off"
    assert plan.left_out == {f"{name}: {reason}": 1 for name in SEA_FLOOR}


@pytest.mark.slow
@pytest.mark.parametrize(("domain", "expected"), [("land", LAND), ("marine", SEA_FLOOR)])
def test_held_out_files_give_more_than_a_patch_or_two(data, domain, expected):
    paths = [data / name for name in files_of(domain)]
    chosen = choose_held_out(paths, recipe(domain), HeldOutRule(three_arcsec=domain == "land", min_side_px=SIDE))
    assert {*chosen.valid, *chosen.test} <= {raster_name(path) for path in paths}
    assert min(expected.get(name, (49, {}))[0] for name in (*chosen.valid, *chosen.test)) >= 4
