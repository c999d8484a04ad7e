from typing import Any

import pytest

from demsr.reporting.sweep_figure import draw_sweep, save_sweep_figure
from demsr.reporting.sweep_report import SweepReport


def row(values: dict[str, Any], rmse: float, **more: Any) -> dict[str, Any]:
    cost = {"flop_per_lr_px": 1e5, "samples_per_second": 50.0}
    return {**values, "rmse": rmse, "role": "trial", "state": "finished", "half_width": 0.1, **cost, **more}


def make_report(
    subject: str, values: list[Any], *, scale: str = "linear", by: str | None = None, split: tuple[Any, ...] = (None,)
) -> SweepReport:
    places = [{subject: value} | ({by: part} if by else {}) for part in split for value in values]
    trials = [row(place, 15 + number / 10) for number, place in enumerate(places)]
    trials.append(row(places[0], 16.0, state="stopped early"))
    return SweepReport(
        profile="sample",
        unit="m",
        paths=[subject, *([by] if by else [])],
        by=by,
        scale=scale,
        values={subject: values} | ({by: list(split)} if by else {}),
        reference=places[1],
        trials=trials,
        finalists=[*trials[:2], trials[len(values)]] if by else trials[:2],
        best=trials[0],
        baselines={"linear_7x7": 15.5, "bicubic": 17.6},
        equal_seconds=1.0,
        budget="a budget",
        sentences=[],
        changes={},
    )


@pytest.mark.parametrize(
    ("subject", "values", "scale"),
    [("model.num_blocks", [2, 8, 12], "linear"), ("pretrain.learning_rate", [1e-5, 1e-3, 1e-2], "log")],
)
def test_trials_lie_within_both_panels_and_baselines_outside_are_named(subject, values, scale):
    figure = draw_sweep(make_report(subject, values, scale=scale))
    left, right = figure.axes[:2]
    for panel in (left, right):
        low, high = panel.transData.inverted().transform(panel.transAxes.transform([(0.02, 0), (0.98, 0)]))[:, 0]
        assert low < min(values)
        assert max(values) < high
        assert (panel.get_xlabel(), panel.get_xscale()) == (subject, scale)
    assert [line.get_ydata()[0] for line in left.get_lines() if "linear" in str(line.get_label())] == [15.5]
    assert left.get_title(loc="left") == "outside: bicubic 17.6"
    assert "reference" in " ".join(text.get_text() for text in left.get_legend().get_texts())


def test_values_that_are_no_numbers_are_categories_in_their_order():
    figure = draw_sweep(make_report("model.upsampling", ["subpixel", "interpolate"], scale="categories"))
    left, right = figure.axes[:2]
    for panel in (left, right):
        ticks = dict(zip(panel.get_xticks(), [label.get_text() for label in panel.get_xticklabels()], strict=True))
        assert ticks == {0: "subpixel", 1: "interpolate"}
    assert [line.get_xdata()[0] for line in left.get_lines() if "reference" in str(line.get_label())] == [1]
    assert "reference, interpolate" in [text.get_text() for text in left.get_legend().get_texts()]


def test_each_value_of_by_has_a_line_and_a_colour_of_its_own():
    report = make_report("model.num_blocks", [2, 8, 12], by="pretrain.loss", split=("mse", "balanced"))
    left, right = draw_sweep(report).axes[:2]
    labels = [bar.get_label() for bar in left.containers]
    assert labels == ["loss mse, finalists, 95 % interval", "loss balanced, finalists, 95 % interval"]
    assert [list(bar.lines[0].get_xdata()) for bar in left.containers] == [[2, 8], [2]]
    assert len({bar.lines[0].get_color() for bar in left.containers}) == 2
    costs = [line for line in right.get_lines() if len(line.get_xdata()) >= 3]
    assert [list(line.get_xdata()) for line in costs] == [[2, 2, 8, 12], [2, 8, 12]]
    assert [line.get_color() for line in costs] == [bar.lines[0].get_color() for bar in left.containers]


def test_the_same_report_gives_the_same_bytes(tmp_path):
    for name in ("a.png", "b.png"):
        save_sweep_figure(tmp_path / name, make_report("model.num_blocks", [2, 8, 12]))
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
