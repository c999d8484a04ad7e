import multiprocessing
import os
import pickle
from concurrent.futures import ProcessPoolExecutor

import h5py
import numpy as np
import pytest
from outside import refer
from synthetic import described, patches, write_pairs, written

from demsr.errors import PairsError
from demsr.pairs.pair_file import PairFile


def test_pairs_come_back_as_they_were_written(tmp_path):
    pairs = PairFile(write_pairs(tmp_path / "a.h5", (2, 3)))
    written = [*patches(2, seed=0), *patches(3, seed=100)]
    assert (len(pairs), pairs.patch_lr, pairs.scale) == (5, 8, 5)
    for index, patch in enumerate(written):
        lr, hr = pairs.pair(index)
        np.testing.assert_array_equal(lr, patch.lr[None])
        np.testing.assert_array_equal(hr, patch.hr[None])
    np.testing.assert_array_equal(pairs.samples["area"], [0, 0, 1, 1, 1])
    np.testing.assert_array_equal(pairs.samples["row"], [patch.row for patch in written])
    np.testing.assert_array_equal(pairs.samples["col"], [patch.col for patch in written])


def test_sample_knows_the_place_of_its_middle_and_its_pixel_size(tmp_path):
    pairs = PairFile(write_pairs(tmp_path / "a.h5", (2,)))
    for index, patch in enumerate(patches(2)):
        assert (pairs.samples["lon"][index], pairs.samples["lat"][index]) == pytest.approx(
            patch.grid.centre(19.5, 19.5), abs=1e-9
        )
        size = pairs.samples["pixel_width_m"][index], pairs.samples["pixel_height_m"][index]
        assert size == pytest.approx(patch.grid.pixel_size_m())


@pytest.mark.parametrize("size", [1, 2, 5, 9])
def test_batches_join_to_all_pairs_in_order(tmp_path, size):
    pairs = PairFile(write_pairs(tmp_path / "a.h5", (5,)))
    parts = list(pairs.batches(size))
    assert [index for part, _, _ in parts for index in range(part.start, part.stop)] == list(range(5))
    for position, images in ((0, 1), (1, 2)):
        expected = np.stack([pairs.pair(index)[position] for index in range(5)])
        np.testing.assert_array_equal(np.concatenate([part[images] for part in parts]), expected)


def test_published_file_without_our_metadata_is_read(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["16_16"] = np.ones((2, 1, 16, 16), np.float64)
        file["80_80"] = np.full((2, 1, 80, 80), 3, np.float64)
    pairs = PairFile(tmp_path / "a.h5")
    lr, hr = pairs.pair(1)
    assert (pairs.scale, pairs.areas, pairs.samples, lr.dtype, hr.dtype) == (5, [], {}, np.float32, np.float32)
    assert (lr.mean(), hr.mean()) == (1, 3)


def test_pickled_file_leaves_its_handle_behind_and_still_reads(tmp_path):
    pairs = PairFile(write_pairs(tmp_path / "a.h5"))
    expected = pairs.pair(1)
    copy = pickle.loads(pickle.dumps(pairs))
    assert copy._open_in is None
    np.testing.assert_array_equal(copy.pair(1)[1], expected[1])


def test_another_process_reads_the_same_pair(tmp_path):
    pairs = PairFile(write_pairs(tmp_path / "a.h5"))
    expected = pairs.pair(2)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        lr, hr = pool.submit(pairs.pair, 2).result()
    np.testing.assert_array_equal(lr, expected[0])
    np.testing.assert_array_equal(hr, expected[1])


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(PairsError, match=r"a\.h5: not a complete HDF5 file of pairs .*run `dvc repro pairs`"):
        PairFile(tmp_path / "a.h5")


@pytest.mark.parametrize("content", [b"", b"no HDF5 at all"])
def test_file_of_another_kind_is_refused(tmp_path, content):
    (tmp_path / "a.h5").write_bytes(content)
    with pytest.raises(PairsError, match=r"a\.h5: not a complete HDF5 file of pairs"):
        PairFile(tmp_path / "a.h5")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_truncated_file_is_refused(tmp_path, share):
    path = write_pairs(tmp_path / "a.h5")
    os.truncate(path, int(share * path.stat().st_size))
    with pytest.raises(PairsError, match=r"a\.h5: not a complete HDF5 file of pairs"):
        PairFile(path)


@pytest.mark.parametrize("read", [lambda pairs: pairs.pair(1), lambda pairs: list(pairs.batches(2))])
def test_broken_pair_inside_a_whole_file_is_refused_when_read(tmp_path, read):
    path = write_pairs(tmp_path / "a.h5")
    with h5py.File(path) as file:
        place = file["40_40"].id.get_chunk_info(1)
    content = bytearray(path.read_bytes())
    content[place.byte_offset : place.byte_offset + place.size] = bytes(place.size)
    path.write_bytes(content)
    with pytest.raises(PairsError, match=r"a\.h5: not a complete HDF5 file of pairs"):
        read(PairFile(path))


def test_file_without_two_sizes_is_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["32_32"] = np.zeros((1, 1, 32, 32))
        file["other"] = 1
    with pytest.raises(PairsError, match=r"a\.h5: has \['32_32', 'other'\]; a pair file has two datasets"):
        PairFile(tmp_path / "a.h5")


@pytest.mark.parametrize(
    ("lr_shape", "hr_shape"),
    [
        ((2, 1, 8, 8), (3, 1, 40, 40)),
        ((2, 1, 8, 8), (2, 1, 42, 42)),
        ((0, 1, 8, 8), (0, 1, 40, 40)),
        ((2, 1, 8, 8), (2, 1, 40, 35)),
        ((2, 1, 8, 12), (2, 1, 40, 60)),
        ((2, 8, 8), (2, 40, 40)),
        ((2, 1, 0, 0), (2, 1, 40, 40)),
        ((2, 1, 8, 8), (2, 1, 8, 8)),
    ],
)
def test_datasets_that_do_not_pair_up_are_refused(tmp_path, lr_shape, hr_shape):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["8_8"], file["40_40"] = np.zeros(lr_shape), np.zeros(hr_shape)
    with pytest.raises(PairsError, match=r"a\.h5: \['8_8', '40_40'\] have shapes .* they must be .* multiple of"):
        PairFile(tmp_path / "a.h5")


def test_folder_in_the_place_of_a_dataset_is_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_group("8_8"), file.create_group("40_40")
    with pytest.raises(PairsError, match=r"a\.h5: not a complete HDF5 file of pairs"):
        PairFile(tmp_path / "a.h5")


@pytest.mark.parametrize(("units", "unit"), [({}, "m"), ({"units": "m"}, "m"), ({"units": "scaled"}, "scaled")])
def test_unit_is_metres_unless_the_file_says_otherwise(tmp_path, units, unit):
    assert PairFile(written(tmp_path / "a.h5", (described("a"), patches(1)), **units)).unit == unit


def test_file_that_names_no_unit_is_scaled(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["8_8"], file["40_40"] = np.zeros((2, 1, 8, 8)), np.zeros((2, 1, 40, 40))
    assert PairFile(tmp_path / "a.h5").unit == "scaled"


@pytest.mark.parametrize(("of_lr", "of_hr", "channels"), [(1, 1, 1), (3, 1, 3), (1, 3, 3)])
def test_channels_are_the_most_of_both(tmp_path, of_lr, of_hr, channels):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["8_8"], file["40_40"] = np.zeros((2, of_lr, 8, 8)), np.zeros((2, of_hr, 40, 40))
    assert PairFile(tmp_path / "a.h5").channels == channels


@pytest.mark.parametrize("kind", ["external", "stored", "virtual"])
def test_pairs_in_another_file_are_refused(tmp_path, kind):
    write_pairs(tmp_path / "secret.h5")
    shapes = {"8_8": (3, 1, 8, 8), "40_40": (3, 1, 40, 40)}
    with h5py.File(tmp_path / "a.h5", "w", libver="v110") as file:
        for name, shape in shapes.items():
            refer(file, name, kind, tmp_path / "secret.h5", shape)
    with pytest.raises(PairsError, match=r"a\.h5: its (object|values) 40_40 .*secret\.h5'; copy the values into it"):
        PairFile(tmp_path / "a.h5")


@pytest.mark.parametrize(
    ("attributes", "unit"),
    [({}, "scaled"), ({"units": "scaled"}, "scaled"), ({"units": b"Metres"}, "m"), ({"units": "m"}, "m")],
)
def test_unit_is_that_of_the_file(tmp_path, attributes, unit):
    with h5py.File(write_pairs(tmp_path / "a.h5"), "r+") as file:
        del file.attrs["units"]
        file.attrs.update(attributes)
    assert PairFile(tmp_path / "a.h5").unit == unit


@pytest.mark.parametrize("place", ["/", "8_8", "40_40"])
@pytest.mark.parametrize(("name", "value"), [("units", "feet"), ("units", "cm"), ("positive", "down")])
def test_pairs_that_are_no_elevation_in_metres_are_refused(tmp_path, place, name, value):
    with h5py.File(write_pairs(tmp_path / "a.h5"), "r+") as file:
        file[place].attrs[name] = value
    with pytest.raises(
        PairsError, match=rf"a\.h5: its elevations are stated as '.*{value}.*'; required are metres, pos"
    ):
        PairFile(tmp_path / "a.h5")


@pytest.mark.parametrize("name", ["8_8", "40_40"])
@pytest.mark.parametrize(("value", "unit"), [(np.inf, "scaled"), (-np.inf, "m"), (-32768, "m"), (1e30, "m")])
def test_values_that_are_no_elevations_are_refused(tmp_path, name, value, unit):
    with h5py.File(write_pairs(tmp_path / "a.h5"), "r+") as file:
        file[name][1, 0, 2, 3] = value
        file.attrs["units"] = unit
    pairs = PairFile(tmp_path / "a.h5")
    pairs.pair(0)
    with pytest.raises(
        PairsError, match=rf"a\.h5: {name} has the value {value:g}; remove the pairs".replace("+", r"\+")
    ):
        pairs.pair(1)
    with pytest.raises(PairsError, match="has the value"):
        list(pairs.batches(2))


@pytest.mark.parametrize(
    ("dtype", "attributes"),
    [
        ("i2", {"scale_factor": 0.1}),
        ("f4", {"add_offset": 100.0}),
        ("f4", {"_FillValue": np.float32(-9999)}),
        ("f4", {"missing_value": np.float32([-9999, -32768])}),
        ("c8", {}),
    ],
)
def test_numbers_that_are_no_metres_as_they_are_stored_are_refused(tmp_path, dtype, attributes):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["8_8"], file["40_40"] = np.ones((2, 1, 8, 8), dtype), np.ones((2, 1, 40, 40), "f4")
        file["8_8"].attrs.update(attributes)
    with pytest.raises(PairsError, match=r"a\.h5: 8_8 has the type \w+ and the attributes \[.*\]; write real numbers"):
        PairFile(tmp_path / "a.h5")


def test_attributes_that_change_nothing_are_accepted(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["8_8"], file["40_40"] = np.ones((2, 1, 8, 8), "f4"), np.ones((2, 1, 40, 40), "f4")
        file["8_8"].attrs.update({"_FillValue": np.float32(np.nan), "scale_factor": 1.0, "add_offset": 0})
    assert len(PairFile(tmp_path / "a.h5")) == 2
