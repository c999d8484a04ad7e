"""Model folders: weights.safetensors and config.json, which cannot execute code when they are read.

config.json holds the arguments of the net, the SHA-256 of the weights, a description of the training, and one SHA-256
over all of these, which identifies the model.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import nn

from demsr.errors import CheckpointError
from demsr.model.srnet import DemSrNet
from demsr.model.uncertainty import Uncertainty
from demsr.options import Formulation, Interpolation, LongSkip, Upsampling
from demsr.runtime.files import atomic_folder, sha256_of_file, sha256_of_text, write_json
from demsr.runtime.validation import explain

WEIGHTS, CONFIG = "weights.safetensors", "config.json"
_LISTS_OF_TRAINING: dict[str, type] = {"degradations": str, "data": dict}
_TYPES = {"F16", "BF16", "F32", "F64"}  # names of safetensors; others are no weights as they are stored
_LARGEST_CONFIG = 1 << 22
_SHA256_KEY = "model_sha256"


class NetConfig(BaseModel):
    """Keyword arguments of `DemSrNet`.

    The bounds are far above any net that has been trained; they keep a damaged number from filling the memory.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    num_blocks: Annotated[int, Field(ge=0, le=1000)]
    features: Annotated[int, Field(ge=1, le=4096)]
    in_channels: Annotated[int, Field(ge=1, le=64)]
    out_channels: Annotated[int, Field(ge=1, le=64)]
    scale: Annotated[int, Field(ge=1, le=15)]
    residual_scale: float
    formulation: Formulation
    long_skip: LongSkip
    upsampling: Upsampling = "interpolate"  # these two defaults are for models from before these options
    symmetric: bool = False
    interpolation: Interpolation
    elevation_scale_m: Annotated[float, Field(gt=0)]
    elevation_offset_m: float


class ModelConfig(BaseModel):
    """Contents of config.json.

    Attributes
    ----------
    format : 2; 1 is that of models from before `model_sha256`, in which a changed number cannot be detected
    net : arguments of the net
    weights_sha256 : of the file of the weights
    training : description of data and training
    uncertainty : calibration, None if there is none
    model_sha256 : of all other values, so of the weights too: the identity of the model
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    format: Literal[1, 2] = 2
    net: NetConfig
    weights_sha256: str
    training: dict[str, Any]
    uncertainty: Uncertainty | None = None
    model_sha256: str = ""

    @field_validator("training")
    @classmethod
    def _check_training(cls, training: dict[str, Any]) -> dict[str, Any]:
        """Check the entries that are read later; the other ones are for people."""
        for key, kind in _LISTS_OF_TRAINING.items():
            found = training.get(key, [])
            if not (isinstance(found, list) and all(isinstance(one, kind) for one in found)):
                message = f"{key} must be a list of {kind.__name__}"
                raise ValueError(message)
        return training

    @model_validator(mode="after")
    def _check_scales(self) -> Self:
        if self.uncertainty is not None and self.uncertainty.scale != self.net.scale:
            message = f"uncertainty.scale is {self.uncertainty.scale}; it must be that of the net, {self.net.scale}"
            raise ValueError(message)
        return self


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
        return write_config(temporary, config)


def write_config(folder: Path, config: ModelConfig) -> ModelConfig:
    """Write config.json in the present format, and return it with the SHA-256 of its values.

    Parameters
    ----------
    folder : of the model
    config : content; its `format` and `model_sha256` are renewed
    """
    content = {**config.model_dump(mode="json", exclude={_SHA256_KEY}), "format": 2}
    content[_SHA256_KEY] = _sha256_of_values(content)
    write_json(folder / CONFIG, content)
    return ModelConfig.model_validate(content)


def read_config(folder: Path) -> ModelConfig:
    """Read and check config.json.

    Raises
    ------
    CheckpointError : a file is missing, or config.json is damaged or not valid
    """
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            message = f"{folder}: {name} is missing; a folder with {CONFIG} and {WEIGHTS} is made by `dvc repro`"
            raise CheckpointError(message)
    try:
        content = json.loads(_text_of(folder / CONFIG))
        config = ModelConfig.model_validate(content)
    except ValidationError as error:
        message = f"{explain(error, str(folder / CONFIG))}; no model of this version: fetch or train it again"
        raise CheckpointError(message) from error
    except (ValueError, RecursionError) as error:
        message = f"{folder / CONFIG}: cannot be read as JSON ({error}); fetch or train the model again"
        raise CheckpointError(message) from error
    found = _sha256_of_values(content)
    if config.format > 1 and config.model_sha256 != found:
        message = (
            f"{folder / CONFIG}: the SHA-256 of its values is {found}, {_SHA256_KEY} records "
            f"{config.model_sha256 or 'none'}: a value was changed or damaged; fetch or train the model again"
        )
        raise CheckpointError(message)
    return config.model_copy(update={_SHA256_KEY: found})


def read_model(folder: Path) -> DemSrNet:
    """Read a model folder and return its net in eval mode; the SHA-256 of both files are checked.

    Raises
    ------
    CheckpointError : a file is missing or damaged, the weights do not fit the configuration, or one is not finite
    """
    config, path = read_config(folder), folder / WEIGHTS
    try:
        _check_shapes(path, config.net)
        if (found := sha256_of_file(path)) != config.weights_sha256:
            recorded = config.weights_sha256
            message = f"{path}: SHA-256 is {found}, {CONFIG} records {recorded}; fetch the model again"
            raise CheckpointError(message)
        net = DemSrNet(**config.net.model_dump())
        net.load_state_dict(load_file(path))
    except CheckpointError:
        raise
    except (SafetensorError, RuntimeError, ValueError, OSError, MemoryError) as error:
        message = f"{path}: the weights do not fit {CONFIG} ({error}); fetch or train the model again"
        raise CheckpointError(message) from error
    if damaged := [name for name, value in net.state_dict().items() if not value.isfinite().all()]:
        message = f"{path}: {', '.join(damaged)} hold NaN or infinity, weights must be finite; train the model again"
        raise CheckpointError(message)
    net.name, net.unit = str(folder), str(config.training.get("unit", net.unit))
    net.weights_sha256, net.model_sha256 = config.weights_sha256, config.model_sha256
    net.uncertainty = config.uncertainty
    return net.eval()


def parameter_count(net: nn.Module) -> int:
    """Return the number of trainable and frozen weights."""
    return sum(parameter.numel() for parameter in net.parameters())


def describe(net: DemSrNet) -> str:
    """Return depth, width and number of weights of a net, for run names and logs."""
    return f"{net.num_blocks} blocks x {net.features} features, {parameter_count(net):,} parameters"


def _text_of(path: Path) -> str:
    """Return the text of config.json, which is short."""
    with path.open("rb") as file:
        content = file.read(_LARGEST_CONFIG + 1)
    if len(content) > _LARGEST_CONFIG:
        message = f"it has more than {_LARGEST_CONFIG:,} bytes"
        raise ValueError(message)
    return content.decode()


def _check_shapes(path: Path, config: NetConfig) -> None:
    """Raise CheckpointError unless the header of the weights declares those of the net; nothing is allocated."""
    with torch.device("meta"):
        needed = {name: list(value.shape) for name, value in DemSrNet(**config.model_dump()).state_dict().items()}
    with safe_open(path, framework="pt") as file:
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
    if other := {one.get_dtype() for one in slices.values()} - _TYPES:
        found_types, needed_types = (", ".join(sorted(types)) for types in (other, _TYPES))
        message = f"{path}: has weights of the type {found_types}, required is {needed_types}; train the model again"
        raise CheckpointError(message)
    found = {name: one.get_shape() for name, one in slices.items()}
    if wrong := sorted(name for name in {**found, **needed} if found.get(name) != needed.get(name)):
        name = wrong[0]
        message = (
            f"{path}: the weights do not fit {CONFIG}: {len(wrong)} differ, such as {name}, which is "
            f"{found.get(name, 'missing')} in the file and {needed.get(name, 'missing')} in the net; "
            "fetch or train the model again"
        )
        raise CheckpointError(message)


def _sha256_of_values(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of all values of config.json but its own, whatever their order and the spaces between them."""
    values = {key: value for key, value in content.items() if key != _SHA256_KEY}
    return sha256_of_text(json.dumps(values, sort_keys=True))
