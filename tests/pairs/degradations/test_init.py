from typing import get_args

import pytest
from real_lr import lr_raster
from synthetic import grid

from demsr import options
from demsr.pairs.degradations import BlockMean, FittedDegradation, make_degradations
from demsr.pairs.degradations.real import describe_real_lr
from demsr.pairs.split import Region

FITTED = FittedDegradation(0.5, 0.5, 1.0)


def test_every_name_of_params_yaml_has_a_row_in_the_table(tmp_path):
    real = describe_real_lr([lr_raster(tmp_path)], [], vertical_datum="MSL", declared={})
    names = get_args(options.Degradation)
    assert [one.name for one in make_degradations(names, fitted=FITTED, real=real)] == list(names)


def test_degradations_keep_the_order_of_their_names():
    assert make_degradations(["fitted", "block mean"], fitted=FITTED) == [FITTED, BlockMean()]


@pytest.mark.parametrize(("scale_free", "arcsec", "applies"), [(False, 3, True), (False, 4, False), (True, 4, True)])
@pytest.mark.parametrize("degradation", [BlockMean(), FITTED])
def test_rasters_of_other_spacing_need_scale_free(degradation, scale_free, arcsec, applies):
    size = {"pixel_width": arcsec / 3600, "pixel_height": arcsec / 3600}
    region = Region("a", "train", 0, 0, grid(50, 50, **size))
    assert degradation.applies_to(region, scale_free=scale_free) == applies
