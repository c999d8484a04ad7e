from demsr.lifecycle.compare import AreaRmse, ModelComparison
from demsr.reporting.models import print_comparison, print_links, print_models
from demsr.tracking.registry import RegisteredVersion


def test_a_version_is_printed_with_its_alias_and_the_decision_with_who_and_when(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    tags = {"net": "1 blocks x 8 features", "profile": "sample", "promotion_reason": "better"}
    tags |= {"decided_by": "alice", "decided_at": "2026-11-30T12:00:00.000+00:00"}
    print_models([RegisteredVersion("dem-srnet", 2, ("champion",), tags, None)])
    head, row = (" ".join(line.split()) for line in capsys.readouterr().out.splitlines())
    assert head == "model version alias net profile promotion decision"
    assert row == "dem-srnet 2 champion 1 blocks x 8 features sample better (2026-11-30, alice)"


def test_an_empty_registry_says_how_to_fill_it_also_where_dvc_has_nothing_to_do(capsys):
    print_models([])
    assert capsys.readouterr().out == (
        "No model is registered yet; run `dvc repro`, or if it is up to date, "
        "`demsr models --restore` registers its models here.\n"
    )


def test_a_link_stays_on_one_line(capsys):
    address = "http://127.0.0.1:5000/#/experiments/1?" + 100 * "x"
    print_links({"experiment": address})
    assert capsys.readouterr().out == f"experiment: {address}\n"


def test_text_of_the_registry_neither_formats_nor_controls_the_terminal(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    tags = {"net": "[/x] [bold]", "profile": "\x1b[31m", "promotion_reason": ":smile:"}
    print_models([RegisteredVersion("dem-srnet", 2, (), tags, None)])
    assert " ".join(capsys.readouterr().out.splitlines()[1].split()) == "dem-srnet 2 [/x] [bold] \ufffd[31m :smile:"


def test_a_comparison_is_a_table_of_areas_and_the_deciding_gain(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    area = AreaRmse("alps", "land_3arcsec", "m", 4.0, 3.0, 25.0)
    print_comparison("models:/a/1", "models:/a/2", [ModelComparison("land", (area,), "land_3arcsec", 25.0, 20.0, 30.0)])
    assert [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()] == [
        "A: models:/a/1",
        "B: models:/a/2",
        "land",
        "area group RMSE of A RMSE of B gain of B over A",
        "alps land 3arcsec 4 m 3 m +25.00 %",
        "land 3arcsec: B gains +25.00 % over A, 95 % interval +20.00 to +30.00",
    ]
