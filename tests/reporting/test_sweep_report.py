import csv

import pytest
from sweep_reports import finalist_row, make_report

from demsr.errors import ParamsError
from demsr.reporting.sweep_report import read_report, write_report


def test_a_written_report_reads_the_same(tmp_path):
    trials = [finalist_row(depth, 16.0, role="trial", state="finished") for depth in (4, 8)]
    report = make_report(trials=trials)
    write_report(report, tmp_path)
    assert read_report(tmp_path) == report
    assert [row["model.num_blocks"] for row in csv.DictReader((tmp_path / "trials.csv").read_text().splitlines())] == [
        "4",
        "8",
    ]
    assert {path.name for path in tmp_path.iterdir()} == {"sweep.png", "trials.csv", "verdict.json", "verdict.md"}


def test_a_missing_report_is_named(tmp_path):
    with pytest.raises(
        ParamsError,
        match=r"verdict.json: no finished sweep of this version of demsr; run the command without --verdict",
    ):
        read_report(tmp_path)


def test_a_report_of_an_earlier_version_is_named(tmp_path):
    (tmp_path / "verdict.json").write_text('{"axis": "num_blocks"}')
    with pytest.raises(ParamsError, match="no finished sweep of this version of demsr"):
        read_report(tmp_path)
