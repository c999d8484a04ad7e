"""Load a model from wherever it is; nothing is ever unpickled or executed."""

from pathlib import Path

from demsr.errors import CheckpointError, ParamsError
from demsr.model.checkpoint import WEIGHTS, read_model
from demsr.model.device import best_device
from demsr.model.srnet import DemSrNet

BUILTIN = "builtin"
_WEIGHTS_FOLDER = Path(__file__).parent.parent / "weights"


def load_model(source: str | Path = BUILTIN, device: str = "auto") -> DemSrNet:
    """Return a net in eval mode: (B, 1, H, W) float32 metres to (B, 1, 5H, 5W) metres.

    Parameters
    ----------
    source : "builtin", the net that comes with the package; a registry URI such as
        "models:/dem-srnet-finetuned@champion"; a model folder, or its .safetensors file
    device : "auto", "cpu", "cuda", ...

    Raises
    ------
    CheckpointError : no such model, or its files are damaged
    ParamsError : no such device on this machine
    TrackingError : the registry does not have it
    """
    net = read_model(model_folder(source))
    try:
        return net.to(best_device(device))
    except (RuntimeError, AssertionError) as error:  # torch raises either, by device
        message = f"device is {device!r}: {str(error).splitlines()[0]}; use auto, cpu or one that this machine has"
        raise ParamsError(message) from error


def model_folder(source: str | Path) -> Path:
    """Return the local folder with the model's files, downloaded if need be."""
    if str(source) == BUILTIN:
        return _WEIGHTS_FOLDER
    if str(source).startswith("models:/"):
        from demsr.tracking.registry import download

        return download(str(source))
    path = Path(source)
    if path.is_file() and path.name == WEIGHTS:
        path = path.parent
    if not path.is_dir():
        message = f"{source}: no such model; give {BUILTIN}, models:/NAME@champion, a model folder or its {WEIGHTS}"
        raise CheckpointError(message)
    return path
