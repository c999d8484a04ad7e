"""The identity of a training: the same parameters, data and code share a folder of checkpoints, others never do."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from demsr.runtime import fingerprint

CODE = ("model", "pairs/datamodule.py", "pairs/store.py", "runtime/seeding.py", "training")


def work_key(params: Mapping[str, Any], data_md5: Sequence[str]) -> str:
    """Return 16 hexadecimal digits that change with any parameter, input file, the code of training, torch, or GPUs."""
    machine = {"torch": str(torch.__version__), "gpus": torch.cuda.device_count()}
    return fingerprint.work_key({"params": params, "data": list(data_md5), **machine}, code=CODE)
