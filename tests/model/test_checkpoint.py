import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save

from demsr.errors import CheckpointError
from demsr.model.checkpoint import CONFIG, WEIGHTS, read_config, read_model, save_model, write_config
from demsr.model.srnet import DemSrNet
from demsr.model.uncertainty import Uncertainty

UNCERTAINTY = Uncertainty(
    scale=5,
    log_weights=(0.1, 0.2, 0.3, 0.4, 0.5),
    log_offset=-1.0,
    raw_m=(1.0, 2.0),
    sigma_m=(1.5, 2.5),
    constant_m=2.0,
    areas=("here", "there"),
    pixels=17,
)


def sha256_of_values(content: dict[str, Any]) -> str:
    values = {key: value for key, value in content.items() if key != "model_sha256"}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def change(folder: Path, alter: Callable[[dict[str, Any]], object], *, signed: bool) -> None:
    """Change config.json as a person does who renews its SHA-256, or as a damaged disk does."""
    content = json.loads((folder / CONFIG).read_text())
    alter(content)
    if signed:
        content["model_sha256"] = sha256_of_values(content)
    (folder / CONFIG).write_text(json.dumps(content))


def make_old(folder: Path, *missing: tuple[str, ...]) -> None:
    """Rewrite config.json as it was before `model_sha256`, and without the given keys."""

    def alter(content: dict[str, Any]) -> None:
        content["format"] = 1
        for *path, key in (("model_sha256",), *missing):
            part = content
            for name in path:
                part = part[name]
            del part[key]

    change(folder, alter, signed=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(6)
    net = DemSrNet(2, 8, elevation_scale_m=50.0)
    torch.nn.init.normal_(net.last.weight)
    save_model(net, tmp_path / "model", training={"profile": "test", "seed": 1})
    return tmp_path / "model"


def test_a_model_comes_back_bit_by_bit(folder):
    torch.manual_seed(6)
    net = DemSrNet(2, 8, elevation_scale_m=50.0)
    torch.nn.init.normal_(net.last.weight)
    again = read_model(folder)
    assert again.config() == net.config()
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in net.state_dict().items())
    assert not again.training


def test_half_precision_halves_the_file_and_moves_weights_by_a_2000th(folder):
    net = read_model(folder)
    save_model(net, folder.parent / "half", training={}, half=True)
    again = read_model(folder.parent / "half")
    assert (folder.parent / "half" / WEIGHTS).stat().st_size < 0.6 * (folder / WEIGHTS).stat().st_size
    for name, value in net.state_dict().items():
        assert again.state_dict()[name].dtype == torch.float32
        torch.testing.assert_close(again.state_dict()[name], value, rtol=2**-11, atol=1e-7)


def test_a_configuration_of_before_sub_pixel_upsampling_is_read(folder):
    make_old(folder, ("net", "upsampling"))
    assert read_model(folder).upsampling == "interpolate"


def test_the_uncertainty_travels_along(folder):
    net = read_model(folder)
    assert net.uncertainty is None
    save_model(net, folder.parent / "banded", training={}, uncertainty=UNCERTAINTY)
    assert read_model(folder.parent / "banded").uncertainty == UNCERTAINTY


def test_a_configuration_of_before_uncertainty_is_read(folder):
    make_old(folder, ("uncertainty",))
    assert read_model(folder).uncertainty is None


def test_what_it_was_trained_on_travels_along(folder):
    assert read_config(folder).training == {"profile": "test", "seed": 1}


def test_damaged_weights_are_refused(folder):
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (folder / WEIGHTS).write_bytes(content)
    with pytest.raises(CheckpointError, match="SHA-256 is"):
        read_model(folder)


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=f"{name} is missing"):
        read_model(folder)


def test_a_strange_configuration_is_refused(folder):
    change(folder, lambda content: content["net"].update(depth=3), signed=True)
    with pytest.raises(CheckpointError, match=r"config.json: net.depth is 3: unknown key"):
        read_config(folder)


@pytest.mark.parametrize("content", ['{"format": 2', "\udcff", "[" * 100_000, "9" * 5000])
def test_a_configuration_that_is_no_json_is_refused(folder, content):
    (folder / CONFIG).write_text(content, errors="surrogateescape")
    with pytest.raises(CheckpointError, match=r"config.json: cannot be read as JSON"):
        read_config(folder)


@pytest.mark.parametrize(("key", "value"), [("num_blocks", 3), ("features", 16), ("upsampling", "subpixel")])
def test_weights_of_another_net_are_refused(folder, key, value):
    change(folder, lambda content: content["net"].update({key: value}), signed=True)
    with pytest.raises(CheckpointError, match=r"do not fit config.json: \d+ differ, such as"):
        read_model(folder)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("num_blocks", 10**9),
        ("num_blocks", -1),
        ("features", 800_000),
        ("in_channels", 10**6),
        ("out_channels", 0),
        ("scale", 1_000_000),
        ("scale", 0),
        ("elevation_scale_m", 0.0),
        ("elevation_scale_m", float("inf")),
        ("residual_scale", float("nan")),
    ],
)
def test_impossible_numbers_are_refused_by_name_before_anything_is_built(folder, monkeypatch, key, value):
    monkeypatch.setattr("demsr.model.checkpoint.DemSrNet", lambda **_: pytest.fail("a net was built"))
    change(folder, lambda content: content["net"].update({key: value}), signed=True)
    with pytest.raises(CheckpointError, match=rf"config.json: net.{key} is {value}: "):
        read_model(folder)


def test_the_largest_net_that_may_be_declared_takes_no_memory_to_refuse(folder):
    largest = {"num_blocks": 1000, "features": 4096, "scale": 15, "symmetric": True, "upsampling": "subpixel"}
    change(folder, lambda content: content["net"].update(largest), signed=True)
    started = time.process_time()
    with pytest.raises(CheckpointError, match="do not fit"):
        read_model(folder)
    assert time.process_time() - started < 10  # its weights alone would fill 150 GB


def test_an_impossible_combination_is_refused(folder):
    change(folder, lambda content: content["net"].update(scale=4), signed=True)
    with pytest.raises(CheckpointError, match="scale is 4; it must be odd"):
        read_model(folder)


def test_an_uncertainty_of_another_scale_is_refused(folder):
    config = read_config(folder)
    write_config(folder, config.model_copy(update={"uncertainty": UNCERTAINTY}))
    change(folder, lambda content: content["uncertainty"].update(scale=3), signed=True)
    with pytest.raises(CheckpointError, match="uncertainty.scale is 3; it must be that of the net, 5"):
        read_config(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused_although_their_checksum_is_right(folder, value):
    weights = load_file(folder / WEIGHTS)
    weights["body.weight"][0, 0, 0, 0] = value
    (folder / WEIGHTS).write_bytes(save(weights))
    sha256 = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    change(folder, lambda content: content.update(weights_sha256=sha256), signed=True)
    with pytest.raises(CheckpointError, match=r"body\.weight hold NaN or infinity"):
        read_model(folder)


def numbers_of(content: Any, *path: Any) -> list[tuple[Any, ...]]:
    """Return the paths of all numbers in nested values."""
    if isinstance(content, dict | list):
        items = content.items() if isinstance(content, dict) else enumerate(content)
        return [found for key, value in items for found in numbers_of(value, *path, key)]
    return [path] if isinstance(content, int | float) and not isinstance(content, bool) else []


def test_no_number_of_the_configuration_can_change_unnoticed(folder):
    training = {"unit": "m", "seed": 1, "recipe": {"learning_rate": 0.005}}
    save_model(read_model(folder), folder, training=training, uncertainty=UNCERTAINTY)
    whole = (folder / CONFIG).read_text()
    places = numbers_of(json.loads(whole))
    assert len(places) > 20
    for *path, key in places:

        def nudge(content: dict[str, Any], path: list[Any] = path, key: Any = key) -> None:
            part: Any = content
            for name in path:
                part = part[name]
            part[key] += 1

        change(folder, nudge, signed=False)
        with pytest.raises(CheckpointError, match="config.json"):
            read_model(folder)
        (folder / CONFIG).write_text(whole)
    read_model(folder)


def test_a_removed_checksum_is_refused_and_another_layout_of_the_same_values_is_not(folder):
    (folder / CONFIG).write_text(json.dumps(json.loads((folder / CONFIG).read_text()), indent=7, sort_keys=True))
    read_model(folder)
    change(folder, lambda content: content.pop("model_sha256"), signed=False)
    with pytest.raises(CheckpointError, match="model_sha256 records none"):
        read_model(folder)


def test_the_identity_of_a_model_covers_both_of_its_files(folder):
    first = read_model(folder)
    assert first.model_sha256 == sha256_of_values(json.loads((folder / CONFIG).read_text()))
    calibrated = write_config(folder, read_config(folder).model_copy(update={"uncertainty": UNCERTAINTY}))
    assert read_model(folder).model_sha256 == calibrated.model_sha256 != first.model_sha256
    assert calibrated.weights_sha256 == first.weights_sha256
    make_old(folder)
    assert read_model(folder).model_sha256 not in ("", first.model_sha256, calibrated.model_sha256)


@pytest.mark.parametrize("key", ["degradations", "data"])
@pytest.mark.parametrize("found", [5, "gebco", [[1]], None])
def test_description_of_the_training_has_lists_where_they_are_read(folder, key, found):
    change(folder, lambda content: content["training"].update({key: found}), signed=True)
    with pytest.raises(CheckpointError, match=rf"config\.json: training.*: {key} must be a list of (str|dict)"):
        read_config(folder)


@pytest.mark.parametrize(("dtype", "name"), [(torch.int8, "I8"), (torch.bool, "BOOL"), (torch.complex64, "C64")])
def test_weights_of_other_types_are_not_converted(folder, dtype, name):
    weights = {key: value.to(dtype) for key, value in load_file(folder / WEIGHTS).items()}
    (folder / WEIGHTS).write_bytes(save(weights))
    with pytest.raises(CheckpointError, match=rf"has weights of the type {name}, required is BF16, F16, F32, F64"):
        read_model(folder)


def test_configuration_of_very_many_bytes_is_refused_soon(folder):
    os.truncate(folder / CONFIG, 1 << 38)
    with pytest.raises(CheckpointError, match=r"cannot be read as JSON \(it has more than 4,194,304 bytes\)"):
        read_config(folder)


def test_standard_errors_have_bounds():
    with pytest.raises(ValueError, match=r"sigma_m.\d\n.*less than or equal to 100000"):
        Uncertainty.model_validate(UNCERTAINTY.model_dump() | {"sigma_m": (1.0, 1e300)})
