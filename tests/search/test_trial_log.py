from pathlib import Path

import optuna
import pytest
from optuna.distributions import IntDistribution

from demsr.search.space import Space
from demsr.search.trial_log import TrialLog, distributions_of

SPACE = Space.model_validate(
    {
        "num_blocks": {"low": 2, "high": 12, "step": 2, "reference": 8, "enqueue": [2]},
        "learning_rate": {"low": 1e-3, "high": 1e-2},
        "trials": 8,
        "epochs": 2,
        "finalists": {"best": 1, "seeds": [1, 2]},
    }
)


def opened(folder: Path) -> TrialLog:
    book = TrialLog(
        folder / "optuna.db", "trial", distributions=distributions_of(SPACE), total=SPACE.trials, seed=5, metric="rmse"
    )
    book.enqueue(SPACE.first_choices(3e-3))
    return book


def train(book: TrialLog, entry) -> None:
    """What a trial would report: an error that depends on the choice alone."""
    for epoch in (1, 2):
        book.add_row(entry.id, {"epoch": epoch, "rmse": abs(entry.choice["num_blocks"] - 6) + 3.0 - epoch})
    book.finish(entry.id, "finished")


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory) -> TrialLog:
    book = opened(tmp_path_factory.mktemp("unbroken"))
    while entry := book.next():
        train(book, entry)
    return book


def test_trials_are_numbered_and_what_is_enqueued_comes_first(unbroken):
    entries = unbroken.entries()
    assert [entry.id for entry in entries] == [f"trial-{number:03d}" for number in range(8)]
    assert [entry.choice for entry in entries[:2]] == [
        {"num_blocks": 8, "learning_rate": 3e-3},
        {"num_blocks": 2, "learning_rate": 3e-3},
    ]
    assert {entry.choice["num_blocks"] for entry in entries} <= {2, 4, 6, 8, 10, 12}
    assert all(1e-3 <= entry.choice["learning_rate"] <= 1e-2 for entry in entries)
    assert unbroken.next() is None


def test_a_book_that_is_opened_again_after_each_event_suggests_the_same(unbroken, tmp_path):
    for _ in range(8):
        entry = opened(tmp_path).next()
        book = opened(tmp_path)
        assert book.next() == entry  # begun, nothing reported
        book.add_row(entry.id, {"epoch": 1, "rmse": abs(entry.choice["num_blocks"] - 6) + 2.0})
        book = opened(tmp_path)
        again = book.next()
        assert (again.id, len(again.rows)) == (entry.id, 1)
        train(book, again)
    assert opened(tmp_path).next() is None
    assert opened(tmp_path).entries() == unbroken.entries()


def test_a_kill_between_asking_and_suggesting_changes_nothing(unbroken, tmp_path):
    book = opened(tmp_path)
    for _ in range(4):
        train(book, book.next())
    book._study.sampler = book._sampler(4)
    book._study.ask()  # the process ends before it has suggested a value
    book = opened(tmp_path)
    assert book.next().choice == unbroken.entries()[4].choice


def test_trials_at_the_same_time_are_different_ones(tmp_path):
    book = opened(tmp_path)
    first, second = book.next(), book.next()
    assert (first.id, second.id) == ("trial-000", "trial-001")
    train(book, second)
    assert [entry.state for entry in book.entries()] == ["running", "finished"]


def test_epochs_that_are_reported_twice_are_kept_once(tmp_path):
    book = opened(tmp_path)
    entry = book.next()
    book.add_row(entry.id, {"epoch": 1, "rmse": 5.0}, node="a")
    book.add_row(entry.id, {"epoch": 2, "rmse": 4.0}, node="b")
    book.add_row(entry.id, {"epoch": 2, "rmse": 3.0}, node="b")
    found = book.entry(entry.id)
    assert found.rows == [{"epoch": 1, "rmse": 5.0}, {"epoch": 2, "rmse": 4.0}]
    assert (found.best("rmse"), found.node) == (4.0, "b")


def test_ends_are_states_of_optuna_and_a_failed_trial_never_wins(tmp_path):
    book = opened(tmp_path)
    for state, error in (("finished", None), ("stopped early", None), ("failed", "CheckpointError: NaN")):
        entry = book.next()
        book.add_row(entry.id, {"epoch": 1, "rmse": 1.0 if state == "failed" else 2.0})
        book.finish(entry.id, state, error=error)
    study = optuna.load_study(study_name="trial", storage=f"sqlite:///{tmp_path / 'optuna.db'}")
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "PRUNED", "FAIL"]
    assert study.best_trial.number == 0
    assert book.entries()[2].error == "CheckpointError: NaN"


def test_finalists_are_what_is_enqueued_and_nothing_else(tmp_path):
    distributions = distributions_of(SPACE) | {"seed": IntDistribution(0, 9)}
    book = TrialLog(tmp_path / "optuna.db", "finalist", distributions=distributions, total=None, seed=5, metric="rmse")
    wanted = [{"num_blocks": 8, "learning_rate": 3e-3, "seed": seed} for seed in (1, 2)]
    book.enqueue(wanted)
    book.enqueue(wanted)
    found = [book.next(), book.next(), book.next()]
    assert [(entry.id, entry.seed) for entry in found[:2]] == [("finalist-000", 1), ("finalist-001", 2)]
    assert found[0].choice == {"num_blocks": 8, "learning_rate": 3e-3}
    assert found[2] is None
