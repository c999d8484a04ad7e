"""A project from the installed package alone: the pipeline with its parameters and sweeps, in a folder of its own."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import demsr
from demsr.errors import ParamsError
from demsr.runtime.files import write_text
from demsr.runtime.template import FOLDER, PATTERNS

VERSION_FILE = "demsr-version.txt"
_NOT_A_PROJECT = {".git", ".venv"}  # which may be there before
_CODE = re.compile(r"^( *)- demsr/\S+\n(?:\1- demsr/\S+\n)*", re.MULTILINE)  # dependencies of a stage on the library


@dataclass(frozen=True)
class NewProject:
    """Files of a project that was begun or completed.

    Attributes
    ----------
    version : of demsr, which the stages depend on
    written : paths, relative to the folder
    different : paths of files that were there and are not those of this version
    """

    version: str
    written: tuple[str, ...]
    different: tuple[str, ...]


def start_project(folder: Path) -> NewProject:
    """Write the files of a project; in a project that was begun before, only those that it lacks.

    The stages depend on the version of demsr instead of its files, which are outside the project.

    Parameters
    ----------
    folder : made if it does not exist

    Raises
    ------
    ParamsError : the folder has files that are not those of a project, or is none
    """
    _check_is_free(folder)
    version = demsr.__version__
    write_text(folder / VERSION_FILE, f"{version}\n")  # first: from now on it is a project
    written, different = [], []
    for name, text in _template().items():
        path = folder / name
        if not path.exists():
            write_text(path, text)
            written.append(name)
        elif path.read_text(encoding="utf-8") != text:
            different.append(name)
    return NewProject(version, tuple(written), tuple(different))


def _check_is_free(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        message = f"{folder}: is a file; name a new or empty folder"
        raise ParamsError(message)
    if not folder.exists() or (folder / VERSION_FILE).is_file():
        return
    if found := sorted(path.name for path in folder.iterdir() if path.name not in _NOT_A_PROJECT):
        message = (
            f"{folder}: has {found[0]!r} and no {VERSION_FILE}, so it is no project of demsr; "
            "name a new or empty folder"
        )
        raise ParamsError(message)


def _template() -> Mapping[str, str]:
    """Return the texts of the files by their paths in a project."""
    package = Path(demsr.__file__).parent
    root = package / FOLDER if (package / FOLDER).is_dir() else package.parent  # of an editable installation
    paths = [path for pattern in PATTERNS for path in sorted(root.glob(pattern))]
    texts = {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in paths}
    return texts | {"dvc.yaml": _CODE.sub(rf"\1- {VERSION_FILE}\n", texts["dvc.yaml"])}
