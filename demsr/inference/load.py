"""Load a model from any source; nothing is unpickled or executed."""

from pathlib import Path

from demsr.errors import CheckpointError, ParamsError, missing_extras
from demsr.model.checkpoint import WEIGHTS, read_model
from demsr.model.device import best_device
from demsr.model.srnet import DemSrNet

BUILTIN = "builtin"
_BUILTIN_FOLDER = Path(__file__).parent.parent / "weights"


def load_model(source: str | Path = BUILTIN, device: str = "auto") -> DemSrNet:
    """Load a net in eval mode: (B, 1, H, W) float32 metres to (B, 1, 5H, 5W) metres.

    Parameters
    ----------
    source : "builtin" for the bundled model; a registry URI such as "models:/dem-srnet-finetuned@champion" (needs the
        extra `track`); a model folder, or its .safetensors file
    device : "auto", "cpu", "cuda", ...

    Raises
    ------
    CheckpointError : the model does not exist, or its files are damaged
    ParamsError : this machine does not have the device
    TrackingError : the registry does not have the model

    Examples
    --------
    >>> import demsr, torch
    >>> net = demsr.load_model("builtin", device="cpu")
    >>> net(torch.zeros(1, 1, 8, 8)).shape
    torch.Size([1, 1, 40, 40])
    """
    net = read_model(model_folder(source))
    try:
        return net.to(best_device(device))
    except (RuntimeError, AssertionError) as error:  # torch raises either, depending on the device
        message = f"device is {device!r}: {str(error).splitlines()[0]}; use auto, cpu or a device of this machine"
        raise ParamsError(message) from error


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
