"""The commands that read rasters, run in this process as a user runs them: message and exit status included."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from command_line import refused
from raster_files import write_ascii, write_hgt, write_netcdf
from rasterio.transform import Affine
from synthetic import ARCSEC_3, dem, plane, rough, write_raw

from demsr.dem.geotiff import write_dem
from demsr.dem.read.raster import read_dem
from demsr.pairs.degradations.fitted import FittedDegradation
from demsr.pairs.degrade import block_mean
from demsr.params import Params
from demsr.runtime.seeding import generator
from demsr.sources.local_rasters import find_rasters, find_real_lr
from demsr.sources.sea_floor import synthetic_sea_floor

ELLIPSOID = "WGS84 ellipsoid"
GRIDS = [Path(folder) for folder in (os.environ.get("DEMSR_GEOID_GRIDS"), "/usr/share/proj") if folder]


@pytest.fixture
def silent(tmp_path) -> Path:
    """A file that says nothing but its CRS."""
    return write_raw(tmp_path / "silent.tif", plane(20, 20))


def tags_of(path: Path) -> dict[str, str]:
    with rasterio.open(path) as file:
        return dict(file.tags())


def test_inspect_describes_one_file_after_another(demsr, tmp_path, silent):
    other = write_hgt(tmp_path, rough(1201, 1201), zipped=True)
    done = demsr("inspect", silent, other)
    assert (done.status, done.err) == (0, "")
    first, second = done.out.split(str(other))
    assert str(silent) in first
    assert "20 x 20 at 3 x 3 arcsec, pixel is area, EPSG:4326" in first
    assert "unit: the file names none; metres taken" in first
    assert "1201 x 1201 at 3 x 3 arcsec, pixel is point, EPSG:4326" in second
    assert "vertical datum: the file names none; EGM96 taken, that of its product" in second


OTHER_SPACING = "pixels of {} become {}; the models are trained for 15 arcsec"
WHOLE = "; give a whole GeoTIFF"
WAY_OUT = {"missing": WHOLE, "folder": "; name files in it", "text": WHOLE, "half": WHOLE}


def wrong(kind: str, folder: Path) -> Path:
    path = folder / f"{kind}.tif"
    if kind == "folder":
        path.mkdir()
    elif kind == "text":
        path.write_text("no raster")
    elif kind == "half":
        path.write_bytes(write_raw(folder / "whole.tif", rough(200, 200)).read_bytes()[:90_000])
    return path


@pytest.mark.parametrize("kind", ["missing", "folder", "text", "half"])
def test_wrong_file_gets_one_line_after_the_good_ones_before_it(demsr, tmp_path, silent, kind):
    path = wrong(kind, tmp_path)
    done = demsr("inspect", silent, path)
    assert refused(done, start=f"{path}: ", way_out=WAY_OUT[kind])
    assert len(done.err.splitlines()) == 1
    assert str(silent) in done.out
    assert str(path) not in done.out


@pytest.mark.parametrize("kind", ["missing", "folder", "text", "half"])
@pytest.mark.parametrize("command", ["convert", "super-resolve"])
def test_wrong_file_gets_one_line_and_no_output(demsr, tmp_path, model, kind, command):
    options = ["--to", "EGM96"] if command == "convert" else ["--model", model]
    done = demsr(command, wrong(kind, tmp_path), tmp_path / "out.tif", "--vertical-datum", "EGM96", *options)
    assert refused(done, start=f"{tmp_path / kind}.tif: ", way_out=WAY_OUT[kind])
    assert not (tmp_path / "out.tif").exists()


@pytest.mark.parametrize(
    ("option", "value", "message", "way_out"),
    [
        ("--unit", "furlong", "declared unit is 'furlong'", "must be one of m, metre"),
        ("--positive", "sideways", "declared positive is 'sideways'", "must be one of up, down"),
        ("--vertical-datum", "sea", "declared: vertical datum is 'sea'", "must be one of EGM96, EGM2008"),
        ("--registration", "corner", "declared registration is 'corner'", "must be one of area, point"),
        ("--crs", "EPSG:0", "{}: the CRS 'EPSG:0' is not known to PROJ", "give an EPSG code or WKT"),
        ("--layer", "7", "{}: has the layers 1", "name the one of elevation"),
    ],
)
@pytest.mark.parametrize("command", ["inspect", "convert", "super-resolve"])
def test_wrong_value_of_an_option_gets_one_line(demsr, tmp_path, silent, command, option, value, message, way_out):
    needed = {"convert": [tmp_path / "out.tif", "--to", "EGM96"], "super-resolve": [tmp_path / "out.tif"]}
    done = demsr(command, silent, *needed.get(command, []), option, value)
    assert refused(done, start=message.format(silent), way_out=way_out)
    assert len(done.err.splitlines()) == 1


def test_converted_heights_differ_by_the_undulation_that_nga_published(demsr, tmp_path):
    grids = next((folder for folder in GRIDS if list(folder.glob("*egm96_15.*"))), None)
    if grids is None:
        pytest.skip("needs egm96_15.gtx in /usr/share/proj (Debian's proj-data) or in $DEMSR_GEOID_GRIDS")
    around_the_lowest = Affine(ARCSEC_3, 0, 78.75 - 1.5 * ARCSEC_3, 0, -ARCSEC_3, 4.75 + 1.5 * ARCSEC_3)
    source = write_raw(tmp_path / "srtm.tif", np.full((3, 3), 100, np.int16), transform=around_the_lowest)
    done = demsr("convert", source, tmp_path / "out.tif", "--to", ELLIPSOID, "--geoid-grids", grids)
    assert (done.status, done.out) == (
        0,
        f"{tmp_path / 'out.tif'}: elevation above {ELLIPSOID}, converted from EGM96\n",
    )
    converted = read_dem(tmp_path / "out.tif")
    assert converted.vertical_datum == ELLIPSOID
    assert converted.elevation_m[1, 1] == pytest.approx(100 - 106.99, abs=0.006)
    said = [line.removeprefix("srtm.tif: ") for line in done.err.splitlines()]
    assert "vertical datum: the file names none; EGM96 taken, that of its product" in said
    assert tags_of(tmp_path / "out.tif")["ASSUMED"] == "; ".join(said)


def test_conversion_to_a_tidal_datum_is_refused(demsr, tmp_path, silent):
    done = demsr("convert", silent, tmp_path / "out.tif", "--to", "MSL", "--vertical-datum", "EGM96")
    assert refused(
        done, start="silent: EGM96 to MSL: PROJ has no surface for MSL", way_out="keep the datum, or convert beforehand"
    )
    assert not (tmp_path / "out.tif").exists()


def test_missing_grid_is_named_with_where_it_is_to_be_had(demsr, tmp_path, silent):
    (tmp_path / "none").mkdir()
    done = demsr(
        "convert",
        silent,
        tmp_path / "out.tif",
        "--to",
        "EGM2008",
        "--vertical-datum",
        ELLIPSOID,
        "--geoid-grids",
        tmp_path / "none",
    )
    assert refused(
        done,
        start=f"silent: {ELLIPSOID} to EGM2008 needs us_nga_egm08_25.tif, which PROJ does not find",
        way_out="download https://cdn.proj.org/us_nga_egm08_25.tif into a folder and name the folder",
    )


def test_converted_file_takes_the_place_of_another_only_if_asked_and_never_that_of_a_folder(demsr, tmp_path, silent):
    out = tmp_path / "out.tif"
    out.write_text("mine")
    arguments = ("convert", silent, out, "--to", "EGM96", "--vertical-datum", "EGM96")
    assert refused(demsr(*arguments), start=f"{out}: exists already", way_out="choose another name or add --overwrite")
    assert out.read_text() == "mine"
    assert demsr(*arguments, "--overwrite").status == 0
    np.testing.assert_array_equal(read_dem(out).elevation_m, plane(20, 20))
    done = demsr("convert", silent, tmp_path, "--to", "EGM96", "--overwrite")
    assert refused(done, start=f"{tmp_path}: is a folder", way_out="name a file in it")


def test_declared_options_give_what_a_file_that_says_so_itself_gives(demsr, tmp_path, model):
    feet = rough(12, 14, level=900, rms=60)
    feet[3, 4] = 0
    write_raw(tmp_path / "depths.tif", feet, crs=None, transform=Affine(2.5, 0, 5e5, 0, -2.5, 5e6))
    heights = np.where(feet == 0, np.float32(np.nan), -(feet * np.float32(0.3048)))
    place = {"west": 5e5, "north": 5e6, "pixel_width": 2.5, "pixel_height": 2.5, "crs": "EPSG:32610"}
    write_dem(tmp_path / "heights.tif", dem(heights, vertical_datum="MLLW", source="depths", **place))
    said = ["--positive", "down", "--unit", "ft", "--crs", "EPSG:32610", "--nodata", "0", "--vertical-datum", "MLLW"]
    for name, options in (("depths", said), ("heights", [])):
        out = tmp_path / f"{name}_sr.tif"
        assert "is projected" in demsr("super-resolve", tmp_path / f"{name}.tif", out, "--model", model, *options).err
        done = demsr("super-resolve", tmp_path / f"{name}.tif", out, "--model", model, "--projected", *options)
        lines = done.err.splitlines()
        assert done.status == 0
        assert [line for line in lines if ": declared: " not in line] == [
            f"{name}.tif: {OTHER_SPACING.format('2.5 x 2.5 m', '0.5 x 0.5 m')}"
        ]
        assert done.out.startswith(f"{out}: 60 x 70 pixels, datum MLLW, model {model}, ")
        noted = tags_of(tmp_path / f"{name}_sr.tif").get("ASSUMED", "")
        assert noted.startswith("declared: ") == (name == "depths")
    declared, own = (read_dem(tmp_path / f"{name}_sr.tif") for name in ("depths", "heights"))
    np.testing.assert_array_equal(declared.elevation_m, own.elevation_m)
    assert replace(declared, elevation_m=own.elevation_m) == own
    assert np.isnan(declared.elevation_m).sum() == 25


def test_assumptions_are_told_on_stderr_and_in_the_file(demsr, tmp_path, model):
    source = write_raw(tmp_path / "gebco_part.tif", plane(12, 12), crs=None)
    done = demsr("super-resolve", source, tmp_path / "out.tif", "--model", model)
    assert done.status == 0
    *said, spacing = [line.removeprefix("gebco_part.tif: ") for line in done.err.splitlines()]
    assert [text.split(":")[0] for text in said] == ["CRS", "unit", "vertical datum", "sign"]
    assert spacing == OTHER_SPACING.format("3 x 3 arcsec", "0.6 x 0.6 arcsec")
    assert tags_of(tmp_path / "out.tif")["ASSUMED"] == "; ".join(said)


def test_raster_that_names_no_datum_is_super_resolved_without_one(demsr, tmp_path, silent, model):
    done = demsr("super-resolve", silent, tmp_path / "out.tif", "--model", model)
    assert done.status == 0
    assert f"{silent.name}: vertical datum: not stated by the file" in done.err.splitlines()
    assert ", datum not stated, " in done.out
    assert tags_of(tmp_path / "out.tif")["VERTICAL_DATUM"] == "not stated"
    assert read_dem(tmp_path / "out.tif").vertical_datum is None


def test_declared_datum_is_that_of_the_product(demsr, tmp_path, silent, model):
    done = demsr("super-resolve", silent, tmp_path / "out.tif", "--model", model, "--vertical-datum", "EGM96")
    assert done.status == 0
    assert read_dem(tmp_path / "out.tif").vertical_datum == "EGM96"


def test_datum_that_nothing_names_is_asked_for_by_a_conversion(demsr, tmp_path, silent):
    done = demsr("convert", silent, tmp_path / "out.tif", "--to", "EGM96")
    assert refused(done, start=f"{silent}: the file names no vertical datum", way_out="--vertical-datum")


def axes(rows: int, cols: int, *, arcsec: float = 3.0) -> dict[str, Any]:
    step = arcsec / 3600
    return {"lon": 10 + step * (np.arange(cols) + 0.5), "lat": 50 - step * (np.arange(rows) + 0.5)}


@pytest.fixture
def mixed(tmp_path) -> Path:
    """Folders of land, sea floor and real LR in the formats of four makers, the rougher the later in the alphabet."""
    for name in ("land", "marine", "lr"):
        (tmp_path / name).mkdir()
    write_hgt(tmp_path / "land", rough(1201, 1201, rms=10), name="N43E007", zipped=True)
    for domain, names, level in (("land", "abc", 500), ("marine", "defg", -3000)):
        for place, name in enumerate(names):
            values = rough(330, 330, level=level, rms=20 * (place + 1))
            path = tmp_path / domain / name
            if name in "ad":
                write_raw(path.with_suffix(".TIF"), values)
            elif name in "be":
                write_netcdf(path.with_suffix(".nc"), values, **axes(330, 330))
            else:
                write_ascii(path.with_suffix(".asc"), values, west=10, south=50 - 330 / 1200, cell=1 / 1200)
    lr = rough(66, 66, level=-3000)
    write_netcdf(tmp_path / "lr" / "gebco_2024.nc", lr, **axes(66, 66, arcsec=15))
    write_netcdf(tmp_path / "lr" / "gebco_2024_tid.nc", np.full((66, 66), 11, np.int8), **axes(66, 66, arcsec=15))
    return tmp_path


def test_profile_local_takes_folders_of_mixed_formats_and_real_lr(demsr, mixed, params_yaml):
    done = demsr("profile", "local", "--land", "land", "--marine", "marine", "--lr", "lr")
    assert (done.status, done.err) == (0, "")
    params = Params.read(params_yaml)
    assert (params.base.profile, params.fetch.source) == ("local", "local")
    assert (params.pairs.land.test, params.pairs.land.valid) == (["N43E007", "c"], ["b"])
    assert (params.pairs.marine.test, params.pairs.marine.valid) == (["d", "g"], ["f"])
    assert params.pairs.marine.degradations == ["blind", "real"]
    for domain, names in (("land", ["N43E007.hgt.zip", "a.TIF", "b.nc", "c.asc"]), ("marine", None)):
        section = getattr(params.fetch, domain)
        found = find_rasters(section.folder, include=section.include, exclude=section.exclude)
        assert [path.name for path in found] == (names or ["d.TIF", "e.nc", "f.asc", "g.asc"])
    lr = find_real_lr(**params.fetch.lr.model_dump())
    assert {kind: [path.name for path in paths] for kind, paths in lr.items()} == {
        "lr": ["gebco_2024.nc"],
        "lr_tid": ["gebco_2024_tid.nc"],
    }
    assert "land: land; validates: b; tests: N43E007, c" in done.out
    assert done.out.endswith("Next: dvc repro\n")


@pytest.mark.parametrize(
    ("options", "start", "way_out"),
    [
        (["--land", "nowhere"], "nowhere: there is no such folder", "name one in params.yaml"),
        (["--land", "land", "--lr", "nowhere"], "nowhere: there is no such folder", "name one"),
        (["--land", "land", "--valid", "z"], "no file is named 'z'", "there are N43E007, a, b, c, d, e, f, g"),
        (
            ["--land", "land", "--exclude", "c*"],
            "land: 3 rasters of sufficient size on 3 arc-second grids are",
            "give four",
        ),
    ],
)
def test_profile_local_that_cannot_be_changes_nothing(demsr, mixed, params_yaml, options, start, way_out):
    before = params_yaml.read_bytes()
    done = demsr("profile", "local", "--marine", "marine", *options)
    assert refused(done, start=start, way_out=way_out)
    assert params_yaml.read_bytes() == before


def test_profile_local_names_a_file_that_cannot_be_read(demsr, mixed, params_yaml):
    (mixed / "land" / "text.tif").write_text("no raster")
    done = demsr("profile", "local", "--marine", "marine", "--land", "land")
    assert refused(done, start="land/text.tif: cannot be read as a raster", way_out="give a whole GeoTIFF")


TRUTH = FittedDegradation(0.6, 1.0, 1.0)


@pytest.fixture
def real_pair(tmp_path) -> tuple[Path, Path]:
    """A sea floor, and a grid that shows it blurred and in whole metres."""
    hr = synthetic_sea_floor(400, 400, pixel_size_m=(92.0, 92.0), seed=1)
    lr = TRUTH.degrade(block_mean(hr, scale=5), random=generator(0))
    step = 15 / 3600
    return (
        write_raw(tmp_path / "lr.tif", lr, transform=Affine(step, 0, 10, 0, -step, 50)),
        write_raw(tmp_path / "hr.tif", hr, transform=Affine(step / 5, 0, 10, 0, -step / 5, 50)),
    )


def test_fitted_degradation_is_printed_and_written_only_if_asked(demsr, real_pair, params_yaml):
    before = params_yaml.read_bytes()
    looked = demsr("fit-degradation", *real_pair)
    assert looked.status == 0
    assert params_yaml.read_bytes() == before
    told = re.search(r"fitted: blur_lr_px: ([\d.]+), sounding_share: ([\d.]+), rounding_m: ([\d.]+)", looked.out)
    blur, share, rounding = map(float, told.groups())
    assert blur == pytest.approx(TRUTH.blur_lr_px, abs=0.1)
    assert (share, rounding) == (pytest.approx(1, abs=0.1), 1)
    assert "co-registration not applied: already aligned" in looked.out
    assert "not the law of GEBCO on land" in looked.out
    assert "lr.tif: vertical datum: the file names none; MSL taken" in looked.err
    assert "hr.tif: vertical datum: the file names none; MSL taken" in looked.err
    written = demsr("fit-degradation", *real_pair, "--write")
    assert written.out.startswith(looked.out)
    assert "params.yaml now holds this model" in written.out
    fitted = Params.read(params_yaml).pairs.fitted
    assert (fitted.blur_lr_px, fitted.sounding_share, fitted.rounding_m) == pytest.approx((blur, share, 1), rel=1e-2)
    assert Params.read(params_yaml).base.profile == "sample"


def test_fit_of_swapped_files_is_refused_and_writes_nothing(demsr, real_pair, params_yaml):
    before = params_yaml.read_bytes()
    done = demsr("fit-degradation", *real_pair[::-1], "--write")
    assert refused(done, start="lr is coarser than hr", way_out="give LR first and HR second")
    assert params_yaml.read_bytes() == before


@pytest.fixture
def ramp(tmp_path: Path) -> Path:
    """A plane of 8 m per row and 1 m per column."""
    place = {"pixel_width": 1 / 240, "pixel_height": 1 / 240}
    values = np.arange(48, dtype=np.float32).reshape(6, 8) - 3000
    write_dem(tmp_path / "lr.tif", dem(values, vertical_datum="MSL", source="ramp", **place))
    return tmp_path / "lr.tif"


def assert_ramp(path: Path) -> None:
    """Compare with the plane at the centres of 5 x 5 pixels in each pixel."""
    row, col = (np.arange(30)[:, None] - 2) / 5, (np.arange(40) - 2) / 5
    np.testing.assert_allclose(read_dem(path).elevation_m, 8 * row + col - 3000, atol=3e-3)


def test_a_ramp_comes_out_as_that_ramp(demsr, model, ramp, tmp_path):
    done = demsr("super-resolve", ramp, tmp_path / "sr.tif", "--model", model, "--device", "cpu")
    assert done.status == 0, done.err
    assert_ramp(tmp_path / "sr.tif")
    assert read_dem(tmp_path / "sr.tif").vertical_datum == "MSL"


def test_no_model_has_to_be_trained_or_named(ramp, tmp_path):
    command = [Path(sys.executable).parent / "demsr", "super-resolve", ramp, tmp_path / "sr.tif"]  # as installed
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert "model builtin" in done.stdout
    assert_ramp(tmp_path / "sr.tif")


def test_an_output_that_exists_is_not_replaced_unless_asked(demsr, model, ramp, tmp_path):
    target = tmp_path / "sr.tif"
    target.write_text("mine")
    done = demsr("super-resolve", ramp, target, "--model", model)
    assert refused(done, start=f"{target}: exists already", way_out="choose another name or add --overwrite")
    assert target.read_text() == "mine"
    assert demsr("super-resolve", ramp, target, "--model", model, "--overwrite").status == 0
    assert_ramp(target)


def test_a_model_that_does_not_exist_is_named(demsr, ramp, tmp_path):
    done = demsr("super-resolve", ramp, tmp_path / "sr.tif", "--model", tmp_path / "nothing")
    assert refused(done, start=f"{tmp_path / 'nothing'}: no such model", way_out="give builtin, models:/NAME@champion")


@pytest.fixture
def gebco(tmp_path) -> Path:
    """Whole metres at 15 arc-seconds."""
    heights = np.round(rough(40, 48, level=-3000, rms=100)).astype(np.int16)
    return write_raw(tmp_path / "gebco_part.tif", heights, transform=Affine(1 / 240, 0, 10, 0, -1 / 240, 50))


def test_super_resolve_gives_standard_errors_and_a_picture_of_a_box(demsr, tmp_path, gebco):
    box, picture = (10 + 8.1 / 240, 50 - 24.9 / 240, 10 + 31.9 / 240, 50 - 8.1 / 240), tmp_path / "picture.png"
    options = ("--bbox", *box, "--uncertainty", "--consistency", "--preview", picture, "--tile", 16)
    done = demsr("super-resolve", gebco, tmp_path / "fine.nc", *options)
    assert done.status == 0, done.err
    assert done.out.startswith(f"{tmp_path / 'fine.nc'}: 85 x 120 pixels, datum MSL, model builtin, ")
    with rasterio.open(f"netcdf:{tmp_path / 'fine.nc'}:elevation") as file:
        means = file.read(1).astype(float).reshape(17, 5, 24, 5).mean(axis=(1, 3))
    with rasterio.open(gebco) as file:
        np.testing.assert_allclose(means, file.read(1)[8:25, 8:32], atol=2e-3)
    with rasterio.open(f"netcdf:{tmp_path / 'fine.nc'}:uncertainty") as file:
        assert file.read(1).min() > 0
    assert picture.read_bytes()[1:4] == b"PNG"


def test_command_in_the_file_makes_it_again(demsr, tmp_path, gebco):
    for name in ("one.tif", "two.tif"):
        assert demsr("super-resolve", gebco, tmp_path / name, "--overwrite", "--resume").status == 0
    assert tags_of(tmp_path / "one.tif")["COMMAND"] == f"demsr super-resolve {gebco} {tmp_path / 'one.tif'}"


def test_plan_counts_what_a_region_takes(demsr, gebco):
    done = demsr("plan", gebco, "--tile", 16)
    assert done.status == 0
    said = dict(re.split(r"\s{2,}", line.strip(), maxsplit=1) for line in done.out.splitlines())
    assert said["input"] == "40 x 48 pixels"
    assert said["output"] == "48,000 pixels of 3 x 3 arcsec"
    assert said["tiles"] == "9 of 16 x 16 input pixels"
    assert refused(demsr("plan"), start="no region, or two", way_out="or --globe alone")


@pytest.mark.parametrize(
    ("out", "options", "start", "way_out"),
    [
        ("fine.png", (), "{out}: ends in .png", "name a .tif, a .nc, or a folder"),
        ("fine.tif", ("--model", "nosuch"), "nosuch: no such model", "give builtin, models:/NAME@champion"),
        ("fine.tif", ("--ray", "127.0.0.1:1"), "ray at 127.0.0.1:1: no cluster answers", "start one with"),
        ("fine.tif", ("--bbox", 50, 50, 51, 51), "{gebco}: no cell is in 50 to 51 east", "give a box in"),
        ("fine.tif", ("--bbox", 10, 51, 11, 49), "--bbox is 10 51 11 49", "give west, south, east and north"),
        ("fine.tif", ("--preview", "p.xyz"), "p.xyz: a preview must be a .png file", "name one"),
        ("fine.tif", ("--halo", 1), "halo is 1 LR pixels", "the interpolation alone needs 2"),
        ("fine.tif", ("--uncertainty", "--model", "{model}"), "the model has no calibration", "train it again"),
    ],
)
def test_what_cannot_be_done_leaves_nothing(demsr, tmp_path, gebco, model, out, options, start, way_out):
    named = {"out": tmp_path / out, "gebco": gebco, "model": model}
    words = [str(word).format(**named) for word in options]
    before = sorted(tmp_path.iterdir())
    assert refused(demsr("super-resolve", gebco, tmp_path / out, *words), start=start.format(**named), way_out=way_out)
    assert sorted(tmp_path.iterdir()) == before


def test_profile_local_names_a_misspelt_key(demsr, mixed, params_yaml):
    params_yaml.write_text(params_yaml.read_text().replace("    sea_level_m: 0", "    sea_levl_m: 0"))
    done = demsr("profile", "local", "--land", "land", "--marine", "marine")
    assert refused(done, start="params.yaml: harmonise: land.sea_levl_m is 0", way_out="correct its name")
