"""DEM-SRNet, its baselines and its files; `DemSrNet` is imported on first use, so that this import needs no torch."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from demsr.model.srnet import DemSrNet

__all__ = ["DemSrNet"]


def __getattr__(name: str) -> Any:
    """Import `DemSrNet` on first use."""
    if name != "DemSrNet":
        message = f"module 'demsr.model' has no attribute {name!r}"
        raise AttributeError(message)
    from demsr.model.srnet import DemSrNet

    return DemSrNet
