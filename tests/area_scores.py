"""Scores of two methods in metres, in scaled units, and both."""

import numpy as np

from demsr.evaluation.methods import BICUBIC
from demsr.evaluation.scoring import AreaScore

PIXELS = np.full(4, 100)


def score(
    area: str, rmse: float, *, slope: float | None = None, group: str = "land_3arcsec", unit: str = "m"
) -> AreaScore:
    metrics = {f"bias_{unit}": -rmse / 10, f"rmse_{unit}": rmse} | ({} if slope is None else {"slope_rmse_deg": slope})
    return AreaScore(area, group, unit, metrics, PIXELS * rmse**2, PIXELS)


def results(**methods: list[AreaScore]) -> dict[str, dict[str, AreaScore]]:
    return {name: {score.area: score for score in scores} for name, scores in methods.items()}


def in_metres() -> dict[str, dict[str, AreaScore]]:
    return results(
        bicubic=[score("alps", 20.0, slope=5.0), score("plain", 2.0, slope=1.0)],
        net=[score("alps", 15.0, slope=4.0), score("plain", 1.9, slope=0.5)],
    )


def scaled() -> dict[str, dict[str, AreaScore]]:
    kind = {"group": "land_ready_made_scaled", "unit": "scaled"}
    return results(bicubic=[score("test", 0.000123456, **kind)], net=[score("test", 0.000111111, **kind)])


def both_kinds() -> dict[str, dict[str, AreaScore]]:
    return {method: {**in_metres()[method], **scaled()[method]} for method in (BICUBIC, "net")}
