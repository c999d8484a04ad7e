import numpy as np
import pytest
from synthetic import grid, plane, rough

from demsr.metrics.elevation import elevation_errors
from demsr.pages import statistics
from demsr.pages.scenes import BICUBIC, RESULT, Scene

BLOCK = np.kron(np.arange(12, dtype=np.float32).reshape(3, 4) ** 2, np.ones((5, 5), np.float32))


def scene(sr: np.ndarray, lr: np.ndarray, **options) -> Scene:
    own = {"grid": grid(*sr.shape), "scale": 5, "offset_px": (0.0, 0.0), "sigma": None, "truths": {}}
    return Scene(**{**own, "lr": lr, "methods": {RESULT: sr, BICUBIC: sr + 1}, **options})


def test_block_means_are_compared_with_their_cells():
    lr = np.arange(12, dtype=np.float32).reshape(3, 4) ** 2
    lr[0, 0] -= 3
    sr = BLOCK.copy()
    sr[7, 8] = np.nan  # a void in the block at (1, 1)
    found = statistics.consistency([scene(sr, lr), scene(BLOCK, lr)])
    assert found.cells == 23
    assert found.largest_m == pytest.approx(3)
    assert found.rms_m == pytest.approx(np.sqrt(2 * 9 / 23))
    assert statistics.consistency([scene(np.full_like(BLOCK, np.nan), lr)]) is None


def test_a_plane_has_one_slope():
    part = scene(plane(20, 20, per_row=0, per_col=9), np.zeros((4, 4), np.float32))
    middles, shares = statistics.slope_shares([part, part], [RESULT])
    width, _ = part.grid.pixel_size_m()
    slope = np.degrees(np.arctan(9 / width))
    assert shares[RESULT].sum() == pytest.approx(100, abs=0.6)
    assert middles[shares[RESULT].argmax()] == pytest.approx(slope, abs=slope / 40)


def test_errors_are_pooled_over_the_parts():
    truth, other = rough(20, 20), rough(20, 20, seed=3)
    parts = [
        scene(truth + 2, np.zeros((4, 4)), truths={RESULT: truth, BICUBIC: truth}),
        scene(other - 4, np.zeros((4, 4)), truths={RESULT: other, BICUBIC: other}),
    ]
    found = statistics.errors(parts, RESULT)
    needed = elevation_errors(np.repeat([2.0, -4.0], 400))
    assert {key: found[key] for key in needed} == pytest.approx(needed, abs=1e-4)
    assert found["slope_rmse_deg"] == pytest.approx(0, abs=1e-3)
    assert (found["shift_east_px"], found["shift_south_px"]) == pytest.approx((0, 0), abs=1e-3)


def test_coverage_counts_errors_within_multiples_of_the_standard_error():
    truth = rough(20, 20)
    sr = truth + np.repeat(np.array([0.5, 1.5, 3, 9], np.float32), 100).reshape(20, 20)
    part = scene(sr, np.zeros((4, 4)), sigma=np.ones_like(sr), truths={RESULT: truth})
    assert statistics.coverage([part]) == [(1.0, 25), (1.645, 50)]
    assert statistics.coverage([scene(sr, np.zeros((4, 4)))]) == []


def test_a_spectrum_compares_power_over_parts_without_voids():
    image = rough(340, 200)
    part = scene(2 * image, np.zeros((68, 40)), methods={RESULT: 2 * image, BICUBIC: image})
    narrow = scene(
        2 * image[:160, :160], np.zeros((32, 32)), methods={RESULT: 2 * image[:160, :160], BICUBIC: image[:160, :160]}
    )
    found = statistics.spectrum([part, narrow], RESULT, BICUBIC)
    assert found.windows == 3
    assert found.power_ratio == pytest.approx(np.full(len(found.power_ratio), 4), rel=1e-3)
    small = scene(image[:100, :100], np.zeros((20, 20)))
    assert statistics.spectrum([small], RESULT, BICUBIC) is None


def test_relief_is_rougher_than_a_plane():
    assert statistics.roughness(scene(BLOCK, plane(3, 4))) == pytest.approx(0, abs=1e-3)
    assert statistics.roughness(scene(BLOCK, rough(3, 4))) > 1
