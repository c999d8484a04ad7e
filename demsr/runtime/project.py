"""Folder of the project, and folder of downloaded files, which all projects share."""

import os
from pathlib import Path

from demsr.errors import missing_extras


def project_root() -> Path:
    """Return DVC_ROOT, else the nearest parent folder with a dvc.yaml, else the current folder.

    DVC sets DVC_ROOT for its stages, also for experiments in temporary folders, so that all share one store.
    """
    if root := os.environ.get("DVC_ROOT"):
        return Path(root).resolve()
    here = Path.cwd().resolve()
    return next((folder for folder in (here, *here.parents) if (folder / "dvc.yaml").is_file()), here)


def cache_folder() -> Path:
    """Return DEMSR_CACHE, else the cache folder of the user; clones share its files."""
    if given := os.environ.get("DEMSR_CACHE"):
        return Path(given).resolve()
    with missing_extras():
        from platformdirs import user_cache_path
    return user_cache_path("demsr").resolve()
