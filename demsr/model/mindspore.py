"""Bring over the weights of the reference implementation, MindEarth's DEMNet, from a MindSpore checkpoint.

Knows the names and shapes of that network; the file format is the matter of `mindspore_file`.
Source: mindearth/cell/demnet/demnet.py and mindearth/module/pretrain.py of MindEarth.
"""

import math
import re
from pathlib import Path

import torch

from demsr.errors import CheckpointError, ParamsError
from demsr.model.mindspore_file import StoredTensor, stored_tensors
from demsr.model.srnet import DemSrNet

_NETWORK = re.compile(r"(conv1|conv2|conv_up|conv_out|body\.[0-9]{1,3}\.res_conv[12])\.weight")
_TRAINING_STATE = re.compile(  # of MindSpore's optimisers, loss scaling and checkpoint callback
    rf"(moment1|moment2|vhat|adam_m|adam_v|moments|accum|stat)\.{_NETWORK.pattern}"
    r"|learning_rate\w*|weight_decay\w*|momentum|global_step|beta[12]_power"
    r"|scale_sense|current_iterator_step|last_overflow_iterator_step|loss_scale|epoch_num|step_num|random_op"
)


def import_mindspore(
    path: Path, *, num_blocks: int | None = None, scaled_range_m: tuple[float, float] | None = None
) -> DemSrNet:
    """Build the net of a MindSpore checkpoint of DEMNet in eval mode; a training's further state is left out.

    Parameters
    ----------
    num_blocks : how many the net must have. A file whose writing broke off between two parameters is that of a
        shallower net: only who knows the depth can tell
    scaled_range_m : elevations in metres that were 0 and 1 in the training data. The net then takes and gives metres,
        (B, 1, H, W) to (B, 1, 5H, 5W); without, both are values scaled as those data

    Raises
    ------
    CheckpointError : the file is missing, damaged, encrypted or of another net, or has weights that are not finite
    ParamsError : the range is not one
    """
    low_m, high_m = (0.0, 1.0) if scaled_range_m is None else scaled_range_m
    if not 0 < high_m - low_m < math.inf:
        message = f"range is {low_m} to {high_m} m; give the elevations at 0 and at 1, the lower one first"
        raise ParamsError(message)
    try:
        stored = stored_tensors(path.read_bytes(), _belongs_to_the_net)
        names = _checked_names(stored, num_blocks)
        net = DemSrNet(
            _count_blocks(stored),
            stored["conv1.weight"].shape[0],
            formulation="direct",
            long_skip="input",
            interpolation="corner",
            residual_scale=0.1,
            elevation_offset_m=low_m,
            elevation_scale_m=high_m - low_m,
        )
        with torch.no_grad():
            for parameter, name in zip(net.parameters(), names, strict=True):
                parameter.copy_(stored[name].values())
    except (OSError, CheckpointError) as error:
        message = f"{path}: {error}; give a whole, unencrypted checkpoint of MindEarth's DEMNet, saved by MindSpore"
        raise CheckpointError(message) from error
    return net.eval()


def _belongs_to_the_net(name: str) -> bool:
    if _TRAINING_STATE.fullmatch(name):
        return False
    if not _NETWORK.fullmatch(name):
        message = f"parameter {name[:80]!r} is none of DEMNet"
        raise CheckpointError(message)
    return True


def _checked_names(stored: dict[str, StoredTensor], num_blocks: int | None) -> list[str]:
    """Return the names of all parameters in data-flow order, after checking that each is there and fits."""
    blocks = _count_blocks(stored)
    if blocks == 0 or num_blocks not in (None, blocks):
        message = f"the net has {blocks} blocks, needed are {num_blocks or 'some'}"
        raise CheckpointError(message)
    inner = [f"body.{block}.res_conv{place}" for block in range(blocks) for place in (1, 2)]
    names = [f"{name}.weight" for name in ("conv1", *inner, "conv2", "conv_up", "conv_out")]
    if missing := [name for name in names if name not in stored]:
        message = f"{missing[0]} is missing, needed are {len(names)} parameters for {blocks} blocks"
        raise CheckpointError(message)
    head = stored[names[0]].shape
    if len(head) != 4 or head[0] < 1 or head[1:] != (1, 3, 3):
        message = f"conv1.weight has shape {head[:8]}, needed is (features, 1, 3, 3): the long skip takes one channel"
        raise CheckpointError(message)
    features = head[0]
    shapes = [head, *[(features, features, 3, 3)] * (len(names) - 2), (1, features, 3, 3)]
    for name, shape in zip(names, shapes, strict=True):
        stored[name].check(shape)
    return names


def _count_blocks(stored: dict[str, StoredTensor]) -> int:
    return len({name.split(".")[1] for name in stored if name.startswith("body.")})
