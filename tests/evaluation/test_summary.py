import csv
import dataclasses
from pathlib import Path

from area_scores import both_kinds, in_metres, scaled

from demsr.evaluation.methods import BICUBIC
from demsr.evaluation.summary import deciding_numbers, summarise, write_area_scores


def test_row_has_means_over_the_areas_and_the_gain_over_bicubic():
    found = summarise(in_metres())["land_3arcsec"]
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
    assert summarise(scaled()) == {
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


def test_areas_of_two_kinds_never_share_a_row():
    assert summarise(both_kinds()) == summarise(in_metres()) | summarise(scaled())


def test_the_deciding_numbers_are_gains_and_rmse_of_the_trained_models():
    found = deciding_numbers(summarise(both_kinds()), ["net"])
    assert found == {
        "land_3arcsec": {"net": {"rmse_m": 8.45, "gain_percent": 15.0, "worst_area_gain_percent": 5.0}},
        "land_ready_made_scaled": {
            "net": {"rmse_scaled": 0.0001111, "gain_percent": 9.999, "worst_area_gain_percent": 9.999}
        },
    }


def test_areas_without_slope_leave_it_out_of_the_mean():
    some = in_metres()
    for areas in some.values():
        plain = areas["plain"]
        height = {name: value for name, value in plain.metrics.items() if name != "slope_rmse_deg"}
        areas["plain"] = dataclasses.replace(plain, metrics=height)
    row = summarise(some)["land_3arcsec"]["net"]
    assert not [name for name in row if "slope" in name]
    assert row["rmse_m"] == 8.45


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_area_and_method_has_a_line(tmp_path):
    write_area_scores(tmp_path / "areas.csv", both_kinds())
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
