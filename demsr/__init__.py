"""DEM-SRNet: super-resolve 15 arc-second elevation grids to 3 arc-seconds, land and sea floor."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from demsr.dem.dem import Dem
    from demsr.dem.read.raster import read_dem
    from demsr.errors import DemsrError
    from demsr.inference.arrays import super_resolve
    from demsr.inference.files import super_resolve_file
    from demsr.inference.load import load_model
    from demsr.model.srnet import DemSrNet

    __version__: str

__all__ = [
    "Dem",
    "DemSrNet",
    "DemsrError",
    "__version__",
    "load_model",
    "read_dem",
    "super_resolve",
    "super_resolve_file",
]

_MODULES = {
    "Dem": "demsr.dem.dem",
    "DemSrNet": "demsr.model.srnet",
    "DemsrError": "demsr.errors",
    "load_model": "demsr.inference.load",
    "read_dem": "demsr.dem.read.raster",
    "super_resolve": "demsr.inference.arrays",
    "super_resolve_file": "demsr.inference.files",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that `import demsr` and `demsr --help` do not wait for torch."""
    if name == "__version__":
        return _version()
    if name not in _MODULES:
        message = f"module 'demsr' has no attribute {name!r}"
        raise AttributeError(message)
    from demsr.errors import missing_extras

    with missing_extras():
        return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    """List the public names for completion."""
    return __all__


def _version() -> str:
    """Return the version of the installed package, which setuptools-scm takes from the tag."""
    import importlib.metadata

    try:
        return importlib.metadata.version("demsr")
    except importlib.metadata.PackageNotFoundError:  # the code that MLflow keeps with a model is not installed
        return "0+unknown"
