from command_line import refused
from report_files import written_product, written_truth


def test_report_names_the_page_its_size_and_the_gain(demsr, tmp_path):
    target, truth = written_product(tmp_path), written_truth(tmp_path / "truth.tif", vertical_datum="EGM2008")
    done = demsr("report", target, "--against", truth)
    assert done.status == 0
    assert done.out.startswith(f"{target.with_suffix('.html')}: ")
    assert " MB; RMSE 1 m, bicubic " in done.out
    assert "truth.tif: vertical datum EGM2008" in done.err


def test_a_report_that_would_replace_a_page_is_refused(demsr, tmp_path):
    (tmp_path / "page.html").write_text("mine")
    done = demsr("report", written_product(tmp_path), "--html", tmp_path / "page.html")
    assert refused(done, start=f"{tmp_path / 'page.html'}: exists already", way_out="--overwrite")
    assert (tmp_path / "page.html").read_text() == "mine"


def test_options_of_a_result_are_refused_for_a_training(demsr, tmp_path):
    done = demsr("report", "models:/a/1", "--against", tmp_path / "truth.tif")
    assert refused(done, start="models:/a/1: --against, --input and --at go with a result", way_out="leave them out")
