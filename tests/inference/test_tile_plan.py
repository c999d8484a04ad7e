import torch
from synthetic import grid

from demsr.inference.super_resolver import SuperResolver
from demsr.inference.tile_plan import TilePlan, default_tile_px
from demsr.model.srnet import DemSrNet


def test_halos_are_counted():
    assert TilePlan(rows=10, cols=25, tile_px=10, halo_px=3).computed_lr_px == 16 * (16 + 16 + 11)


def test_tiles_cover_every_cell_once():
    plan = TilePlan.of(grid(41, 53), SuperResolver(DemSrNet(1, 8), precision="float32"), 20)
    count = torch.zeros(41, 53, dtype=torch.int)
    for window in plan.windows:
        count[window.slices] += 1
    assert (count == 1).all()
    assert plan.lr_px == 41 * 53


def test_halo_of_the_full_net_is_88_pixels():
    with torch.device("meta"):
        assert DemSrNet().reach_px == 88


def test_wider_nets_get_smaller_tiles():
    narrow, wide = (default_tile_px(SuperResolver(DemSrNet(1, features), precision="float32")) for features in (8, 64))
    assert narrow > wide >= 32
    assert narrow % 16 == wide % 16 == 0
