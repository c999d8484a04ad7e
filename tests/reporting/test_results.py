import pytest
from area_scores import both_kinds, in_metres, scaled

from demsr.evaluation.scoring import AreaScore
from demsr.evaluation.summary import summarise
from demsr.reporting.results import print_summary


def printed(capsys: pytest.CaptureFixture[str], some: dict[str, dict[str, AreaScore]]) -> list[str]:
    print_summary(summarise(some))
    return [" ".join(line.replace("│", " ").split()) for line in capsys.readouterr().out.splitlines()]


def test_table_of_metres_has_the_slope(capsys):
    lines = printed(capsys, in_metres())
    assert lines[0] == "land 3arcsec: mean of 2 held-out areas"
    assert any("RMSE (m)" in line for line in lines)
    assert "bicubic 11 +0.0 % +0.0 % 3.00" in lines
    assert "net 8.45 +15.0 % +5.0 % 2.25" in lines


def test_table_of_scaled_pairs_says_so_and_has_no_slope(capsys):
    lines = printed(capsys, scaled())
    assert lines[0] == "land ready made scaled: mean of 1 held-out area"
    assert any("RMSE (scaled)" in line for line in lines)
    assert "bicubic 0.0001235 +0.0 % +0.0 % -" in lines
    assert "net 0.0001111 +10.0 % +10.0 % -" in lines


def test_every_kind_has_a_table_of_its_own(capsys):
    lines = printed(capsys, both_kinds())
    assert len([line for line in lines if "held-out area" in line]) == 2
    assert len([line for line in lines if line.startswith("net ")]) == 2
