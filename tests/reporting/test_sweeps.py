from sweep_reports import finalist_row, make_report

from demsr.reporting.sweeps import SweepProgress, print_report, to_markdown
from demsr.search.trial_log import TrialRecord


def table(markdown: str) -> list[list[str]]:
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "--:" not in line]


def test_markdown_has_verdict_budget_baselines_and_finalists_by_depth():
    text = to_markdown(make_report())
    assert text.startswith("- Best: 8 ResBlocks.\n\nBudget: 3 epochs. Baselines (m): linear 7x7 16.71.\n")
    heads, shallow, deep = table(text)
    assert heads[:3] == ["ResBlocks", "learning rate", "rates tried"]
    assert heads[5] == "RMSE at equal time, 48 s"
    assert shallow == ["4", "0.005", "3", "15.5", "± 0.025", "15.6", "0.377, 0.21 to 0.54", "4,000", "80", "100", ""]
    assert deep == ["8", "0.005", "3", "15.12", "± 0.025", "15.22", "", "8,000", "160", "50", "best"]


def test_a_sweep_of_learning_rates_has_no_columns_of_depth():
    rows = [{key: value for key, value in finalist_row(8, 15.0).items() if key != "num_blocks"}]
    heads, row = table(to_markdown(make_report(axis="learning_rate", finalists=rows)))
    assert (heads[:2], row[:2]) == (["Learning rate", "RMSE (m)"], ["0.005", "15"])


def test_the_terminal_marks_unresolved_differences_and_names_the_next_command(tmp_path, capsys):
    missing = {"half_width": None, "rmse_at_equal_time": None}
    worse = finalist_row(4, 15.5, worse_by=[0.3766, -0.01, 0.8], differs=False, **missing)
    print_report(make_report(finalists=[worse]), tmp_path)
    printed = capsys.readouterr().out
    assert "0.38 ?" in printed
    assert printed.count("not measured") == 2
    assert "?: the difference does not exceed the spread between seeds" in printed
    assert "python sweeps/resblocks.py --use" in printed


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
