from demsr.tracking.runs import tracked_run
from demsr.tracking.store import connect, experiment_id


def test_old_runs_are_deleted_only_with_yes(store, demsr):
    with tracked_run("evaluate", stage="evaluate", profile="test", seed=1, params={}, inputs=[]):
        pass

    def count() -> int:
        return len(connect().search_runs([experiment_id(connect())]))

    young = demsr("runs", "prune").out
    assert young == "Dry run, nothing is deleted: 0 runs with 0 files, 0.0 MB; add --yes to delete them.\n"
    dry = demsr("runs", "prune", "--older-than", 0)
    assert dry.out.endswith("Dry run, nothing is deleted: 1 runs with 0 files, 0.0 MB; add --yes to delete them.\n")
    assert count() == 1
    done = demsr("runs", "prune", "--older-than", 0, "--yes")
    assert "Deleted: 1 runs with 0 files, 0.0 MB" in done.out
    assert count() == 0
