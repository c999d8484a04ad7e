"""GEBCO's type identifiers (TID) of the source of each cell, grouped into three kinds."""

import numpy as np
from numpy.typing import NDArray

# GEBCO_2024 Grid documentation, "Type Identifier (TID) Grid"; 45 and 46 as in IBCSO v2
LAND = 0
MEASURED = (10, 11, 12, 13, 14, 15, 16, 17)
INTERPOLATED = (41, 42, 43, 44)
PREDICTED = (40, 45, 46)
KINDS = {"measured": MEASURED, "interpolated": INTERPOLATED, "predicted": PREDICTED}


def source_shares(tid: NDArray[np.floating] | None) -> dict[str, float]:
    """Return the share of cells that are measured, interpolated, or predicted (from gravity, for instance).

    Land and cells of unknown source count for none of the kinds.

    Parameters
    ----------
    tid : (h, w) type identifiers, NaN where unknown; None gives NaN for all kinds
    """
    if tid is None:
        return dict.fromkeys(KINDS, float("nan"))
    return {kind: float(np.isin(tid, numbers).mean()) for kind, numbers in KINDS.items()}
