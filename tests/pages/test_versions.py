import pytest
import torch
from pair_files import make_pairs
from torch import nn

from demsr.model.checkpoint import save_model
from demsr.model.srnet import DemSrNet
from demsr.pages.versions import report_versions


def model(folder, *, noise: float, seed: int) -> str:
    torch.manual_seed(1)
    net = DemSrNet(1, 4)
    nn.init.normal_(net.last.weight, std=noise)
    save_model(net, folder, training={"profile": "test", "params": {"pretrain": {"seed": seed}}})
    return str(folder)


@pytest.fixture
def tests(store):
    return {"land": make_pairs(store / "land.h5", count=2, areas=2).path}


def test_the_page_says_what_differs_and_where(tests, tmp_path):
    first, second = model(tmp_path / "a", noise=0.1, seed=1), model(tmp_path / "b", noise=0, seed=2)
    written = report_versions(first, second, tmp_path / "c.html", tests=tests, resamples=50, seed=1, rows=1)
    assert written.summary.startswith("land: the second model has a gain of +")
    text = written.path.read_text()
    differing = text.split("What differs")[1].split("</table>")[0]
    assert '<th scope="row">training: pretrain.seed</th><td>1</td><td>2</td>' in differing
    assert "net: features" not in differing  # it is the same
    assert "training: profile" not in differing
    assert text.count('<th scope="row">area ') == 2
    assert text.count('src="data:image/png;base64,') == 1
