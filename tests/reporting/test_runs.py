from datetime import UTC, datetime

from demsr.reporting.runs import print_old_runs, print_upload
from demsr.tracking.prune import OldRun
from demsr.tracking.upload import Upload


def old_run(stage: str, day: int, size: int) -> OldRun:
    return OldRun("id", "dem-srnet", stage, datetime(2026, 1, day, tzinfo=UTC), (), ("file:///a",), 2, size)


def test_runs_are_counted_by_experiment_and_stage(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    runs = [old_run("pretrain", 3, 1_000_000), old_run("evaluate", 4, 0), old_run("pretrain", 2, 500_000)]
    print_old_runs(runs, deleted=False)
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "experiment stage oldest runs files MB",
        "dem-srnet evaluate 2026-01-04 1 2 0.0",
        "dem-srnet pretrain 2026-01-02 2 4 1.5",
        "Dry run, nothing is deleted: 3 runs with 6 files, 1.5 MB; add --yes to delete them.",
    ]
    print_old_runs(runs, deleted=True)
    assert "Deleted: 3 runs with 6 files, 1.5 MB; `mlflow gc` removes them" in capsys.readouterr().out


def test_an_upload_is_summed_up_with_what_is_different_on_the_server(capsys):
    print_upload(
        Upload(3, 2, 1, 4, 12, 10, 2_500_000, {"models:/net/1": 5}, {"models:/net@champion": 4}, ["pretrain", "sweep"])
    )
    assert capsys.readouterr().out.splitlines() == [
        "Copied: 3 runs, 2 logged models, 1 registered versions; 4 were there already.",
        "Compared: 12 values of metrics and 10 files, 2.5 MB, with all parameters and inputs; they are equal.",
        "models:/net/1 has the number 5 on the server, where its own was taken.",
        "models:/net@champion stays with version 4 of the server.",
        "Not copied, since they have not ended: pretrain, sweep; upload again when they have.",
    ]
