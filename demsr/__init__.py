"""DEM-SRNet: 15 arc-second elevation to 3 arc-second, land and sea floor."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from demsr.inference.arrays import super_resolve
    from demsr.inference.load import load_model
    from demsr.model.srnet import DemSrNet

__version__ = "0.1.0"
__all__ = ["DemSrNet", "__version__", "load_model", "super_resolve"]

_HOMES = {
    "DemSrNet": "demsr.model.srnet",
    "load_model": "demsr.inference.load",
    "super_resolve": "demsr.inference.arrays",
}


def __getattr__(name: str) -> Any:
    """Import on first use: `import demsr` and `demsr --help` must not wait for torch."""
    if name not in _HOMES:
        message = f"module 'demsr' has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(importlib.import_module(_HOMES[name]), name)
