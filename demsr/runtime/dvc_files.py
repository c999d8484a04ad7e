"""Files that DVC keeps, for any node of a cluster: at the path of the driver, or fetched from the remote by MD5."""

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from filelock import FileLock

from demsr.errors import WorkerError, whole_cause
from demsr.runtime.files import atomic_write
from demsr.runtime.project import cache_folder, project_root

Remote = Mapping[str, str]
"""Settings of a DVC remote, such as url and endpointurl."""


@dataclass(frozen=True)
class DvcFiles:
    """Files of one folder.

    Attributes
    ----------
    folder : where the driver has them, absolute
    md5 : MD5 by name
    sizes : bytes by name
    remote : settings of the DVC remote; None if there is none
    """

    folder: Path
    md5: Mapping[str, str]
    sizes: Mapping[str, int]
    remote: Remote | None

    @classmethod
    def of(cls, paths: Sequence[Path], md5: Sequence[str] = ()) -> Self:
        """Describe files of this machine.

        Parameters
        ----------
        paths : files of one folder
        md5 : their MD5 where known; computed by default
        """
        paths = [path.resolve() for path in paths]
        found = dict(zip((path.name for path in paths), md5 or [md5_of_file(path) for path in paths], strict=True))
        sizes = {path.name: path.stat().st_size for path in paths}
        return cls(paths[0].parent, found, sizes, dvc_remote())

    def here(self) -> Path:
        """Return a folder of this node with the files: that of the driver, or one in the cache.

        Files in the place of the driver's are known by name and size. Fetched ones are checked, and kept for the next
        time.

        Raises
        ------
        WorkerError : the files are neither there nor in the remote, or it does not let this node read
        """
        missing = [name for name, size in self.sizes.items() if not _has_size(self.folder / name, size)]
        if not missing:
            return self.folder
        if self.remote is None:
            message = (
                f"node {platform.node()}: {self.folder / missing[0]} is missing or differs from the driver's; copy it "
                "there, or set a DVC remote for the project and run `dvc push`"
            )
            raise WorkerError(message)
        key = hashlib.md5(json.dumps(dict(self.md5)).encode()).hexdigest()
        cached = cache_folder() / "dvc" / key
        cached.mkdir(parents=True, exist_ok=True)
        with FileLock(cached / "lock"):
            for name, md5 in self.md5.items():
                if not (cached / name).is_file():
                    _fetch(md5, self.remote, cached / name)
        return cached


def dvc_remote() -> Remote | None:
    """Return the default remote of the project as git shares it, without the credentials of .dvc/config.local."""
    root = project_root()
    folder = next((place / ".dvc" for place in (root, *root.parents) if (place / ".dvc").is_dir()), None)
    if folder is None:
        return None
    from dvc.config import Config

    config = Config(dvc_dir=str(folder)).read("repo")
    name = config["core"].get("remote")
    return {key: str(value) for key, value in config["remote"][name].items()} if name else None


def md5_of_file(path: Path) -> str:
    """Return the MD5 of a file, by which DVC keeps it.

    Parameters
    ----------
    path : file
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def _has_size(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _fetch(md5: str, remote: Remote, path: Path) -> None:
    from dvc.fs import get_cloud_fs

    where = f"node {platform.node()}: DVC remote {remote['url']}"
    try:
        kind, settings, root = get_cloud_fs({}, **remote)
        with atomic_write(path) as temporary:
            kind(**settings).get_file(f"{root}/files/md5/{md5[:2]}/{md5[2:]}", str(temporary))
            found = md5_of_file(temporary)
            if found != md5:
                message = f"{where}: {path.name} has MD5 {found}, needed is {md5}; run `dvc push` again on the driver"
                raise WorkerError(message)
    except FileNotFoundError as error:
        message = f"{where}: has no {path.name} with MD5 {md5}; run `dvc push` on the driver"
        raise WorkerError(message) from error
    except WorkerError:
        raise
    except Exception as error:
        message = f"{where}: {whole_cause(error)}; give this node the package and the credentials that it needs"
        raise WorkerError(message) from error
