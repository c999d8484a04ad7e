"""The identity of a training: the same parameters, data and code share a folder of checkpoints, others never do."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

import demsr

_CODE = ("model", "pairs/datamodule.py", "pairs/store.py", "seeding.py", "training")


def work_key(params: Mapping[str, Any], data_md5: Sequence[str]) -> str:
    """Return 16 hexadecimal digits that change with any parameter, input file, the code of training, torch, or GPUs."""
    identity = {
        "params": params,
        "data": list(data_md5),
        "code": _code_sha256(),
        "torch": str(torch.__version__),
        "gpus": torch.cuda.device_count(),
    }
    return hashlib.sha256(json.dumps(identity, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _code_sha256() -> str:
    package = Path(demsr.__file__).parent
    digest = hashlib.sha256()
    for part in _CODE:
        path = package / part
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(file.relative_to(package).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()
