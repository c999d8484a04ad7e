"""Export of a model to ONNX or to a program of `torch.export`, for other runtimes.

It maps float32 metres (batch, 1, height, width) to (batch, 1, 5 * height, 5 * width), for any height and width of two
or more. Voids and uncertainty are not part of it: `demsr super-resolve` deals with both.
"""

import logging
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

import demsr
from demsr.errors import ParamsError, missing_extras
from demsr.inference.load import load_model, model_folder, split_operator
from demsr.lifecycle.model_card import exported_card
from demsr.model.checkpoint import CONFIG, describe, read_config
from demsr.model.coast import SEA_LEVEL_M, CoastNet, nets_of
from demsr.model.operators import BLIND
from demsr.model.srnet import DemSrNet
from demsr.options import Operator
from demsr.runtime.files import atomic_write

INPUT, OUTPUT = "lr_m", "sr_m"


def export_model(source: str, out: Path, *, operator: Operator | None = None, overwrite: bool = False) -> None:
    """Write a model for another runtime, with its card in the metadata.

    Parameters
    ----------
    source : see `demsr.load_model`
    out : .onnx or .pt2 to write
    operator : see `demsr.load_model`
    overwrite : replace `out`

    Raises
    ------
    CheckpointError : the model does not exist, or its files are damaged
    MissingExtraError : the extra `export` is not installed
    ParamsError : the suffix of `out` is another one, or `out` exists
    """
    write = _WRITERS.get(out.suffix)
    if write is None:
        message = f"{out}: the suffix is {out.suffix!r}; it must be .onnx or .pt2"
        raise ParamsError(message)
    if out.exists() and not overwrite:
        message = f"{out}: exists already; choose another name or add --overwrite"
        raise ParamsError(message)
    net = load_model(source, "cpu", operator=operator).eval()
    metadata = _metadata(source, net, operator)
    module = _WholeCoast(net) if isinstance(net, CoastNet) else net
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch on its own operators
        program = _exported(module)
        with atomic_write(out) as temporary:
            write(program, temporary, metadata)


class _WholeCoast(nn.Module):
    """A `CoastNet` whose operations do not depend on where the land lies: both nets see the whole image."""

    def __init__(self, coast: CoastNet) -> None:
        super().__init__()
        self.coast = coast

    def forward(self, lr: Tensor) -> Tensor:
        """Super-resolve (B, 1, H, W) metres to (B, 1, scale*H, scale*W) metres."""
        is_land = lr > SEA_LEVEL_M
        land = self.coast.land(torch.where(is_land, lr, SEA_LEVEL_M))[:, :1]
        sea = self.coast.sea(torch.where(is_land, SEA_LEVEL_M, lr))[:, :1]
        weight = self.coast.land_weight(is_land)
        return torch.where(weight == 1, land, torch.where(weight == 0, sea, (land + sea) / 2))


def _exported(module: nn.Module) -> ExportedProgram:
    """Trace a module with dynamic batch, height and width."""
    sizes = {0: Dim("batch", min=1), 2: Dim("height", min=2), 3: Dim("width", min=2)}
    example = torch.linspace(-100, 100, 2 * 9 * 11).reshape(2, 1, 9, 11)
    return torch.export.export(module, (example,), dynamic_shapes=(sizes,))


def _write_onnx(program: ExportedProgram, path: Path, metadata: dict[str, str]) -> None:
    with missing_extras():
        import onnxscript  # noqa: F401  torch needs it
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # or it names the operators of packages that are missing
    converted = torch.onnx.export(
        program, input_names=[INPUT], output_names=[OUTPUT], dynamo=True, verbose=False, external_data=False
    )
    assert converted is not None
    converted.model.metadata_props.update(metadata)
    converted.save(path, external_data=False)


def _write_program(program: ExportedProgram, path: Path, metadata: dict[str, str]) -> None:
    torch.export.save(program, path, extra_files=metadata)


_WRITERS: dict[str, Callable[[ExportedProgram, Path, dict[str, str]], None]] = {
    ".onnx": _write_onnx,
    ".pt2": _write_program,
}


def _metadata(source: str, net: DemSrNet | CoastNet, operator: Operator | None) -> dict[str, str]:
    """Return names and texts that identify and describe a model."""
    name, in_source = split_operator(source)
    folder = model_folder(name)
    if not (folder / CONFIG).is_file():
        folder = folder / (operator or in_source or BLIND)
    sizes = " and ".join(describe(part) for part in nets_of(net))
    return {
        "model_card": exported_card(source, sizes, read_config(folder).training),
        "model_sha256": str(net.model_sha256),
        "unit": "m" if isinstance(net, CoastNet) else net.unit,
        "demsr_version": demsr.__version__,
    }
