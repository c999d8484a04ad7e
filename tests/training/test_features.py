import numpy as np
import pytest
import torch

from demsr.training.features import cache_features
from demsr.training.prepare import new_net


def test_cached_features_give_the_output_of_the_whole_net(data, tmp_path):
    net = new_net(seed=7, num_blocks=1, features=4)
    torch.nn.init.normal_(net.last.weight)
    (features,) = cache_features(net, [data.valid.pairs], tmp_path, device=torch.device("cpu"), batch_size=2)
    lr, hr, trunk = features[1]
    with torch.no_grad():
        torch.testing.assert_close(net.to_metres(net.tail(trunk[None]), lr[None]), net(lr[None]), atol=1e-4, rtol=0)
    np.testing.assert_array_equal(hr.numpy(), data.valid.pairs.pair(1)[1])


def test_features_that_an_interrupted_run_has_written_are_not_computed_again(data, tmp_path):
    net, pairs = new_net(seed=7, num_blocks=1, features=4), [data.valid.pairs]
    cache_features(net, pairs, tmp_path, device=torch.device("cpu"), batch_size=2)
    net.head.weight.data.zero_()
    (features,) = cache_features(net, pairs, tmp_path, device=torch.device("cpu"), batch_size=2)
    assert features[0][2].abs().max() > 0


@pytest.mark.parametrize("damage", ["flip", "truncate", "no checksum"])
def test_damaged_features_are_computed_again(data, tmp_path, damage):
    net, pairs = new_net(seed=7, num_blocks=1, features=4), [data.valid.pairs]
    options = {"device": torch.device("cpu"), "batch_size": 2}
    cache_features(net, pairs, tmp_path, **options)
    path = tmp_path / "features-valid.npy"
    whole = path.read_bytes()
    if damage == "no checksum":
        path.with_suffix(".json").unlink()
    path.write_bytes(whole[:-4] + (b"" if damage == "truncate" else b"\0\0\0\1"))
    cache_features(net, pairs, tmp_path, **options)
    assert path.read_bytes() == whole
