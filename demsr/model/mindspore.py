"""Import of the reference implementation's weights, MindEarth's DEMNet, from a MindSpore checkpoint.

Knows the names and shapes of that network; `mindspore_file` knows the file format.
Source: mindearth/cell/demnet/demnet.py and mindearth/module/pretrain.py of MindEarth.
"""

import math
import re
from pathlib import Path

import torch

from demsr.errors import CheckpointError, ParamsError
from demsr.model.mindspore_file import StoredTensor, read_tensors, refuse
from demsr.model.srnet import DemSrNet

_NETWORK = re.compile(r"(conv1|conv2|conv_up|conv_out|body\.[0-9]{1,3}\.res_conv[12])\.weight")
_TRAINING_STATE = re.compile(  # of MindSpore's optimisers, loss scaling and checkpoint callback
    rf"(moment1|moment2|vhat|adam_m|adam_v|moments|accum|stat)\.{_NETWORK.pattern}"
    r"|learning_rate\w*|weight_decay\w*|momentum|global_step|beta[12]_power"
    r"|scale_sense|current_iterator_step|last_overflow_iterator_step|loss_scale|epoch_num|step_num|random_op"
)
_REFERENCE = {"formulation": "direct", "long_skip": "input", "interpolation": "corner", "residual_scale": 0.1}


def import_mindspore(
    path: Path, *, num_blocks: int | None = None, scaled_range_m: tuple[float, float] | None = None
) -> DemSrNet:
    """Return the net of a MindSpore checkpoint of DEMNet, in eval mode; the state of its training is ignored.

    Parameters
    ----------
    path : of the checkpoint
    num_blocks : blocks that the net must have. MindSpore writes one parameter after the other, so a truncated file
        can look like a complete, shallower net
    scaled_range_m : elevations in metres that were 0 and 1 in the training data. The net then takes and returns
        metres, (B, 1, H, W) to (B, 1, 5H, 5W); without it, values scaled as those data

    Returns
    -------
    net : with `formulation="direct"`, `long_skip="input"` and `interpolation="corner"`

    Raises
    ------
    CheckpointError : the file is missing, damaged, encrypted or of another net, or has weights that are not finite
    ParamsError : the range is empty or not finite
    """
    low_m, high_m = (0.0, 1.0) if scaled_range_m is None else scaled_range_m
    if not 0 < high_m - low_m < math.inf:
        message = f"range is {low_m} to {high_m} m; give the elevations at 0 and at 1, the lower one first"
        raise ParamsError(message)
    try:
        stored = read_tensors(path.read_bytes(), _is_weight)
        names = _checked_names(stored, num_blocks)
        scaling = {"elevation_offset_m": low_m, "elevation_scale_m": high_m - low_m}
        net = DemSrNet(_count_blocks(stored), stored["conv1.weight"].shape[0], **_REFERENCE, **scaling)  # type: ignore[arg-type]
        with torch.no_grad():
            for parameter, name in zip(net.parameters(), names, strict=True):
                parameter.copy_(stored[name].values())
    except (OSError, CheckpointError) as error:
        message = f"{path}: {error}; give a complete, unencrypted checkpoint of MindEarth's DEMNet, saved by MindSpore"
        raise CheckpointError(message) from error
    return net.eval()


def _is_weight(name: str) -> bool:
    """Return whether a parameter is a weight of DEMNet; raise CheckpointError if it is not even training state."""
    if not _NETWORK.fullmatch(name) and not _TRAINING_STATE.fullmatch(name):
        refuse(f"parameter {name[:80]!r} is not part of DEMNet")
    return not _TRAINING_STATE.fullmatch(name)


def _checked_names(stored: dict[str, StoredTensor], num_blocks: int | None) -> list[str]:
    """Return the names of all parameters in data-flow order, after checking that all exist and have their shape."""
    blocks = _count_blocks(stored)
    if blocks == 0 or num_blocks not in (None, blocks):
        refuse(f"the net has {blocks} blocks, required are {num_blocks or 'some'}")
    inner = [f"body.{block}.res_conv{number}" for block in range(blocks) for number in (1, 2)]
    names = [f"{name}.weight" for name in ("conv1", *inner, "conv2", "conv_up", "conv_out")]
    if missing := [name for name in names if name not in stored]:
        refuse(f"{missing[0]} is missing, required are {len(names)} parameters for {blocks} blocks")
    head = stored[names[0]].shape
    if len(head) != 4 or head[0] < 1 or head[1:] != (1, 3, 3):
        refuse(f"conv1.weight has shape {head[:8]}, required is (features, 1, 3, 3): the long skip takes one channel")
    features = head[0]
    shapes = [head, *[(features, features, 3, 3)] * (len(names) - 2), (1, features, 3, 3)]
    for name, shape in zip(names, shapes, strict=True):
        stored[name].check(shape)
    return names


def _count_blocks(stored: dict[str, StoredTensor]) -> int:
    return len({name.split(".")[1] for name in stored if name.startswith("body.")})
