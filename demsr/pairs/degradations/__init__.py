"""Degradations: the ways to obtain LR for HR elevation, one module each, and the table of their names."""

from collections.abc import Sequence

from demsr import options
from demsr.pairs.degradations.base import Degradation
from demsr.pairs.degradations.blind import Blind
from demsr.pairs.degradations.block_mean import BlockMean
from demsr.pairs.degradations.fitted import FittedDegradation
from demsr.pairs.degradations.gebco import GebcoLand
from demsr.pairs.degradations.real import RealLr


def make_degradations(
    names: Sequence[options.Degradation], *, fitted: FittedDegradation | None = None, real: Sequence[RealLr] = ()
) -> list[Degradation]:
    """Return the degradations of the given names, in their order.

    Parameters
    ----------
    names : names in params.yaml
    fitted : model for "fitted"
    real : LR grids for "real", each a degradation of its own
    """
    table: dict[options.Degradation, Sequence[Degradation]] = {
        "block mean": [BlockMean()],
        "gebco": [GebcoLand()],
        "blind": [Blind()],
        "fitted": [fitted] if fitted else [],
        "real": real,
    }
    return [degradation for name in names for degradation in table[name]]
