"""Where the project is: the folder that holds dvc.yaml, whatever the current folder."""

import os
from pathlib import Path


def project_root() -> Path:
    """Return DVC_ROOT, else the nearest folder upwards with a dvc.yaml, else the current folder.

    DVC sets DVC_ROOT for its stages, also for experiments in temporary folders, so that all share one store.
    """
    if root := os.environ.get("DVC_ROOT"):
        return Path(root).resolve()
    here = Path.cwd().resolve()
    return next((folder for folder in (here, *here.parents) if (folder / "dvc.yaml").is_file()), here)
