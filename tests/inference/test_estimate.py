import pytest
from synthetic import grid

from demsr.dem.windows import tiles
from demsr.errors import ParamsError
from demsr.inference import estimate as module
from demsr.inference.estimate import GLOBE, estimate_cost, region_grid
from demsr.inference.super_resolver import SuperResolver
from demsr.model.srnet import DemSrNet


def test_every_cell_of_the_globe_is_in_one_tile():
    windows = tiles(GLOBE.rows, GLOBE.cols, 1000)
    assert len(windows) == 44 * 87
    rows = {(window.row, window.rows) for window in windows}
    cols = {(window.col, window.cols) for window in windows}
    assert len(windows) == len(set(windows)) == len(rows) * len(cols)  # a lattice, so each axis may be looked at alone
    for parts, size in ((sorted(rows), GLOBE.rows), (sorted(cols), GLOBE.cols)):
        edges = [0, *(start + length for start, length in parts)]
        assert [start for start, _ in parts] == edges[:-1]
        assert edges[-1] == size
    assert GLOBE.is_periodic
    assert (GLOBE.east, GLOBE.south) == pytest.approx((180, -90), abs=1e-9)


def test_estimate_counts_operations_and_bytes_and_times_one_tile():
    cost = estimate_cost(grid(40, 50), SuperResolver(DemSrNet(3, 8), precision="float32"), tile_px=20)
    assert cost.hr_px == 25 * 40 * 50
    assert len(cost.plan.windows) == 6
    assert cost.size_bytes == 4 * cost.hr_px
    head, blocks_and_body, folded_tail = 2 * 9 * 8, 2 * 9 * 8 * 8 * 7, 2 * 25 * 8 * 25
    assert cost.flop / cost.plan.computed_lr_px == pytest.approx(head + blocks_and_body + folded_tail, rel=0.08)
    assert cost.calibration_px == 20
    assert cost.lr_px_per_second == pytest.approx(40 * 50 / cost.seconds)
    assert 0 < cost.compressed < 1.5
    assert 50e6 < cost.memory_bytes < 24e9  # at least the interpreter with torch


def test_memory_is_that_of_the_calibration_tile_scaled_to_the_largest_tile_with_its_halo(monkeypatch):
    peaks = iter([500e6, 503e6])  # before and after the calibration tile
    monkeypatch.setattr(module, "_peak_bytes", lambda: next(peaks))
    monkeypatch.setattr(module, "_CALIBRATION_PX", 20)
    resolver = SuperResolver(DemSrNet(1, 8), precision="float32", halo_px=3)
    cost = estimate_cost(grid(40, 50), resolver, tile_px=48)
    assert cost.memory_bytes == pytest.approx(500e6 + 3e6 * (40 + 6) * (48 + 6) / (20 + 6) ** 2)


def test_box_across_the_antimeridian_is_one_region():
    region = region_grid(None, (170, -20, 190, 0), globe=False)
    assert (region.rows, region.cols) == (4800, 4800)
    assert (region.west, region.north) == pytest.approx((170, 0), abs=1e-9)


@pytest.mark.parametrize(("box", "globe"), [(None, False), ((0, 0, 1, 1), True)])
def test_region_is_one_thing(box, globe):
    with pytest.raises(ParamsError, match="no region, or two"):
        region_grid(None, box, globe=globe)
