import numpy as np
import pytest
import torch
from synthetic import rough, write_pairs

from demsr.pairs.datamodule import EpochSampler, PairDataModule, TrainPairs, ValidPairs, orient
from demsr.pairs.degrade import block_mean
from demsr.pairs.pair_file import PairFile


@pytest.fixture
def pairs(tmp_path):
    return PairFile(write_pairs(tmp_path / "a.h5", (9,)))


def order(*, count: int = 50, seed: int = 1, epoch: int = 0, rank: int = 0, world_size: int = 1) -> list[int]:
    sampler = EpochSampler(count, seed=seed, rank=rank, world_size=world_size)
    sampler.set_epoch(epoch)
    keys = list(sampler)
    assert {found for found, _ in keys} == {epoch}
    assert len(keys) == len(sampler)
    return [index for _, index in keys]


def test_order_is_a_function_of_seed_and_epoch():
    assert order(epoch=3) == order(epoch=3)
    assert order(epoch=3) != order(epoch=4)
    assert order(seed=1) != order(seed=2)


def test_order_does_not_depend_on_earlier_epochs():
    sampler = EpochSampler(50, seed=1)
    for epoch in range(4):
        sampler.set_epoch(epoch)
        keys = list(sampler)
    assert [index for _, index in keys] == order(epoch=3)


def test_order_does_not_depend_on_global_random_state():
    first = order()
    torch.manual_seed(5)
    assert order() == first


def test_every_index_comes_once_in_an_epoch():
    assert sorted(order()) == list(range(50))


@pytest.mark.parametrize("world_size", [2, 5])
def test_devices_share_out_the_indices(world_size):
    shares = [order(rank=rank, world_size=world_size) for rank in range(world_size)]
    assert sorted(sum(shares, [])) == list(range(50))


@pytest.mark.parametrize(("count", "world_size"), [(50, 3), (50, 7), (3, 5)])
def test_devices_have_equal_shares_that_hold_every_index_with_the_fewest_repeats(count, world_size):
    shares = [order(count=count, rank=rank, world_size=world_size) for rank in range(world_size)]
    length = -(-count // world_size)
    assert [len(share) for share in shares] == [length] * world_size
    together = sum(shares, [])
    assert set(together) == set(range(count))
    assert max(together.count(index) for index in range(count)) <= 2


def test_devices_together_follow_the_order_of_one_device():
    interleaved = [
        index for step in zip(*(order(rank=rank, world_size=2) for rank in range(2)), strict=True) for index in step
    ]
    assert interleaved == order()


@pytest.mark.parametrize("orientation", range(8))
def test_block_mean_of_an_oriented_patch_is_the_oriented_block_mean(orientation):
    hr = rough(20, 20)
    lr = block_mean(hr, scale=5)
    np.testing.assert_allclose(
        block_mean(orient(hr[None], orientation)[0], scale=5), orient(lr[None], orientation)[0], rtol=1e-6
    )


def test_orientations_are_the_eight_of_the_square():
    image = np.arange(4, dtype=np.float32).reshape(1, 2, 2)
    found = {tuple(orient(image, orientation).ravel().astype(int)) for orientation in range(8)}
    assert found == {
        (0, 1, 2, 3),
        (1, 3, 0, 2),
        (3, 2, 1, 0),
        (2, 0, 3, 1),
        (1, 0, 3, 2),
        (3, 1, 2, 0),
        (2, 3, 0, 1),
        (0, 2, 1, 3),
    }


def test_augmentation_is_a_function_of_seed_epoch_and_index(pairs):
    def seen(seed: int, epochs: range) -> list[bytes]:
        dataset = TrainPairs(pairs, seed=seed, augment=True)
        return [dataset[epoch, 4][1].numpy().tobytes() for epoch in epochs]

    assert seen(1, range(20)) == seen(1, range(20))
    assert seen(1, range(20)) != seen(2, range(20))
    assert len(set(seen(1, range(60)))) == 8
    assert seen(1, range(10, 20)) == seen(1, range(20))[10:]


def test_augmentation_differs_from_pair_to_pair(pairs):
    dataset = TrainPairs(pairs, seed=1, augment=True)
    kept = [np.array_equal(dataset[0, index][1].numpy(), pairs.pair(index)[1]) for index in range(9)]
    assert not all(kept)


def test_augmented_lr_stays_the_block_mean_of_its_hr(pairs):
    dataset = TrainPairs(pairs, seed=1, augment=True)
    for epoch in range(16):
        lr, hr = dataset[epoch, 0]
        assert (lr.dtype, lr.shape, hr.shape) == (torch.float32, (1, 8, 8), (1, 40, 40))
        np.testing.assert_allclose(lr[0].numpy(), block_mean(hr[0].numpy(), scale=5), rtol=1e-6)


def test_pairs_without_augmentation_are_as_stored(pairs):
    train, valid = TrainPairs(pairs, seed=1, augment=False), ValidPairs(pairs)
    assert len(train) == len(valid) == 9
    for index in range(9):
        for stored, fed, validated in zip(pairs.pair(index), train[7, index], valid[index], strict=True):
            np.testing.assert_array_equal(fed.numpy(), stored)
            np.testing.assert_array_equal(validated.numpy(), stored)


def test_loaders_feed_each_pair_once_training_in_the_order_of_the_epoch(pairs):
    module = PairDataModule(
        TrainPairs(pairs, seed=3, augment=False), ValidPairs(pairs), batch_size=4, workers=0, seed=3
    )
    train, valid = module.train_dataloader(), module.val_dataloader()
    train.sampler.set_epoch(2)
    for loader, expected in ((train, order(count=9, seed=3, epoch=2)), (valid, list(range(9)))):
        batches = list(loader)
        assert [len(lr) for lr, _ in batches] == [4, 4, 1]
        stored = np.stack([pairs.pair(index)[1] for index in expected])
        np.testing.assert_array_equal(torch.cat([hr for _, hr in batches]).numpy(), stored)
