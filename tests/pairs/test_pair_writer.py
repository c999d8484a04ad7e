import dataclasses
import errno
import os
import resource
import time
import weakref
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
from synthetic import dem, described, patches, plane, write_pairs, written

from demsr.errors import PairsError, reported
from demsr.pairs import pair_writer
from demsr.pairs.area import Area
from demsr.pairs.cut import Patch
from demsr.pairs.pair_file import PairFile
from demsr.pairs.pair_writer import PairWriter
from demsr.runtime.files import atomic_write


def test_layout_is_that_of_the_paper(tmp_path):
    with h5py.File(write_pairs(tmp_path / "a.h5", (2, 1), patch_lr=32)) as file:
        assert {name for name in file if name[0].isdigit()} == {"32_32", "160_160"}
        assert file["32_32"].shape == (3, 1, 32, 32)
        assert file["160_160"].shape == (3, 1, 160, 160)
        assert file["32_32"].dtype == file["160_160"].dtype == np.float32
        assert dict(file.attrs) == {"units": "m", "positive": "up", "scale": 5, "domain": "land", "split": "train"}


def test_area_without_patches_is_not_listed(tmp_path):
    pairs = PairFile(write_pairs(tmp_path / "a.h5", (1, 0, 2)))
    assert [area.name for area in pairs.areas] == ["area 0", "area 2"]
    np.testing.assert_array_equal(pairs.samples["area"], [0, 1, 1])


def test_second_build_gives_the_same_bytes(tmp_path):
    first = write_pairs(tmp_path / "a.h5", (2, 1)).read_bytes()
    time.sleep(1.1)  # HDF5 can keep times of creation, in seconds
    assert write_pairs(tmp_path / "b.h5", (2, 1)).read_bytes() == first


def test_full_disk_gives_one_line_and_nothing_under_the_final_name(tmp_path, monkeypatch, capsys):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    some = patches(20, patch_lr=32)
    monkeypatch.setattr("demsr.errors._DISK_FULL", (os.strerror(errno.EFBIG).lower(),))  # what a limit says
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
    try:
        with (
            pytest.raises(SystemExit) as stop,
            reported("pairs"),
            atomic_write(tmp_path / "a.h5") as temporary,
            PairWriter(temporary, patch_lr=32, scale=5, attributes={}) as writer,
        ):
            writer.add_area(Area.from_dem("x", dem(plane(160, 160))), some)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert stop.value.code == 1
    error = capsys.readouterr().err
    assert error.startswith("error: pairs: the disk is full")
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_failure_that_only_closing_shows_is_raised(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    writer = PairWriter(tmp_path / "a.h5", patch_lr=8, scale=5, attributes={})
    writer.add_area(Area.from_dem("x", dem(plane(40, 40))), patches(1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(OSError, match=os.strerror(errno.EFBIG)), writer:
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_interrupted_block_closes_the_file(tmp_path):
    def interrupted() -> None:
        with PairWriter(tmp_path / "a.h5", patch_lr=8, scale=5, attributes={}) as writer:
            writer.add_area(Area.from_dem("x", dem(plane(40, 40))), patches(1))
            message = "stop"
            raise KeyError(message)

    with pytest.raises(KeyError, match="stop"):
        interrupted()
    with h5py.File(tmp_path / "a.h5", "r+") as file:  # HDF5 refuses this while a writer has it open
        assert "area" not in file


def stored_bytes(path: Path) -> dict[str, list[bytes]]:
    """Return the stored chunks of every dataset, as compressed."""
    found: dict[str, list[bytes]] = {}

    def keep(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            chunks = item.iter_chunks() if item.chunks else ()
            places = [tuple(part.start for part in chunk) for chunk in chunks]
            found[name] = [item.id.read_direct_chunk(place)[1] for place in places] or [repr(item[:].tolist()).encode()]

    with h5py.File(path) as file:
        file.visititems(keep)
    return found


def test_appended_files_equal_one_written_in_one_go(tmp_path):
    real = described("c", degradation="real", lr_source="GEBCO", east_m=3.5, north_m=-4.0, std_after_m=0.3)
    areas = [(described("a"), patches(2)), (described("b"), patches(1, seed=9)), (real, patches(3, seed=20))]
    parts = [written(tmp_path / "ab.h5", *areas[:2]), written(tmp_path / "c.h5", areas[2])]
    with PairWriter(tmp_path / "joined.h5", patch_lr=8, scale=5, attributes={}) as writer:
        for part in parts:
            writer.add_file(part)
    at_once, joined = stored_bytes(written(tmp_path / "once.h5", *areas)), stored_bytes(tmp_path / "joined.h5")
    assert len(joined["8_8"]) == len(joined["40_40"]) == 6
    assert {"sample/area", "sample/lr_measured_share", "area/name", "area/std_after_m"} < set(joined)
    assert joined == at_once


def test_areas_are_numbered_on_through_everything_appended(tmp_path):
    part = written(tmp_path / "bc.h5", (described("b"), patches(1)), (described("c"), patches(2)))
    with PairWriter(tmp_path / "a.h5", patch_lr=8, scale=5, attributes={}) as writer:
        writer.add_area(described("a"), patches(2))
        writer.add_file(part)
        writer.add_file(written(tmp_path / "none.h5"))
        writer.add_area(described("d"), patches(1))
    pairs = PairFile(tmp_path / "a.h5")
    assert [area.name for area in pairs.areas] == ["a", "b", "c", "d"]
    np.testing.assert_array_equal(pairs.samples["area"], [0, 0, 1, 2, 2, 3])


def test_chosen_pairs_are_appended_with_all_that_is_known_of_them(tmp_path):
    part = written(tmp_path / "part.h5", (described("a"), patches(6)))
    with PairWriter(tmp_path / "some.h5", patch_lr=8, scale=5, attributes={}) as writer:
        assert writer.add_file(part, indices=[1, 4, 5]) == 3
        assert writer.add_file(part) == 6
    some, all_of_it = PairFile(tmp_path / "some.h5"), PairFile(part)
    for place, index in enumerate([1, 4, 5, 0, 1, 2, 3, 4, 5]):
        for found, wanted in zip(some.pair(place), all_of_it.pair(index), strict=True):
            np.testing.assert_array_equal(found, wanted)
        assert some.samples["row"][place] == all_of_it.samples["row"][index]
    np.testing.assert_array_equal(some.samples["area"], [0] * 3 + [1] * 6)


@pytest.mark.parametrize("content", [b"", b"no HDF5 at all", None], ids=["empty", "other", "other patches"])
def test_appended_file_of_another_kind_is_refused(tmp_path, content):
    other = write_pairs(tmp_path / "other.h5", patch_lr=6)
    if content is not None:
        other.write_bytes(content)
    with (
        PairWriter(tmp_path / "a.h5", patch_lr=8, scale=5, attributes={}) as writer,
        pytest.raises(PairsError, match=r"other\.h5: not a complete HDF5 file of pairs"),
    ):
        writer.add_file(other)


def test_full_disk_is_not_blamed_on_the_appended_file(tmp_path):
    part = write_pairs(tmp_path / "part.h5", (20,))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    writer = PairWriter(tmp_path / "a.h5", patch_lr=8, scale=5, attributes={})
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(OSError, match=os.strerror(errno.EFBIG)), writer:
            writer.add_file(part)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_patches_are_taken_in_chunks_and_let_go(tmp_path):
    alive, most = set(), 0

    def some() -> Iterator[Patch]:
        nonlocal most
        for index in range(5 * pair_writer._CHUNK):
            patch = dataclasses.replace(one, row=index)
            alive.add(index)
            weakref.finalize(patch, alive.discard, index)
            most = max(most, len(alive))
            yield patch

    (one,) = patches(1, patch_lr=2)
    with PairWriter(tmp_path / "a.h5", patch_lr=2, scale=5, attributes={}) as writer:
        assert writer.add_area(described("x"), some()) == 5 * pair_writer._CHUNK
    np.testing.assert_array_equal(PairFile(tmp_path / "a.h5").samples["row"], np.arange(5 * pair_writer._CHUNK))
    assert most <= 2 * pair_writer._CHUNK + 1


def test_values_belong_to_the_area_begun_last_and_what_is_not_known_is_void(tmp_path):
    values = [(np.full((count, 1, 8, 8), count), np.full((count, 1, 40, 40), -count)) for count in (1, 2)]
    with PairWriter(tmp_path / "a.h5", patch_lr=8, scale=5, attributes={}) as writer:
        writer.start_area(described("a"))
        writer.add_pairs(*values[0])
        writer.start_area(described("b"))
        writer.add_pairs(*values[1], {"row": [5, 6], "lon": [7.5, 8.5]})
        writer.add_pairs(*values[0])
    pairs = PairFile(tmp_path / "a.h5")
    known = {"area": [0, 1, 1, 1], "row": [-1, 5, 6, -1], "col": [-1] * 4, "lon": [np.nan, 7.5, 8.5, np.nan]}
    for name, stored in pairs.samples.items():
        np.testing.assert_array_equal(stored, known.get(name, [np.nan] * 4))
    assert [tuple(image.mean() for image in pairs.pair(index)) for index in range(4)] == [
        (1, -1),
        (2, -2),
        (2, -2),
        (1, -1),
    ]
