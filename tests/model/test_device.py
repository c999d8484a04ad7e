import subprocess
import sys

import pytest
import torch
from torch import nn

from demsr.model.baselines import Bicubic
from demsr.model.device import best_device, device_of, supports_bf16


def test_a_named_device_is_taken_as_it_is_named():
    assert best_device("cpu") == torch.device("cpu")
    assert best_device("cuda:3") == torch.device("cuda:3")


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"), [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")]
)
def test_auto_prefers_cuda_then_apples_gpu(monkeypatch, cuda, mps, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert best_device() == torch.device(expected)


@pytest.mark.parametrize("model", [nn.Linear(1, 1, device="meta"), Bicubic().to("meta")], ids=["parameters", "buffers"])
def test_the_device_of_a_model_is_that_of_its_parameters_else_of_its_buffers(model):
    assert device_of(model) == torch.device("meta")
    assert device_of(nn.ReLU()) == torch.device("cpu")


def test_apples_gpu_is_not_taken_to_support_bf16():
    assert not supports_bf16(torch.device("mps"))


def test_the_net_is_imported_from_the_package_on_first_use_and_torch_not_before():
    lines = ("import sys, demsr.model", "assert 'torch' not in sys.modules", "from demsr.model import DemSrNet")
    code = "\n".join((*lines, "print(DemSrNet(1, 8).reach_px)"))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("6\n", "")


def test_other_names_are_not_in_the_package():
    import demsr.model

    with pytest.raises(AttributeError, match="module 'demsr.model' has no attribute 'Net'"):
        _ = demsr.model.Net
