"""Search of folders for the user's own rasters."""

from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from demsr.dem.read.gdal import RASTER_SUFFIXES, raster_name
from demsr.errors import ParamsError

RASTER_PATTERNS = [
    f"*{suffix}" for suffix in (*RASTER_SUFFIXES, *(f"{suffix}.gz" for suffix in RASTER_SUFFIXES), ".zip")
]


def find_rasters(folder: Path, *, include: Sequence[str], exclude: Sequence[str]) -> list[Path]:
    """Return the files in a folder and its subfolders whose names match, sorted by path.

    Parameters
    ----------
    folder : folder to search; hidden files are ignored, they remain from interrupted writes
    include, exclude : glob patterns of file names with or without suffix, such as "*.tif"; case-insensitive

    Raises
    ------
    ParamsError : the folder does not exist, no file matches, or two files have the same name
    """
    if not folder.is_dir():
        message = f"{folder}: there is no such folder; name one in params.yaml or with `demsr profile local`"
        raise ParamsError(message)
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    kept = sorted(path for path in files if _matches(path, include) and not _matches(path, exclude))
    if not kept:
        message = (
            f"{folder}: no file matches {list(include)} without {list(exclude)}; add rasters or change the patterns"
        )
        raise ParamsError(message)
    names = [raster_name(path) for path in kept]
    if doubles := sorted({name for name in names if names.count(name) > 1}):
        message = (
            f"{folder}: several files are named {', '.join(doubles)}; names must be unique, rename or exclude some"
        )
        raise ParamsError(message)
    return kept


def find_real_lr(
    folder: Path, *, include: Sequence[str], exclude: Sequence[str], tid: Sequence[str]
) -> dict[str, list[Path]]:
    """Return the real low-resolution grids ("lr") and their grids of source types ("lr_tid") in a folder.

    Parameters
    ----------
    folder : folder to search
    include, exclude : patterns of grids; no patterns, no files
    tid : patterns of grids of source types
    """
    patterns = {"lr": (include, [*exclude, *tid]), "lr_tid": (tid, exclude)}
    return {
        kind: find_rasters(folder, include=included, exclude=excluded) if included else []
        for kind, (included, excluded) in patterns.items()
    }


def _matches(path: Path, patterns: Sequence[str]) -> bool:
    names = (path.name.lower(), raster_name(path).lower())
    return any(fnmatch(name, pattern.lower()) for name in names for pattern in patterns)
