"""Identity of a training: trainings with equal parameters, data and code share a folder of checkpoints."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from demsr.runtime import fingerprint

CODE = ("model", "pairs/datamodule.py", "pairs/pair_file.py", "runtime/seeding.py", "training")


def work_key(params: Mapping[str, Any], data_md5: Sequence[str]) -> str:
    """Return the identity of a training as 16 hexadecimal digits.

    Parameters
    ----------
    params : parameters of the training; JSON values
    data_md5 : MD5 of each input file

    Returns
    -------
    key : differs if a parameter, an input, the training code, the version of torch or the number of GPUs differs
    """
    machine = {"torch": str(torch.__version__), "gpus": torch.cuda.device_count()}
    return fingerprint.work_key({"params": params, "data": list(data_md5), **machine}, code=CODE)
