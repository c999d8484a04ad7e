from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pair_files import rough_terrain

from demsr.evaluation.examples import Comparison
from demsr.model.baselines import Bicubic
from demsr.pairs.degrade import block_mean
from demsr.reporting import figures
from demsr.reporting.figures import save_comparison

SHOWN_DPI = 80
UNKNOWN = (float("nan"), float("nan"))
PANELS = ("input", "truth", "bicubic", "prediction", "error")


@pytest.fixture
def kept(monkeypatch) -> Iterator[list[Any]]:
    """The figures that were drawn, so that their panels can be found in the file."""
    figures_drawn: list[Any] = []
    close = figures.plt.close
    monkeypatch.setattr(figures.plt, "close", figures_drawn.append)
    yield figures_drawn
    close("all")


def comparison(*, factor: float = 1.0, level: float = 0.0, unit: str = "m", **changes: Any) -> Comparison:
    """Compare terrain of 64 x 64 pixels, several hundred metres high unless scaled by a factor."""
    truth = (rough_terrain(65, 65, 1) * factor + level).astype(np.float32)
    lr = block_mean(truth, scale=5)
    bicubic = Bicubic()(torch.from_numpy(lr[None, None])).numpy()[0, 0]
    size = (90.0, 90.0) if unit == "m" else UNKNOWN
    options = {"lr": lr, "truth": truth, "bicubic": bicubic, "prediction": (bicubic + truth) / 2, "pixel_size_m": size}
    return Comparison("area\nmodel", "input", **{**options, "unit": unit, **changes})


def drawn(path: Path, kept: list[Any], *rows: Comparison) -> list[dict[str, np.ndarray]]:
    """Return the pixels of each panel as they stand in the file, (rows, cols, 3) from 0 to 255."""
    save_comparison(path, list(rows))
    (figure,) = kept
    image = np.rint(255 * figures.plt.imread(path)[:, :, :3])
    found = []
    for axis in figure.axes[: 5 * len(rows)]:
        box = axis.get_window_extent()
        left, right = (round(edge * SHOWN_DPI / figure.dpi) for edge in (box.x0, box.x1))
        bottom, top = (image.shape[0] - round(edge * SHOWN_DPI / figure.dpi) for edge in (box.y0, box.y1))
        found.append(image[top + 3 : bottom - 3, left + 3 : right - 3])  # without the frame
        assert min(found[-1].shape[:2]) > 100
    return [dict(zip(PANELS, found[5 * row : 5 * row + 5], strict=True)) for row in range(len(rows))]


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="metres"),
        pytest.param({"factor": 1 / 2000, "level": 0.5, "unit": "scaled"}, id="scaled"),
    ],
)
def test_no_panel_is_blank(tmp_path, kept, options):
    (panels,) = drawn(tmp_path / "a.png", kept, comparison(**options))
    for name, pixels in panels.items():
        assert pixels.mean(axis=2).std() > 8, name
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50, name


def test_picture_of_scaled_heights_does_not_depend_on_their_range(tmp_path, kept):
    wide, narrow = (comparison(factor=factor, level=1.0, unit="scaled") for factor in (1 / 2000, 1 / 200_000))
    rows = drawn(tmp_path / "a.png", kept, wide, narrow)
    for name in PANELS:
        assert np.abs(rows[0][name] - rows[1][name]).mean() < 3, name


def test_panels_show_what_their_titles_say(tmp_path, kept):
    truth = comparison().truth
    (panels,) = drawn(tmp_path / "a.png", kept, comparison(bicubic=truth, prediction=truth))
    for name in ("bicubic", "prediction"):
        assert np.abs(panels[name] - panels["truth"]).mean() < 3
    assert np.abs(panels["input"] - panels["truth"]).mean() > 10
    assert panels["error"].std() < 1  # no error, no colour


@pytest.mark.parametrize(("unit", "told"), [("m", " m"), ("scaled", " scaled")])
def test_errors_and_colour_bars_name_the_unit(tmp_path, kept, unit, told):
    row = comparison(factor=1 / 2000 if unit == "scaled" else 1, unit=unit)
    drawn(tmp_path / "a.png", kept, row)
    axes = kept[0].axes
    rmse = np.sqrt(np.mean(np.square(row.prediction - row.truth)))
    assert [axis.get_title() for axis in axes[:2]] == ["input", "truth"]
    assert axes[3].get_title() == f"prediction, RMSE {rmse:.3g}{told}"
    assert {axis.get_ylabel() for axis in axes[5:]} == {f"elevation ({unit})", f"error ({unit})"}


@pytest.mark.parametrize(("unit", "level"), [("m", -3000.0), ("scaled", 0.5)])
def test_flat_ground_is_drawn_flat(tmp_path, kept, unit, level):
    (panels,) = drawn(tmp_path / "a.png", kept, comparison(factor=0.0, level=level, unit=unit))
    assert panels["truth"].reshape(-1, 3).std(axis=0).max() == 0


def test_voids_are_grey(tmp_path, kept):
    truth = comparison().truth.copy()
    truth[:, :26] = np.nan  # two fifths of the width
    (panels,) = drawn(tmp_path / "a.png", kept, comparison(truth=truth))
    grey = (np.abs(panels["truth"] - 255 * 0.85) < 2).all(axis=2)
    assert grey.mean() == pytest.approx(0.4, abs=0.03)
    assert grey[:, : grey.shape[1] // 3].all()


def test_same_rows_give_the_same_bytes_and_leave_no_figure_open(tmp_path):
    for name in ("a.png", "b.png"):
        save_comparison(tmp_path / name, [comparison()])
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert figures.plt.get_fignums() == []


def test_title_with_dollar_signs_is_no_formula(tmp_path, kept):
    save_comparison(tmp_path / "a.png", [replace(comparison(), title=r"$\frac{1$_deep$")])
    assert kept[0].axes[0].get_ylabel() == r"$\frac{1$_deep$"
