from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from synthetic import NORTH_UP, rough, write_raw

from demsr.errors import ParamsError
from demsr.sources.harmonise import HarmoniseOptions
from demsr.sources.held_out import HeldOut, HeldOutRule, choose_held_out, local_changes

DRY = HarmoniseOptions(vertical_datum="EGM96")
WET = HarmoniseOptions(vertical_datum="EGM96", sea_level_m=0, min_water_km2=0.05)
ANY = HeldOutRule()
RELIEF_M = {"plain": 1, "low": 5, "middle": 20, "high": 60, "alps": 200}


def terrain(folder: Path, relief_m: dict[str, float], *, coast: tuple[str, ...] = (), share: float = 0.3) -> list[Path]:
    """Write noise of a given height; coasts have a share of it at zero."""
    folder.mkdir(exist_ok=True)
    paths = []
    for name, rms in relief_m.items():
        elevation = rough(30, 30, seed=len(name), level=400, rms=rms)
        if name in coast:
            elevation[: round(30 * share)] = 0
        paths.append(write_raw(folder / f"{name}.tif", elevation))
    return paths


def test_flattest_and_roughest_are_tested_and_the_middling_of_the_others_validates(tmp_path):
    paths = terrain(tmp_path, RELIEF_M)
    assert choose_held_out(paths, DRY, ANY) == HeldOut(valid=["middle"], test=["alps", "plain"])


def test_choice_does_not_depend_on_the_order_of_the_files(tmp_path):
    paths = terrain(tmp_path, RELIEF_M)
    assert choose_held_out(paths[::-1], WET, ANY) == choose_held_out(paths, WET, ANY)


def test_coast_is_tested_too(tmp_path):
    relief = {"plain": 1, "bay": 3, "low": 150, "middle": 200, "high": 250, "alps": 300}
    chosen = choose_held_out(terrain(tmp_path, relief, coast=("bay",)), WET, ANY)
    assert "bay" in chosen.test
    assert len(chosen.test) == 3
    assert chosen.valid[0] not in chosen.test


@pytest.mark.parametrize("share", [0.03, 0.97])
def test_raster_with_hardly_any_land_or_sea_is_no_coast(tmp_path, share):
    chosen = choose_held_out(terrain(tmp_path, RELIEF_M, coast=("middle",), share=share), WET, ANY)
    assert len(chosen.test) == 2


def test_a_raster_under_a_real_grid_is_tested_and_another_validates(tmp_path):
    relief = {"plain": 1, "low": 5, "middle": 20, "high": 60, "alps": 200}
    paths = [
        write_raw(
            tmp_path / f"{name}.tif",
            rough(30, 30, seed=3, level=400, rms=rms),
            transform=Affine.translation(number, 0) @ NORTH_UP,
        )
        for number, (name, rms) in enumerate(relief.items())
    ]
    west, south, north = NORTH_UP.c, -90, 90
    assert choose_held_out(paths, DRY, ANY, real=[(west + 1, south, west + 2.9, north)]) == HeldOut(
        valid=["low"], test=["alps", "middle", "plain"]
    )
    assert choose_held_out(paths, DRY, ANY, real=[(west + 363, south, west + 363.9, north)]) == HeldOut(
        valid=["high"], test=["alps", "plain"]
    )
    assert choose_held_out(paths, DRY, ANY, real=[(west, south, west + 0.9, north)]) == choose_held_out(paths, DRY, ANY)


def test_four_rasters_leave_one_for_training(tmp_path):
    relief = {name: RELIEF_M[name] for name in ("plain", "low", "high", "alps")}
    chosen = choose_held_out(terrain(tmp_path, relief, coast=("low",)), WET, ANY)
    assert len({*chosen.valid, *chosen.test}) == 3


def test_three_rasters_are_too_few(tmp_path):
    paths = terrain(tmp_path, {name: RELIEF_M[name] for name in ("plain", "low", "high")})
    with pytest.raises(
        ParamsError,
        match="3 rasters of sufficient size are too few .*; give four or more, or name --valid",
    ):
        choose_held_out(paths, DRY, ANY)


def test_raster_without_a_measured_pixel_is_not_chosen(tmp_path):
    empty = write_raw(tmp_path / "empty.tif", np.full((30, 30), np.nan, np.float32))
    paths = terrain(tmp_path, RELIEF_M)
    assert choose_held_out([empty, *paths], DRY, ANY) == choose_held_out(paths, DRY, ANY)


LAND = {"degradations": ["gebco"], "count": None}  # as no real LR is given
MARINE = {"degradations": ["block mean"], "count": None}


@pytest.fixture
def folders(tmp_path):
    terrain(tmp_path / "land", RELIEF_M)
    terrain(tmp_path / "marine", {f"sea_{name}": relief for name, relief in RELIEF_M.items()})
    return {"land": tmp_path / "land", "marine": tmp_path / "marine"}


READ = {
    "vertical_datum": "EGM96",
    "convert_to": None,
    "sea_level_m": None,
    "min_water_km2": None,
    "average_to_3arcsec": True,
}
VALUES = {
    "harmonise": {
        "geoid_grids": None,
        "proj_network": False,
        "files": {},
        "lr": {"vertical_datum": "MSL"},
        "land": READ,
        "marine": READ,
    },
    "pairs": {
        "patch_lr": 2,
        "land": {"scale_free": False, "degradations": ["gebco", "real"]},
        "marine": {"scale_free": True, "degradations": ["block mean"]},
    },
}


def changes_for(folders: dict[str, Path], **options: Any) -> dict[str, Any]:
    files = {"land": ["*.tif"], "marine": ["*.tif"]}
    return local_changes(VALUES, folders, **{"declared": {}, "files": files, **options})


def test_changes_point_at_the_folders_and_hold_files_out_in_each(folders):
    changes = changes_for(folders, exclude=["low*"], valid=[], test=[])
    assert changes["fetch"]["land"] == {"folder": str(folders["land"]), "include": ["*.tif"], "exclude": ["low*"]}
    assert changes["pairs"] == {
        "land": {"valid": ["high"], "test": ["alps", "plain"], **LAND},
        "marine": {"valid": ["sea_middle"], "test": ["sea_alps", "sea_plain"], **MARINE},
    }


def test_named_files_are_held_out_where_they_lie(folders):
    changes = changes_for(folders, exclude=[], valid=["low", "sea_low"], test=["high", "sea_h*"])
    assert changes["pairs"] == {
        "land": {"valid": ["low"], "test": ["high"], **LAND},
        "marine": {"valid": ["sea_low"], "test": ["sea_h*"], **MARINE},
    }


def test_file_named_for_the_test_alone_is_tested_and_another_one_validates(folders):
    changes = changes_for(folders, exclude=[], valid=[], test=["sea_middle"])
    marine = changes["pairs"]["marine"]
    assert marine["test"] == ["sea_middle"]
    assert len(marine["valid"]) == 1
    assert marine["valid"] != ["sea_middle"]


def test_file_named_for_validation_alone_is_not_chosen_for_the_test(folders):
    changes = changes_for(folders, exclude=[], valid=["alps"], test=[])
    assert changes["pairs"]["land"] == {"valid": ["alps"], "test": ["high", "plain"], **LAND}


@pytest.mark.parametrize("named", [{"valid": ["lowe"], "test": []}, {"valid": [], "test": ["lowe"]}])
def test_name_of_no_file_is_refused(folders, named):
    with pytest.raises(ParamsError, match="no file is named 'lowe'; there are alps, high"):
        changes_for(folders, exclude=[], **named)


def test_rasters_too_small_or_coarse_for_pairs_are_skipped(shared):
    too_small = ["glo30_los_angeles_ellipsoid", "glo30_los_angeles_geoid", "utm30m_bigtujunga_san_gabriel"]
    large = ["srtm3_N49E011_franconian_jura", "srtm3_N51W001_chilterns_london"]
    large += ["srtm3_N52E008_north_german_plain", "srtm3_N53E027_belarus_plain"]
    land = [shared / "data" / "land" / f"{name}.tif" for name in too_small + large]
    chosen = choose_held_out(land, WET, HeldOutRule(three_arcsec=True, min_side_px=160))
    assert chosen.valid == ["srtm3_N51W001_chilterns_london"]
    assert chosen.test == ["srtm3_N49E011_franconian_jura", "srtm3_N53E027_belarus_plain"]  # not the steepest of all


def test_declared_properties_of_existing_files_are_used_and_kept(folders):
    declared = {"alps": {"positive": "down"}, "gone": {"unit": "ft"}}
    changes = changes_for(folders, exclude=[], valid=[], test=[], declared=declared)
    assert changes["harmonise"] == {"files": {"alps": {"positive": "down"}}}


def test_real_lr_grids_are_configured(folders, tmp_path):
    terrain(tmp_path / "lr", {"gebco_2024": 5, "gebco_2024_tid": 5})
    changes = changes_for(folders, exclude=[], valid=[], test=[], lr=tmp_path / "lr")
    assert changes["fetch"]["lr"]["tid"] == ["*tid*"]
    assert changes["pairs"]["marine"]["degradations"] == ["block mean", "real"]
