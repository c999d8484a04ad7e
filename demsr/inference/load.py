"""Load a model from any source; nothing is unpickled or executed."""

from pathlib import Path
from typing import get_args

from demsr.errors import CheckpointError, ParamsError, missing_extras
from demsr.model.checkpoint import WEIGHTS
from demsr.model.coast import CoastNet
from demsr.model.device import best_device
from demsr.model.operators import BLIND, GEBCO, has_nets_for_operators, operators_of, read_for_operator
from demsr.model.srnet import DemSrNet
from demsr.options import Operator

BUILTIN = "builtin"
_BUILTIN_FOLDER = Path(__file__).parent.parent / "weights"


def load_model(
    source: str | Path = BUILTIN, device: str = "auto", *, operator: Operator | None = None
) -> DemSrNet | CoastNet:
    """Load a net in eval mode: (B, 1, H, W) float32 metres to (B, 1, 5H, 5W) metres.

    Parameters
    ----------
    source : "builtin" for the bundled model; a registry URI such as "models:/dem-srnet-finetuned@champion" (needs the
        extra `track`); a model folder, or its .safetensors file. An operator may follow, as in "builtin#gebco"
    device : "auto", "cpu", "cuda", ...
    operator : how the cells of the input came from the terrain: "gebco" as those of GEBCO and SRTM15+ (on land; cells
        above sea level are land), "mean" as means over the cell, "blind" in an unknown way. None takes the only net of
        a model, or that for "blind"

    Raises
    ------
    CheckpointError : the model does not exist, or its files are damaged
    ParamsError : this machine does not have the device, or the model has no net for the operator
    TrackingError : the registry does not have the model

    Examples
    --------
    >>> import demsr, torch
    >>> net = demsr.load_model("builtin", device="cpu")
    >>> net(torch.zeros(1, 1, 8, 8)).shape
    torch.Size([1, 1, 40, 40])
    """
    name, in_source = split_operator(source)
    net = read_for_operator(model_folder(name), operator or in_source)
    net.name = str(source)
    try:
        return net.to(best_device(device))
    except (RuntimeError, AssertionError) as error:  # torch raises either, depending on the device
        message = f"device is {device!r}: {str(error).splitlines()[0]}; use auto, cpu or a device of this machine"
        raise ParamsError(message) from error


def split_operator(source: str | Path) -> tuple[str, Operator | None]:
    """Split "builtin#gebco" into the source of the model and the operator, None if it names none.

    Parameters
    ----------
    source : see `load_model`

    Raises
    ------
    ParamsError : there is no such operator
    """
    name, mark, operator = str(source).rpartition("#")
    if not mark:
        return str(source), None
    if operator not in get_args(Operator):
        message = f"{source}: operator is {operator!r}; it must be one of {', '.join(get_args(Operator))}"
        raise ParamsError(message)
    return name, operator  # type: ignore[return-value]


def choose_operator(
    source: str | Path, asked: Operator | None, product: str | None
) -> tuple[Operator | None, str | None]:
    """Return the operator to load a model for, and a sentence that says why; None for a model with a single net.

    Parameters
    ----------
    source : see `load_model`
    asked : operator that the user gives, None to follow the product
    product : product that the raster is known as, see `demsr.dem.read.identity`; None if it is not known
    """
    name, in_source = split_operator(source)
    if given := asked or in_source:
        return given, None
    folder = model_folder(name)
    if not has_nets_for_operators(folder):
        trained = operators_of(folder)
        is_other = product is not None and GEBCO not in trained
        known = ", ".join(trained) or "it does not say what"
        return None, f"operator: the raster is {product}, the only net was trained for: {known}" if is_other else None
    if product is not None:
        return GEBCO, f"operator: {GEBCO}, the raster is {product}; --operator names another"
    return BLIND, f"operator: {BLIND}, the product of the raster is not known; --operator {GEBCO} or mean tells it"


def model_folder(source: str | Path) -> Path:
    """Return the local folder of a model; download it from the registry if necessary.

    Parameters
    ----------
    source : see `load_model`

    Raises
    ------
    CheckpointError : the model does not exist
    TrackingError : the registry does not have the model
    """
    if str(source) == BUILTIN:
        return _BUILTIN_FOLDER
    if str(source).startswith("models:/"):
        with missing_extras():
            from demsr.tracking.registry import download
        return download(str(source))
    path = Path(source)
    if path.is_file() and path.name == WEIGHTS:
        path = path.parent
    if not path.is_dir():
        message = f"{source}: no such model; give {BUILTIN}, models:/NAME@champion, a model folder or its {WEIGHTS}"
        raise CheckpointError(message)
    return path
