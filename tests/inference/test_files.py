import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from rasterio.transform import Affine
from synthetic import NORTH_UP, rough, write_raw

import demsr.inference.tile_store
from demsr.dem.read.declared import Declared
from demsr.dem.read.raster import read_dem
from demsr.errors import CheckpointError, GridError, ParamsError, RasterError, VoidError
from demsr.inference.files import super_resolve_file
from demsr.model.checkpoint import read_config, save_model, write_config
from demsr.model.srnet import DemSrNet
from demsr.model.uncertainty import Uncertainty

SCENE = (60, 48)
UTM = Affine(450, 0, 5e5, 0, -450, 5e6)
UNCERTAINTY = Uncertainty(
    scale=5,
    log_weights=(0.0, 0.0, 0.0, 0.0, 0.0),
    log_offset=0.0,
    raw_m=(1.0, 2.0),
    sigma_m=(1.0, 2.0),
    constant_m=1.0,
    areas=("here",),
    pixels=1,
)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(0)
    net = DemSrNet(1, 8, upsampling="subpixel", symmetric=True)
    for weight in net.last.parameters():
        torch.nn.init.normal_(weight, std=0.1)
    folder = tmp_path_factory.mktemp("models") / "net"
    save_model(net, folder, training={})
    return str(folder)


@pytest.fixture
def scene(tmp_path):
    return write_raw(tmp_path / "gebco_scene.tif", np.round(rough(*SCENE, level=-3000, rms=100)).astype(np.int16))


def run(scene, target, model, **options):
    return super_resolve_file(
        scene, target, model=model, **{"tile_px": 16, "precision": "float32", "device": "cpu", **options}
    )


def elevation_of(path):
    with rasterio.open(path) as file:
        return file.read(1)


def test_result_does_not_depend_on_the_tiles(scene, model, tmp_path):
    for side in (60, 7):
        run(scene, tmp_path / f"{side}.tif", model, tile_px=side)
    whole, tiled = (elevation_of(tmp_path / f"{side}.tif") for side in (60, 7))
    np.testing.assert_allclose(tiled, whole, rtol=2.4e-7, atol=2e-3)
    assert whole.shape == (300, 240)


def test_cells_are_replaced_by_exactly_five_by_five(scene, model, tmp_path):
    run(scene, tmp_path / "fine.tif", model)
    with rasterio.open(scene) as before, rasterio.open(tmp_path / "fine.tif") as after:
        np.testing.assert_allclose(after.bounds, before.bounds, rtol=0, atol=1e-9)
        np.testing.assert_allclose(np.multiply(after.res, 5), before.res, rtol=1e-12)


def test_box_is_a_part_of_the_whole(scene, model, tmp_path):
    run(scene, tmp_path / "whole.tif", model)
    size = NORTH_UP.a
    box = (10 + 8.2 * size, 50 - 31.5 * size, 10 + 20.9 * size, 50 - 12.1 * size)
    run(scene, tmp_path / "part.tif", model, within=box)
    part = elevation_of(tmp_path / "part.tif")
    expected = elevation_of(tmp_path / "whole.tif")[12 * 5 : 32 * 5, 8 * 5 : 21 * 5]
    np.testing.assert_allclose(part, expected, rtol=2.4e-7, atol=2e-3)


def test_how_numbers_are_stored_does_not_matter(scene, model, tmp_path):
    stored = elevation_of(scene)
    flipped = Affine(NORTH_UP.a, 0, 370, 0, -NORTH_UP.e, NORTH_UP.f + NORTH_UP.e * SCENE[0])
    packed = ((stored + 5000) / 0.5).astype(np.int16)
    for name, values, options in (
        ("gebco_float", stored.astype(np.float32), {}),
        ("gebco_packed", packed, {"scale": 0.5, "offset": -5000}),
        ("gebco_south_up_0_360", stored[::-1], {"transform": flipped}),
    ):
        write_raw(tmp_path / f"{name}.tif", values, **options)
        run(tmp_path / f"{name}.tif", tmp_path / f"{name}_fine.tif", model)
    run(scene, tmp_path / "fine.tif", model)
    expected = read_dem(tmp_path / "fine.tif")
    for path in tmp_path.glob("gebco_*_fine.tif"):
        found = read_dem(path)
        np.testing.assert_array_equal(found.elevation_m, expected.elevation_m)
        np.testing.assert_allclose(found.grid.west, expected.grid.west, rtol=0, atol=1e-9)


def moved(cols, rows):
    """Return the transform of a raster moved by cells to the east and to the south."""
    return Affine(NORTH_UP.a, 0, NORTH_UP.c + cols * NORTH_UP.a, 0, NORTH_UP.e, NORTH_UP.f + rows * NORTH_UP.e)


class Killed(BaseException):
    """Ends a run in the middle."""


def kill_after(count, monkeypatch, scene, target, model):
    """End a run once `count` tiles are stored."""
    kept = []
    add = demsr.inference.tile_store.TileStore.add

    def add_some(store, window, content):
        if len(kept) == count:
            raise Killed
        kept.append(window)
        return add(store, window, content)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(demsr.inference.tile_store.TileStore, "add", add_some)
        run(scene, target, model)


@pytest.mark.parametrize("name", ["fine.tif", "fine.nc", "fine"])
def test_broken_run_goes_on_to_the_same_bytes(scene, model, tmp_path, monkeypatch, name):
    run(scene, tmp_path / "unbroken" / name, model)
    target = tmp_path / "broken" / name
    add = demsr.inference.tile_store.TileStore.add
    kill_after(5, monkeypatch, scene, target, model)
    assert not target.exists()
    with pytest.raises(RasterError, match="add --resume to continue"):
        run(scene, target, model)
    spoilt = next(target.parent.glob(".*/*.tif"))
    spoilt.write_bytes(spoilt.read_bytes()[:-1] + b"?")
    again = []

    def add_and_count(store, window, content):
        again.append(window)
        return add(store, window, content)

    with monkeypatch.context() as patch:
        patch.setattr(demsr.inference.tile_store.TileStore, "add", add_and_count)
        run(scene, target, model, resume=True)
    assert len(again) == 12 - 5 + 1  # the spoilt one is done again
    assert contents(target) == contents(tmp_path / "unbroken" / name)
    assert [path.name for path in target.parent.iterdir()] == [name]


def contents(path: Path):
    files = [path] if path.is_file() else sorted(path.rglob("*"))
    return {file.name: file.read_bytes() for file in files if file.is_file()}


def test_run_that_was_another_one_is_not_resumed(scene, model, tmp_path, monkeypatch):
    kill_after(1, monkeypatch, scene, tmp_path / "fine.tif", model)
    with pytest.raises(RasterError, match="TILE_PX was 16, is 8"):
        run(scene, tmp_path / "fine.tif", model, tile_px=8, resume=True)
    with pytest.raises(RasterError, match="ASSUMED was unit: the file names none; metres taken"):
        run(scene, tmp_path / "fine.tif", model, resume=True, declared=Declared(unit="ft"))
    run(scene, tmp_path / "fine.tif", model, tile_px=8, overwrite=True)
    assert (tmp_path / "fine.tif").is_file()


def test_run_of_the_same_weights_with_another_configuration_is_not_resumed(scene, model, tmp_path, monkeypatch):
    other = shutil.copytree(model, tmp_path / "other")
    config = read_config(other)
    net = config.net.model_copy(update={"residual_scale": 0.2})
    changed = write_config(other, config.model_copy(update={"net": net}))
    assert changed.weights_sha256 == config.weights_sha256
    run(scene, tmp_path / "first.tif", model)
    run(scene, tmp_path / "second.tif", str(other))
    assert np.abs(elevation_of(tmp_path / "first.tif") - elevation_of(tmp_path / "second.tif")).max() > 0.1
    kill_after(3, monkeypatch, scene, tmp_path / "fine.tif", model)
    with pytest.raises(RasterError, match=rf"MODEL_SHA256 was {config.model_sha256}, is {changed.model_sha256}"):
        run(scene, tmp_path / "fine.tif", str(other), resume=True)


@pytest.mark.parametrize("target", ["fine.tif", "fine.nc", "fine"])
@pytest.mark.parametrize("uncertain", [False, True])
def test_model_that_overflows_is_refused_with_the_tile_and_leaves_nothing(scene, model, tmp_path, target, uncertain):
    broken = shutil.copytree(model, tmp_path / "broken")
    config = read_config(broken)
    if uncertain:  # the elevation is fine, its standard error is not
        changed = {"uncertainty": UNCERTAINTY.model_copy(update={"log_offset": 1e30})}
    else:
        changed = {"net": config.net.model_copy(update={"residual_scale": 1e30})}
    write_config(broken, config.model_copy(update=changed))
    message = r"broken: tile of 16 x 16 LR pixels at row 0, column 0: the model gives|pixels of the result lie outside"
    with pytest.raises((CheckpointError, VoidError), match=message):
        run(scene, tmp_path / target, str(broken), uncertain=uncertain)
    assert not (tmp_path / target).exists()


def test_input_that_changes_while_it_is_read_ends_the_run(scene, model, tmp_path, monkeypatch):
    add = demsr.inference.tile_store.TileStore.add

    def change_input(store, window, content):
        os.utime(scene, ns=(1, 1))
        return add(store, window, content)

    monkeypatch.setattr(demsr.inference.tile_store.TileStore, "add", change_input)
    with pytest.raises(RasterError, match="changed while it was read"):
        run(scene, tmp_path / "fine.tif", model)
    assert not (tmp_path / "fine.tif").exists()


def test_product_says_how_it_was_made(scene, model, tmp_path):
    run(scene, tmp_path / "fine.tif", model, command="demsr super-resolve a b", halo_px=2, consistent=True)
    with rasterio.open(tmp_path / "fine.tif") as file:
        tags = file.tags()
    assert tags["COMMAND"] == "demsr super-resolve a b"
    assert len(tags["MODEL_SHA256"]) == len(tags["INPUT_SHA256"]) == 64
    assert tags["VERTICAL_DATUM"] == "MSL"
    assert tags["HALO_PX"] == "2"
    assert float(tags["SEAM_M"]) > 0.01
    assert "vertical datum: the file names none; MSL taken" in tags["ASSUMED"]


def test_consistent_only_where_it_was_measured(scene, model, tmp_path):
    identifiers = np.full(SCENE, 40, np.int16)
    identifiers[:, :20] = 11
    tid = write_raw(tmp_path / "tid.tif", identifiers)
    run(scene, tmp_path / "fine.tif", model, tid=str(tid), consistent=True)
    means = elevation_of(tmp_path / "fine.tif").astype(float).reshape(60, 5, 48, 5).mean(axis=(1, 3))
    lacking = np.abs(means - elevation_of(scene))
    assert lacking[:, :20].max() < 2e-3 < 1 < lacking[:, 20:].max()
    part = write_raw(
        tmp_path / "part.tif", identifiers[9:41, 5:30], transform=moved(5, 9)
    )  # of a part of the raster: elsewhere nothing is known
    run(scene, tmp_path / "part_fine.tif", model, tid=part, consistent=True)
    means = elevation_of(tmp_path / "part_fine.tif").astype(float).reshape(60, 5, 48, 5).mean(axis=(1, 3))
    lacking = np.abs(means - elevation_of(scene))
    assert lacking[9:41, 5:20].max() < 2e-3 < 1 < lacking[:9, :20].max()


def test_undeclared_voids_beside_a_box_stay_voids(model, tmp_path):
    heights = rough(*SCENE, level=-3000)
    heights[:, 30:] = -9999
    scene = write_raw(tmp_path / "gebco_voids.tif", heights)
    run(scene, tmp_path / "whole.tif", model)
    run(scene, tmp_path / "part.tif", model, within=(10, 49.96, 10 + 29.5 * NORTH_UP.a, 49.99))
    part = elevation_of(tmp_path / "part.tif")
    rows = slice(60, 60 + len(part))
    np.testing.assert_allclose(part, elevation_of(tmp_path / "whole.tif")[rows, :150], rtol=2.4e-7, atol=2e-3)


def test_input_is_not_replaced(scene, model):
    before = scene.read_bytes()
    with pytest.raises(RasterError, match="is the input; name another OUT"):
        run(scene, scene, model, overwrite=True)
    assert scene.read_bytes() == before


@pytest.mark.parametrize(
    ("values", "error"), [(np.full((9, 9), np.nan, np.float32), VoidError), (np.ones((1, 9), np.float32), GridError)]
)
def test_raster_without_anything_to_resolve_is_refused(model, tmp_path, values, error):
    with pytest.raises(error, match="gebco_bad"):
        run(write_raw(tmp_path / "gebco_bad.tif", values), tmp_path / "fine.tif", model)
    assert [path.name for path in tmp_path.iterdir()] == ["gebco_bad.tif"]


def test_existing_products_stay_unless_overwrite_is_given(scene, model, tmp_path):
    (tmp_path / "fine.tif").write_text("kept")
    with pytest.raises(RasterError, match="exists already; choose another name or add --overwrite"):
        run(scene, tmp_path / "fine.tif", model)
    assert (tmp_path / "fine.tif").read_text() == "kept"


def test_assumptions_and_other_spacings_are_notified(scene, model, tmp_path):
    notes = []
    run(scene, tmp_path / "fine.tif", model, notify=notes.append)
    assert "vertical datum: the file names none; MSL taken, that of its product" in notes
    assert notes[-1].startswith("pixels of ")
    assert notes[-1].endswith("the models are trained for 15 arcsec")


def test_projected_rasters_need_consent(model, tmp_path):
    scene = write_raw(
        tmp_path / "gebco_utm.tif",
        rough(24, 24, level=-100),
        crs="EPSG:32632",
        transform=Affine(450, 0, 5e5, 0, -450, 5e6),
    )
    with pytest.raises(GridError, match="the grid is projected, with pixels of 450 x 450 m"):
        run(scene, tmp_path / "fine.tif", model)
    assert run(scene, tmp_path / "fine.tif", model, projected=True).grid.pixel_width == pytest.approx(90)


@pytest.fixture
def gebco(tmp_path):
    """Hills on both sides of sea level, on cells of GEBCO, in a file that says so."""
    cell = 15 / 3600
    values = np.round(rough(40, 48, level=0, rms=100)).astype(np.int16)
    return write_raw(tmp_path / "gebco_2024_crop.tif", values, transform=Affine(cell, 0, 9.9, 0, -cell, 50.05))


@pytest.fixture
def coast_model(tmp_path):
    for seed, operator in enumerate(("gebco", "mean", "blind")):
        torch.manual_seed(seed)
        net = DemSrNet(1, 8, upsampling="subpixel", symmetric=True)
        torch.nn.init.normal_(net.last.shared, std=0.1)
        save_model(net, tmp_path / "several" / operator, training={})
    return str(tmp_path / "several")


def tags_of(path):
    with rasterio.open(path) as file:
        return file.tags()


def test_gebco_is_super_resolved_by_its_operator_and_any_other_raster_blindly(gebco, scene, coast_model, tmp_path):
    notes = []
    run(gebco, tmp_path / "gebco.tif", coast_model, notify=notes.append)
    assert "operator: gebco, the raster is GEBCO; --operator names another" in notes
    run(scene, tmp_path / "other.tif", coast_model, notify=notes.append)
    assert any(note.startswith("operator: blind, the product") for note in notes)
    assert [tags_of(tmp_path / f"{name}.tif")["OPERATOR"] for name in ("gebco", "other")] == ["gebco", "blind"]
    run(gebco, tmp_path / "blind.tif", coast_model, operator="blind")
    assert np.abs(elevation_of(tmp_path / "gebco.tif") - elevation_of(tmp_path / "blind.tif")).max() > 1


def test_tiles_meet_without_a_seam_along_a_coast(gebco, coast_model, tmp_path):
    for side in (64, 9):
        run(gebco, tmp_path / f"{side}.tif", coast_model, tile_px=side)
    whole, tiled = (elevation_of(tmp_path / f"{side}.tif") for side in (64, 9))
    np.testing.assert_allclose(tiled, whole, rtol=2.4e-7, atol=2e-3)


def test_the_placement_of_the_srtm_moves_the_result_by_half_a_pixel_and_nothing_else(gebco, model, tmp_path):
    for placement in ("nominal", "srtm"):
        run(gebco, tmp_path / f"{placement}.tif", model, placement=placement)
        run(gebco, tmp_path / placement, model, placement=placement)
    nominal, moved = (rasterio.open(tmp_path / f"{placement}.tif") for placement in ("nominal", "srtm"))
    with nominal, moved:
        np.testing.assert_array_equal(nominal.read(), moved.read())
        half = 1.5 / 3600
        assert moved.bounds == pytest.approx([edge - half for edge in nominal.bounds], abs=1e-9)
        assert moved.tags()["PLACEMENT"] == "srtm"
        assert nominal.tags()["PLACEMENT"] == "nominal"
    squares = {
        placement: sorted(path.stem.removeprefix(f"{placement}_") for path in (tmp_path / placement).glob("*_*.tif"))
        for placement in ("nominal", "srtm")
    }
    assert squares["nominal"] == squares["srtm"] == ["N49E009", "N49E010", "N50E009", "N50E010"]
    collection = (tmp_path / "srtm" / "collection.json").read_text()
    assert '"demsr:placement": "srtm"' in collection


def test_other_spacings_have_no_placement_of_the_srtm(tmp_path, model, scene):
    with pytest.raises(ParamsError, match="placement srtm is for the land of GEBCO and SRTM15"):
        run(scene, tmp_path / "fine.tif", model, placement="srtm")


@pytest.mark.parametrize(
    "name", ["s3://bucket/dir/out.tif", "/vsimem/out.tif", "https://example.org/a.tif", "gs://b/out"]
)
def test_target_that_is_a_url_is_refused_before_any_work(scene, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(RasterError, match="is no path in the file system; write a file here"):
        run(scene, name, "nosuch-model")
    assert sorted(tmp_path.rglob("*")) == before
    assert not Path("/vsimem").exists()


def test_link_as_target_is_followed_and_stays(scene, model, tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "link.tif").symlink_to(tmp_path / "far" / "fine.tif")
    run(scene, tmp_path / "link.tif", model)
    assert (tmp_path / "link.tif").is_symlink()
    assert elevation_of(tmp_path / "far" / "fine.tif").shape == (300, 240)


@pytest.mark.parametrize("suffix", [".nc4", ".grd"])
def test_other_suffixes_of_netcdf_are_written_and_read(scene, model, tmp_path, suffix):
    run(scene, tmp_path / "fine.tif", model)
    run(scene, tmp_path / f"fine{suffix}", model)
    np.testing.assert_array_equal(read_dem(tmp_path / f"fine{suffix}").elevation_m, elevation_of(tmp_path / "fine.tif"))


def test_result_that_is_no_elevation_is_refused_and_not_written(scene, tmp_path):
    net = DemSrNet(1, 8, upsampling="subpixel", symmetric=True)
    for weight in net.last.parameters():
        torch.nn.init.constant_(weight, 1e6)
    save_model(net, tmp_path / "wild", training={})
    with pytest.raises(VoidError, match="pixels of the result lie outside -12000 to 9500 m"):
        run(scene, tmp_path / "fine.tif", str(tmp_path / "wild"))
    assert not (tmp_path / "fine.tif").exists()


@pytest.mark.parametrize("north", [True, False])
def test_nodes_on_a_pole_give_no_row_beyond_it_and_no_square_beyond_it(tmp_path, model, north):
    step, rows, cols = 0.25, 9, 12
    top = 90.0 if north else -90 + (rows - 1) * step
    nodes = Affine(step, 0, 10 - step / 2, 0, -step, top + step / 2)
    path = write_raw(tmp_path / "a.tif", rough(rows, cols), transform=nodes, AREA_OR_POINT="Point")
    with rasterio.open(path, "r+") as file:
        file.transform = nodes
    for side in (9, 8):
        run(path, tmp_path / f"{side}.tif", model, declared=Declared(vertical_datum="MSL"), tile_px=side)
    fine, tiled = (read_dem(tmp_path / f"{side}.tif") for side in (9, 8))
    assert fine.elevation_m.shape == (5 * rows - 2, 5 * cols)
    centres = fine.grid.centre(0, 0)[1], fine.grid.centre(fine.grid.rows - 1, 0)[1]
    assert centres[0 if north else 1] == pytest.approx(90 if north else -90, abs=1e-9)
    np.testing.assert_allclose(tiled.elevation_m, fine.elevation_m, rtol=2.4e-7, atol=2e-3)
    run(path, tmp_path / "squares", model, declared=Declared(vertical_datum="MSL"))
    assert not list((tmp_path / "squares").glob("*90*.tif")) or not north
