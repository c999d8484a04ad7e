import json
import time
from types import SimpleNamespace

import pytest

from demsr.runtime import progress
from demsr.training.progress import EpochBar


@pytest.fixture
def trainer() -> SimpleNamespace:
    """The part of Lightning's trainer that the bar reads: two processes, epoch 2 of 4, 10 batches of 8 pairs each."""
    loader = SimpleNamespace(batch_size=8)
    return SimpleNamespace(
        is_global_zero=True,
        max_epochs=4,
        current_epoch=1,
        num_training_batches=10,
        train_dataloader=loader,
        world_size=2,
        callback_metrics={"valid_rmse_m": 7.5},
    )


def test_a_line_has_the_epoch_with_its_fraction_and_the_pairs_per_second_of_all_processes(trainer, capsys, monkeypatch):
    monkeypatch.setattr(progress, "_INTERVAL_S", 0.02)
    monkeypatch.setenv("DEMSR_LOG_FORMAT", "json")
    clock = iter([100.0, 102.0])  # start of the epoch, end of its fifth batch
    monkeypatch.setattr("demsr.training.progress.time.perf_counter", lambda: next(clock))
    bar = EpochBar("pretrain", metric="valid_rmse_m")
    bar.on_train_start(trainer, None)
    bar.on_train_epoch_start(trainer, None)
    bar.on_train_batch_end(trainer, None, None, None, batch_idx=4)
    wait_for(capsys, '"done": 1.5')
    bar.on_train_epoch_end(trainer, None)
    bar.on_train_end(trainer, None)
    last = json.loads(capsys.readouterr().err.splitlines()[-1])
    assert (last["task"], last["done"], last["total"], last["unit"]) == ("pretrain", 2, 4, "epochs")
    assert (last["pairs_per_second"], last["valid_rmse_m"]) == (5 * 8 * 2 / 2.0, 7.5)


def wait_for(capsys, text: str) -> None:
    end, seen = time.monotonic() + 30, ""
    while text not in seen and time.monotonic() < end:
        time.sleep(0.01)
        seen += capsys.readouterr().err
    assert text in seen


def test_only_the_first_process_shows_its_progress_and_an_error_ends_it(trainer, capsys):
    others = SimpleNamespace(**vars(trainer) | {"is_global_zero": False})
    for shown in (others, trainer):
        bar = EpochBar("pretrain", metric="valid_rmse_m")
        bar.on_train_start(shown, None)
        assert (bar._progress is not None) == shown.is_global_zero
        bar.on_exception(shown, None, ValueError("NaN"))
        assert bar._progress is None
    assert capsys.readouterr() == ("", "")
