"""Reports of sweeps with known numbers."""

from typing import Any

from demsr.reporting.sweep_report import SweepReport


def finalist_row(num_blocks: int, rmse: float, **more: Any) -> dict[str, Any]:
    """A row of the table of finalists; its cost grows with the depth."""
    cost = {"parameters": 1000 * num_blocks, "flop_per_lr_px": 2e4 * num_blocks, "samples_per_second": 400 / num_blocks}
    error = {"rmse": rmse, "half_width": 0.025, "rmse_at_equal_time": rmse + 0.1, "settings_tried": 3}
    row = {"model.num_blocks": num_blocks, "pretrain.learning_rate": 0.005}
    row |= {"role": "", "worse_by": None, "differs": None}
    return row | cost | error | more


def make_report(**changes: Any) -> SweepReport:
    """A report of two finalists, 8 and 4 ResBlocks; 8 is the reference and the best."""
    best = finalist_row(8, 15.1234, role="best")
    worse = finalist_row(4, 15.5, worse_by=[0.3766, 0.21, 0.54], differs=True)
    values: dict[str, Any] = {
        "profile": "sample",
        "unit": "m",
        "paths": ["model.num_blocks", "pretrain.learning_rate"],
        "by": None,
        "scale": "linear",
        "values": {"model.num_blocks": [4, 8]},
        "reference": {"model.num_blocks": 8, "pretrain.learning_rate": 0.005},
    }
    values |= {"trials": [], "finalists": [best, worse], "best": best, "equal_seconds": 48.2, "budget": "3 epochs"}
    values |= {"baselines": {"linear_7x7": 16.71}, "sentences": ["Best: 8 ResBlocks."], "changes": {}}
    return SweepReport(**values | changes)
