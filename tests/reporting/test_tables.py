import csv
import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from demsr.evaluation.methods import BICUBIC
from demsr.evaluation.scoring import AreaScore
from demsr.reporting.tables import print_summary, summary, unit_of, write_areas

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


def test_row_has_means_over_the_areas_and_the_gain_over_bicubic():
    found = summary(in_metres())["land_3arcsec"]
    assert list(found) == [BICUBIC, "net"]
    assert found["net"] == {
        "bias_m": -0.845,
        "rmse_m": 8.45,
        "slope_rmse_deg": 2.25,
        "gain_percent": 15.0,
        "worst_area_gain_percent": 5.0,
        "slope_gain_percent": 25.0,
        "areas": 2,
    }
    assert (found[BICUBIC]["gain_percent"], found[BICUBIC]["slope_gain_percent"]) == (0.0, 0.0)


def test_row_of_scaled_pairs_has_neither_metres_nor_slope_and_keeps_four_digits():
    assert summary(scaled()) == {
        "land_ready_made_scaled": {
            BICUBIC: {
                "bias_scaled": -1.235e-05,
                "rmse_scaled": 0.0001235,
                "gain_percent": 0.0,
                "worst_area_gain_percent": 0.0,
                "areas": 1,
            },
            "net": {
                "bias_scaled": -1.111e-05,
                "rmse_scaled": 0.0001111,
                "gain_percent": 9.9995,
                "worst_area_gain_percent": 9.9995,
                "areas": 1,
            },
        }
    }


def both_kinds() -> dict[str, dict[str, AreaScore]]:
    return {method: {**in_metres()[method], **scaled()[method]} for method in (BICUBIC, "net")}


def test_areas_of_two_kinds_never_share_a_row():
    assert summary(both_kinds()) == summary(in_metres()) | summary(scaled())


def test_areas_without_slope_leave_it_out_of_the_mean():
    some = in_metres()
    for areas in some.values():
        plain = areas["plain"]
        height = {name: value for name, value in plain.metrics.items() if name != "slope_rmse_deg"}
        areas["plain"] = dataclasses.replace(plain, metrics=height)
    row = summary(some)["land_3arcsec"]["net"]
    assert not [name for name in row if "slope" in name]
    assert row["rmse_m"] == 8.45


@pytest.mark.parametrize(
    ("row", "unit"),
    [({"bias_m": 0, "rmse_m": 1}, "m"), ({"rmse_scaled": 1, "areas": 2}, "scaled")],
)
def test_unit_of_a_row_is_that_of_its_rmse(row: Mapping[str, float], unit):
    assert unit_of(row) == unit


def printed(capsys: pytest.CaptureFixture[str], some: dict[str, dict[str, AreaScore]]) -> list[str]:
    print_summary(summary(some))
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


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_area_and_method_has_a_line(tmp_path):
    write_areas(tmp_path / "areas.csv", both_kinds())
    rows = rows_of(tmp_path / "areas.csv")
    assert [row["label"] for row in rows] == [
        "alps: bicubic",
        "plain: bicubic",
        "test: bicubic",
        "alps: net",
        "plain: net",
        "test: net",
    ]
    of_plain, of_test = rows[4], rows[5]
    assert (of_plain["group"], of_plain["rmse_m"], of_plain["gain_percent"]) == ("land_3arcsec", "1.9", "5.0")
    assert (of_plain["rmse_scaled"], of_test["rmse_m"], of_test["slope_rmse_deg"]) == ("", "", "")
    assert (of_test["group"], of_test["rmse_scaled"]) == ("land_ready_made_scaled", "0.0001111")
