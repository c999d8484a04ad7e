"""Compare two models on the same test pairs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from demsr.evaluation.examples import Comparison, comparisons
from demsr.evaluation.promotion import bootstrap_gain, deciding_group
from demsr.evaluation.scoring import gains, score
from demsr.inference.load import load_model
from demsr.options import Domain
from demsr.pairs.pair_file import PairFile


@dataclass(frozen=True)
class AreaRmse:
    """RMSE of both models in one area.

    Attributes
    ----------
    area, group : name of the area and slug of its group
    unit : of the RMSE, "m" or "scaled"
    first, second : RMSE of each model
    gain_percent : reduction of the RMSE by the second model
    """

    area: str
    group: str
    unit: str
    first: float
    second: float
    gain_percent: float


@dataclass(frozen=True)
class ModelComparison:
    """Comparison of two models on the test pairs of one domain.

    Attributes
    ----------
    domain : "land" or "marine"
    areas : all areas of the test pairs
    group : slug of the group that decides on promotions
    gain_percent, low, high : mean gain of the second model in this group and its 95 % interval, per cent
    """

    domain: Domain
    areas: tuple[AreaRmse, ...]
    group: str
    gain_percent: float
    low: float
    high: float


def compare_models(
    first: str, second: str, tests: Mapping[Domain, Path], *, resamples: int, seed: int
) -> list[ModelComparison]:
    """Score two models on the test pairs of each domain.

    Parameters
    ----------
    first, second : sources of the models, such as "models:/dem-srnet-finetuned/2", see `demsr.load_model`
    tests : file of test pairs by domain
    resamples, seed : of the block bootstrap, see `demsr.evaluation.promotion.PromotionRule`

    Raises
    ------
    CheckpointError, TrackingError : a model does not exist
    PairsError : a file of pairs does not exist or is damaged
    """
    nets = [load_model(source) for source in (first, second)]
    found = []
    for domain, path in tests.items():
        pairs = PairFile(path)
        old, new = (score(net, pairs) for net in nets)
        gain = gains(new, old)
        areas = tuple(
            AreaRmse(area, one.group, one.unit, old[area].rmse, one.rmse, gain[area]) for area, one in new.items()
        )
        group = deciding_group(new)
        of_group = {area: one for area, one in new.items() if one.group == group}
        found.append(
            ModelComparison(domain, areas, group, *bootstrap_gain(of_group, old, resamples=resamples, seed=seed))
        )
    return found


def example_patches(first: str, second: str, tests: Mapping[Domain, Path], *, rows: int) -> list[Comparison]:
    """Return the predictions of both models on the same patches, those of one patch in successive rows.

    Parameters
    ----------
    first, second : sources of the models
    tests : file of test pairs by domain
    rows : areas of each domain at most
    """
    found: list[Comparison] = []
    for path in tests.values():
        pairs = PairFile(path)
        by_model = [comparisons(pairs, load_model(name), rows=rows, method=name) for name in (first, second)]
        found += [row for patch in zip(*by_model, strict=True) for row in patch]
    return found
