"""Where the project is, whatever the current folder, and where fetched files are kept for all projects."""

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


def cache_folder() -> Path:
    """Return DEMSR_CACHE, else the user's folder for such files: fetched files are shared between clones."""
    if given := os.environ.get("DEMSR_CACHE"):
        return Path(given).resolve()
    from platformdirs import user_cache_path  # not needed without downloads, so not in the base installation

    return user_cache_path("demsr").resolve()
