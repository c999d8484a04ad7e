from pathlib import Path

import pytest
from sweep_reports import finalist_row, make_report

from demsr.reporting.sweeps import SweepProgress, print_report, text_of, to_markdown
from demsr.search.trial_log import TrialRecord


def table(markdown: str) -> list[list[str]]:
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "--:" not in line]


def test_markdown_has_verdict_budget_baselines_and_finalists_by_depth():
    text = to_markdown(make_report())
    assert text.startswith("- Best: 8 ResBlocks.\n\nBudget: 3 epochs. Baselines (m): linear 7x7 16.71.\n")
    heads, shallow, deep = table(text)
    assert heads[:3] == ["num_blocks", "learning_rate", "settings tried"]
    assert heads[5] == "RMSE at equal time, 48 s"
    assert shallow == ["4", "0.005", "3", "15.5", "± 0.025", "15.6", "0.377, 0.21 to 0.54", "4,000", "80", "100", ""]
    assert deep == ["8", "0.005", "3", "15.12", "± 0.025", "15.22", "", "8,000", "160", "50", "best"]


def test_a_sweep_of_one_parameter_has_one_column_for_it():
    values = {"finetune.learning_rate": [0.005]}
    rows = [finalist_row(8, 15.0) | {"finetune.learning_rate": 0.005}]
    heads, row = table(to_markdown(make_report(paths=list(values), values=values, finalists=rows)))
    assert (heads[:2], row[:2]) == (["learning_rate", "RMSE (m)"], ["0.005", "15"])


def test_a_split_table_has_the_values_of_the_subject_in_order_within_each_value_of_by():
    values = {"model.num_blocks": [4, 8], "pretrain.loss": ["mse", "balanced"]}
    rows = [finalist_row(blocks, 15.0) | {"pretrain.loss": loss} for blocks in (8, 4) for loss in ("balanced", "mse")]
    paths = [*values, "pretrain.learning_rate"]
    report = make_report(paths=paths, by="pretrain.loss", values=values, finalists=rows)
    heads, *cells = table(to_markdown(report))
    assert heads[:4] == ["num_blocks", "loss", "learning_rate", "settings tried"]
    assert [row[:2] for row in cells] == [["4", "mse"], ["8", "mse"], ["4", "balanced"], ["8", "balanced"]]


@pytest.mark.parametrize(
    ("value", "text"), [(0.0051234, "0.00512"), (64, "64"), ("mse", "mse"), (True, "true"), (None, "null")]
)
def test_values_are_written_as_in_params_yaml_with_three_digits(value, text):
    assert text_of(value) == text


def test_the_terminal_marks_unresolved_differences_and_names_the_next_command(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    missing = {"half_width": None, "rmse_at_equal_time": None}
    worse = finalist_row(4, 15.5, worse_by=[0.3766, -0.01, 0.8], differs=False, **missing)
    print_report(make_report(finalists=[worse]), tmp_path, Path("sweeps/resblocks.yaml"))
    printed = capsys.readouterr().out
    assert "0.38 ?" in printed
    assert printed.count("not measured") == 2
    assert "?: the difference does not exceed the spread between seeds" in printed
    assert "demsr sweep sweeps/resblocks.yaml --use" in printed


def test_without_a_terminal_each_ended_trial_is_a_line_with_the_best_so_far(capsys):
    progress = SweepProgress(unit="m", metric="rmse")
    good = TrialRecord("trial-001", {}, 1, "finished", [{"epoch": 1, "rmse": 9.0}, {"epoch": 2, "rmse": 8.0}])
    bad = TrialRecord("trial-002", {}, 1, "failed", [{"epoch": 1, "rmse": 1.0}], error="too high")
    with progress.phase("trial", total=4, done=1, best=10.0, epochs=2):
        progress.show(TrialRecord("trial-001", {}, 1, "running"), "a")
        for record in (good, bad):
            progress.show(record, "a")
    lines = [line[line.index("  ") + 2 :] for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "2 of 4  trial-001, a, finished: RMSE 8 m after 2 epochs; best so far 8",
        "3 of 4  trial-002, a, failed: too high; best so far 8",
    ]
