import re

import numpy as np
import pytest

from demsr.pages.charts import Line, line_chart

WIDTH = (72, 468)  # pixels between the first and the last x


def points(svg: str) -> list[np.ndarray]:
    found = re.findall(r'points="([^"]*)"', svg)
    return [np.array([pair.split(",") for pair in text.split()], float) for text in found]


def chart(x: list[float], y: list[float], **options: bool) -> str:
    return line_chart("A <b>", [Line("one & two", np.array(x), np.array(y), "s-result")], x="x (m)", y="y", **options)


def test_equal_steps_of_values_are_equal_steps_on_the_page_and_up_is_up():
    (line,) = points(chart([0, 1, 2, 4], [0, 1, 2, 4]))
    steps = np.diff(line, axis=0)
    assert steps[0] == pytest.approx(steps[1], abs=0.11)
    assert steps[2] == pytest.approx(2 * steps[0], abs=0.21)
    assert (steps[:, 0] > 0).all()
    assert (steps[:, 1] < 0).all()
    assert line[:, 0].min() > WIDTH[0]
    assert line[:, 0].max() < WIDTH[1]


def test_equal_ratios_are_equal_steps_on_a_logarithmic_axis():
    (line,) = points(chart([1, 10, 100], [5, 50, 500], log_x=True, log_y=True))
    assert np.diff(line, axis=0)[0] == pytest.approx(np.diff(line, axis=0)[1], abs=0.11)


def test_points_without_a_place_are_left_out():
    assert len(points(chart([0, 1, 10, 100], [1, np.nan, 3, 4], log_x=True))[0]) == 2
    assert chart([1, 2], [np.nan, np.nan]) == ""


def test_ticks_are_round_numbers_within_the_range():
    svg = chart([0, 1], [0, 9])
    labels = re.findall(r'text-anchor="end">([^<]*)<', svg)
    assert labels == ["0", "2", "4", "6", "8"]


def test_texts_are_escaped():
    svg = chart([0, 1], [0, 1])
    assert "A &lt;b&gt;" in svg
    assert "one &amp; two" in svg
    assert "<b>" not in svg
