from types import SimpleNamespace

import pytest
from synthetic import grid

from demsr.inference.estimate import CostEstimate
from demsr.reporting.products import _duration, _size, print_cost_estimate


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 kB"), (1500, "1.5 kB"), (2e6, "2 MB"), (3.5e9, "3.5 GB"), (1.87e12, "1.87 TB")]
)
def test_sizes_have_three_digits_and_a_decimal_unit(count, text):
    assert _size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 seconds"), (119, "119 seconds"), (120, "2 minutes"), (9000, "2.5 hours")]
)
def test_durations_have_a_unit_of_which_they_are_two_or_more(seconds, text):
    assert _duration(seconds) == text


def test_estimate_is_printed_line_by_line(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    plan = SimpleNamespace(lr_px=2000, computed_lr_px=3000, windows=[None] * 6, tile_px=20, halo_px=3)
    estimate = CostEstimate(
        plan=plan,
        scale=5,
        flop=2.5e9,
        size_bytes=200_000,
        compressed=0.5,
        seconds=10.0,
        memory_bytes=5e8,
        calibration_px=20,
        device="cpu",
    )
    print_cost_estimate(estimate, grid(40, 50, pixel_width=1 / 240, pixel_height=1 / 240))
    lines = dict(line.strip().split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines["input"] == "40 x 50 pixels"
    assert lines["output"] == "50,000 pixels of 3 x 3 arcsec"
    assert lines["disk"].startswith("200 kB at most, about 100 kB compressed")
    assert lines["tiles"] == "6 of 20 x 20 input pixels"
    assert lines["halo"] == "3 pixels around each tile; 50 % more pixels are computed for it"
    assert lines["operations"] == "2.5e+09 FLOP"
    assert lines["memory"] == "500 MB, measured on a tile of 20 x 20"
    assert lines["time"] == "10 seconds on this cpu, measured on a tile of 20 x 20"
    assert lines["speed"] == "200 input pixels per second"
