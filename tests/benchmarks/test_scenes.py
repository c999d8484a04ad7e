import numpy as np
import pytest
import torch
from pair_files import rough_terrain
from protocol.scenes import Scene, block_mean_scene, srtm_scene, survey_scene
from protocol.scoring import baselines, score
from scipy import ndimage
from synthetic import ARCSEC_3, dem, rough

from demsr.dem.geotiff import write_dem
from demsr.dem.grid import metres_per_degree
from demsr.errors import GridError
from demsr.model.baselines import Bicubic
from demsr.pairs.degradations.gebco import GebcoLand
from demsr.runtime.seeding import generator

CELL, HALF_PX = 15 / 3600, 1.5 / 3600


def bicubic(lr: np.ndarray) -> np.ndarray:
    return Bicubic()(torch.tensor(lr)[None, None])[0, 0].numpy()


def smooth(rows: int, cols: int, *, level: float, rms: float) -> np.ndarray:
    """Noise without short waves."""
    noise = ndimage.gaussian_filter(np.random.default_rng(5).standard_normal((rows, cols)), 2)
    return (level + rms * noise / noise.std()).astype(np.float32)


def test_voids_of_the_raster_are_not_scored(tmp_path):
    elevation = rough_terrain(60, 62, seed=1)
    elevation[0:10, 0:10] = np.nan
    elevation[20, 20] = np.nan
    write_dem(tmp_path / "a.tif", dem(elevation))
    made = block_mean_scene("made", tmp_path / "a.tif")
    assert np.isfinite(made.lr).all()
    assert made.hr.shape == (60, 60)
    assert int(np.isnan(made.hr).sum()) == 101
    assert made.lr[7, 3] == pytest.approx(elevation[35:40, 15:20].mean(), rel=1e-6)
    found = score(baselines("block mean", None)["bicubic"], made)
    assert all(np.isfinite(value) for name, value in found.items() if name != "coherent_to_m")


@pytest.mark.parametrize("orientation", range(8))
def test_a_scene_turns_with_its_lr(orientation):
    lr = rough(3, 4)
    made = Scene("made", lr, np.kron(lr, np.ones((5, 5), np.float32)), 60.0, 90.0)
    turned = made.turned(orientation)
    np.testing.assert_array_equal(turned.hr, np.kron(turned.lr, np.ones((5, 5))))
    wide = turned.lr.shape == (4, 3)
    assert (turned.pixel_width_m, turned.pixel_height_m) == ((90.0, 60.0) if wide else (60.0, 90.0))


@pytest.fixture
def gebco(tmp_path):
    """SRTM of 121 x 131 nodes from 50 N, 10 E, and the grid that its law makes of it, with a border of other cells."""
    nodes = dem(rough(121, 131, level=2000, rms=300), west=10 - HALF_PX, north=50 + HALF_PX)
    law = GebcoLand().degrade(nodes, random=generator(0))
    cells = np.full((28, 30), 5000.0)  # two rows and columns begin outside the SRTM
    for row in range(24):
        for col in range(26):
            cells[2 + row, 2 + col] = law[5 * row + 3, 5 * col + 2]  # 9" south and 6" east of the first node
    cells[5, 9] = -40.0
    lr = dem(cells, west=10 - 2 * CELL, north=50 + 2 * CELL, pixel_width=CELL, pixel_height=CELL)
    write_dem(tmp_path / "srtm.tif", nodes)
    write_dem(tmp_path / "gebco.tif", lr)
    return nodes, law, cells


def test_the_lattice_of_the_land_of_gebco_is_found_exactly(tmp_path, gebco):
    nodes, law, cells = gebco
    made = srtm_scene("made", tmp_path / "gebco.tif", tmp_path / "srtm.tif")
    np.testing.assert_array_equal(made.lr, cells[2:26, 2:28].astype(np.float32))
    truth, samples = nodes.elevation_m[1:121, 0:130], law[1:121, 0:130][2::5, 2::5]
    scored = np.isfinite(made.hr)
    np.testing.assert_array_equal(made.hr[scored], truth[scored])
    on_land = cells[2:26, 2:28] > 1
    np.testing.assert_array_equal(made.lr[on_land], samples[on_land])
    np.testing.assert_array_equal(scored, np.kron(on_land, np.ones((5, 5), bool)))
    assert (~on_land).sum() == 1


def test_the_law_is_a_gaussian_of_164_m_at_the_middle_of_the_block(tmp_path, gebco):
    """A slow sum over the nodes around the middle of one block of HR equals its LR cell."""
    made = srtm_scene("made", tmp_path / "gebco.tif", tmp_path / "srtm.tif")
    lon_m, lat_m = metres_per_degree(50 - 14 * CELL)
    total = weights = 0.0
    for down in range(-9, 10):
        for right in range(-12, 13):
            east, north = right * ARCSEC_3 * lon_m, down * ARCSEC_3 * lat_m
            weight = np.exp(-0.5 * (east**2 + north**2) / 164.0**2)
            total += weight * float(made.hr[5 * 14 + 2 + down, 5 * 13 + 2 + right])
            weights += weight
    assert made.lr[14, 13] == pytest.approx(total / weights, abs=0.6)  # of rounding to whole metres


def test_the_pixel_size_is_that_of_the_truth(tmp_path, gebco):
    made = srtm_scene("made", tmp_path / "gebco.tif", tmp_path / "srtm.tif")
    lon_m, lat_m = metres_per_degree(49.95)
    assert (made.pixel_width_m, made.pixel_height_m) == pytest.approx((ARCSEC_3 * lon_m, ARCSEC_3 * lat_m), rel=1e-3)


def write_survey(folder, lr: np.ndarray, survey: np.ndarray, *, size: float, west: float, north: float) -> None:
    """Write a grid of 15 arc-seconds from 50 N, 10 E, and a survey with a corner of its own."""
    write_dem(folder / "lr.tif", dem(lr, vertical_datum="MSL", pixel_width=CELL, pixel_height=CELL))
    made = dem(survey, vertical_datum="MSL", west=west, north=north, pixel_width=size, pixel_height=size)
    write_dem(folder / "survey.tif", made)


@pytest.mark.parametrize("at_sea", [True, False])
def test_a_coarse_survey_is_moved_by_whole_pixels_and_cut_at_the_shore(tmp_path, at_sea):
    """The survey has every other pixel of bicubic, 7 m higher and three pixels south and two west of its place."""
    lr = smooth(40, 44, level=0, rms=60)
    truth = bicubic(lr)
    size = 2 * ARCSEC_3
    west, north = 10 - 2 * ARCSEC_3 - ARCSEC_3 / 2, 50 - 3 * ARCSEC_3 + ARCSEC_3 / 2
    write_survey(tmp_path, lr, truth[::2, ::2] + 7, size=size, west=west, north=north)
    made = survey_scene("made", tmp_path / "lr.tif", tmp_path / "survey.tif", at_sea=at_sea)
    assert made.lr.shape[0] >= 38  # the grid is cut to the survey
    top, left = 5 * np.argwhere(lr == made.lr[0, 0])[0]
    expected = truth[top:, left:][: made.hr.shape[0], : made.hr.shape[1]] + 7
    known = np.s_[top % 2 :: 2, left % 2 :: 2]  # pixels of the survey, between which it is interpolated
    scored = np.isfinite(made.hr)
    assert scored.mean() > 0.3
    np.testing.assert_allclose(made.hr[known][scored[known]], expected[known][scored[known]], atol=1e-2)
    np.testing.assert_allclose(made.hr[scored], expected[scored], atol=5)
    sign = -1 if at_sea else 1
    cells = np.kron(made.lr, np.ones((5, 5)))
    assert (sign * cells[scored] > 1).all()
    assert (sign * made.hr[scored] > 1).all()


def test_a_fine_survey_is_averaged_where_coregistration_finds_it(tmp_path):
    """The survey has pixels of 1 arc-second, laid down 4 arc-seconds east of their place."""
    truth = ndimage.zoom(smooth(62, 62, level=-800, rms=100), 10, order=3)[:600, :600]  # 1 arc-second
    lr = truth.reshape(40, 15, 40, 15).mean(axis=(1, 3))
    write_survey(tmp_path, lr, truth, size=ARCSEC_3 / 3, west=10 + 4 / 3600, north=50)
    made = survey_scene("made", tmp_path / "lr.tif", tmp_path / "survey.tif", at_sea=True)
    means = truth.reshape(200, 3, 200, 3).mean(axis=(1, 3))
    inner = np.s_[20:-20, 20:-20]
    np.testing.assert_allclose(made.hr[inner], means[:, : made.hr.shape[1]][inner], atol=1)


def test_a_survey_of_other_ground_is_refused(tmp_path):
    lr = smooth(40, 44, level=-300, rms=20)
    survey = np.full((100, 100), np.nan, np.float32)
    survey[50:60, 50:60] = -300
    write_survey(tmp_path, lr, survey, size=2 * ARCSEC_3, west=10, north=50)
    with pytest.raises(GridError, match=r"made: fewer than 5000 pixels are measured in both; give files"):
        survey_scene("made", tmp_path / "lr.tif", tmp_path / "survey.tif", at_sea=True)
