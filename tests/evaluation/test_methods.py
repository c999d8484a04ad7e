import torch
from pair_files import make_pairs
from torch.nn import functional

from demsr.evaluation.methods import BICUBIC, baselines
from demsr.evaluation.scoring import score


def test_every_table_has_the_three_baselines(tmp_path):
    train = make_pairs(tmp_path / "train.h5")
    methods = baselines(train, linear_filter_size=5, batch_size=3)
    assert list(methods) == [BICUBIC, "bicubic_a-0.5", "back_projected_bicubic", "linear_5x5"]
    lr = torch.from_numpy(train.pair(0)[0][None])
    expected = functional.interpolate(lr, scale_factor=5, mode="bicubic", align_corners=False)
    torch.testing.assert_close(methods[BICUBIC](lr), expected, atol=1e-3, rtol=0)


def test_the_fitted_filter_is_the_best_linear_one_on_what_it_was_fitted_on(tmp_path):
    train = make_pairs(tmp_path / "train.h5", count=6)
    methods = baselines(train, linear_filter_size=7, batch_size=2)
    rmse = {name: score(method, train)["area 0"].metrics["rmse_m"] for name, method in methods.items()}
    assert min(rmse, key=lambda name: rmse[name]) == "linear_7x7"
