import copy
import math
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from pair_files import make_pairs

import demsr
from demsr.errors import CheckpointError, ParamsError
from demsr.model.srnet import DemSrNet
from demsr.pairs.datamodule import PairDataModule, TrainPairs, ValidPairs
from demsr.training.features import cache_features
from demsr.training.fit import FitResult, fit
from demsr.training.losses import balanced_charbonnier, masked_mse
from demsr.training.prepare import new_net
from demsr.training.resume import work_key
from demsr.training.task import cosine_factor

OPTIONS = {"learning_rate": 3e-3, "learning_rate_decay": 0.9, "patience": 6, "devices": 1}


@pytest.fixture
def data(tmp_path: Path) -> PairDataModule:
    train = make_pairs(tmp_path / "train.h5", count=6)
    valid = make_pairs(tmp_path / "valid.h5", count=2, seed=2)
    pairs = TrainPairs(train, seed=1, augment=True), ValidPairs(valid)
    return PairDataModule(*pairs, batch_size=2, workers=0, seed=1)


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
        patched.setattr("demsr.training.fit.write_json", die)
        train(data, tmp_path / "broken", **options)
    _, result = train(data, tmp_path / "broken", **options)
    assert (result.epochs, result.best_epoch) == (expected.epochs, expected.best_epoch)


def test_a_batch_that_devices_cannot_share_is_refused(data, monkeypatch):
    monkeypatch.setattr(type(data), "_place", lambda _: (0, 4))
    with pytest.raises(ParamsError, match="batch_size is 2; it must be a multiple of the 4 devices"):
        data.train_dataloader()


def test_nan_ends_with_a_clear_message(data, tmp_path):
    with pytest.raises(CheckpointError, match="no epoch was validated or every validation was NaN"):
        train(data, tmp_path / "work", max_epochs=3, learning_rate=1e30, gradient_clip=1e30)


def test_fine_tuning_moves_the_tail_and_not_a_bit_of_the_rest(data, tmp_path):
    net, _ = train(data, tmp_path / "pretrain", max_epochs=2)
    before = copy.deepcopy(net.state_dict())
    pairs = [data.train.pairs, data.valid.pairs]
    features = cache_features(net, pairs, tmp_path / "features", device=torch.device("cpu"), batch_size=4)
    fit(
        net,
        PairDataModule(*features, batch_size=2, workers=0, seed=1),
        work_dir=tmp_path / "finetune",
        max_epochs=2,
        tail_only=True,
        **OPTIONS,
    )
    moved = {name for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"before.weight", "last.weight"}


def test_cached_features_give_the_output_of_the_whole_net(data, tmp_path):
    net = new_net(seed=7, num_blocks=1, features=4)
    torch.nn.init.normal_(net.last.weight)
    (features,) = cache_features(net, [data.valid.pairs], tmp_path, device=torch.device("cpu"), batch_size=2)
    lr, hr, trunk = features[1]
    with torch.no_grad():
        torch.testing.assert_close(net.to_metres(net.tail(trunk[None]), lr[None]), net(lr[None]), atol=1e-4, rtol=0)
    np.testing.assert_array_equal(hr.numpy(), data.valid.pairs.pair(1)[1])


def test_masked_error_equals_a_slow_loop():
    random = np.random.default_rng(3)
    sr, hr = random.normal(size=(2, 1, 1, 4, 4)).astype(np.float32)
    hr[0, 0, 1, 2] = np.nan
    total, count = 0.0, 0
    for row in range(4):
        for col in range(4):
            if not np.isnan(hr[0, 0, row, col]):
                total += (float(sr[0, 0, row, col]) - float(hr[0, 0, row, col])) ** 2
                count += 1
    assert float(masked_mse(torch.from_numpy(sr), torch.from_numpy(hr))) == pytest.approx(total / count, rel=1e-6)


def test_voids_give_no_gradient():
    sr = torch.ones(1, 1, 2, 2, requires_grad=True)
    hr = torch.tensor([[[[torch.nan, 0.0], [torch.nan, 2.0]]]])
    masked_mse(sr, hr).backward()
    torch.testing.assert_close(sr.grad, torch.tensor([[[[0.0, 1.0], [0.0, -1.0]]]]))
    sr.grad = None
    balanced_charbonnier(sr, hr, torch.zeros(1, 1, 2, 2), scale_m=100).backward()
    assert (sr.grad == 0).tolist() == [[[[True, False], [True, False]]]]


def test_balanced_error_equals_a_slow_loop():
    random = np.random.default_rng(3)
    sr, hr, base = random.normal(size=(3, 2, 1, 4, 4)).astype(np.float32) * 30
    hr[0, 0, 1, 2] = np.nan
    total, count = 0.0, 0
    for patch in range(2):
        missed = np.nansum((hr[patch] - base[patch]) ** 2) / 16
        weight = 1 / math.sqrt(100 * math.sqrt(missed + 0.25))
        for error in (sr[patch] - hr[patch]).ravel():
            if not math.isnan(error):
                total += math.sqrt((weight * error) ** 2 + 1e-4)
                count += 1
    found = balanced_charbonnier(*map(torch.from_numpy, (sr, hr, base)), scale_m=100)
    assert float(found) == pytest.approx(total / count, rel=1e-5)


def test_balanced_error_of_mountains_outweighs_that_of_plains_by_the_root():
    base = torch.zeros(1, 1, 8, 8)
    relief = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(5))
    plain, mountain = (
        float(balanced_charbonnier(0.5 * metres * relief, metres * relief, base, scale_m=100))
        for metres in (100, 10_000)
    )
    assert mountain / plain == pytest.approx(10, rel=0.01)


def test_cosine_rises_over_a_hundred_steps_and_ends_at_a_hundredth():
    shares = [cosine_factor(step, 2000) for step in range(2001)]
    assert shares[0] == pytest.approx(0.01, rel=0.01)
    assert max(shares) == pytest.approx(0.994, abs=0.001)
    assert shares[1000] == pytest.approx(0.505, abs=1e-9)
    assert shares[2000] == pytest.approx(0.01)


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


def test_work_key_changes_with_parameters_and_data_and_nothing_else():
    key = work_key({"learning_rate": 1e-3}, ["a", "b"])
    assert key == work_key({"learning_rate": 1e-3}, ["a", "b"])
    assert len({key, work_key({"learning_rate": 2e-3}, ["a", "b"]), work_key({"learning_rate": 1e-3}, ["a", "c"])}) == 3


@pytest.mark.parametrize("name", ["model/srnet.py", "pairs/pair_file.py", "training/task.py", "runtime/seeding.py"])
def test_work_key_changes_with_the_code_of_training(name, tmp_path, monkeypatch):
    package = tmp_path / "demsr"
    shutil.copytree(Path(demsr.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr("demsr.runtime.fingerprint._PACKAGE", package)
    key = work_key({}, [])
    (package / "metrics" / "terrain.py").write_text("")
    assert work_key({}, []) == key
    with (package / name).open("a") as code:
        code.write("# changed")
    assert work_key({}, []) != key


SCRIPT = """
import sys
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


def test_two_processes_train_the_same_net_as_one(data, tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    for devices, batch in ((1, 2), (2, 2)):
        command = [sys.executable, str(tmp_path / "script.py"), str(tmp_path), str(devices), str(batch)]
        subprocess.run(command, check=True, capture_output=True, timeout=200)
    one, two = (torch.load(tmp_path / f"net{devices}.pt", weights_only=True) for devices in (1, 2))
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, atol=1e-5, rtol=1e-3)


def test_a_checkpoint_that_cannot_be_written_whole_leaves_the_one_before(data, tmp_path, monkeypatch):
    import demsr.training.fit as module

    unbroken, _ = train(data, tmp_path / "unbroken", max_epochs=4)
    save = torch.save

    def fill_the_disk(checkpoint, path):
        if "last-epoch=2" in str(path):
            Path(path).write_bytes(b"half")
            raise OSError(28, "No space left on device")
        save(checkpoint, path)

    with monkeypatch.context() as patched:
        patched.setattr(module.torch, "save", fill_the_disk)
        with pytest.raises(OSError, match="No space left"):
            train(data, tmp_path / "broken", max_epochs=4)
    assert [path.name for path in (tmp_path / "broken").glob("*last*")] == ["last-epoch=1.ckpt"]
    resumed, result = train(data, tmp_path / "broken", max_epochs=4)
    assert result.resumed_from_epoch == 2
    assert torch.equal(weights(resumed), weights(unbroken))
