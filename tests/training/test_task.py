import copy

import pytest
import torch

from demsr.pairs.datamodule import PairDataModule
from demsr.training.features import cache_features
from demsr.training.fit import fit
from demsr.training.prepare import new_net
from demsr.training.task import cosine_factor


def test_cosine_rises_over_a_hundred_steps_and_ends_at_a_hundredth():
    shares = [cosine_factor(step, 2000) for step in range(2001)]
    assert shares[0] == pytest.approx(0.01, rel=0.01)
    assert max(shares) == pytest.approx(0.994, abs=0.001)
    assert shares[1000] == pytest.approx(0.505, abs=1e-9)
    assert shares[2000] == pytest.approx(0.01)


def test_fine_tuning_moves_the_tail_and_not_a_bit_of_the_rest(data, tmp_path):
    net = new_net(seed=7, num_blocks=1, features=4)
    torch.nn.init.normal_(net.last.weight)
    before = copy.deepcopy(net.state_dict())
    pairs = [data.train.pairs, data.valid.pairs]
    features = cache_features(net, pairs, tmp_path / "features", device=torch.device("cpu"), batch_size=4)
    fit(
        net,
        PairDataModule(*features, batch_size=2, workers=0, seed=1),
        work_dir=tmp_path / "finetune",
        max_epochs=2,
        tail_only=True,
        learning_rate=3e-3,
        devices=1,
    )
    moved = {name for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"before.weight", "last.weight"}
