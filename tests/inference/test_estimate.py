import pytest
import torch
from synthetic import grid

from demsr.dem.windows import tiles
from demsr.errors import ParamsError
from demsr.inference.estimate import GLOBE, computed_lr_px, default_tile_px, plan
from demsr.inference.files import region_grid
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


def test_halos_are_counted():
    assert computed_lr_px(grid(10, 25), 10, 3) == 16 * (16 + 16 + 11)


def test_halo_of_the_full_net_is_88_pixels():
    with torch.device("meta"):
        assert DemSrNet().reach_px == 88


def test_plan_counts_what_can_be_counted():
    found = plan(grid(40, 50), SuperResolver(DemSrNet(3, 8), precision="float32"), tile_px=20)
    assert found.hr_px == 25 * 40 * 50
    assert found.tiles == 6
    assert found.bytes_at_most == 4 * found.hr_px
    head, blocks_and_body, folded_tail = 2 * 9 * 8, 2 * 9 * 8 * 8 * 7, 2 * 25 * 8 * 25
    assert found.flop / found.computed_lr_px == pytest.approx(head + blocks_and_body + folded_tail, rel=0.08)
    assert found.seconds > 0
    assert 0 < found.compressed < 1.5


def test_wider_nets_get_smaller_tiles():
    narrow, wide = (default_tile_px(SuperResolver(DemSrNet(1, features), precision="float32")) for features in (8, 64))
    assert narrow > wide >= 32
    assert narrow % 16 == wide % 16 == 0


def test_box_across_the_antimeridian_is_one_region():
    region = region_grid(None, (170, -20, 190, 0), globe=False)
    assert (region.rows, region.cols) == (4800, 4800)
    assert (region.west, region.north) == pytest.approx((170, 0), abs=1e-9)


@pytest.mark.parametrize(("box", "globe"), [(None, False), ((0, 0, 1, 1), True)])
def test_region_is_one_thing(box, globe):
    with pytest.raises(ParamsError, match="what is to be planned"):
        region_grid(None, box, globe=globe)
