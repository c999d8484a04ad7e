from typing import Any

import pytest

from demsr.reporting.sweep_figure import draw_sweep, save_sweep_figure
from demsr.search.report import SweepReport


def row(axis: str, value: float, rmse: float, **more: Any) -> dict[str, Any]:
    cost = {"flop_per_lr_px": 1e5, "samples_per_second": 50.0}
    return {axis: value, "rmse": rmse, "role": "trial", "state": "finished", "half_width": 0.1, **cost, **more}


def report(axis: str, values: list[float]) -> SweepReport:
    trials = [row(axis, value, 15 + place / 10) for place, value in enumerate(values)]
    trials.append(row(axis, values[0], 16.0, state="stopped early"))
    return SweepReport(
        name="resblocks",
        profile="sample",
        unit="m",
        axis=axis,
        reference=values[1],
        trials=trials,
        finalists=trials[:2],
        best=trials[0],
        baselines={"linear_7x7": 15.5, "bicubic": 17.6},
        equal_seconds=1.0,
        budget="a budget",
        sentences=[],
        changes={},
    )


@pytest.mark.parametrize(("axis", "values"), [("num_blocks", [2, 8, 12]), ("learning_rate", [1e-5, 1e-3, 1e-2])])
def test_trials_lie_within_both_panels_and_baselines_outside_are_named(axis, values):
    figure = draw_sweep(report(axis, values))
    left, right = figure.axes[:2]
    for panel in (left, right):
        low, high = panel.transData.inverted().transform(panel.transAxes.transform([(0.02, 0), (0.98, 0)]))[:, 0]
        assert low < min(values)
        assert max(values) < high
    assert [line.get_ydata()[0] for line in left.get_lines() if "linear" in str(line.get_label())] == [15.5]
    assert left.get_title(loc="left") == "outside: bicubic 17.6"
    assert "reference" in " ".join(text.get_text() for text in left.get_legend().get_texts())


def test_the_same_report_gives_the_same_bytes(tmp_path):
    for name in ("a.png", "b.png"):
        save_sweep_figure(tmp_path / name, report("num_blocks", [2, 8, 12]))
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
