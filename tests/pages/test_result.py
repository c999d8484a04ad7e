import json
import re

import numpy as np
import pytest
from report_files import COLS, ROWS, written_product, written_truth

from demsr.errors import OutsideError, RasterError, VoidError
from demsr.pages import result
from demsr.pages.page import LARGEST_BYTES
from demsr.pages.result import report_result
from demsr.pages.scenes import BICUBIC, RESULT


@pytest.fixture
def product(tmp_path):
    return written_product(tmp_path)


def texts(path) -> tuple[str, dict]:
    page = path.read_text()
    (stored,) = re.findall(r'id="data">(.*?)</script>', page, re.DOTALL)
    return page, json.loads(stored)


def test_a_report_needs_the_product_alone(product, monkeypatch):
    monkeypatch.chdir("/")
    written = report_result(product)
    assert written.path == product.with_suffix(".html")
    assert written.size_bytes == written.path.stat().st_size < LARGEST_BYTES
    page, data = texts(written.path)
    (scene,) = data["scenes"]
    assert (scene["bands"]["sr"]["rows"], scene["bands"]["lr"]["cols"]) == (5 * ROWS, COLS)
    assert set(scene["bands"]) == {"sr", "lr", "sigma"}
    assert "a &lt;model&gt;" in page
    assert "<model>" not in page
    assert "Numbers are over the whole product." in page


def test_errors_are_those_of_a_surface_that_is_one_metre_too_high(product, tmp_path):
    written = report_result(product, tmp_path / "b.html", against=written_truth(tmp_path / "truth.tif"))
    page, data = texts(written.path)
    assert written.summary.startswith("RMSE 1 m, bicubic ")
    row = re.search(rf'<th scope="row">{RESULT}</th>(.*?)</tr>', page)[1]
    cells = re.findall("<td>(.*?)</td>", row)
    assert (cells[0], cells[2], cells[3]) == ("1", "1", "1")  # RMSE, bias, MAE
    assert f'<th scope="row">{BICUBIC}</th>' in page
    assert "covers the errors of 100.0 % within 1 standard errors" in page
    assert "truth" in data["scenes"][0]["bands"]
    assert "errors include the difference" not in page


def test_another_datum_of_the_truth_is_said(product, tmp_path):
    said = []
    truth = written_truth(tmp_path / "truth.tif", vertical_datum="EGM2008")
    written = report_result(product, against=truth, notify=said.append)
    assert said[0] == "truth.tif: vertical datum EGM2008, that of the product is EGM96; errors include the difference"
    assert said[0] in texts(written.path)[0]


def test_an_input_that_is_not_the_recorded_one_is_said(product, tmp_path):
    other = (tmp_path / "in.tif").rename(tmp_path / "other.tif")
    with pytest.raises(RasterError, match="name it with --input"):
        report_result(product)
    with other.open("ab") as file:
        file.write(b" ")
    report_result(product, source=other, notify=(said := []).append)
    assert said == ["other.tif is not the recorded input in.tif, by its SHA-256"]


def test_a_large_product_is_shown_by_means_and_by_a_part_that_is_smaller_where_the_page_is_too_large(
    product, monkeypatch
):
    monkeypatch.setattr(result, "_PART_PX", 160)
    monkeypatch.setattr(result, "_SMALL_PX", 50)
    monkeypatch.setattr(result, "LARGEST_BYTES", 1)
    written = report_result(product, at=(10 + 60 * 15 / 3600, 50 - 3 * 15 / 3600))
    page, data = texts(written.path)
    part, whole = data["scenes"]
    assert (part["scale"], whole["scale"]) == (5, 1)
    assert (part["bands"]["lr"]["rows"], part["bands"]["lr"]["cols"]) == (10, 10)  # the middle of 32 x 32 cells
    assert part["corner"] == pytest.approx([10 + (COLS - 32 + 11) * 15 / 3600, 50 - 11 * 15 / 3600])
    assert "over 6 of 6 parts" in page


def test_parts_are_spread_over_the_region_and_do_not_overlap():
    parts, count = result._parts(result.Window(2, 3, 100, 250), 10)
    assert count == 250
    assert len(parts) == 9
    assert (parts[0].row, parts[0].col) == (2, 3)
    assert (parts[-1].row + parts[-1].rows, parts[-1].col + parts[-1].cols) == (102, 253)
    assert len({(part.row, part.col) for part in parts}) == 9


def test_a_place_outside_and_a_truth_without_a_measurement_are_refused(product, tmp_path):
    with pytest.raises(OutsideError, match=r"0 0 is outside; name a place in 10 to "):
        report_result(product, at=(0, 0))
    truth = written_truth(tmp_path / "truth.tif")
    from demsr.dem.geotiff import write_dem
    from demsr.dem.read.raster import read_dem

    void = read_dem(truth)
    write_dem(truth, void.without(np.ones_like(void.elevation_m, bool)))
    with pytest.raises(VoidError, match="has no measured pixel on those of"):
        report_result(product, against=truth)
    assert not product.with_suffix(".html").exists()
