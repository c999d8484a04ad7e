"""A model as two files that cannot execute anything: weights.safetensors and config.json with their SHA-256.

The configuration also says what the weights were trained on. Nothing is unpickled, ever.
"""

from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from demsr.errors import CheckpointError
from demsr.model.srnet import DemSrNet
from demsr.model.uncertainty import Uncertainty
from demsr.options import Formulation, Interpolation, LongSkip, Upsampling
from demsr.runtime.files import atomic_folder, sha256_of_file, write_json

WEIGHTS, CONFIG = "weights.safetensors", "config.json"


class NetConfig(BaseModel):
    """Keyword arguments of `DemSrNet`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    num_blocks: int
    features: int
    in_channels: int
    out_channels: int
    scale: int
    residual_scale: float
    formulation: Formulation
    long_skip: LongSkip
    upsampling: Upsampling = "interpolate"  # this and the next: what models were before they could choose
    symmetric: bool = False
    interpolation: Interpolation
    elevation_scale_m: float
    elevation_offset_m: float


class ModelConfig(BaseModel):
    """Contents of config.json."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    format: int = 1
    net: NetConfig
    weights_sha256: str
    training: dict[str, Any]
    uncertainty: Uncertainty | None = None


def save_model(
    net: DemSrNet,
    folder: Path,
    *,
    training: dict[str, Any],
    half: bool = False,
    uncertainty: Uncertainty | None = None,
) -> ModelConfig:
    """Write a model folder, whole or not at all.

    Parameters
    ----------
    training : what the weights were trained on and how, for people and for the registry; JSON values only
    half : write weights of 16 bits; nets compute with 32 all the same
    uncertainty : the calibration that belongs to these weights
    """
    with atomic_folder(folder) as temporary:
        dtype = torch.float16 if half else torch.float32
        weights = {name: value.detach().cpu().to(dtype).contiguous() for name, value in net.state_dict().items()}
        (temporary / WEIGHTS).write_bytes(save(weights))  # its own writing to a file lets nobody else read it
        sha256 = sha256_of_file(temporary / WEIGHTS)
        config = ModelConfig(
            net=NetConfig(**net.config()), weights_sha256=sha256, training=training, uncertainty=uncertainty
        )
        write_json(temporary / CONFIG, config.model_dump())
    return config


def read_config(folder: Path) -> ModelConfig:
    """Read and check config.json.

    Raises
    ------
    CheckpointError : a file is missing, or config.json is not one of ours
    """
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            message = f"{folder}: {name} is missing; a model folder holds {CONFIG} and {WEIGHTS}"
            raise CheckpointError(message)
    try:
        return ModelConfig.model_validate_json((folder / CONFIG).read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError) as error:
        message = f"{folder / CONFIG}: not a model configuration of this version of demsr ({error}); train again"
        raise CheckpointError(message) from error


def read_model(folder: Path) -> DemSrNet:
    """Build the net of a model folder in eval mode, after checking the weights against their recorded SHA-256.

    Raises
    ------
    CheckpointError : a file is missing, damaged, or does not fit the other
    """
    config = read_config(folder)
    if (found := sha256_of_file(folder / WEIGHTS)) != config.weights_sha256:
        message = (
            f"{folder / WEIGHTS}: SHA-256 is {found}, {CONFIG} records {config.weights_sha256}; "
            "the file was damaged or exchanged, fetch the model again"
        )
        raise CheckpointError(message)
    net = build_net(config.net, folder / WEIGHTS)
    net.unit = str(config.training.get("unit", net.unit))
    net.weights_sha256 = config.weights_sha256
    net.uncertainty = config.uncertainty
    return net


def build_net(config: NetConfig, weights: Path) -> DemSrNet:
    """Build a net from its configuration and a safetensors file, in eval mode."""
    net = DemSrNet(**config.model_dump())
    try:
        net.load_state_dict(load_file(weights))
    except (SafetensorError, RuntimeError, OSError) as error:
        message = f"{weights}: the weights do not fit the configuration ({error}); fetch or train the model again"
        raise CheckpointError(message) from error
    return net.eval()


def parameter_count(net: nn.Module) -> int:
    """Return the number of weights."""
    return sum(parameter.numel() for parameter in net.parameters())


def describe(net: DemSrNet) -> str:
    """Return the net in a few words, for run names and logs."""
    return f"{net.num_blocks} blocks x {net.features} features, {parameter_count(net):,} parameters"
