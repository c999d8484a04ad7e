"""Model folders: weights.safetensors and config.json, which cannot execute code when they are read.

config.json holds the arguments of the net, the SHA-256 of the weights and a description of the training.
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
    upsampling: Upsampling = "interpolate"  # these two defaults are for models from before these options
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
    net : to save
    folder : of the model; replaced if it exists
    training : description of data and training, for people and for the registry; JSON values only
    half : store weights as float16; `read_model` converts them to float32
    uncertainty : calibration of these weights

    Returns
    -------
    config : content of config.json
    """
    with atomic_folder(folder) as temporary:
        dtype = torch.float16 if half else torch.float32
        weights = {name: value.detach().cpu().to(dtype).contiguous() for name, value in net.state_dict().items()}
        (temporary / WEIGHTS).write_bytes(save(weights))  # save_file makes files that other users cannot read
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
    CheckpointError : a file is missing, or config.json is not valid
    """
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            message = f"{folder}: {name} is missing; a model folder holds {CONFIG} and {WEIGHTS}"
            raise CheckpointError(message)
    try:
        return ModelConfig.model_validate_json((folder / CONFIG).read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError) as error:
        message = f"{folder / CONFIG}: not a model configuration of this version ({error}); train the model again"
        raise CheckpointError(message) from error


def read_model(folder: Path) -> DemSrNet:
    """Read a model folder and return its net in eval mode; the SHA-256 of the weights is checked.

    Raises
    ------
    CheckpointError : a file is missing or damaged, or the weights do not fit the configuration
    """
    config = read_config(folder)
    if (found := sha256_of_file(folder / WEIGHTS)) != config.weights_sha256:
        recorded = config.weights_sha256
        message = f"{folder / WEIGHTS}: SHA-256 is {found}, {CONFIG} records {recorded}; fetch the model again"
        raise CheckpointError(message)
    net = DemSrNet(**config.net.model_dump())
    try:
        net.load_state_dict(load_file(folder / WEIGHTS))
    except (SafetensorError, RuntimeError, OSError) as error:
        message = f"{folder / WEIGHTS}: the weights do not fit {CONFIG} ({error}); fetch or train the model again"
        raise CheckpointError(message) from error
    net.unit = str(config.training.get("unit", net.unit))
    net.weights_sha256 = config.weights_sha256
    net.uncertainty = config.uncertainty
    return net.eval()


def parameter_count(net: nn.Module) -> int:
    """Return the number of trainable and frozen weights."""
    return sum(parameter.numel() for parameter in net.parameters())


def describe(net: DemSrNet) -> str:
    """Return depth, width and number of weights of a net, for run names and logs."""
    return f"{net.num_blocks} blocks x {net.features} features, {parameter_count(net):,} parameters"
