import pytest
import torch
from torch import nn

from demsr.model import device as module
from demsr.model.device import best_device, device_of, supports_bf16


def test_a_named_device_is_taken():
    assert best_device("cpu") == torch.device("cpu")
    assert best_device("cuda:3") == torch.device("cuda", 3)


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"), [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")]
)
def test_auto_takes_cuda_then_the_gpu_of_apple_then_the_cpu(monkeypatch, cuda, mps, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert best_device().type == expected


def test_device_of_a_model_is_that_of_its_parameters_else_of_its_buffers():
    with torch.device("meta"):
        layer = nn.Conv2d(1, 1, 3)
    assert device_of(layer).type == "meta"
    buffers = nn.Module()
    buffers.register_buffer("taps", torch.zeros(2, device="meta"))
    assert device_of(buffers).type == "meta"
    assert device_of(nn.Identity()).type == "cpu"


@pytest.mark.parametrize("instructions", [True, False])
def test_cpu_is_fast_in_bf16_only_with_instructions_for_it(monkeypatch, instructions):
    monkeypatch.setattr(module.torch.cpu, "_is_avx512_bf16_supported", lambda: instructions)
    assert supports_bf16(torch.device("cpu")) == instructions
    assert not supports_bf16(torch.device("mps"))
