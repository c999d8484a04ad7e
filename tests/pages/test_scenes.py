from dataclasses import replace

import numpy as np
import pytest
import torch
from report_files import COLS, ROWS, surface, written_product, written_truth

from demsr.dem.read.declared import Declared
from demsr.dem.windows import Window
from demsr.errors import GridError, OutsideError
from demsr.model.baselines import Bicubic
from demsr.output.stored import open_product
from demsr.pages.scenes import BICUBIC, RESULT, open_result

PART = Window(20, 31, 10, 8)


def opened(target, *, source=None, against=None):
    source = source or target.parent / "in.tif"
    return open_result(open_product(target), source, declared=Declared(), against=against)


def test_a_part_has_the_same_ground_in_input_interpolation_and_result(tmp_path):
    with opened(written_product(tmp_path)) as result:
        assert (result.scale, result.region) == (5, Window(0, 0, ROWS, COLS))
        scene, whole = result.scene(PART), result.scene(result.region)
    assert scene.grid.index(*whole.grid.centre(100, 155)) == pytest.approx((0, 0), abs=1e-6)
    np.testing.assert_allclose(scene.sr, surface(scene.grid) + 1, atol=1e-3)
    np.testing.assert_array_equal(scene.lr, whole.lr[PART.slices])
    bicubic = Bicubic()(torch.from_numpy(whole.lr)[None, None])[0, 0].numpy()
    np.testing.assert_allclose(scene.methods[BICUBIC], bicubic[PART.refine(5).slices], atol=1e-3)
    assert (scene.sigma == 2).all()
    cut = whole.part(PART)
    assert cut.grid.index(*scene.grid.centre(0, 0)) == pytest.approx((0, 0), abs=1e-6)
    np.testing.assert_array_equal(cut.sr, scene.sr)


def test_truth_is_taken_where_each_method_puts_its_pixels(tmp_path):
    target = written_product(tmp_path, moved_arcsec=1.5, PLACEMENT="srtm")
    with opened(target, against=written_truth(tmp_path / "truth.tif")) as result:
        assert result.offset_px == pytest.approx((0.5, -0.5))
        scene = result.scene(PART)
    nominal = scene.grid.moved(1.5 / 3600, 1.5 / 3600)
    assert np.nanmax(np.abs(scene.sr - 1 - surface(scene.grid))) < 1e-3
    assert np.abs(scene.truths[RESULT] - surface(scene.grid)).max() < 0.05
    assert np.abs(scene.truths[BICUBIC] - surface(nominal)).max() < 0.05
    assert np.abs(scene.truths[BICUBIC] - scene.truths[RESULT]).max() > 0.5


def test_flat_water_of_the_truth_is_left_out(tmp_path):
    target, truth = written_product(tmp_path), tmp_path / "truth.tif"
    written_truth(truth)
    from demsr.dem.geotiff import write_dem
    from demsr.dem.read.raster import read_dem

    with_sea = read_dem(truth)
    elevation = with_sea.elevation_m.copy()
    elevation[:, :60] = 0
    write_dem(truth, replace(with_sea, elevation_m=elevation))
    with opened(target, against=truth) as result:
        found = result.scene(result.region).truths[RESULT]
    assert np.isnan(found[:, :59]).all()
    assert np.isfinite(found[:, 61:]).all()


def test_the_whole_of_a_large_product_is_shown_by_means(tmp_path, monkeypatch):
    monkeypatch.setattr("demsr.pages.scenes._OVERVIEW_PX", 25)
    with opened(written_product(tmp_path)) as result:
        overview, whole = result.overview(), result.scene(result.region)
    rows, cols = ROWS // 3, COLS // 3
    assert overview.lr.shape == overview.sr.shape == (rows, cols)
    lr = whole.lr[: 3 * rows, : 3 * cols].reshape(rows, 3, cols, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(overview.lr, lr, atol=1e-3)
    sr = whole.sr[: 15 * rows, : 15 * cols].reshape(rows, 15, cols, 15).mean(axis=(1, 3))
    np.testing.assert_allclose(overview.sr, sr, atol=0.5)
    assert overview.grid.pixel_width == pytest.approx(45 / 3600)


def test_another_raster_is_not_the_input(tmp_path):
    target = written_product(tmp_path)
    with pytest.raises(GridError, match="name its input with --input"), opened(target, source=target):
        pass


def test_truth_of_another_place_is_refused(tmp_path):
    target = written_product(tmp_path)
    with (
        pytest.raises(OutsideError, match="no cell is in"),
        opened(target, against=written_truth(tmp_path / "far.tif", west=50.0)),
    ):
        pass
