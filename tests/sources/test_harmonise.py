from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from raster_files import write_hgt
from rasterio.transform import Affine
from synthetic import ARCSEC_3, plane, rough, write_raw

from demsr.dem.read.raster import read_dem
from demsr.errors import DatumError, ParamsError
from demsr.sources import harmonise as module
from demsr.sources.harmonise import HarmoniseOptions, HarmoniseRecord, check_declared, harmonise, summarise
from demsr.sources.manifest import InputFile, describe_file

OPTIONS = HarmoniseOptions(vertical_datum="EGM96")


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def run(paths: list[Path], out: Path, options: HarmoniseOptions = OPTIONS, **more: Any) -> list[HarmoniseRecord]:
    return harmonise([describe_file(path) for path in paths], out, options, work=out.with_name("work"), **more)


def test_packed_south_up_raster_becomes_north_up_metres_with_voids_as_nan(tmp_path, out):
    values = np.array([[1, 2], [3, 4], [-9999, 6]], np.int16)
    south_up = Affine(ARCSEC_3, 0, 10, 0, ARCSEC_3, 50 - 3 * ARCSEC_3)
    path = write_raw(tmp_path / "a.tif", values, transform=south_up, nodata=-9999, scale=10)
    (record,) = run([path], out)
    assert (record.result, record.vertical_datum, record.void_percent) == ("written", "EGM96", 16.667)
    read = read_dem(out / "a.tif")
    np.testing.assert_array_equal(read.elevation_m, np.array([[np.nan, 60], [30, 40], [10, 20]], np.float32))
    assert (read.vertical_datum, read.source) == ("EGM96", "a")
    assert read.grid.north == pytest.approx(50)


def test_harmonising_twice_changes_nothing(tmp_path, out):
    path = write_raw(tmp_path / "a.tif", plane(6, 7))
    run([path], out)
    run([out / "a.tif"], tmp_path / "again")
    first, again = read_dem(out / "a.tif"), read_dem(tmp_path / "again" / "a.tif")
    np.testing.assert_array_equal(first.elevation_m, again.elevation_m)
    assert (first.grid, first.vertical_datum, first.source) == (again.grid, again.vertical_datum, again.source)


def test_declared_datum_precedes_that_of_the_file_and_that_of_the_options(tmp_path, out):
    silent, other = (write_raw(tmp_path / f"{name}.tif", plane(4, 4)) for name in ("silent", "other"))
    speaking = write_raw(tmp_path / "speaking.tif", plane(4, 4), crs="EPSG:4326+3855")
    options = replace(OPTIONS, declared={"silent": {"vertical_datum": "NAVD88"}})
    records = run([silent, other, speaking], out, options)
    assert [record.vertical_datum for record in records] == ["NAVD88", "EGM96", "EGM2008"]
    assert "vertical datum: the file names none; EGM96 taken" in records[1].assumptions


def test_declared_unit_and_sign_reach_the_harmonised_raster(tmp_path, out):
    path = write_raw(tmp_path / "survey.tif", np.full((4, 4), 100, np.float32))
    run([path], out, replace(OPTIONS, declared={"survey": {"unit": "ft", "positive": "down"}}))
    np.testing.assert_allclose(read_dem(out / "survey.tif").elevation_m, -30.48, rtol=1e-6)


def test_declaration_for_a_file_that_is_not_there_is_refused(tmp_path):
    entry = describe_file(write_raw(tmp_path / "a.tif", plane(4, 4)))
    check_declared(["a"], [entry])
    with pytest.raises(ParamsError, match=r"harmonise\.files names aa; there is no such file"):
        check_declared(["a", "aa"], [entry])


def test_unknown_datum_is_refused(tmp_path, out):
    path = write_raw(tmp_path / "a.tif", plane(4, 4))
    with pytest.raises(DatumError, match="vertical datum is 'sea'; it must be one of"):
        run([path], out, replace(OPTIONS, vertical_datum="sea"))


@pytest.mark.parametrize(("area", "voids"), [(0.01, 6), (None, 0), (1, 0)])
def test_water_becomes_void_where_it_is_asked_for_and_large_enough(tmp_path, out, area, voids):
    values = plane(5, 6)
    values[:2, :3] = 0
    path = write_raw(tmp_path / "a.tif", values)
    run([path], out, replace(OPTIONS, sea_level_m=0, min_water_km2=area))
    assert (~read_dem(out / "a.tif").valid).sum() == voids


def test_raster_without_a_measured_pixel_is_left_out_and_counted(tmp_path, out):
    sea = write_raw(tmp_path / "sea.tif", np.zeros((5, 5), np.float32))
    land = write_raw(tmp_path / "land.tif", plane(5, 5))
    records = run([sea, land], out, replace(OPTIONS, sea_level_m=0, min_water_km2=0.01))
    assert summarise(records)["files"] == {"left out: no pixel measured": 1, "written": 1}
    assert [path.name for path in out.iterdir()] == ["land.tif"]


def test_assumptions_are_counted_without_their_numbers(tmp_path, out):
    values = np.array([[5, -9999], [7, 8]], np.int16)
    paths = [write_raw(tmp_path / f"{name}.tif", values) for name in "ab"]
    assumed = summarise(run(paths, out))["assumed"]
    assert assumed["voids: N pixels are N, which the file does not declare; taken as void"] == 2
    assert assumed["unit: the file names none; metres taken"] == 2


def test_srtm1_tile_is_averaged_onto_whole_cells_of_three_arc_seconds(tmp_path, out):
    nodes = np.broadcast_to(np.arange(3601)[:, None] % 1000, (3601, 3601))
    path = write_hgt(tmp_path, nodes, name="N43E007")
    (record,) = run([path], out, replace(OPTIONS, average_to_3arcsec=True))
    read = read_dem(out / "N43E007.tif")
    assert record.grid.startswith("1200 x 1200 at 3 x 3 arcsec, pixel is area")
    assert (read.grid.west, read.grid.north) == pytest.approx((7, 44), abs=1e-9)
    np.testing.assert_allclose(read.elevation_m[:300, 0], 1.5 + 3 * np.arange(300), atol=1e-4)
    assert read.source == "N43E007 (from 1 x 1 arcsec)"


def test_raster_of_three_arc_seconds_or_coarser_stays_on_its_own_grid(tmp_path, out):
    coarse = Affine(4 / 3600, 0, 10, 0, -4 / 3600, 50)
    paths = [
        write_raw(tmp_path / "a.tif", rough(30, 30)),
        write_raw(tmp_path / "b.tif", rough(30, 30), transform=coarse),
    ]
    run(paths, out, replace(OPTIONS, average_to_3arcsec=True))
    for path in paths:
        np.testing.assert_array_equal(read_dem(out / path.name).elevation_m, rough(30, 30))


def test_raster_smaller_than_a_cell_is_left_out(tmp_path, out):
    fine = Affine(1e-5, 0, 10.0001, 0, -1e-5, 50)
    (record,) = run(
        [write_raw(tmp_path / "a.tif", rough(9, 9), transform=fine)], out, replace(OPTIONS, average_to_3arcsec=True)
    )
    assert record.result == "left out: smaller than a cell of 3 arc-seconds"


def test_two_processes_give_the_files_and_records_of_one(tmp_path):
    paths = [write_raw(tmp_path / f"{name}.tif", rough(30, 30, seed=ord(name))) for name in "abc"]
    one, two = (run(paths, tmp_path / str(count) / "out", processes=count) for count in (1, 2))
    assert one == two
    for path in paths:
        assert (tmp_path / "1/out" / path.name).read_bytes() == (tmp_path / "2/out" / path.name).read_bytes()


def test_interrupted_run_resumes(tmp_path, out, monkeypatch):
    paths = [write_raw(tmp_path / f"{name}.tif", rough(30, 30, seed=ord(name))) for name in "abc"]
    unbroken = run(paths, tmp_path / "other" / "out")
    read: list[str] = []

    def killed(path: Path, options: HarmoniseOptions, entry: InputFile) -> Any:
        if path.stem == "c" and "c" not in read:
            read.append("c")
            raise KeyboardInterrupt
        read.append(path.stem)
        return harmonise_raster(path, options, entry)

    harmonise_raster = module.harmonise_raster
    monkeypatch.setattr(module, "harmonise_raster", killed)
    with pytest.raises(KeyboardInterrupt):
        run(paths, out)
    assert run(paths, out) == unbroken
    assert read == ["a", "b", "c", "c"]
    for path in paths:
        assert (out / path.name).read_bytes() == (tmp_path / "other/out" / path.name).read_bytes()


@pytest.mark.parametrize("suffix", ["tif", "json"])
def test_damaged_intermediate_result_is_computed_again(tmp_path, out, monkeypatch, suffix):
    paths = [write_raw(tmp_path / f"{name}.tif", rough(30, 30, seed=ord(name))) for name in "ab"]
    unbroken = run(paths, tmp_path / "other" / "out")
    harmonise_raster = module.harmonise_raster

    def killed(path: Path, options: HarmoniseOptions, entry: InputFile) -> Any:
        if path.stem == "b":
            raise KeyboardInterrupt
        return harmonise_raster(path, options, entry)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(module, "harmonise_raster", killed)
        run(paths, out)
    (finished,) = out.with_name("work").glob(f"a.*.{suffix}")
    content = bytearray(finished.read_bytes())
    content[len(content) // 2] ^= 1
    finished.write_bytes(content)
    assert run(paths, out) == unbroken
    assert (out / "a.tif").read_bytes() == (tmp_path / "other/out/a.tif").read_bytes()


def test_file_that_changed_since_it_was_listed_is_refused(tmp_path, out):
    path = write_raw(tmp_path / "a.tif", plane(4, 4))
    entry = describe_file(path)
    write_raw(path, plane(4, 4) + 1)
    with pytest.raises(ParamsError, match=r"a\.tif: the file is missing or has changed since `fetch` listed it"):
        harmonise([entry], out, OPTIONS, work=tmp_path / "work")


@pytest.mark.parametrize(
    "change",
    [
        {"declared": {"a": {"unit": "ft"}}},
        {"declared": {"a": {"positive": "down"}}},
        {"vertical_datum": "EGM2008"},
        {"sea_level_m": 0, "min_water_km2": 0.001},
        {"average_to_3arcsec": True},
        {"convert_to": "MSL"},
        {"sea_floor": True},
    ],
    ids=lambda change: next(iter(change)),
)
def test_finished_file_of_other_options_is_not_used(tmp_path, change):
    entry = describe_file(write_raw(tmp_path / "a.tif", rough(8, 8)))
    assert module._work_path(entry, tmp_path, OPTIONS) == module._work_path(entry, tmp_path, replace(OPTIONS))
    assert module._work_path(entry, tmp_path, OPTIONS) != module._work_path(entry, tmp_path, replace(OPTIONS, **change))


def test_finished_file_of_other_geoid_grids_is_not_used(tmp_path):
    entry = describe_file(write_raw(tmp_path / "a.tif", rough(8, 8)))
    one, other = (module._work_path(entry, tmp_path, OPTIONS, sha256) for sha256 in ("one", "other"))
    assert one != other


def test_finished_file_of_other_content_or_code_is_not_used(tmp_path, monkeypatch):
    entry = describe_file(write_raw(tmp_path / "a.tif", rough(8, 8)))
    other = describe_file(write_raw(tmp_path / "a.tif", rough(8, 8, seed=1)))
    before = module._work_path(entry, tmp_path, OPTIONS)
    assert module._work_path(other, tmp_path, OPTIONS) != before
    monkeypatch.setattr("demsr.runtime.fingerprint.code_sha256", lambda parts: "other" if "dem" in parts else "same")
    assert module._work_path(entry, tmp_path, OPTIONS) != before


def test_marine_raster_of_mostly_positive_heights_is_suspected(tmp_path, out):
    path = write_raw(tmp_path / "a.tif", rough(8, 8))
    (record,) = run([path], out, replace(OPTIONS, sea_floor=True))
    assert any(note.startswith("sign: most elevations are above 0") for note in record.assumptions)
