import math
import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from synthetic import rough, write_pairs

from demsr.errors import PairsError
from demsr.pairs import import_pairs as module
from demsr.pairs.degrade import block_mean
from demsr.pairs.import_pairs import import_pairs
from demsr.pairs.pair_file import PairFile


def heights(count: int, *, side: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Return LR and HR scaled to 0..1, (count, 1, side, side) and five times as fine."""
    hr = np.stack([rough(5 * side, 5 * side, seed=index, level=0.5, rms=0.05) for index in range(count)]).clip(0, 1)
    return np.stack([block_mean(image, scale=5) for image in hr])[:, None], hr[:, None]


def published(path: Path, lr: np.ndarray, hr: np.ndarray) -> Path:
    """Write pairs as MindEarth publishes them: two datasets and nothing else."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file[f"{lr.shape[-1]}_{lr.shape[-1]}"], file[f"{hr.shape[-1]}_{hr.shape[-1]}"] = lr, hr
    return path


def adopted(source: Path, target: Path, *, scaled_range_m: tuple[float, float] | None = None) -> PairFile:
    import_pairs(source, target, domain="land", split="train", scaled_range_m=scaled_range_m)
    return PairFile(target)


def all_values(pairs: PairFile) -> tuple[np.ndarray, np.ndarray]:
    ((_, lr, hr),) = pairs.batches(len(pairs))
    return lr, hr


def test_published_pairs_stay_scaled_where_their_range_is_not_known(tmp_path):
    lr, hr = heights(3)
    source = published(tmp_path / "dem" / "train.h5", lr, hr)
    assert import_pairs(source, tmp_path / "a.h5", domain="land", split="train", scaled_range_m=None) == 3
    pairs = PairFile(tmp_path / "a.h5")
    for stored, given in zip(all_values(pairs), (lr, hr), strict=True):
        np.testing.assert_array_equal(stored, given)
    assert pairs._names == ["32_32", "160_160"]
    assert pairs.unit == "scaled"
    assert dict(pairs.attributes) == {
        "units": "scaled",
        "positive": "up",
        "scale": 5,
        "domain": "land",
        "split": "train",
    }


def test_published_pairs_become_metres_over_their_range(tmp_path):
    lr, hr = heights(2)
    pairs = adopted(published(tmp_path / "train.h5", lr, hr), tmp_path / "a.h5", scaled_range_m=(-11_000, 9_000))
    for stored, given in zip(all_values(pairs), (lr, hr), strict=True):
        np.testing.assert_allclose(stored, given * 20_000.0 - 11_000, atol=2e-3)
    assert (pairs.unit, pairs.attributes["units"]) == ("m", "m")


def test_what_nobody_told_is_unknown(tmp_path):
    pairs = adopted(published(tmp_path / "mindearth" / "train.h5", *heights(2)), tmp_path / "a.h5")
    (area,) = pairs.areas
    assert (area.name, area.source, area.pair_kind) == ("mindearth train", "train.h5", "ready-made")
    unknown = ("registration", "vertical_datum", "crs", "pixel_size", "degradation", "lr_source")
    assert {getattr(area, name) for name in unknown} == {"unknown"}
    assert math.isnan(area.std_after_m)
    assert not area.synthetic
    for name, values in pairs.samples.items():
        expected = {"area": 0, "row": -1, "col": -1}.get(name, np.nan)
        np.testing.assert_array_equal(values, [expected, expected])


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_no_pair_is_lost_between_batches(tmp_path, monkeypatch, count):
    monkeypatch.setattr(module, "_BATCH", 2)
    lr, hr = heights(count, side=8)
    pairs = adopted(published(tmp_path / "train.h5", lr, hr), tmp_path / "a.h5")
    for stored, given in zip(all_values(pairs), (lr, hr), strict=True):
        np.testing.assert_array_equal(stored, given)


def test_doubles_and_another_factor_are_taken_as_well(tmp_path):
    lr, hr = np.full((2, 1, 16, 16), 0.25), np.full((2, 1, 48, 48), 0.75)
    pairs = adopted(published(tmp_path / "train.h5", lr, hr), tmp_path / "a.h5", scaled_range_m=(0, 100))
    assert (pairs.scale, pairs.patch_lr, pairs.attributes["scale"]) == (3, 16, 3)
    assert [set(image.ravel()) for image in pairs.pair(1)] == [{25.0}, {75.0}]


def test_same_pairs_give_the_same_bytes(tmp_path):
    source = published(tmp_path / "train.h5", *heights(2, side=8))
    first, second = (adopted(source, tmp_path / name).path.read_bytes() for name in ("a.h5", "b.h5"))
    assert first == second


@pytest.mark.parametrize("scaled_range_m", [None, (0, 9000)])
def test_own_file_is_copied_byte_for_byte(tmp_path, scaled_range_m):
    source = write_pairs(tmp_path / "own.h5", (2, 3))
    options: dict[str, Any] = {"domain": "marine", "split": "test", "scaled_range_m": scaled_range_m}
    assert import_pairs(source, tmp_path / "a.h5", **options) == 5
    assert (tmp_path / "a.h5").read_bytes() == source.read_bytes()


def refused(folder: Path, lr: np.ndarray, hr: np.ndarray, *, scaled_range_m: tuple[float, float] | None = None) -> str:
    source = published(folder / "train.h5", lr, hr)
    with pytest.raises(PairsError, match=r"train\.h5: ") as error:
        import_pairs(source, folder / "out" / "a.h5", domain="land", split="train", scaled_range_m=scaled_range_m)
    assert list((folder / "out").glob("*")) == []
    return str(error.value)


@pytest.mark.parametrize("scaled_range_m", [None, (0, 9000)])
@pytest.mark.parametrize("of_pair", [0, 1])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(tmp_path, value, of_pair, scaled_range_m):
    images = heights(2, side=8)
    images[of_pair][1, 0, 3, 4] = value
    message = refused(tmp_path, *images, scaled_range_m=scaled_range_m)
    found = "contains values that are not finite" if np.isnan(value) else f"has the value {value}"
    assert f"{found}; remove the pairs with such values" in message


@pytest.mark.parametrize(("value", "told"), [(1.01, "to 1.01"), (-0.5, "from -0.5"), (812.0, "to 812")])
def test_values_beyond_0_to_1_are_refused_where_a_range_is_given(tmp_path, value, told):
    lr, hr = heights(2, side=8)
    hr[0, 0, 5, 5] = value
    message = refused(tmp_path, lr, hr, scaled_range_m=(0, 9000))
    assert told in message
    assert "required are values scaled to 0..1; set pairs.scaled_range_m to null" in message


def test_values_beyond_0_to_1_are_taken_as_they_are_without_a_range(tmp_path):
    lr, hr = np.full((1, 1, 8, 8), -2.5), np.full((1, 1, 40, 40), 812.0)
    pairs = adopted(published(tmp_path / "train.h5", lr, hr), tmp_path / "a.h5")
    assert [image.mean() for image in pairs.pair(0)] == [-2.5, 812]


def test_rounding_beyond_0_to_1_is_taken(tmp_path):
    lr, hr = np.zeros((1, 1, 8, 8)) - 1e-6, np.ones((1, 1, 40, 40)) + 1e-6
    pairs = adopted(published(tmp_path / "train.h5", lr, hr), tmp_path / "a.h5", scaled_range_m=(0, 1000))
    assert [image.mean() for image in pairs.pair(0)] == pytest.approx([0, 1000], abs=2e-3)


@pytest.mark.parametrize(("of_lr", "of_hr"), [(3, 1), (1, 3), (3, 3)])
def test_several_channels_are_refused(tmp_path, of_lr, of_hr):
    message = refused(tmp_path, np.zeros((2, of_lr, 8, 8)), np.zeros((2, of_hr, 40, 40)))
    assert "its pairs have 3 channels, required is elevation alone; keep one channel" in message


@pytest.mark.parametrize("share", [0.02, 0.5, 0.99])
def test_truncated_file_is_refused(tmp_path, share):
    source = published(tmp_path / "train.h5", *heights(2))
    os.truncate(source, int(share * source.stat().st_size))
    with pytest.raises(PairsError, match=r"train\.h5: not a complete HDF5 file of pairs"):
        adopted(source, tmp_path / "a.h5")


def test_foreign_hdf5_is_refused(tmp_path):
    with h5py.File(tmp_path / "train.h5", "w") as file:
        file["elevation"] = np.zeros((4, 4))
    with pytest.raises(PairsError, match=r"train\.h5: has \['elevation'\]; a pair file has two datasets"):
        adopted(tmp_path / "train.h5", tmp_path / "a.h5")
