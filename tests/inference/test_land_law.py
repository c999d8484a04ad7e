import numpy as np
from synthetic import grid

from demsr.inference.land_law import LandLaw, land_law
from demsr.model.coast import CoastNet
from demsr.model.srnet import DemSrNet

ARCSEC_15 = 15 / 3600


def coarse(rows: int, cols: int, **options: float):
    return grid(rows, cols, **{"pixel_width": ARCSEC_15, "pixel_height": ARCSEC_15, **options})


def test_a_part_of_a_raster_has_the_numbers_of_the_whole():
    whole = coarse(60, 10, north=60.1)
    part = LandLaw(whole.window(20, 0, 30, 10), 5)
    for of_part, of_whole in zip(part.rows(-3, 20), LandLaw(whole, 5).rows(17, 20), strict=True):
        np.testing.assert_array_equal(of_part, of_whole)
    _, has_srtm = LandLaw(whole, 5).rows(0, 60)
    assert has_srtm.sum() == 60 - 24  # the first 0.1 degrees lie north of the SRTM
    assert not has_srtm[:24].any()


def test_the_law_is_for_the_net_and_the_cells_of_gebco_alone():
    net = DemSrNet(1, 8)
    coast = CoastNet(net, net)
    assert land_law(coast, coarse(10, 10)) == LandLaw(coarse(10, 10), 5)
    assert land_law(net, coarse(10, 10)) is None
    assert land_law(coast, grid(10, 10)) is None
