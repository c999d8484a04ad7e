import math
import runpy
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch

from demsr.errors import CheckpointError, ParamsError
from demsr.model.srnet import DemSrNet
from demsr.pairs.datamodule import PairDataModule
from demsr.training.fit import AtomicCheckpointIO, FitResult, fit, whole_checkpoint
from demsr.training.prepare import new_net

OPTIONS = {"learning_rate": 3e-3, "learning_rate_decay": 0.9, "patience": 6, "devices": 1}


def train(data: PairDataModule, work_dir: Path, *, max_epochs: int, **options) -> tuple[DemSrNet, FitResult]:
    net = new_net(seed=7, num_blocks=1, features=4)
    return net, fit(net, data, work_dir=work_dir, max_epochs=max_epochs, **OPTIONS | options)


def weights(net: DemSrNet) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in net.parameters()])


def test_training_lowers_the_validation_error_below_the_base(data, tmp_path):
    _, result = train(data, tmp_path / "work", max_epochs=6)
    rmse = [row["valid_rmse_m"] for row in result.curves]
    assert [row["epoch"] for row in result.curves] == [1, 2, 3, 4, 5, 6]
    assert result.valid_rmse == min(rmse)
    assert rmse[-1] < 0.9 * rmse[0]
    assert [row["learning_rate"] for row in result.curves[:2]] == pytest.approx([3e-3, 2.7e-3])


def test_the_same_seed_gives_the_same_weights_and_another_one_others(data, tmp_path):
    first, _ = train(data, tmp_path / "first", max_epochs=2)
    second, _ = train(data, tmp_path / "second", max_epochs=2)
    assert torch.equal(weights(first), weights(second))
    assert not torch.equal(weights(new_net(seed=7, num_blocks=1, features=4)), weights(first))
    assert not torch.equal(
        weights(new_net(seed=7, num_blocks=1, features=4)), weights(new_net(seed=8, num_blocks=1, features=4))
    )


@pytest.mark.parametrize("finished_epochs", [1, 3])
def test_a_run_that_dies_ends_with_the_weights_of_an_unbroken_one(data, tmp_path, finished_epochs):
    unbroken, expected = train(data, tmp_path / "unbroken", max_epochs=5)

    def die(row):
        if row["epoch"] == finished_epochs + 1:
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        train(data, tmp_path / "broken", max_epochs=5, on_epoch=die)
    resumed, result = train(data, tmp_path / "broken", max_epochs=5)
    assert result.resumed_from_epoch == finished_epochs
    assert torch.equal(weights(resumed), weights(unbroken))
    losses = [[row["train_loss"] for row in curves] for curves in (result.curves, expected.curves)]
    assert losses[0] == losses[1]


def test_a_finished_run_is_not_trained_again(data, tmp_path):
    first, _ = train(data, tmp_path / "work", max_epochs=2)
    seen = []
    second, result = train(data, tmp_path / "work", max_epochs=2, on_epoch=seen.append)
    assert not seen
    assert result.epochs == 2
    assert torch.equal(weights(first), weights(second))


def test_training_stops_early_and_keeps_the_best_epoch(data, tmp_path):
    _, result = train(data, tmp_path / "work", max_epochs=30, learning_rate=1e-12, patience=2)
    assert result.epochs < 30
    assert result.epochs == result.best_epoch + 2


def test_a_run_that_dies_after_running_out_of_patience_does_not_train_on(data, tmp_path, monkeypatch):
    options = {"max_epochs": 30, "learning_rate": 1e-12, "patience": 2}
    _, expected = train(data, tmp_path / "unbroken", **options)

    def die(*_):
        raise RuntimeError("killed")

    with monkeypatch.context() as patched, pytest.raises(RuntimeError, match="killed"):
        patched.setattr("demsr.training.fit._valid_rmse", die)
        train(data, tmp_path / "broken", **options)
    _, result = train(data, tmp_path / "broken", **options)
    assert (result.epochs, result.best_epoch) == (expected.epochs, expected.best_epoch)


def test_a_batch_that_devices_cannot_share_is_refused(data, monkeypatch):
    monkeypatch.setattr(type(data), "_rank_and_world_size", lambda _: (0, 4))
    with pytest.raises(ParamsError, match="batch_size is 2; it must be a multiple of the 4 devices"):
        data.train_dataloader()


def test_nan_ends_with_a_clear_message(data, tmp_path):
    with pytest.raises(CheckpointError, match="no epoch was validated or every validation was NaN"):
        train(data, tmp_path / "work", max_epochs=3, learning_rate=1e30, gradient_clip=1e30)


class Trap:
    """Object that makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        """Return the call that unpickling makes."""
        return Path.touch, (self.path,)


def test_pickle_in_the_place_of_a_checkpoint_is_not_opened(data, tmp_path):
    torch.save(Trap(tmp_path / "opened"), tmp_path / "last-epoch=0.ckpt")
    _, result = train(data, tmp_path, max_epochs=2)
    assert result.resumed_from_epoch == 0
    assert not (tmp_path / "opened").exists()


@pytest.mark.parametrize("optimiser", ["adam", "muon"])
def test_training_to_the_end_needs_no_validation_and_goes_on_after_a_kill(data, tmp_path, optimiser):
    def train_blind(work_dir: str, **options) -> tuple[DemSrNet, FitResult]:
        blind = PairDataModule(data.train, None, batch_size=2, workers=0, seed=1)
        options = {"learning_rate_schedule": "cosine", "loss": "balanced", "optimiser": optimiser, **options}
        return train(blind, tmp_path / work_dir, max_epochs=4, steps_per_epoch=2, keep="last", **options)

    def die(row):
        if row["epoch"] == 3:
            raise RuntimeError("killed")

    unbroken, expected = train_blind("unbroken")
    assert expected.best_epoch == expected.epochs == 4
    assert math.isnan(expected.valid_rmse)
    assert not any("valid_rmse_m" in row for row in expected.curves)
    assert [row["samples_per_second"] * row["seconds"] for row in expected.curves] == pytest.approx([4] * 4)
    with pytest.raises(RuntimeError, match="killed"):
        train_blind("broken", on_epoch=die)
    resumed, result = train_blind("broken")
    assert result.resumed_from_epoch == 2
    assert torch.equal(weights(resumed), weights(unbroken))


def test_nan_without_validation_ends_with_a_clear_message(data, tmp_path):
    with pytest.raises(CheckpointError, match="the loss became NaN; lower the learning rate"):
        train(data, tmp_path / "work", max_epochs=3, keep="last", learning_rate=1e30, gradient_clip=1e30)


SCRIPT = """
import sys
from functools import partial
from pathlib import Path

import torch

from demsr.pairs.datamodule import PairDataModule, TrainPairs, ValidPairs
from demsr.pairs.pair_file import PairFile
from demsr.training.fit import fit
from demsr.training.prepare import new_net

folder, devices, batch = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
pairs = TrainPairs(PairFile(folder / "train.h5"), seed=1, augment=True), ValidPairs(PairFile(folder / "valid.h5"))
data = PairDataModule(*pairs, batch_size=batch, workers=0, seed=1)
net = new_net(seed=7, num_blocks=1, features=4)
options = dict(learning_rate=1e-3, learning_rate_decay=0.9, patience=6, precision="32-true")
fit(net, data, work_dir=folder / f"work{devices}", max_epochs=2, devices=devices, **options)
torch.save(net.state_dict(), folder / f"net{devices}.pt")
"""


def test_two_processes_train_the_same_net_as_one(data, tmp_path, monkeypatch):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    monkeypatch.setattr(sys, "argv", [str(script), str(tmp_path), "1", "2"])
    runpy.run_path(str(script))
    subprocess.run([sys.executable, script, tmp_path, "2", "2"], check=True, capture_output=True, timeout=200)
    one, two = (torch.load(tmp_path / f"net{devices}.pt", weights_only=True) for devices in (1, 2))
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, atol=1e-5, rtol=1e-3)


def test_a_checkpoint_that_cannot_be_written_whole_leaves_the_one_before(data, tmp_path, monkeypatch):
    import demsr.training.fit as module

    unbroken, _ = train(data, tmp_path / "unbroken", max_epochs=4)
    save = torch.save

    def fill_the_disk(checkpoint, file):
        if checkpoint["epoch"] == 2:
            raise OSError(28, "No space left on device")
        save(checkpoint, file)

    with monkeypatch.context() as patched:
        patched.setattr(module.torch, "save", fill_the_disk)
        with pytest.raises(OSError, match="No space left"):
            train(data, tmp_path / "broken", max_epochs=4)
    kept = sorted(path.name for path in (tmp_path / "broken").glob("*last*"))
    assert kept == ["last-epoch=0.ckpt", "last-epoch=1.ckpt"]
    resumed, result = train(data, tmp_path / "broken", max_epochs=4)
    assert result.resumed_from_epoch == 2
    assert torch.equal(weights(resumed), weights(unbroken))


def killed_after(epochs: int, data: PairDataModule, work_dir: Path) -> None:
    """Train, and end when that many epochs have been saved."""

    def die(row):
        if row["epoch"] == epochs + 1:
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        train(data, work_dir, max_epochs=5, on_epoch=die)


def flip(path: Path, *, at: float) -> None:
    """Flip one bit of a file, at a share of its length."""
    content = bytearray(path.read_bytes())
    content[min(int(at * len(content)), len(content) - 1)] ^= 16
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])


def replace(path: Path) -> None:
    torch.save({"state_dict": {}}, path)


def empty(path: Path) -> None:
    path.write_bytes(b"")


DAMAGES = [*(partial(flip, at=share) for share in (0, 0.3, 0.6, 1)), truncate, replace, empty]


def checkpoints(folder: Path, *names: str) -> None:
    for name in names:
        AtomicCheckpointIO().save_checkpoint({"state_dict": {"weight": torch.arange(500.0)}}, folder / f"{name}.ckpt")


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_kind_of_damage_is_found_and_the_one_before_is_taken(tmp_path, capfd, damage):
    checkpoints(tmp_path, "best-epoch=1", "last-epoch=9", "last-epoch=10")
    assert whole_checkpoint(tmp_path) == tmp_path / "last-epoch=10.ckpt"
    damage(tmp_path / "last-epoch=10.ckpt")
    assert whole_checkpoint(tmp_path) == tmp_path / "last-epoch=9.ckpt"
    assert "last-epoch=10.ckpt: the checkpoint is damaged; going back to the one before" in capfd.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best-epoch=1.ckpt", "last-epoch=9.ckpt"]


@pytest.mark.parametrize("damaged", [["best-epoch=1"], ["last-epoch=1", "last-epoch=2"]])
def test_training_starts_again_without_its_best_or_all_last_checkpoints(tmp_path, damaged):
    checkpoints(tmp_path, "best-epoch=1", "last-epoch=1", "last-epoch=2")
    for name in damaged:
        empty(tmp_path / f"{name}.ckpt")
    assert whole_checkpoint(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_best_checkpoint_of_an_epoch_that_is_trained_again_is_removed(tmp_path):
    checkpoints(tmp_path, "best-epoch=2", "last-epoch=1", "last-epoch=2")
    empty(tmp_path / "last-epoch=2.ckpt")
    assert whole_checkpoint(tmp_path) == tmp_path / "last-epoch=1.ckpt"
    assert [path.name for path in tmp_path.iterdir()] == ["last-epoch=1.ckpt"]


@pytest.fixture
def unbroken(data, tmp_path, made_once) -> torch.Tensor:
    """Weights of an unbroken training of five epochs."""

    def make(folder: Path) -> None:
        torch.save(weights(train(data, tmp_path / "unbroken", max_epochs=5)[0]), folder / "weights.pt")

    return torch.load(made_once("five epochs", make) / "weights.pt", weights_only=True)


@pytest.mark.parametrize(("name", "resumed_from"), [("last-epoch=2", 2), ("best-*", 0)])
def test_a_resumed_training_with_a_damaged_checkpoint_ends_with_the_weights_of_an_unbroken_one(
    data, tmp_path, unbroken, name, resumed_from
):
    killed_after(3, data, tmp_path / "work")
    for path in (tmp_path / "work").glob(f"{name}.ckpt"):
        flip(path, at=0.5)
    resumed, result = train(data, tmp_path / "work", max_epochs=5)
    assert result.resumed_from_epoch == resumed_from
    assert torch.equal(weights(resumed), unbroken)


def test_a_training_whose_folder_has_moved_goes_on_and_knows_its_best_epoch(data, tmp_path, unbroken):
    killed_after(3, data, tmp_path / "work")
    (tmp_path / "work").rename(tmp_path / "moved")
    resumed, result = train(data, tmp_path / "moved", max_epochs=5)  # a warning of Lightning would be an error
    assert result.resumed_from_epoch == 3
    assert result.valid_rmse == min(row["valid_rmse_m"] for row in result.curves)
    assert torch.equal(weights(resumed), unbroken)
    assert len(list((tmp_path / "moved").glob("best-*.ckpt"))) == 2  # those of before the move are known


def test_a_finished_training_whose_best_checkpoint_is_damaged_is_repeated(data, tmp_path, unbroken):
    train(data, tmp_path / "work", max_epochs=5)
    for best in (tmp_path / "work").glob("best-*.ckpt"):
        flip(best, at=0.5)
    repeated, result = train(data, tmp_path / "work", max_epochs=5)
    assert result.epochs == 5
    assert torch.equal(weights(repeated), unbroken)


def test_no_flipped_bit_of_a_checkpoint_is_read(tmp_path):
    path = tmp_path / "last-epoch=3.ckpt"
    AtomicCheckpointIO().save_checkpoint({"state_dict": {"weight": torch.arange(50.0)}, "epoch": 3}, path)
    assert AtomicCheckpointIO().load_checkpoint(path)["epoch"] == 3
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match="last-epoch=3.ckpt: the checkpoint is missing or damaged"):
            AtomicCheckpointIO().load_checkpoint(path)


def test_training_that_has_lost_its_best_weights_fails_once_and_starts_again(data, tmp_path):
    first, _ = train(data, tmp_path / "work", max_epochs=2)
    for best in (tmp_path / "work").glob("best-*.ckpt"):
        best.unlink()
    with pytest.raises(CheckpointError, match="the checkpoint is missing or damaged; run the same command again"):
        train(data, tmp_path / "work", max_epochs=2)
    again, _ = train(data, tmp_path / "work", max_epochs=2)
    assert torch.equal(weights(first), weights(again))
